"""Record IoUs where the loss computes them, without waiting for the device."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from .. import _checks
from ..statistics import SCALE, SuccessStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNTS = ("n_recorded", "n_batches", "largest_batch", "n_discarded")


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
    array = np.array(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be a Tensor or an array of numbers; got {value!r}")
    return torch.from_numpy(array)


class IoURecorder:
    """Collect the IoU and bin of every training sample of an epoch.

    Tensors stay on their device until the statistics are asked for, once an epoch: a training step
    never waits.

    Parameters
    ----------
    on_invalid : {"raise", "drop"}, default="raise"
        What an IoU that is NaN or outside [0, 1] does: raise when the epoch's statistics are taken,
        or be left out, counted, and warned about once an epoch.

    Attributes
    ----------
    n_recorded : int
        Samples recorded since the last `clear`, invalid ones too.
    largest_batch : int
        Largest number of samples recorded at once since then.

    Raises
    ------
    ValueError
        If `on_invalid` is neither.
    """

    def __init__(self, on_invalid: str = "raise") -> None:
        self.on_invalid = _checks.choice("on_invalid", on_invalid, ("raise", "drop"))
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new epoch."""
        self.n_recorded = 0
        self.largest_batch = 0
        self._n_batches = 0
        self._pending: List[Tuple[int, torch.Tensor, torch.Tensor]] = []
        self._valid: List[Tuple[NDArray[np.float64], NDArray[np.int64]]] = []
        self._invalid: List[str] = []
        self._n_discarded = 0
        self._warned = False

    def record(self, ious: Any, bins: Any) -> None:
        """Take in a batch.

        Parameters
        ----------
        ious : Tensor of float, shape (B,)
            IoU of each sample, any device and precision; detached here.
        bins : Tensor of int, shape (B,)
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If the shapes differ or the types do not fit. Values are checked when the statistics are
            taken.
        """
        ious, bins = as_ious(ious), as_ids(bins)
        if ious.dim() == 0 or ious.shape != bins.shape:
            raise ValueError(
                "ious must be one number a sample, in the shape of bins; "
                f"got shapes {tuple(ious.shape)} and {tuple(bins.shape)}"
            )
        if ious.numel():
            self._pending.append(
                (self._n_batches, ious.reshape(-1).clone(), bins.reshape(-1).clone())
            )
        self._n_batches += 1
        self.n_recorded += ious.numel()
        self.largest_batch = max(self.largest_batch, ious.numel())

    def statistics(self, n_bins: int) -> SuccessStatistics:
        """Statistics of what was recorded; moves the tensors to the host.

        Parameters
        ----------
        n_bins : int
            Number of bins.

        Returns
        -------
        SuccessStatistics
            A new object; ``n_invalid`` counts the samples that were left out.

        Raises
        ------
        ValueError
            If a bin is out of range, or an IoU is invalid and `on_invalid` is ``"raise"``: the
            message names batch and bin, and `discard_invalid` lets the run go on.
        """
        self._fetch(n_bins)
        if self._invalid and self.on_invalid == "raise":
            raise ValueError(
                f"ious must be in [0, 1], not NaN; got {self._invalid_text()}. "
                "discard_invalid() leaves them out and lets the run go on"
            )
        if self._invalid and not self._warned:
            self._warned = True
            warnings.warn(
                f"left out invalid IoUs: {self._invalid_text()}", RuntimeWarning, stacklevel=2
            )
        return self._valid_statistics(n_bins)

    def discard_invalid(self, n_bins: Optional[int] = None) -> int:
        """Leave out the invalid IoUs recorded so far.

        Parameters
        ----------
        n_bins : int, optional
            Number of bins, to check the samples' bins against.

        Returns
        -------
        int
            How many; they stay counted in the statistics' ``n_invalid``.
        """
        self._fetch(n_bins)
        n_invalid = len(self._invalid)
        self._n_discarded += n_invalid
        self._invalid = []
        return n_invalid

    def state_dict(self, n_bins: int) -> Dict[str, Any]:
        """Plain Python state of the epoch so far, for JSON; moves the tensors to the host.

        Parameters
        ----------
        n_bins : int
            Number of bins.

        Returns
        -------
        dict
            For `load_state_dict`.

        Raises
        ------
        ValueError
            If a bin is out of range.
        """
        self._fetch(n_bins)
        return {
            "n_recorded": self.n_recorded,
            "n_batches": self._n_batches,
            "largest_batch": self.largest_batch,
            "statistics": self._valid_statistics(n_bins).state_dict(),
            "invalid": list(self._invalid),
            "n_discarded": self._n_discarded,
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Parameters
        ----------
        state : dict
            Of a recorder, in the middle of an epoch or not.

        Raises
        ------
        TypeError, ValueError
            If the state is damaged. Nothing changes then.
        """
        names = ("n_recorded", "n_batches", "largest_batch", "statistics", "invalid", "n_discarded")
        _checks.keys("state of the recorder", state, names)
        _checks.keys("state of statistics", state["statistics"], ("n_bins", "n_invalid", "ious"))
        saved = SuccessStatistics(state["statistics"]["n_bins"])
        saved.load_state_dict(state["statistics"])
        whole = {name: _checks.integer(name, state[name], 0) for name in names if name in _COUNTS}
        invalid = state["invalid"]
        if not isinstance(invalid, list) or not all(isinstance(text, str) for text in invalid):
            raise TypeError(f"state's invalid must be a list of str; got {invalid!r}")
        n_samples = int(saved.count.sum()) + len(invalid) + whole["n_discarded"]
        if whole["n_recorded"] != n_samples or whole["largest_batch"] > n_samples:
            raise ValueError(f"state must count the {n_samples} samples that it holds; got {whole}")
        self.clear()
        self.n_recorded, self.largest_batch = whole["n_recorded"], whole["largest_batch"]
        self._n_batches, self._n_discarded = whole["n_batches"], whole["n_discarded"]
        quantised, bins = saved.samples()
        self._valid = [(quantised / SCALE, bins)]
        self._invalid = list(invalid)

    def absorb(self, other: IoURecorder) -> None:
        """Take in what another recorder holds, of the same epoch.

        Parameters
        ----------
        other : IoURecorder
            Stays as it is, but for moving its tensors to the host.
        """
        other._fetch(None)
        self.n_recorded += other.n_recorded
        self.largest_batch = max(self.largest_batch, other.largest_batch)
        self._n_batches = max(self._n_batches, other._n_batches)
        self._valid = self._valid + other._valid
        self._invalid = self._invalid + other._invalid
        self._n_discarded += other._n_discarded

    def count_batches_from(self, other: IoURecorder) -> None:
        """Number batches on from another recorder's, so that messages count from the epoch's start.

        Parameters
        ----------
        other : IoURecorder
            Of the part of the epoch before.
        """
        self._n_batches = other._n_batches

    def _fetch(self, n_bins: Optional[int]) -> None:
        """Move pending tensors to the host and sort out invalid IoUs."""
        if not self._pending:
            return
        batches, ious, bins = zip(*self._pending)
        sizes = [len(part) for part in ious]
        # 4 eps of the dtype that the IoUs came in, as SuccessStatistics allows.
        slack = np.repeat([4 * torch.finfo(part.dtype).eps for part in ious], sizes)
        double = any(part.dtype is torch.float64 for part in ious)
        values = _to_host(ious, torch.float64 if double else torch.float32)
        ids = _to_host(bins, torch.int64)
        batch = np.repeat(batches, sizes)
        outside = (ids < 0) | (ids >= (np.inf if n_bins is None else n_bins))
        if outside.any():
            i = int(np.argmax(outside))
            rule = "at least 0" if n_bins is None else f"in [0, {n_bins})"
            raise ValueError(f"bins must be {rule}; got {ids[i]} in batch {batch[i]}")
        with np.errstate(invalid="ignore"):
            valid = (values >= -slack) & (values <= 1 + slack)
        self._invalid += [
            f"{values[i]}{' (GIoU?)' if values[i] < 0 else ''} in batch {batch[i]}, bin {ids[i]}"
            for i in np.flatnonzero(~valid)
        ]
        self._valid.append((values[valid].clip(0, 1).astype(np.float64), ids[valid]))
        self._pending = []

    def _valid_statistics(self, n_bins: int) -> SuccessStatistics:
        statistics = SuccessStatistics(n_bins)
        for ious, bins in self._valid:
            statistics.add(ious, bins)
        statistics.n_invalid = self._n_discarded + len(self._invalid)
        return statistics

    def _invalid_text(self) -> str:
        more = len(self._invalid) - 3
        return "; ".join(self._invalid[:3]) + (f"; and {more} more" if more > 0 else "")


def _to_host(parts: Tuple[torch.Tensor, ...], dtype: torch.dtype) -> NDArray[Any]:
    """All parts in one host array, in one transfer."""
    device = parts[0].device
    array: NDArray[Any] = torch.cat([part.to(device, dtype) for part in parts]).cpu().numpy()
    return array
