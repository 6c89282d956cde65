"""Counter-based random draws, keyed by (seed, epoch, number)."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Dict, Generic, Iterator, List, Optional, Type, TypeVar, overload

import numpy as np

from . import _checks
from ._types import Array, ArrayLike, Floats, Ints, Mask, Row, Rows

STREAM_VERSION = 1  # changes whenever a (seed, epoch, number) gives other draws
_BLOCK = 1 << 14  # samples drawn at a time: the working set stays in the cache
_FEW_RUNS = 16  # up to this number, bisection is as fast as a guide table
_GUIDED_STEPS = 3  # linear steps from the guide's entry, before bisection

Item = TypeVar("Item")
Drawn = TypeVar("Drawn", bound="Draws[Any]")


@dataclass(frozen=True, eq=False, repr=False)
class Draws(Generic[Item]):
    """Base class of drawn samples: one array per field, the last being bin, number, epoch."""

    _item: ClassVar[Any]  # type of a single row

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
    """Base class of samplers: draws a bin by Q; a subclass then draws a sample in the bin."""

    stream_version = STREAM_VERSION
    n_bins: int
    feasible: Mask
    seed: int
    _drawn: Type[Drawn]

    def sample(
        self, distribution: ArrayLike, epoch: int, start: int, stop: int, step: int = 1
    ) -> Drawn:
        """Draw samples ``range(start, stop, step)`` as `Pairs` or `Items`.

        A sample depends only on (seed, epoch, number, distribution, data):
        any process may draw any slice. A large `start` costs no more.

        Parameters
        ----------
        distribution : array_like of float, shape (n_bins,)
            Q: bin probabilities, 0 where infeasible; sum 1 within 1e-6.
        epoch : int
            In [0, 2**63).
        start, stop : int
            ``0 <= start <= stop < 2**63``.
        step : int, default=1
            At least 1. Samples in between are not drawn.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range, or Q > 0 in infeasible bins.
        """
        q = _checks.feasible_distribution("distribution", distribution, self.feasible)
        epoch = _checks.integer("epoch", epoch, 0, 2**63 - 1)
        start = _checks.integer("start", start, 0, 2**63 - 1)
        stop = _checks.integer("stop", stop, start, 2**63 - 1)
        step = _checks.integer("step", step, 1, 2**63 - 1)
        with np.errstate(under="ignore"):  # bins of negligible probability
            cumulative = np.cumsum(q / q.sum())
        cumulative[np.flatnonzero(q)[-1] :] = 1  # no rounding error may reach later bins
        # np.arange computes its length in floating point, which is wrong near 2**63.
        number = start + step * np.arange(len(range(start, stop, step)), dtype=np.int64)
        columns = np.empty((len(fields(self._drawn)), len(number)), dtype=np.int64)
        columns[-2], columns[-1] = number, epoch
        small = np.uint16 if self.n_bins <= 2**16 else np.int64  # sorts faster
        for low in range(0, len(number), _BLOCK):
            block = columns[:, low : low + _BLOCK]
            uniform = uniform_numbers(self.seed, epoch, block[-2], step)
            block[-3] = np.searchsorted(cumulative, uniform[0], side="right")
            for index, rows in enumerate(rows_by_group(block[-3].astype(small), self.n_bins)):
                if len(rows):
                    block[:-3, rows] = self._draw_in_bin(index, uniform[1:, rows])
        return self._drawn(*columns)

    def _draw_in_bin(self, index: int, uniform: Floats) -> Any:
        """Return the columns before ``bin``, from uniform numbers of shape (3, n)."""
        raise NotImplementedError


def uniform_numbers(seed: int, epoch: int, number: Ints, step: int, attempt: int = 0) -> Floats:
    """Return four uniform numbers in [0, 1) per sample, shape (4, len(number))."""
    # The sample numbers are `step` apart; the random words of those in between are discarded.
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
    """Return the rows of each group in ascending order, as int32."""
    order = np.argsort(group, kind="stable").astype(np.int32)
    ids = np.arange(n_groups).astype(group.dtype)
    return np.split(order, np.searchsorted(group, ids[:-1], side="right", sorter=order))


def pick(uniform: Floats, n: Ints) -> Ints:
    """Map uniform numbers in [0, 1) to uniform integers in ``[0, n)``."""
    return (uniform * n).astype(np.int64)


class WeightedDraw:
    """Draw of video ids (or other ids) by weight.

    Consecutive ids of equal weight form a run: one run for uniform weights, one per dataset for a
    mixture, one per id if most weights differ. A guide table finds the run: it divides [0, 1) into
    about as many equal parts as there are runs and holds the run in which each part begins.
    """

    def __init__(self, arrays: Dict[str, Array]) -> None:
        self.arrays = arrays
        self.videos: Array = arrays["videos"]  # the ids to draw from
        self._before = arrays["before"]  # weight before each run, then the total weight
        self._guide = arrays.get("guide")  # the run in which each part begins
        self._starts = arrays.get("starts")  # first position of each run, then the number of ids
        self._each = arrays.get("each")  # weight per id in each run

    @classmethod
    def of(cls, videos: Array, weight: Optional[Floats] = None) -> WeightedDraw:
        """Build from ids and their relative probabilities, all above 0; None: uniform."""
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
        """Return ids for uniform numbers in [0, 1)."""
        target = uniform * self._before[-1]
        run = self._run_of(uniform, target)
        if self._starts is not None and self._each is not None:
            within = ((target - self._before[run]) / self._each[run]).astype(np.int64)
            run = np.minimum(self._starts[run] + within, self._starts[run + 1] - 1)
        return self.videos[run].astype(np.int64)

    def _run_of(self, uniform: Floats, target: Floats) -> Ints:
        """Find the first run that ends above the target."""
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
    """Return the run in which each of n equal parts of the total weight begins."""
    # With a power of two, the part of a uniform number is computed exactly.
    n_parts = 1 << (len(before) - 2).bit_length() - 1
    guide = np.empty(n_parts, dtype=np.int32)
    for low in range(0, n_parts, _BLOCK):  # blocks save eight bytes per part
        starts = np.arange(low, min(low + _BLOCK, n_parts)) / n_parts * before[-1]
        guide[low : low + _BLOCK] = np.searchsorted(before[1:], starts, side="right")
    return guide
