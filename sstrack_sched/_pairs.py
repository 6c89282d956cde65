"""What `IntervalSampler` draws: pairs, one by one or as a struct of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple

import numpy as np

from ._draws import Draws
from ._types import Ints


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
class Pairs(Draws):
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

    def _item(self, *values: int) -> Pair:
        return Pair(*values)

    def __iter__(self) -> Iterator[Pair]:
        return map(Pair._make, zip(*(column.tolist() for column in self._columns())))
