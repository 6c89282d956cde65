"""Tensors of what a training loop hands in: per-sample scores and bins."""

from __future__ import annotations

from typing import Any, FrozenSet

import numpy as np
import torch

from .. import _checks


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


def as_ids(bins: Any, n_bins: int, allowed: FrozenSet[int]) -> torch.Tensor:
    """A tensor of integers; on the CPU all must be allowed bins.

    Elsewhere a look at the values would wait for the device. A set is faster than NumPy for a
    batch.
    """
    tensor = _as_tensor("bins", bins)
    if tensor.numel() == 0:
        return tensor.long()
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool:
        raise TypeError(f"bins must be of an integer dtype; got {tensor.dtype}")
    if tensor.device.type == "cpu" and not allowed.issuperset(tensor.reshape(-1).tolist()):
        ids = _checks.bin_ids("bins", tensor.numpy(), n_bins)
        _checks.refuse("bins", "be feasible", ids, ~np.isin(ids, list(allowed)))
    return tensor


def _as_tensor(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach()
    array = _checks.array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a Tensor or an array of numbers; got {value!r}")
    return torch.from_numpy(np.array(array))
