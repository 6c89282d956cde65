"""Record IoUs where the loss computes them, without waiting for the device."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from .. import _checks
from ..success import SCALE, SuccessStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        ious, bins = torch.as_tensor(ious).detach(), torch.as_tensor(bins)
        if ious.dim() == 0 or ious.shape != bins.shape:
            raise ValueError(
                "ious must be one number a sample, in the shape of bins; "
                f"got shapes {tuple(ious.shape)} and {tuple(bins.shape)}"
            )
        if not ious.is_floating_point():
            raise TypeError(f"ious must be of a floating point dtype; got {ious.dtype}")
        if bins.is_floating_point() or bins.is_complex() or bins.dtype is torch.bool:
            raise TypeError(f"bins must be of an integer dtype; got {bins.dtype}")
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

    def discard_invalid(self) -> int:
        """Leave out the invalid IoUs recorded so far.

        Returns
        -------
        int
            How many; they stay counted in the statistics' ``n_invalid``.
        """
        self._fetch(None)
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
        ValueError
            If the state is damaged. Nothing changes then.
        """
        names = ("n_recorded", "n_batches", "largest_batch", "statistics", "invalid", "n_discarded")
        _checks.keys("state of the recorder", state, names)
        saved = SuccessStatistics(state["statistics"]["n_bins"])
        saved.load_state_dict(state["statistics"])
        self.clear()
        self.n_recorded = int(state["n_recorded"])
        self.largest_batch = int(state["largest_batch"])
        self._n_batches = int(state["n_batches"])
        quantised, bins = saved.samples()
        self._valid = [(quantised / SCALE, bins)]
        self._invalid = [str(text) for text in state["invalid"]]
        self._n_discarded = int(state["n_discarded"])

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
            raise ValueError(f"bins must be in [0, {n_bins}); got {ids[i]} in batch {batch[i]}")
        with np.errstate(invalid="ignore"):
            valid = (values >= -slack) & (values <= 1 + slack)
        self._invalid += [
            f"{values[i]} in batch {batch[i]}, bin {ids[i]}" for i in np.flatnonzero(~valid)
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
