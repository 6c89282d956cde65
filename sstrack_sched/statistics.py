"""Success rates by bin from the IoUs of an epoch."""

from __future__ import annotations

import base64
from typing import Any, Dict, List

import numpy as np

from . import _checks
from ._types import Array, ArrayLike, Floats, Ints

MAX_SAMPLES = 2**31
_ONE = 2**32  # an IoU of 1, quantised
_BITS = 33  # bits of a quantised IoU; the bits above them hold the bin
_MASK = (1 << _BITS) - 1
MAX_BINS = 2**30


class SuccessStatistics:
    """IoUs of an epoch by bin: counts, mean IoU and success rates.

    IoUs are rounded to ``k = round(iou * 2**32)`` and summed as integers:
    results are bit-identical for any order and any split over processes.

    Parameters
    ----------
    n_bins : int
        Number of bins, in [1, 2**30].

    Attributes
    ----------
    n_invalid : int
        Number of samples dropped for an invalid IoU, for information only.

    Examples
    --------
    >>> statistics = SuccessStatistics(3)
    >>> statistics.add([0.9, 0.5, 0.2], [0, 0, 1])
    >>> statistics.success_rate(0.5)  # 0.5 is not above 0.5
    array([0.5, 0. , nan])
    """

    def __init__(self, n_bins: int) -> None:
        self.n_bins = _checks.integer("n_bins", n_bins, 1, MAX_BINS)
        self.n_invalid = 0
        self._count = np.zeros(self.n_bins, dtype=np.int64)
        self._sum = 0
        self._parts: List[Ints] = []  # bin << 33 | quantised IoU

    def __repr__(self) -> str:
        samples = f"{self._count.sum()} IoUs of mean {self.mean_iou:.3g} in {self.n_bins} bins"
        return f"<SuccessStatistics: {samples}, {self.n_invalid} invalid>"

    @property
    def count(self) -> Ints:
        """Number of samples in each bin, int64, shape (n_bins,)."""
        return self._count.copy()

    @property
    def mean_iou(self) -> float:
        """Mean IoU over all samples; NaN if there are none."""
        n_samples = int(self._count.sum())
        return self._sum / (n_samples * _ONE) if n_samples else float("nan")

    def add(self, ious: ArrayLike, bins: ArrayLike) -> None:
        """Record samples.

        Parameters
        ----------
        ious : array_like of float, any shape
            In [0, 1]; values at most 4 eps outside are clipped.
        bins : array_like of int, same shape
            Bin of each sample, in [0, n_bins).

        Raises
        ------
        TypeError, ValueError
            If shapes differ, a value is NaN or out of range, or the samples
            exceed 2**31; nothing is recorded then.
        """
        values = _checks.array("ious", ious)
        ids = _checks.bin_ids("bins", bins, self.n_bins)
        _checks.shaped("bins, like ious,", ids, values.shape)
        self._append((ids << _BITS | _quantise("ious", values)).ravel())

    def _append(self, samples: Ints) -> None:
        n_samples = int(self._count.sum()) + len(samples)
        _checks.require(n_samples <= MAX_SAMPLES, "ious", f"be at most {MAX_SAMPLES}", n_samples)
        self._count += np.bincount(samples >> _BITS, minlength=self.n_bins)
        self._sum += int((samples & _MASK).sum(dtype=np.uint64))
        self._parts.append(samples)

    def _samples(self) -> Ints:
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._parts])

    def success_rate(self, threshold: float) -> Floats:
        """Return the success rates p, shape (n_bins,), NaN in empty bins.

        Parameters
        ----------
        threshold : float
            tau, in [0, 1]: success is ``iou > tau``. For `mean_iou`, tau is
            the mean without rounding.
        """
        limit = int(_quantise("threshold", np.asarray(_checks.real("threshold", threshold))))
        if threshold == self.mean_iou:  # the float may be rounded
            limit = self._sum // int(self._count.sum())
        samples = self._samples()
        successes = np.bincount(samples[samples & _MASK > limit] >> _BITS, minlength=self.n_bins)
        rate = np.full(self.n_bins, np.nan)
        np.divide(successes, self._count, out=rate, where=self._count > 0)
        return rate

    def merge(self, other: SuccessStatistics) -> None:
        """Add the samples of `other`, which must have the same number of bins.

        Raises
        ------
        TypeError, ValueError
            If type or number of bins differ, or the samples exceed 2**31.
        """
        _checks.instance("other", other, SuccessStatistics)
        good = other.n_bins == self.n_bins
        _checks.require(good, "other", f"have {self.n_bins} bins", other.n_bins)
        self._append(other._samples())
        self.n_invalid += other.n_invalid

    def state_dict(self) -> Dict[str, Any]:
        """Return the state for JSON, equal for any order of addition."""
        # ``bin << 33 | k`` of each sample, sorted, as little-endian int64 in base64.
        samples = np.sort(self._samples()).astype("<i8").tobytes()
        text = base64.b64encode(samples).decode("ascii")
        return {"n_bins": self.n_bins, "n_invalid": self.n_invalid, "samples": text}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Load a dict that `state_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If the state is damaged or of other bins; nothing changes.
        """
        _checks.keys("state of statistics", state, ("n_bins", "n_invalid", "samples"))
        n_bins = state["n_bins"]
        _checks.require(n_bins == self.n_bins, "state", f"be of {self.n_bins} bins", n_bins)
        fresh = SuccessStatistics(self.n_bins)
        fresh.n_invalid = _checks.integer("state's n_invalid", state["n_invalid"], 0)
        try:
            raw = base64.b64decode(state["samples"], validate=True)
            samples = np.frombuffer(raw, dtype="<i8").astype(np.int64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"state's samples must be int64 in base64: {error}") from error
        ious = samples & _MASK
        _checks.refuse("state's samples", f"be IoUs up to {_ONE}", ious, ious > _ONE)
        _checks.bin_ids("bins of state's samples", samples >> _BITS, self.n_bins)
        fresh._append(samples)
        self.__dict__.update(fresh.__dict__)


def _quantise(name: str, values: Array) -> Ints:
    """Return ``round(x * 2**32)`` of values in [0, 1]; clip rounding errors outside."""
    good = values.dtype.kind in "fiub" or not values.size
    _checks.require(good, name, "hold real numbers", values, TypeError)
    slack = 4 * float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
    exact = _checks.reals(name, values)
    inside = np.where((exact >= -slack) & (exact <= 1 + slack), np.clip(exact, 0.0, 1.0), exact)
    _checks.in_unit_interval(name, inside)
    return np.rint(inside * _ONE).astype(np.int64)
