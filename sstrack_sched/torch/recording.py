"""Recorded samples of an epoch: pending tensors, and the tally of all processes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from .. import _checks
from .._types import Array, ArrayLike
from ..statistics import SuccessStatistics

TensorLike = Union[torch.Tensor, ArrayLike]


@dataclass
class Tally:
    """Samples of an epoch, gathered from all processes to the host."""

    statistics: SuccessStatistics  # valid samples, and the number of dropped ones
    invalid: List[str]  # one text per invalid IoU, until `discard_invalid`
    n_batches: int = 0  # per process; later batches are numbered from here
    largest_batch: int = 0  # summed over the processes

    @property
    def n_recorded(self) -> int:
        """Number of recorded samples, including invalid ones."""
        return int(self.statistics.count.sum()) + self.statistics.n_invalid + len(self.invalid)

    def state_dict(self) -> Dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "statistics": self.statistics.state_dict()}

    @classmethod
    def from_state(cls, n_bins: int, state: Any) -> Tally:
        """Inverse of `state_dict`; raises TypeError or ValueError if it is damaged."""
        _checks.keys("state's tally", state, [field.name for field in fields(cls)])
        statistics = SuccessStatistics(n_bins)
        statistics.load_state_dict(state["statistics"])
        invalid = state["invalid"]
        good = isinstance(invalid, list) and all(isinstance(text, str) for text in invalid)
        _checks.require(good, "state's invalid", "be a list of str", invalid, TypeError)
        tally = cls(statistics, list(invalid))
        n_recorded, largest = tally.n_recorded, state["largest_batch"]
        tally.n_batches = _checks.integer("state's n_batches", state["n_batches"], 0)
        tally.largest_batch = _checks.integer("state's largest_batch", largest, 0, n_recorded)
        return tally


class Ledger:
    """Progress of an epoch. Tensors stay on their device until gathered: training never waits."""

    tally: Tally  # of all processes, at the last gather; equal in all of them
    n_pending: int  # samples that this process has recorded since the last gather
    world_size: int  # number of processes that record
    fresh: bool  # whether this process has recorded since the epoch began or a state was loaded

    def __init__(self, n_bins: int, on_invalid: str) -> None:
        self.n_bins = n_bins
        self.on_invalid = _checks.choice("on_invalid", on_invalid, ("raise", "drop"))
        self.start()

    def start(self, tally: Optional[Tally] = None) -> None:
        """Begin an epoch, or resume from a loaded tally."""
        self.tally = Tally(SuccessStatistics(self.n_bins), []) if tally is None else tally
        self.fresh = self._warned = False
        self._clear_pending()

    def _clear_pending(self) -> None:
        self._pending: List[Tuple[torch.Tensor, torch.Tensor]] = []  # IoUs and bins per batch
        self.n_pending = self._largest_batch = 0
        self.world_size = 1

    def add(self, parts: Sequence[Tally]) -> None:
        """Move pending samples, one part from `fetch` per process, into the tally."""
        for part in parts:
            self.tally.statistics.merge(part.statistics)
            self.tally.invalid = self.tally.invalid + part.invalid
        self.tally.n_batches += max(part.n_batches for part in parts)
        batch = sum(part.largest_batch for part in parts)
        self.tally.largest_batch = max(self.tally.largest_batch, batch)
        self._clear_pending()

    @property
    def n_consumed(self) -> int:
        """Samples of the epoch so far, if all processes have recorded as many as this one."""
        return self.tally.n_recorded + self.n_pending * self.world_size

    @property
    def batch(self) -> int:
        """Largest batch of the epoch so far, over all processes."""
        return max(self.tally.largest_batch, self._largest_batch * self.world_size, 1)

    def record(self, ious: torch.Tensor, bins: torch.Tensor, world_size: int) -> None:
        """Record a batch; its values are checked when it is gathered."""
        self._pending.append((ious.clone(), bins.clone()))
        self.n_pending += ious.numel()
        self._largest_batch = max(self._largest_batch, ious.numel())
        self.world_size = max(self.world_size, world_size)
        self.fresh = True

    def check_count(self, expected: int, epoch: int) -> None:
        """Refuse too many samples, or fewer than drop_last explains."""
        recorded, batch = self.tally.n_recorded, self.batch
        if recorded and 0 <= expected - recorded < batch:
            return
        if not recorded:
            text = f"nothing was recorded in epoch {epoch}: call record(ious, bins) per batch."
        elif recorded > expected:
            text = "was a batch recorded twice, or collected from all processes and recorded by "
            text += "each, has a framework repeated samples, or were rank and world_size given "
            text += "without need?"
        else:
            text = "were batches not recorded, was step() called too early, has a framework "
            text += "sharded the sampler again, or skipped samples a second time on restart?"
        raise ValueError(
            f"samples_per_epoch={expected} samples must be recorded by all processes together "
            f"before step(); got {recorded}: {text} drop_last may omit less than a batch "
            f"({batch}), and step(partial=True) accepts fewer"
        )

    def fetch(self, prefix: str = "") -> Tally:
        """Return the pending samples, on the host; warn of dropped ones once per epoch."""
        part = Tally(SuccessStatistics(self.n_bins), [], len(self._pending), self._largest_batch)
        if not self.n_pending:
            return part
        ious, bins = zip(*((ious.flatten(), bins.flatten()) for ious, bins in self._pending))
        sizes = [len(each) for each in ious]
        batch = np.repeat(self.tally.n_batches + np.arange(len(sizes)), sizes)
        # As SuccessStatistics, allow 4 eps of the dtype of the IoUs.
        slack = np.repeat([4 * torch.finfo(each.dtype).eps for each in ious], sizes)
        values, ids = _to_host(ious, torch.float64), _to_host(bins, torch.int64)
        with np.errstate(invalid="ignore"):
            valid = (values >= -slack) & (values <= 1 + slack)
        part.statistics.add(values[valid].clip(0, 1), ids[valid])
        hints = np.where(values < 0, " (GIoU?)", "")
        invalid = [
            f"{values[i]:.6g}{hints[i]} in batch {batch[i]}, bin {ids[i]}"
            for i in np.flatnonzero(~valid)
        ]
        if self.on_invalid == "raise":
            part.invalid = [prefix + text for text in invalid]
        elif invalid:
            part.statistics.n_invalid = len(invalid)
            if not self._warned:
                self._warned, text = True, f"dropped invalid IoUs: {some(invalid)}"
                warnings.warn(text, RuntimeWarning, stacklevel=4)
        return part


def some(texts: Sequence[str]) -> str:
    """Join the first three texts and the number of the rest."""
    more = len(texts) - 3
    return "; ".join(texts[:3]) + (f"; and {more} more" if more > 0 else "")


def _to_host(parts: Tuple[torch.Tensor, ...], dtype: torch.dtype) -> Array:
    """Copy all parts into one host array, in one transfer."""
    return torch.cat([part.to(parts[0].device) for part in parts]).cpu().to(dtype).numpy()


def as_ious(ious: TensorLike, bins: torch.Tensor) -> torch.Tensor:
    """Return `ious` as a detached float tensor of the shape of `bins`, in its precision."""
    tensor = _as_tensor("ious", ious)
    good = tensor.is_floating_point()
    _checks.require(good, "ious", "be of a floating point dtype", tensor.dtype, TypeError)
    shapes = tuple(tensor.shape), tuple(bins.shape)
    good = tensor.dim() > 0 and shapes[0] == shapes[1]
    _checks.require(good, "ious", "be one number per sample, in the shape of bins", shapes)
    return tensor


def as_ids(bins: TensorLike) -> torch.Tensor:
    """Return `bins` as an integer tensor."""
    tensor = _as_tensor("bins", bins)
    other = tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool
    good = not (other and tensor.numel())
    _checks.require(good, "bins", "be of an integer dtype", tensor.dtype, TypeError)
    return tensor if tensor.numel() else tensor.long()


def _as_tensor(name: str, value: TensorLike) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.detach()
    array = _checks.array(name, value)
    good = array.dtype.kind in "biuf"
    _checks.require(good, name, "be a Tensor or an array of numbers", value, TypeError)
    return torch.from_numpy(np.array(array))
