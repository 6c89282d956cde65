"""IoU and losses per sample, inserted between the checkout's actor and its loss functions."""

from __future__ import annotations

from typing import Any, Dict, Optional

import torch
from torch.nn import functional

from sstrack_sched.torch import Curriculum

from .checkout import SetupError

Tensor = torch.Tensor


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the IoU of paired boxes (B, 4), corners x1 y1 x2 y2: (B,) in [0, 1].

    A box with swapped corners or without area has IoU 0, not 0 / 0.
    """
    boxes, others = boxes.detach().float(), others.detach().float()
    low = torch.max(boxes[:, :2], others[:, :2])
    high = torch.min(boxes[:, 2:], others[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    area, other_area = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(1) for b in (boxes, others))
    union = area + other_area - overlap
    return torch.where(overlap > 0, overlap / union, torch.zeros_like(union))


def l1(boxes: Tensor, others: Tensor) -> Tensor:
    """Return the L1 loss per sample, (B,), whose mean is ``torch.nn.functional.l1_loss``."""
    return functional.l1_loss(boxes, others, reduction="none").mean(1)


def focal(prediction: Tensor, target: Tensor, alpha: float, beta: float) -> Tensor:
    """Return CornerNet's focal loss per sample, (B,), whose sum is the checkout's FocalLoss.

    Maps are (B, 1, H, W). The divisor is the number of positives in the batch.
    """
    prediction = prediction.clamp(min=1e-12)
    positive = target.eq(1).to(prediction.dtype)
    hit = torch.log(prediction) * (1 - prediction).pow(alpha) * positive
    negative = target.lt(1).to(prediction.dtype) * (1 - target).pow(beta)
    miss = torch.log(1 - prediction) * prediction.pow(alpha) * negative
    return -(hit + miss).flatten(1).sum(1) / positive.sum().clamp(min=1)


class ScheduledLosses:
    """Loss functions weighted by bin, and recording of IoUs, for training batches.

    A batch without bins, such as in validation, uses the original functions.
    `generalized_box_iou` is the checkout's: if it refuses a degenerate box, the actor sets the GIoU
    loss of the batch to 0, as without this class.
    """

    def __init__(self, actor: Any, curriculum: Curriculum, generalized_box_iou: Any) -> None:
        self.curriculum = curriculum
        self.original: Dict[str, Any] = dict(actor.objective)
        self._generalized_box_iou = generalized_box_iou
        self._forward_pass = actor.forward_pass
        self._bins: Optional[Tensor] = None
        check_losses(self.original, generalized_box_iou)
        for name in ("giou", "l1", "focal"):
            if name in self.original:
                actor.objective[name] = getattr(self, name)
        actor.forward_pass = self.forward_pass

    def forward_pass(self, data: Any, *args: Any, **options: Any) -> Any:
        """Store the bins of the batch; only this method of all three actors receives it."""
        self._bins = data.get("bin")
        return self._forward_pass(data, *args, **options)

    def giou(self, boxes: Tensor, others: Tensor) -> Any:
        """Return mean weighted GIoU loss, and IoU. The actors suppress exceptions in here."""
        if self._bins is None:
            return self.original["giou"](boxes, others)
        giou, overlap = self._generalized_box_iou(boxes, others)
        return self.curriculum.weigh(1 - giou, self._bins).mean(), overlap

    def l1(self, boxes: Tensor, others: Tensor) -> Any:
        """Return the mean weighted L1 loss; record the IoU, outside the actors' try block."""
        if self._bins is None:
            return self.original["l1"](boxes, others)
        self.curriculum.record(iou(boxes, others), self._bins)
        return self.curriculum.weigh(l1(boxes, others), self._bins).mean()

    def focal(self, prediction: Tensor, target: Tensor) -> Any:
        """Return the weighted focal loss."""
        theirs = self.original["focal"]
        if self._bins is None:
            return theirs(prediction, target)
        losses = focal(prediction, target, theirs.alpha, theirs.beta)
        return self.curriculum.weigh(losses, self._bins).sum()


def check_losses(objective: Dict[str, Any], generalized_box_iou: Any) -> None:
    """Refuse a version of the checkout with unknown losses."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(2, 8, 4, generator=generator)
    boxes, others = torch.cat([corners[..., :2], corners[..., :2] + corners[..., 2:]], -1)
    score = torch.rand(8, 1, 4, 4, generator=generator) * 0.9 + 0.05
    target = torch.where(score > 0.9, torch.ones_like(score), score.flip(0))
    pairs = {}
    try:
        giou = 1 - generalized_box_iou(boxes, others)[0]
        pairs["giou"] = (giou.mean(), objective["giou"](boxes, others)[0])
        pairs["l1"] = (l1(boxes, others).mean(), objective["l1"](boxes, others))
        if "focal" in objective:
            theirs = objective["focal"]
            ours = focal(score, target, theirs.alpha, theirs.beta).sum()
            pairs["focal"] = (ours, theirs(score, target))
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise SetupError(f"this version's losses are not known: {error!r}") from error
    for name, (ours, theirs) in pairs.items():
        known = ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        if not known:
            raise SetupError(
                f"this version's {name} loss is not known: it gives {theirs.tolist()}, but the "
                f"known loss per sample gives {ours.item()}"
            )
