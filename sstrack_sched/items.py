"""Sampling of any dataset by bins of difficulty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from . import _checks
from ._draws import Draws, Sampler, WeightedDraw, rows_by_group
from ._storage import digest
from ._types import ArrayLike, Floats, Ints
from .statistics import MAX_BINS


@dataclass(frozen=True, eq=False, repr=False)
class Items(Draws[int]):
    """Drawn items as int64 arrays of shape (n_samples,).

    ``items[2]`` and iteration give indices, slices and arrays `Items`.
    """

    index: Ints  #: Index of the item in the dataset.
    bin: Ints  #: Difficulty bin.
    number: Ints  #: Number of the sample in its epoch, from 0.
    epoch: Ints  #: Epoch, from 0.

    @staticmethod
    def _item(index: int, *_: int) -> int:
        return index

    def __iter__(self) -> Iterator[int]:
        return iter(self.index.tolist())


class BinnedSampler(Sampler[Items]):
    """Sampler of any dataset: a bin is drawn by Q, then an item by weight.

    Items are drawn with replacement, with the same random numbers as pairs.

    Parameters
    ----------
    bins : array_like of int, shape (n_items,)
        Difficulty bin of each item, from 0, the easiest.
    n_bins : int, optional
        Number of bins. Default and minimum: the largest id in `bins` + 1.
    weight : array_like of float, shape (n_items,), optional
        Relative probability of each item, at least 0. Default: uniform.
    seed : int, default=0
        In [0, 2**64).

    Attributes
    ----------
    bins : ndarray of uint8, int16 or int32, shape (n_items,)
        The given bins, read-only; ``bins[index]``: the bins of drawn items.
    feasible : ndarray of bool, shape (n_bins,)
        Bins with an item of positive weight, read-only.
    random_distribution : ndarray of float64, shape (n_bins,)
        q^R: the share of each bin under `weight`, read-only.

    Examples
    --------
    >>> source = BinnedSampler([0, 0, 1, 1, 1, 2], seed=1)
    >>> items = source.sample([0.5, 0.5, 0.0], epoch=0, start=0, stop=1000)
    >>> sorted(set(items))  # item 5 is in bin 2
    [0, 1, 2, 3, 4]
    >>> source.random_distribution.round(3)
    array([0.333, 0.5  , 0.167])
    """

    _drawn = Items

    def __init__(
        self,
        bins: ArrayLike,
        *,
        n_bins: Optional[int] = None,
        weight: Optional[ArrayLike] = None,
        seed: int = 0,
    ) -> None:
        ids = _checks.array("bins", bins)
        if ids.dtype.kind not in "iu":  # integers of any width are kept: no copy of 10^8 ids
            ids = _checks.integers("bins", bins)
        good = ids.ndim == 1 and 0 < len(ids) < 2**31
        _checks.require(good, "bins", "be one per item, at least one, fewer than 2**31", ids.shape)
        n_bins = max(int(ids.max()) + 1, 1) if n_bins is None else n_bins
        self.n_bins = _checks.integer("n_bins", n_bins, 1, MAX_BINS)
        if ids.min() < 0 or ids.max() >= self.n_bins:
            _checks.bin_ids("bins", ids, self.n_bins)  # raises for the first wrong id
        self.seed = _checks.integer("seed", seed, 0, 2**64 - 1)
        # The smallest type, for 10^8 items; of the unsigned ones torch 1.9 has only uint8.
        small = np.uint8 if self.n_bins <= 2**8 else np.int16 if self.n_bins <= 2**15 else np.int32
        self.bins = ids = _checks.frozen(ids.astype(small))
        if weight is not None:
            _checks.weights("weight", weight, len(ids))
            weight = np.asarray(weight, dtype=np.float64)  # no copy if possible
        self._data = digest(f"items {len(ids)}", ids, *([] if weight is None else [weight]))
        self._draws, share = self._draws_by_bin(weight)
        self.feasible = _checks.frozen(np.array([len(draw.videos) > 0 for draw in self._draws]))
        self.random_distribution = _checks.frozen(share / share.sum())

    @classmethod
    def from_scores(
        cls, scores: ArrayLike, n_bins: int, *, weight: Optional[ArrayLike] = None, seed: int = 0
    ) -> BinnedSampler:
        """Create a sampler with bins of nearly equal size from item scores.

        Parameters
        ----------
        scores : array_like of float, shape (n_items,)
            Difficulty, finite; larger is harder. Equal scores share a bin.
        n_bins : int
            At least 1. Many equal scores may leave bins empty (infeasible).
        weight, seed : optional
            As for the class.
        """
        values = _checks.reals("scores", scores)
        n_bins = _checks.integer("n_bins", n_bins, 1, MAX_BINS)
        good = values.ndim == 1 and len(values)
        _checks.require(good, "scores", "be one number per item", values.shape)
        _checks.refuse("scores", "be finite", values, ~np.isfinite(values))
        _, group, size = np.unique(values, return_inverse=True, return_counts=True)
        end = np.cumsum(size)
        middle = 2 * end - size  # twice the middle rank of each group of equal scores
        bins = (middle * n_bins // (2 * len(values)))[group.ravel()]
        return cls(bins, n_bins=n_bins, weight=weight, seed=seed)

    @property
    def identity(self) -> Dict[str, Any]:
        """Values that must be equal after a restart and in all processes."""
        return {
            "n_bins": self.n_bins,
            "seed": self.seed,
            "stream_version": self.stream_version,
            "data": self._data,
        }

    def _draws_by_bin(self, weight: Optional[Floats]) -> Tuple[List[WeightedDraw], Floats]:
        """Return the draw of each bin, and its weight up to a common factor."""
        draws, share = [], np.zeros(self.n_bins)
        largest = 1.0 if weight is None else weight.max()
        for i, items in enumerate(rows_by_group(self.bins, self.n_bins)):
            own = None if weight is None else weight[items]
            if own is not None and not own.all():
                items, own = items[own > 0], own[own > 0]  # noqa: PLW2901 (one in memory, not two)
            with np.errstate(under="ignore"):  # weights may span hundreds of decades
                share[i] = len(items) if own is None else (own / largest).sum()
                draws.append(WeightedDraw.of(items, own))
        return draws, share

    def _draw_in_bin(self, index: int, uniform: Floats) -> Ints:
        return self._draws[index](uniform[0])

    def __len__(self) -> int:
        return len(self.bins)

    def __repr__(self) -> str:
        return f"<BinnedSampler: {len(self)} items in {self.n_bins} bins, seed {self.seed}>"
