"""What an epoch has recorded: pending tensors of this process, and the tally of all processes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch

from .. import _checks
from .._types import Array
from ..statistics import SuccessStatistics


def as_ious(ious: Any) -> torch.Tensor:
    """A detached tensor of floats; Python's and NumPy's keep their precision."""
    tensor = _as_tensor("ious", ious).detach()
    if not tensor.is_floating_point():
        raise TypeError(f"ious must be of a floating point dtype; got {tensor.dtype}")
    return tensor


def as_ids(bins: Any) -> torch.Tensor:
    """A tensor of integers."""
    tensor = _as_tensor("bins", bins)
    if tensor.numel() == 0:
        return tensor.long()
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool:
        raise TypeError(f"bins must be of an integer dtype; got {tensor.dtype}")
    return tensor


def _as_tensor(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    array = _checks.array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a Tensor or an array of numbers; got {value!r}")
    return torch.from_numpy(np.array(array))


@dataclass
class Tally:
    """Samples of an epoch on the host, gathered from processes that agree.

    Attributes
    ----------
    statistics : SuccessStatistics
        Valid samples, and the number of those left out.
    invalid : list of str
        One text per invalid IoU that waits for `discard_invalid`.
    n_batches : int
        Batches of each process, to number those that follow.
    largest_batch : int
        Largest batch of the processes, added up.
    """

    statistics: SuccessStatistics
    invalid: List[str]
    n_batches: int = 0
    largest_batch: int = 0

    @property
    def n_recorded(self) -> int:
        """Samples recorded, invalid ones too."""
        valid = int(self.statistics.count.sum())
        return valid + self.statistics.n_invalid + len(self.invalid)

    def add(self, parts: Sequence[Tally]) -> None:
        """Take in what each process has recorded since the last gather."""
        for part in parts:
            self.statistics.merge(part.statistics)
            self.invalid = self.invalid + part.invalid
        self.n_batches += max(part.n_batches for part in parts)
        batch = sum(part.largest_batch for part in parts)
        self.largest_batch = max(self.largest_batch, batch)

    def state_dict(self) -> Dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "statistics": self.statistics.state_dict()}

    @classmethod
    def from_state(cls, n_bins: int, state: Any) -> Tally:
        """Inverse of `state_dict`; TypeError or ValueError where it is damaged."""
        names = ("statistics", "invalid", "n_batches", "largest_batch")
        _checks.keys("state's tally", state, names)
        statistics = SuccessStatistics(n_bins)
        statistics.load_state_dict(state["statistics"])
        invalid = state["invalid"]
        if not isinstance(invalid, list) or not all(isinstance(text, str) for text in invalid):
            raise TypeError(f"state's invalid must be a list of str; got {invalid!r}")
        counts = [_checks.integer(f"state's {name}", state[name], 0) for name in names[2:]]
        tally = cls(statistics, list(invalid), *counts)
        if tally.largest_batch > tally.n_recorded:
            raise ValueError(
                f"state's largest_batch must be at most the {tally.n_recorded} samples recorded; "
                f"got {tally.largest_batch}"
            )
        return tally


class Ledger:
    """How far an epoch has come: the one place that knows.

    Tensors stay on their device until the epoch is gathered, so a training step never waits.

    Parameters
    ----------
    n_bins : int
        Number of bins.
    on_invalid : {"raise", "drop"}
        See `Curriculum`.

    Attributes
    ----------
    tally : Tally
        What all processes had recorded at the last gather; the same in each.
    n_pending : int
        Samples that this process has recorded since.
    world_size : int
        Processes that recorded the pending samples.
    fresh : bool
        Whether this process has recorded in this epoch, as opposed to loaded a state.
    """

    def __init__(self, n_bins: int, on_invalid: str) -> None:
        self.n_bins = n_bins
        self.on_invalid = _checks.choice("on_invalid", on_invalid, ("raise", "drop"))
        self.start()

    def start(self, tally: Optional[Tally] = None) -> None:
        """Begin an epoch, or go on from a loaded tally."""
        self.tally = Tally(SuccessStatistics(self.n_bins), []) if tally is None else tally
        self.fresh = self._warned = False
        self.clear_pending()

    def clear_pending(self) -> None:
        """Forget what this process has recorded: it is in the tally."""
        self._pending: List[Tuple[int, torch.Tensor, torch.Tensor]] = []
        self.n_pending = self._n_batches = self._largest_batch = 0
        self.world_size = 1

    @property
    def n_consumed(self) -> int:
        """Samples of the epoch so far, by all processes; the others record as many as this one."""
        return self.tally.n_recorded + self.n_pending * self.world_size

    @property
    def batch(self) -> int:
        """Largest batch of the epoch so far, over all processes."""
        return max(self.tally.largest_batch, self._largest_batch * self.world_size, 1)

    def record(self, ious: Any, bins: torch.Tensor, world_size: int) -> None:
        """Take in a batch; values are looked at when it is gathered."""
        ious = as_ious(ious)
        if ious.dim() == 0 or ious.shape != bins.shape:
            raise ValueError(
                "ious must be one number per sample, in the shape of bins; "
                f"got shapes {tuple(ious.shape)} and {tuple(bins.shape)}"
            )
        if ious.numel():
            pending = ious.reshape(-1).clone(), bins.reshape(-1).clone()
            self._pending.append((self.tally.n_batches + self._n_batches, *pending))
        self._n_batches += 1
        self.n_pending += ious.numel()
        self._largest_batch = max(self._largest_batch, ious.numel())
        self.world_size = max(self.world_size, world_size)
        self.fresh = True

    def fetch(self, prefix: str = "") -> Tally:
        """What is pending, on the host, without changing anything but the warning of the epoch."""
        statistics, invalid = SuccessStatistics(self.n_bins), []
        prefix = prefix if self.on_invalid == "raise" else ""
        if self._pending:
            batches, ious, bins = zip(*self._pending)
            sizes = [len(part) for part in ious]
            batch = np.repeat(batches, sizes)
            # 4 eps of the dtype that the IoUs came in, as SuccessStatistics allows.
            slack = np.repeat([4 * torch.finfo(part.dtype).eps for part in ious], sizes)
            values, ids = _to_host(ious, torch.float64), _to_host(bins, torch.int64)
            outside = (ids < 0) | (ids >= self.n_bins)
            if outside.any():
                i = int(np.argmax(outside))
                raise ValueError(
                    f"bins must be in [0, {self.n_bins}); got {ids[i]} in batch {batch[i]}"
                )
            with np.errstate(invalid="ignore"):
                valid = (values >= -slack) & (values <= 1 + slack)
            statistics.add(values[valid].clip(0, 1), ids[valid])
            invalid = [
                f"{prefix}{values[i]:.6g}{' (GIoU?)' if values[i] < 0 else ''} in batch "
                f"{batch[i]}, bin {ids[i]}"
                for i in np.flatnonzero(~valid)
            ]
        if self.on_invalid == "drop" and invalid:
            statistics.n_invalid, dropped, invalid = len(invalid), invalid, []
            if not self._warned:
                warnings.warn(
                    f"left out invalid IoUs: {_some(dropped)}", RuntimeWarning, stacklevel=4
                )
            self._warned = True
        return Tally(statistics, invalid, self._n_batches, self._largest_batch)

    def check_valid(self) -> None:
        """Raise if the tally holds invalid IoUs."""
        if self.tally.invalid:
            raise ValueError(
                f"ious must be in [0, 1], not NaN; got {_some(self.tally.invalid)}. "
                "discard_invalid() leaves them out and lets the run go on"
            )

    def discard_invalid(self) -> int:
        """Count the tally's invalid IoUs as left out; returns how many."""
        n_invalid = len(self.tally.invalid)
        self.tally.statistics.n_invalid += n_invalid
        self.tally.invalid = []
        return n_invalid


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - 3
    return "; ".join(texts[:3]) + (f"; and {more} more" if more > 0 else "")


def _to_host(parts: Tuple[torch.Tensor, ...], dtype: torch.dtype) -> Array:
    """All parts in one host array, in one transfer."""
    device = parts[0].device
    array: Array = torch.cat([part.to(device) for part in parts]).cpu().to(dtype).numpy()
    return array
