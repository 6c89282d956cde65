"""Counter-based draws: uniform numbers by (seed, epoch, number), a bin, an id by weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

import numpy as np

from . import _checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

STREAM_VERSION = 1
"""Which draws belong to a (seed, epoch, number); changes whenever they do."""

_FEW_RUNS = 16  # so many are searched as fast as a guide finds one
_GUIDED_STEPS = 3  # from where the guide points to; what is farther is searched


def pick(uniform: Floats, n: Ints) -> Ints:
    """Choice from ``[0, n)``, uniform, for uniform numbers in [0, 1)."""
    return (uniform * n).astype(np.int64)


class WeightedDraw:
    """Draw one of some videos by weight.

    Runs of equal weight are kept, not weights: one run for uniform weights, one a dataset for a
    mixture; a draw finds the run, and a division the video in it. Where most videos have a weight
    of their own, each is a run. A guide table finds the run: cut [0, 1) into as many parts as there
    are runs, and most parts begin in the run that is sought, or next to it.

    Attributes
    ----------
    videos : ndarray of int, shape (n,)
        The ids to draw from.
    """

    def __init__(self, arrays: Dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.videos: NDArray[np.integer] = arrays["videos"]
        self._before = arrays["before"]  # weight before each run, and the sum of all
        self._total = self._before[-1:]
        self._guide = arrays.get("guide")  # the run in which each part begins
        self._starts = arrays.get("starts")  # of each run, and the number of videos
        self._each = arrays.get("each")  # weight of each of a run's videos

    @classmethod
    def of(cls, videos: NDArray[np.integer], weight: Optional[Floats] = None) -> WeightedDraw:
        """Draw from ids by relative probabilities, all above 0; None: uniform."""
        if weight is None:
            weight = np.ones(min(len(videos), 1))  # of the only run
        change = np.ones(len(weight), dtype=bool)
        np.not_equal(weight[1:], weight[:-1], out=change[1:])
        arrays: Dict[str, NDArray[Any]] = {"videos": videos}
        each = weight / weight.max(initial=0.0)
        if 2 * np.count_nonzero(change) <= len(videos):
            starts = np.append(np.flatnonzero(change), len(videos))
            arrays["starts"], arrays["each"] = starts, each[change]
            each = arrays["each"] * np.diff(starts)
        arrays["before"] = np.append(0.0, np.cumsum(each))
        if len(each) > _FEW_RUNS:
            arrays["guide"] = _guide(arrays["before"])
        return cls({name: _checks.frozen(array) for name, array in arrays.items()})

    def __call__(self, uniform: Floats) -> Ints:
        """Ids for uniform numbers in [0, 1)."""
        target = uniform * self._total
        run = self._run_of(uniform, target)
        if self._starts is not None and self._each is not None:
            within = ((target - self._before[run]) / self._each[run]).astype(np.int64)
            run = np.minimum(self._starts[run] + within, self._starts[run + 1] - 1)
        drawn: Ints = self.videos[run].astype(np.int64)
        return drawn

    def _run_of(self, uniform: Floats, target: Floats) -> Ints:
        """First run that ends above the target."""
        if self._guide is None:
            return np.searchsorted(self._before[1:], target, side="right")
        run: Ints = self._guide[(uniform * len(self._guide)).astype(np.int64)].astype(np.int64)
        for _ in range(_GUIDED_STEPS):
            run += self._before[run + 1] <= target
        short = np.flatnonzero(self._before[run + 1] <= target)
        if len(short):
            run[short] = np.searchsorted(self._before[1:], target[short], side="right")
        return run


def _guide(before: Floats) -> NDArray[np.int32]:
    """The run in which each of 2**k equal parts of the whole weight begins.

    A power of two: which part a uniform number is in is then exact, and rounding keeps order.
    """
    n_parts = 1 << (len(before) - 2).bit_length() - 1
    starts = np.arange(n_parts) / n_parts * before[-1]
    guide: NDArray[np.int32] = np.searchsorted(before[1:], starts, side="right").astype(np.int32)
    return guide
