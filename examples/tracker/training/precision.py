"""Forward and backward passes in full or mixed precision."""

from __future__ import annotations

from typing import Any, Dict, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..models.base import MAPS, Maps, boxes_at


class Precision:
    """How a step computes.

    Parameters
    ----------
    device : torch.device
        Where.
    mixed : bool
        False: all in float32. True: matrix products and convolutions in bfloat16, or, on a GPU
        without it, in float16 with scaled losses. Losses and overlaps are float32 always.
    """

    def __init__(self, device: torch.device, mixed: bool) -> None:
        self.device, self.mixed = device, mixed
        half = device.type == "cuda" and not torch.cuda.is_bf16_supported()
        self.dtype = torch.float16 if half else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed and half)

    def forward(self, network: nn.Module, template: Tensor, search: Tensor) -> Maps:
        """What a `TrackerModel` returns, in float32."""
        if not self.mixed:
            outputs: Maps = network(template, search)
            return outputs
        with torch.autocast(self.device.type, self.dtype):
            outputs = network(template, search)
        maps = {name: outputs[name].float() for name in MAPS}
        best = maps["score_map"].flatten(1).argmax(dim=1)  # boxes in 8 bits would be too coarse
        return {**maps, "boxes": boxes_at(best, maps["offset_map"], maps["size_map"])}

    def step(
        self, loss: Tensor, optimiser: Optimizer, parameters: Iterable[Tensor], clip_norm: float
    ) -> None:
        """Backward pass and a step with clipped gradients.

        Parameters
        ----------
        loss : Tensor, shape ()
            What to make smaller.
        optimiser : torch.optim.Optimizer
            Makes the step.
        parameters : iterable of Tensor
            Whose gradients are clipped.
        clip_norm : float
            Their largest norm.
        """
        optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self.scaler.step(optimiser)
        self.scaler.update()

    def state_dict(self) -> Dict[str, Any]:
        """The scale of the losses; empty where they are not scaled."""
        return dict(self.scaler.state_dict())

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go on with a scale; nothing where either side has none."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)
