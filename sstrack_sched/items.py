"""Sampling of any dataset whose items have an ordered difficulty."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np

from . import _checks
from ._draws import STREAM_VERSION, Draws, WeightedDraw, checked_numbers, draw_by_bin
from ._types import Array, ArrayLike, Floats, Ints

_MAX_BINS = 2**30


@dataclass(frozen=True, eq=False)
class Items(Draws):
    """Items as a struct of int64 arrays, shape (n_samples,) each.

    Slicing and index arrays give `Items`, an integer gives the item's index, iteration yields
    indices as plain Python ints.

    Attributes
    ----------
    index : ndarray
        Index of the item in the dataset.
    bin : ndarray
        Difficulty bin of the item.
    number, epoch : ndarray
        Which sample of which epoch.
    """

    index: Ints
    bin: Ints
    number: Ints
    epoch: Ints

    def _item(self, *values: int) -> int:
        return values[0]

    def __iter__(self) -> Iterator[int]:
        return iter(self.index.tolist())


class BinnedSampler:
    """Draw items of a dataset by difficulty bin: a bin by Q, then an item of it by weight.

    Items are drawn with replacement. Sample number k of an epoch is a pure function of (seed,
    epoch, k, distribution, bins, weight): any slice, in any order, in any process gives the same
    items, at a cost that does not grow with k.

    Parameters
    ----------
    bins : array_like of int, shape (n_items,)
        Difficulty bin of each item, from 0, the easiest.
    n_bins : int, optional
        Number of bins, above the largest of `bins`. Default: one more than the largest.
    weight : array_like of float, shape (n_items,), optional
        Relative probability of each item within the random sampler, not negative. An item of
        weight 0 is never drawn. Default: uniform.
    seed : int, default=0
        In [0, 2**64).

    Attributes
    ----------
    n_bins : int
    bins : ndarray of int, shape (n_items,)
        As given, in the smallest of uint8, int16 and int32, read-only: ``bins[index]`` gives the
        bins of drawn items.
    feasible : ndarray of bool, shape (n_bins,)
        Bins that have an item to draw, read-only.
    random_distribution : ndarray of float64, shape (n_bins,)
        q^R: the share of each bin under `weight`, read-only.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Examples
    --------
    >>> source = BinnedSampler([0, 0, 1, 1, 1, 2], seed=1)
    >>> items = source.sample([0.5, 0.5, 0.0], epoch=0, start=0, stop=1000)
    >>> sorted(set(items))  # item 5 is of bin 2
    [0, 1, 2, 3, 4]
    >>> source.random_distribution.round(3)
    array([0.333, 0.5  , 0.167])
    """

    stream_version = STREAM_VERSION

    def __init__(
        self,
        bins: ArrayLike,
        *,
        n_bins: Optional[int] = None,
        weight: Optional[ArrayLike] = None,
        seed: int = 0,
    ) -> None:
        ids = _checks.array("bins", bins)
        if ids.dtype.kind not in "iu":  # integers of any width stay as they are: no copy of 10^8
            ids = _checks.integers("bins", bins)
        if ids.ndim != 1 or not len(ids) or len(ids) >= 2**31:
            raise ValueError(
                "bins must be one bin per item, at least one and fewer than 2**31; "
                f"got shape {ids.shape}"
            )
        n_bins = max(int(ids.max()) + 1, 1) if n_bins is None else n_bins
        self.n_bins = _checks.integer("n_bins", n_bins, 1, _MAX_BINS)
        if ids.min() < 0 or ids.max() >= self.n_bins:
            _checks.bin_ids("bins", ids, self.n_bins)  # names the first one
        self.seed = _checks.integer("seed", seed, 0, 2**64 - 1)
        # 10^8 items in one byte each instead of eight; torch has no unsigned type above it.
        small = np.uint8 if self.n_bins <= 2**8 else np.int16 if self.n_bins <= 2**15 else np.int32
        self.bins = _checks.frozen(ids.astype(small))
        size = len(ids)
        del ids
        shares: Optional[Floats] = None
        if weight is not None:
            _checks.weights("weight", weight, size)
            shares = np.asarray(weight, dtype=np.float64)  # the caller's own memory where it can be
        self._data = _fingerprint(self.bins, shares)
        self._draws, total = _draws_by_bin(self.bins, self.n_bins, shares)
        self.feasible = _checks.frozen(np.array([len(draw.videos) > 0 for draw in self._draws]))
        self.random_distribution = _checks.frozen(total / total.sum())

    @classmethod
    def from_scores(
        cls,
        scores: ArrayLike,
        n_bins: int,
        *,
        weight: Optional[ArrayLike] = None,
        seed: int = 0,
    ) -> BinnedSampler:
        """Bins of nearly equal size, from a score of difficulty per item.

        Parameters
        ----------
        scores : array_like of float, shape (n_items,)
            Difficulty of each item, finite; larger is harder. Equal scores are never split.
        n_bins : int
            Number of bins, at least 1. Many equal scores may leave some empty (not feasible).
        weight, seed : optional
            As for the class.

        Returns
        -------
        BinnedSampler

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.

        Examples
        --------
        >>> BinnedSampler.from_scores([0.1, 0.9, 0.5, 0.5, 0.2, 0.8], 3).bins
        array([0, 2, 1, 1, 0, 2], dtype=uint8)
        """
        values = _checks.reals("scores", scores)
        n_bins = _checks.integer("n_bins", n_bins, 1, _MAX_BINS)
        if values.ndim != 1 or not len(values):
            raise ValueError(f"scores must be one number per item; got shape {values.shape}")
        bad = ~np.isfinite(values)
        if bad.any():
            raise ValueError(f"scores must be finite; got {_checks.first_bad(values, bad)}")
        _, group, size = np.unique(values, return_inverse=True, return_counts=True)
        end = np.cumsum(size)
        middle = 2 * end - size  # twice the middle rank of each group of equal scores
        bins = (middle * n_bins // (2 * len(values)))[group.ravel()]
        return cls(bins, n_bins=n_bins, weight=weight, seed=seed)

    @property
    def identity(self) -> Dict[str, Any]:
        """What must be the same after a restart and in every process; plain values for JSON."""
        return {
            "n_bins": self.n_bins,
            "seed": self.seed,
            "stream_version": self.stream_version,
            "data": self._data,
        }

    def sample(
        self, distribution: ArrayLike, epoch: int, start: int, stop: int, step: int = 1
    ) -> Items:
        """Items number `start`, ``start + step``, ... below `stop` of an epoch.

        Parameters
        ----------
        distribution : array_like of float, shape (n_bins,)
            Q: probability of each bin; 0 where not feasible; sums to 1 within 1e-6.
        epoch : int
            In [0, 2**63).
        start, stop : int
            ``0 <= start <= stop < 2**63``.
        step : int, default=1
            At least 1.

        Returns
        -------
        Items
            ``range(start, stop, step)`` of them.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range or a bin that is not feasible has probability.
        """
        q = _checks.feasible_distribution("distribution", distribution, self.feasible)
        epoch, number = checked_numbers(epoch, start, stop, step)
        columns = draw_by_bin(self._draw_in_bin, 1, q, self.seed, epoch, number, step)
        return Items(columns[0], columns[1], number, np.full(len(number), epoch))

    def _draw_in_bin(self, index: int, uniform: Floats) -> Ints:
        return self._draws[index](uniform[0])

    def __len__(self) -> int:
        return len(self.bins)

    def __repr__(self) -> str:
        return f"<BinnedSampler: {len(self)} items in {self.n_bins} bins, seed {self.seed}>"


def _by_bin(bins: Array, n_bins: int) -> List[Array]:
    """Items of each bin, ascending."""
    order = np.argsort(bins, kind="stable").astype(np.int32)
    ids = np.arange(n_bins).astype(bins.dtype)
    return np.split(order, np.searchsorted(bins, ids[:-1], side="right", sorter=order))


def _draws_by_bin(
    bins: Array, n_bins: int, weight: Optional[Floats]
) -> Tuple[List[WeightedDraw], Floats]:
    """How to draw from each bin, and the weight of each bin up to a common factor."""
    draws, total = [], np.zeros(n_bins)
    largest = 1.0 if weight is None else weight.max()
    for i, items in enumerate(_by_bin(bins, n_bins)):
        if weight is None:
            total[i] = len(items)
            draws.append(WeightedDraw.of(items))
            continue
        own = weight[items]
        drawn = own > 0
        if not drawn.all():
            items, own = items[drawn], own[drawn]  # noqa: PLW2901 (one array in memory, not two)
        with np.errstate(under="ignore"):  # weights hundreds of decades apart
            total[i] = (own / largest).sum()
            draws.append(WeightedDraw.of(items, own))
    return draws, total


def _fingerprint(bins: Array, weight: Optional[Floats]) -> str:
    digest = hashlib.blake2b(f"items {len(bins)}".encode(), digest_size=16)
    for array in (bins, weight):
        digest.update(b"" if array is None else np.ascontiguousarray(array).view(np.uint8))
    return digest.hexdigest()
