"""What `IntervalSampler` draws: pairs, one by one or as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Tuple, Union, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ints = NDArray[np.int64]


class Pair(NamedTuple):
    """One training pair."""

    video: int
    template: int
    search: int
    bin: int
    number: int
    epoch: int

    @property
    def interval(self) -> int:
        """Frames between template and search, unsigned."""
        return abs(self.search - self.template)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs as a struct of int64 arrays, shape (n_pairs,) each.

    Slicing and index arrays give `Pairs`, an integer gives a `Pair`, iteration yields `Pair`.

    Attributes
    ----------
    video : ndarray
        Index of the video.
    template, search : ndarray
        Frames, from 0.
    bin : ndarray
        Interval bin.
    number, epoch : ndarray
        Which pair of which epoch.
    """

    video: Ints
    template: Ints
    search: Ints
    bin: Ints
    number: Ints
    epoch: Ints

    @property
    def interval(self) -> Ints:
        """Frames between template and search, unsigned."""
        interval: Ints = np.abs(self.search - self.template)
        return interval

    def _columns(self) -> Tuple[Ints, ...]:
        return self.video, self.template, self.search, self.bin, self.number, self.epoch

    def __len__(self) -> int:
        return len(self.video)

    @overload
    def __getitem__(self, index: int) -> Pair: ...

    @overload
    def __getitem__(self, index: Union[slice, ArrayLike]) -> Pairs: ...

    def __getitem__(self, index: Any) -> Union[Pair, Pairs]:
        if isinstance(index, (int, np.integer)):
            return Pair(*(int(column[index]) for column in self._columns()))
        return Pairs(*(column[index] for column in self._columns()))

    def __iter__(self) -> Iterator[Pair]:
        return map(Pair._make, zip(*(column.tolist() for column in self._columns())))
