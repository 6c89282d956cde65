"""Conversion of per-sample scores and bins to tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import _checks


def as_ious(ious: Any, bins: torch.Tensor) -> torch.Tensor:
    """Return `ious` as a detached float tensor of the shape of `bins`, in its precision."""
    tensor = _as_tensor("ious", ious)
    good = tensor.is_floating_point()
    _checks.require(good, "ious", "be of a floating point dtype", tensor.dtype, TypeError)
    shapes = tuple(tensor.shape), tuple(bins.shape)
    good = tensor.dim() > 0 and shapes[0] == shapes[1]
    _checks.require(good, "ious", "be one number per sample, in the shape of bins", shapes)
    return tensor


def as_ids(bins: Any) -> torch.Tensor:
    """Return `bins` as an integer tensor."""
    tensor = _as_tensor("bins", bins)
    other = tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool
    good = not (other and tensor.numel())
    _checks.require(good, "bins", "be of an integer dtype", tensor.dtype, TypeError)
    return tensor if tensor.numel() else tensor.long()


def _as_tensor(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach()
    array = _checks.array(name, value)
    good = array.dtype.kind in "biuf"
    _checks.require(good, name, "be a Tensor or an array of numbers", value, TypeError)
    return torch.from_numpy(np.array(array))
