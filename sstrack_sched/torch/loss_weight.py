"""Weighting of per-sample losses by bin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy as np
import torch

from .. import _checks
from .recording import TensorLike, as_ids


class LossWeight(torch.nn.Module):
    """Multiply per-sample losses by their bin's weight Gamma (section 3.3).

    The weights follow the scheduler, move to the losses' device once per
    epoch, and are not saved with a model that holds this module.

    Parameters
    ----------
    scheduler : SuccessAwareScheduler or array_like, shape (n_bins,)
        Object whose `loss_weights` are read at each call, or fixed weights.

    Examples
    --------
    >>> weigh = LossWeight([2.0, 1.0])
    >>> weigh(torch.ones(3), torch.tensor([0, 1, 0])).tolist()
    [2.0, 1.0, 2.0]
    """

    def __init__(self, scheduler: Any) -> None:
        super().__init__()
        if not hasattr(scheduler, "loss_weights"):
            fixed = _checks.weights("scheduler", scheduler, np.size(scheduler))
            scheduler = SimpleNamespace(loss_weights=fixed)
        self._scheduler = scheduler
        self._source: Any = None
        self._tensors: Dict[Tuple[torch.device, torch.dtype], torch.Tensor] = {}

    def forward(self, losses: torch.Tensor, bins: TensorLike) -> torch.Tensor:
        """Weighted losses, of the same shape, dtype and device.

        Parameters
        ----------
        losses : Tensor of float, shape (B, ...)
            One or more losses per sample, not reduced over samples.
        bins : Tensor of int, shape (B,)
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If losses are reduced, shapes differ, or a bin is out of range
            (on the CPU).
        """
        good, value = torch.is_tensor(losses), getattr(losses, "dtype", losses)
        rule = "be a Tensor of floating point, per sample"
        _checks.require(good and losses.is_floating_point(), "losses", rule, value, TypeError)
        if losses.dim() == 0:
            got = "a reduced (scalar) loss: use reduction='none' and take the mean after weighing"
            raise ValueError(f"losses must be per sample, shape (B, ...); got {got}")
        # Half precision would round each weight, a systematic error for its bin.
        dtype = torch.float64 if losses.dtype is torch.float64 else torch.float32
        weights = self._weights_on(losses.device, dtype)
        bins, rule = as_ids(bins), f"have shape ({len(losses)},), one per sample"
        _checks.require(bins.shape == losses.shape[:1], "bins", rule, tuple(bins.shape))
        try:
            of_sample = weights.index_select(0, bins.to(losses.device, torch.int64))
        except (IndexError, RuntimeError):  # on the CPU; torch's message is unclear
            _checks.bin_ids("bins", bins.numpy(), len(weights))
            raise
        return (losses * of_sample.reshape(-1, *[1] * (losses.dim() - 1))).to(losses.dtype)

    if TYPE_CHECKING:
        __call__ = forward

    def extra_repr(self) -> str:
        """The weights, for `repr`."""
        return f"weights={np.round(self._scheduler.loss_weights, 3).tolist()}"

    def _weights_on(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        source = self._scheduler.loss_weights
        if source is not self._source:  # a step makes a new array
            self._source, self._tensors = source, {}
        if (device, dtype) not in self._tensors:
            weights = torch.tensor(source.tolist(), dtype=dtype)
            self._tensors[device, dtype] = weights.to(device, non_blocking=True)
        return self._tensors[device, dtype]
