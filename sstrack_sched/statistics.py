"""How often each bin succeeds, from the IoUs of an epoch, to the last bit whatever their order."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

import numpy as np

from . import _checks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SCALE = 2**32
MAX_SAMPLES = 2**31


class SuccessStatistics:
    """IoUs of an epoch by bin: counts, mean IoU and success rates.

    IoUs are quantised on entry to ``k = round(iou * 2**32)`` and all sums are of integers, so the
    results are bit-identical whatever the order of addition and however the samples are split over
    processes.

    Parameters
    ----------
    n_bins : int
        Number of bins, at least 1.

    Attributes
    ----------
    n_bins : int
    n_invalid : int
        Samples that an adapter left out because their IoU was invalid; kept for the record only.

    Raises
    ------
    TypeError, ValueError
        If `n_bins` is not an integer of at least 1.

    Examples
    --------
    >>> statistics = SuccessStatistics(3)
    >>> statistics.add([0.9, 0.5, 0.2], [0, 0, 1])
    >>> statistics.success_rate(0.5)  # 0.5 is not above 0.5
    array([0.5, 0. , nan])
    """

    def __init__(self, n_bins: int) -> None:
        self.n_bins = _checks.integer("n_bins", n_bins, 1)
        self.n_invalid = 0
        self._count = np.zeros(self.n_bins, dtype=np.int64)
        self._sum = 0
        self._parts: List[Tuple[Ints, Ints]] = []  # quantised IoUs and their bins

    @property
    def count(self) -> Ints:
        """Samples in each bin, int64, shape (n_bins,)."""
        return self._count.copy()

    @property
    def mean_iou(self) -> float:
        """Mean IoU over all samples; NaN if there are none."""
        n_samples = int(self._count.sum())
        return self._sum / (n_samples * SCALE) if n_samples else float("nan")

    def add(self, ious: ArrayLike, bins: ArrayLike) -> None:
        """Record samples.

        Parameters
        ----------
        ious : array_like of float, any shape
            Overlap of each sample, in [0, 1]; at most 4 eps of the dtype outside is clipped.
        bins : array_like of int, same shape
            Bin of each sample, in [0, n_bins).

        Raises
        ------
        TypeError, ValueError
            If shapes differ, an IoU is NaN or out of range, a bin is out of range, or the samples
            exceed 2**31. Nothing is recorded then.
        """
        values = _checks.array("ious", ious)
        ids = _checks.bin_ids("bins", bins, self.n_bins).ravel()
        if values.shape != np.shape(bins):
            raise ValueError(
                f"bins must have the shape of ious, {values.shape}; got {np.shape(bins)}"
            )
        quantised = _quantise("ious", values).ravel()
        n_samples = int(self._count.sum()) + len(ids)
        if n_samples > MAX_SAMPLES:
            raise ValueError(f"ious must be at most {MAX_SAMPLES} in all; got {n_samples}")
        if len(ids):
            self._count += np.bincount(ids, minlength=self.n_bins)
            self._sum += int(quantised.sum(dtype=np.uint64))
            self._parts.append((quantised, ids))

    def success_rate(self, threshold: float) -> Floats:
        """Fraction of successful samples in each bin: p of [1]_, section 3.2.

        Parameters
        ----------
        threshold : float
            tau, in [0, 1]: success is ``iou > threshold``. With `mean_iou` the comparison is with
            the exact mean.

        Returns
        -------
        ndarray of float64, shape (n_bins,)
            NaN where a bin has no sample.

        Raises
        ------
        TypeError, ValueError
            If the threshold is not in [0, 1].

        References
        ----------
        .. [1] Kou et al., SSTrack, IJCAI 2025, doi:10.24963/ijcai.2025/147.
        """
        successes = self.successes(threshold)
        rate = np.full(self.n_bins, np.nan)
        np.divide(successes, self._count, out=rate, where=self._count > 0)
        return rate

    def successes(self, threshold: float) -> Ints:
        """Successful samples in each bin.

        Parameters
        ----------
        threshold : float
            As for `success_rate`.

        Returns
        -------
        ndarray of int64, shape (n_bins,)
            Never NaN: 0 where a bin has no sample.

        Raises
        ------
        TypeError, ValueError
            If the threshold is not in [0, 1].
        """
        if threshold == self.mean_iou:  # above the mean itself, which the float may have rounded
            return self.successes_above(self._sum // int(self._count.sum()))
        return self.successes_above(self.limit(threshold))

    @property
    def iou_sum(self) -> int:
        """Sum of the quantised IoUs."""
        return self._sum

    def limit(self, threshold: float) -> int:
        """Largest quantised IoU that is no success at a threshold in [0, 1]."""
        return int(_quantise("threshold", np.asarray(_checks.real("threshold", threshold))))

    def successes_above(self, limit: int) -> Ints:
        """Samples of each bin with a quantised IoU above a limit, int64, shape (n_bins,)."""
        quantised, ids = self.samples()
        successes: Ints = np.bincount(ids[quantised > limit], minlength=self.n_bins)
        return successes

    def merge(self, other: SuccessStatistics) -> None:
        """Add another's samples to this one's.

        Parameters
        ----------
        other : SuccessStatistics
            Of as many bins; stays as it is.

        Raises
        ------
        TypeError, ValueError
            If `other` is something else, has other bins, or the samples exceed 2**31.
        """
        if not isinstance(other, SuccessStatistics):
            raise TypeError(f"other must be SuccessStatistics; got {other!r}")
        if other.n_bins != self.n_bins:
            raise ValueError(f"other must have {self.n_bins} bins; got {other.n_bins}")
        quantised, ids = other.samples()
        self.add(quantised / SCALE, ids)  # exact: 33 bits
        self.n_invalid += other.n_invalid

    def copy(self) -> SuccessStatistics:
        """Return an independent copy.

        Returns
        -------
        SuccessStatistics
            With the same samples.
        """
        twin = SuccessStatistics(self.n_bins)
        twin.merge(self)
        return twin

    def state_dict(self) -> Dict[str, Any]:
        """Plain Python state that JSON takes, the same whatever the order of addition.

        Returns
        -------
        dict
            ``n_bins``, ``n_invalid``, and ``ious``: the sorted quantised IoUs of each bin, int64
            little-endian in base64.
        """
        quantised, ids = self.samples()
        order = np.lexsort((quantised, ids))
        by_bin = np.split(quantised[order].astype("<i8"), np.cumsum(self._count)[:-1])
        return {
            "n_bins": self.n_bins,
            "n_invalid": self.n_invalid,
            "ious": [base64.b64encode(part.tobytes()).decode("ascii") for part in by_bin],
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Parameters
        ----------
        state : dict
            Of as many bins.

        Raises
        ------
        TypeError, ValueError
            If it is of another number of bins, or damaged; nothing changes then.
        """
        _checks.keys("state of statistics", state, ("n_bins", "n_invalid", "ious"))
        if state["n_bins"] != self.n_bins or len(state["ious"]) != self.n_bins:
            raise ValueError(f"state must be of {self.n_bins} bins; got {state['n_bins']}")
        fresh = SuccessStatistics(self.n_bins)
        for i, text in enumerate(state["ious"]):
            part = np.frombuffer(base64.b64decode(text, validate=True), dtype="<i8")
            fresh.add(part / SCALE, np.full(len(part), i))
        fresh.n_invalid = _checks.integer("state['n_invalid']", state["n_invalid"], 0)
        self.__dict__.update(fresh.__dict__)

    def samples(self) -> Tuple[Ints, Ints]:
        """All quantised IoUs and their bins; many small parts become one."""
        if len(self._parts) != 1:
            empty = np.zeros(0, dtype=np.int64)
            parts = self._parts or [(empty, empty)]
            self._parts = [
                (np.concatenate([q for q, _ in parts]), np.concatenate([b for _, b in parts]))
            ]
        return self._parts[0]


def _quantise(name: str, values: NDArray[Any]) -> Ints:
    """``round(x * 2**32)`` of values in [0, 1]; a rounding error outside is clipped."""
    if values.size and values.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; got dtype {values.dtype}")
    slack = 4 * float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
    exact = values.astype(np.float64)
    inside = np.where((exact >= -slack) & (exact <= 1 + slack), np.clip(exact, 0.0, 1.0), exact)
    _checks.in_unit_interval(name, inside)
    quantised: Ints = np.rint(inside * SCALE).astype(np.int64)
    return quantised
