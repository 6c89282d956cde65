"""Counter-based draws: uniform numbers by (seed, epoch, number), a bin, an id by weight."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Dict, Generic, Iterator, List, Optional, Type, TypeVar, overload

import numpy as np

from . import _checks
from ._types import Array, ArrayLike, Floats, Ints, Mask, Row, Rows

STREAM_VERSION = 1  # which draws belong to a (seed, epoch, number): changes whenever they do
_BLOCK = 1 << 14  # samples drawn at a time: the working set stays in the cache
_FEW_RUNS = 16  # so many are searched as fast as a guide finds one
_GUIDED_STEPS = 3  # from where the guide points to; what is farther is searched


Item = TypeVar("Item")
Drawn = TypeVar("Drawn", bound="Draws[Any]")


@dataclass(frozen=True, eq=False, repr=False)
class Draws(Generic[Item]):
    """Base of what samplers draw: arrays of one entry per sample, the last bin, number, epoch."""

    _item: ClassVar[Any]  # what a row is handed out as

    def _columns(self) -> List[Ints]:
        return [getattr(self, field.name) for field in fields(self)]

    def __len__(self) -> int:
        return len(self._columns()[0])

    def __iter__(self) -> Iterator[Item]:
        return map(self._item, *(column.tolist() for column in self._columns()))

    def __repr__(self) -> str:
        number, epoch = self._columns()[-2:]
        ends = " to ".join(f"{number[i]} of epoch {epoch[i]}" for i in (0, -1) if len(self))
        return f"<{type(self).__name__}: {len(self)} samples, number {ends or 'none'}>"

    @overload
    def __getitem__(self, index: Row) -> Item: ...
    @overload
    def __getitem__(self: Drawn, index: Rows) -> Drawn: ...
    def __getitem__(self, index: Any) -> Any:
        try:
            row = operator.index(index)
        except TypeError:  # a slice or an array of indices
            return type(self)(*(column[index] for column in self._columns()))
        return self._item(*(int(column[row]) for column in self._columns()))


class Sampler(Generic[Drawn]):
    """Base of the samplers: a bin by the distribution, then what a subclass draws in that bin."""

    stream_version = STREAM_VERSION
    n_bins: int
    feasible: Mask
    seed: int
    _drawn: Type[Drawn]

    def sample(
        self, distribution: ArrayLike, epoch: int, start: int, stop: int, step: int = 1
    ) -> Drawn:
        """Samples number `start`, ``start + step``, ... below `stop`: `Pairs` or `Items`.

        A pure function of (seed, epoch, number, distribution, data): any slice, in any order, in
        any process gives the same samples, at a cost that does not grow with `start`.

        Parameters
        ----------
        distribution : array_like of float, shape (n_bins,)
            Q: probability of each bin; 0 where not feasible; sums to 1 within 1e-6.
        epoch : int
            In [0, 2**63).
        start, stop : int
            ``0 <= start <= stop < 2**63``.
        step : int, default=1
            At least 1. As ``sample(...)[::step]`` without `step`, but only those are drawn.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range or a bin that is not feasible has probability.
        """
        q = _checks.feasible_distribution("distribution", distribution, self.feasible)
        epoch = _checks.integer("epoch", epoch, 0, 2**63 - 1)
        start = _checks.integer("start", start, 0, 2**63 - 1)
        stop = _checks.integer("stop", stop, start, 2**63 - 1)
        step = _checks.integer("step", step, 1, 2**63 - 1)
        with np.errstate(under="ignore"):  # a bin of next to no probability
            cumulative = np.cumsum(q / q.sum())
        cumulative[np.flatnonzero(q)[-1] :] = 1  # rounding must not leak into bins behind
        # np.arange computes its length in floating point, which is wrong near 2**63.
        number = start + step * np.arange(len(range(start, stop, step)), dtype=np.int64)
        columns = np.empty((len(fields(self._drawn)), len(number)), dtype=np.int64)
        columns[-2], columns[-1] = number, epoch
        small = np.uint16 if self.n_bins <= 2**16 else np.int64  # which sorts fast
        for low in range(0, len(number), _BLOCK):
            block = columns[:, low : low + _BLOCK]
            uniform = uniform_numbers(self.seed, epoch, block[-2], step)
            block[-3] = np.searchsorted(cumulative, uniform[0], side="right")
            for index, rows in enumerate(rows_by_group(block[-3].astype(small), self.n_bins)):
                if len(rows):
                    block[:-3, rows] = self._draw_in_bin(index, uniform[1:, rows])
        return self._drawn(*columns)

    def _draw_in_bin(self, index: int, uniform: Floats) -> Any:
        """All columns before the bin, from uniform numbers of shape (3, n)."""
        raise NotImplementedError


def uniform_numbers(seed: int, epoch: int, number: Ints, step: int, attempt: int = 0) -> Floats:
    """Four uniform numbers in [0, 1) per number, shape (4, len(number)).

    Numbers are `step` apart. The words of those between cost little, and are skipped.
    """
    words = np.empty((len(number), 4), dtype=np.uint64)
    at_once = max(1, _BLOCK // step)
    key = np.array([seed, epoch], dtype=np.uint64)
    for low in range(0, len(number), at_once):
        count = min(at_once, len(number) - low)
        counter = np.array([number[low], attempt, 0, 0], dtype=np.uint64)
        generator = np.random.Philox(counter=counter, key=key)
        run = generator.random_raw(4 * ((count - 1) * step + 1))
        words[low : low + count] = run.reshape(-1, 4)[::step]
    return np.ascontiguousarray((words >> 11).T) * 2.0**-53


def rows_by_group(group: Array, n_groups: int) -> List[Array]:
    """Rows of each group, ascending, 4 bytes each."""
    order = np.argsort(group, kind="stable").astype(np.int32)
    ids = np.arange(n_groups).astype(group.dtype)
    return np.split(order, np.searchsorted(group, ids[:-1], side="right", sorter=order))


def pick(uniform: Floats, n: Ints) -> Ints:
    """Choice from ``[0, n)``, uniform, for uniform numbers in [0, 1)."""
    return (uniform * n).astype(np.int64)


class WeightedDraw:
    """Draw one of some videos (or other ids) by weight.

    Runs of equal weight are kept, not weights: one run for uniform weights, one per dataset for a
    mixture. Where most videos have a weight of their own, each is a run. A guide table finds the
    run: cut [0, 1) into about as many parts as runs, and most parts begin in the run sought.
    """

    def __init__(self, arrays: Dict[str, Array]) -> None:
        self.arrays = arrays
        self.videos: Array = arrays["videos"]  # the ids to draw from
        self._before = arrays["before"]  # weight before each run, and the sum of all
        self._guide = arrays.get("guide")  # the run in which each part begins
        self._starts = arrays.get("starts")  # of each run, and the number of videos
        self._each = arrays.get("each")  # weight of each of a run's videos

    @classmethod
    def of(cls, videos: Array, weight: Optional[Floats] = None) -> WeightedDraw:
        """Draw from ids by relative probabilities, all above 0; None: uniform."""
        if weight is None:
            weight = np.ones(min(len(videos), 1))  # of the only run
        change = np.ones(len(weight), dtype=bool)
        np.not_equal(weight[1:], weight[:-1], out=change[1:])
        arrays: Dict[str, Array] = {"videos": videos}
        before = np.zeros(len(weight) + 1)  # filled in place: there may be 10^8 weights
        each = np.divide(weight, weight.max(initial=0.0), out=before[1:])
        if 2 * np.count_nonzero(change) <= len(videos):
            starts = np.append(np.flatnonzero(change), len(videos))
            arrays["starts"], arrays["each"] = starts, each[change]
            before = np.append(0.0, arrays["each"] * np.diff(starts))
        np.cumsum(before[1:], out=before[1:])
        arrays["before"] = before
        if len(before) - 1 > _FEW_RUNS:
            arrays["guide"] = _guide(before)
        return cls({name: _checks.frozen(array) for name, array in arrays.items()})

    def __call__(self, uniform: Floats) -> Ints:
        """Ids for uniform numbers in [0, 1)."""
        target = uniform * self._before[-1]
        run = self._run_of(uniform, target)
        if self._starts is not None and self._each is not None:
            within = ((target - self._before[run]) / self._each[run]).astype(np.int64)
            run = np.minimum(self._starts[run] + within, self._starts[run + 1] - 1)
        return self.videos[run].astype(np.int64)

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


def _guide(before: Floats) -> Array:
    """The run in which each of n equal parts of the whole weight begins."""
    # A power of two: the part that a uniform number is in is then exact.
    n_parts = 1 << (len(before) - 2).bit_length() - 1
    guide = np.empty(n_parts, dtype=np.int32)
    for low in range(0, n_parts, _BLOCK):  # all at once would take eight bytes more per part
        starts = np.arange(low, min(low + _BLOCK, n_parts)) / n_parts * before[-1]
        guide[low : low + _BLOCK] = np.searchsorted(before[1:], starts, side="right")
    return guide
