"""Tensors of what a training loop hands in: per-sample scores and bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import _checks

_INTEGERS = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def as_ious(ious: Any, bins: torch.Tensor) -> torch.Tensor:
    """A detached tensor of floats, one per bin; Python's and NumPy's keep their precision."""
    tensor = _as_tensor("ious", ious)
    if not tensor.is_floating_point():
        raise TypeError(f"ious must be of a floating point dtype; got {tensor.dtype}")
    if tensor.dim() == 0 or tensor.shape != bins.shape:
        raise ValueError(
            "ious must be one number per sample, in the shape of bins; "
            f"got shapes {tuple(tensor.shape)} and {tuple(bins.shape)}"
        )
    return tensor


def as_ids(bins: Any) -> torch.Tensor:
    """A tensor of integers."""
    tensor = _as_tensor("bins", bins)
    if tensor.numel() == 0:
        return tensor.long()
    if tensor.dtype not in _INTEGERS:
        raise TypeError(f"bins must be of an integer dtype; got {tensor.dtype}")
    return tensor


def _as_tensor(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach()
    array = _checks.array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a Tensor or an array of numbers; got {value!r}")
    return torch.from_numpy(np.array(array))
