"""Exact sampling of (template, search) pairs by interval bin."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

from . import _checks
from ._bits import AllSet
from ._draws import STREAM_VERSION, checked_numbers, draw_by_bin, pick, uniform_numbers
from ._eligibility import Eligibility, check_images, frame_range
from ._pairs import Pair, Pairs
from ._types import ArrayLike, Floats, Ints
from .bins import IntervalBins
from .random_sampler import SCHEMES, random_sampler_distribution
from .videos import VideoIndex

__all__ = ["Coverage", "IntervalSampler", "Pair", "Pairs"]


class Coverage(NamedTuple):
    """What can serve each bin: int64 arrays, shape (n_bins,)."""

    videos: Ints
    templates: Ints


class IntervalSampler:
    """Draw pairs of any bin, exactly and reproducibly.

    A pair of bin ``[l, u)`` ([1]_, section 3.2, borders as in the docs page "The mathematics"): a
    video, drawn by weight among those that have two visible frames whose distance is in ``[l, u)``;
    a template, uniform among its visible frames that have such a partner; a search frame, uniform
    among the template's partners. For a still image template = search = frame 0.

    Pair number k of an epoch is a pure function of (seed, epoch, k, distribution, videos, bins):
    any slice, in any order, in any process gives the same pairs, at a cost that does not grow with
    k.

    Parameters
    ----------
    videos : VideoIndex
        What can be drawn.
    bins : IntervalBins
        Intervals; must have an image bin if the index has images.
    direction : {"both", "forward"}, default="both"
        Search frames on both sides of the template (the paper's) or not before it.
    scheme : {"forward", "symmetric", "causal"}, default="forward"
        The random sampler that `random_distribution` describes, see
        `random_sampler_distribution`; draws do not depend on it.
    seed : int, default=0
        In [0, 2**64).

    Attributes
    ----------
    n_bins : int
    feasible : ndarray of bool, shape (n_bins,)
        Bins that the data can fill, read-only.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, no bin is feasible, or there are images and no bin for them.

    Notes
    -----
    Uniform numbers are the raw words of NumPy's Philox with key (seed, epoch) and counter (number,
    attempt), four a pair: bin, video, template, search. A choice among n has a bias of at most n /
    2**53.

    References
    ----------
    .. [1] Kou et al., SSTrack, IJCAI 2025, doi:10.24963/ijcai.2025/147.

    Examples
    --------
    >>> sampler = IntervalSampler(VideoIndex([100, 400]), IntervalBins(200, 100), seed=1)
    >>> pairs = sampler.sample([0.5, 0.5], epoch=0, start=0, stop=1000)
    >>> set(pairs.video[pairs.bin == 1].tolist())  # a video of 100 frames has no interval of 100
    {1}
    >>> sampler.sample([0.5, 0.5], epoch=0, start=500, stop=501)[0] == pairs[500]
    True
    """

    stream_version = STREAM_VERSION

    def __init__(
        self,
        videos: VideoIndex,
        bins: IntervalBins,
        *,
        direction: str = "both",
        scheme: str = "forward",
        seed: int = 0,
    ) -> None:
        check_images(videos, bins)
        self.scheme = _checks.choice("scheme", scheme, SCHEMES)
        self.direction = _checks.choice("direction", direction, ("both", "forward"))
        self.seed = _checks.integer("seed", seed, 0, 2**64 - 1)
        self.videos = videos
        self.bins = bins
        self.n_bins = len(bins)
        self._random: Optional[Floats] = None
        self._tables = self._eligibility()
        self.feasible = _checks.frozen(self._tables.n_templates > 0)
        if not self.feasible.any():
            raise ValueError(
                f"videos must have a pair that makes a bin feasible of {bins!r}; got {videos!r}"
            )

    @property
    def random_distribution(self) -> Floats:
        """q^R of the random sampler that `scheme` names, exactly, shape (n_bins,); read-only."""
        if self._random is None:
            q_random = random_sampler_distribution(self.videos, self.bins, self.scheme)
            self._random = _checks.frozen(q_random)
        return self._random

    @property
    def identity(self) -> Dict[str, Any]:
        """What must be the same after a restart and in every process; plain values for JSON."""
        return {
            "edges": self.bins.edges.tolist(),
            "image_bin": self.bins.image_bin,
            "direction": self.direction,
            "scheme": self.scheme,
            "seed": self.seed,
            "stream_version": self.stream_version,
            "data": self.videos.fingerprint,
        }

    def __repr__(self) -> str:
        return (
            f"IntervalSampler({self.videos!r}, {self.bins!r}, direction={self.direction!r}, "
            f"scheme={self.scheme!r}, seed={self.seed})"
        )

    def _eligibility(self) -> Eligibility:
        both = self.direction == "both"
        if self.videos.path is not None:
            # The tables can be computed anew: a missing or damaged file costs time only.
            with contextlib.suppress(OSError, ValueError, LookupError):
                return Eligibility.load(self._tables_path, self._tables_key, self.bins, both)
        return Eligibility(self.videos, self.bins, both)

    @property
    def _tables_key(self) -> str:
        text = f"{self.videos.fingerprint} {self.bins!r} {self.direction}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def _tables_path(self) -> Path:
        assert self.videos.path is not None
        return self.videos.path.with_name(f"{self.videos.path.name}.{self._tables_key}.tables")

    def save_tables(self) -> None:
        """Save the eligibility tables beside the index: computed once, by one process.

        Samplers made later from the same file, bins and direction open them instead of computing
        them.

        Raises
        ------
        ValueError
            If the index was not loaded from a file.
        """
        if self.videos.path is None:
            raise ValueError(
                "videos must be saved and loaded before save_tables; got one in memory"
            )
        self._tables.save(self._tables_path, self._tables_key)

    def coverage(self) -> Coverage:
        """How many videos, and template frames in them, can serve each bin.

        Returns
        -------
        Coverage
            ``videos`` and ``templates``, int64 arrays of shape (n_bins,). Videos of weight 0 do not
            count.

        Examples
        --------
        >>> IntervalSampler(VideoIndex([100, 400]), IntervalBins(200, 100)).coverage().videos
        array([2, 1])
        """
        n_videos = np.array([len(draw.videos) for draw in self._tables.draws], dtype=np.int64)
        return Coverage(n_videos, self._tables.n_templates.copy())

    def sample(
        self, distribution: ArrayLike, epoch: int, start: int, stop: int, step: int = 1
    ) -> Pairs:
        """Pairs number `start`, ``start + step``, ... below `stop` of an epoch.

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

        Returns
        -------
        Pairs
            ``range(start, stop, step)`` of them.

        Raises
        ------
        TypeError, ValueError
            If an argument is out of range or a bin that is not feasible has probability.
        """
        q = _checks.feasible_distribution("distribution", distribution, self.feasible)
        epoch, number = checked_numbers(epoch, start, stop, step)
        columns = draw_by_bin(self._draw_in_bin, 3, q, self.seed, epoch, number, step)
        video, template, search, bin_ids = columns
        return Pairs(video, template, search, bin_ids, number, np.full(len(number), epoch))

    def redraw(self, pair: Pair, attempt: int) -> Pair:
        """Another pair of the same bin, for one whose frames turn out unreadable.

        Parameters
        ----------
        pair : Pair
            The pair to replace, from `sample` or `redraw`.
        attempt : int
            In [1, 2**64); each gives another pair, always the same.

        Returns
        -------
        Pair
            Same bin, number and epoch.

        Raises
        ------
        TypeError, ValueError
            If the attempt is out of range or the bin is not feasible.
        """
        if not isinstance(pair, Pair):
            raise TypeError(f"pair must be a Pair; got {pair!r}")
        attempt = _checks.integer("attempt", attempt, 1, 2**64 - 1)
        index = _checks.integer("pair.bin", pair.bin, 0, len(self.bins) - 1)
        if not self.feasible[index]:
            raise ValueError(f"pair.bin must be feasible; got {index}")
        number = _checks.integer("pair.number", pair.number, 0, 2**63 - 1)
        epoch = _checks.integer("pair.epoch", pair.epoch, 0, 2**63 - 1)
        uniform = uniform_numbers(self.seed, epoch, np.array([number]), 1, attempt)
        video, template, search = (int(x[0]) for x in self._draw_in_bin(index, uniform[1:]))
        return Pair(video, template, search, index, number, epoch)

    def _draw_in_bin(self, index: int, uniform: Floats) -> Tuple[Ints, Ints, Ints]:
        """video, template and search of pairs of one bin, from uniform numbers of shape (3, n)."""
        video = self._tables.draws[index](uniform[0])
        table = self._tables.templates[index]
        if table is None:  # a still image
            return video, np.zeros_like(video), np.zeros_like(video)
        first, end = frame_range(self.videos, video)
        template = table.draw(uniform[1], first, end)
        search = self._draw_search(index, template, first, end, uniform[2])
        return video, template - first, search - first

    def _draw_search(
        self, index: int, template: Ints, first: Ints, end: Ints, uniform: Floats
    ) -> Ints:
        """Search frames, uniform among the template's partners after and before it."""
        lower, upper = int(self.bins.lower[index]), int(self.bins.upper[index])
        seen = self.videos._visible_bits or AllSet()
        low, high = np.minimum(template + lower, end), np.minimum(template + upper, end)
        rank = seen.rank(low)
        count = seen.rank(high) - rank
        if self.direction == "forward":
            return seen.select(rank + pick(uniform, count), low, high)
        # Interval 0 is in the window after; it counts once.
        low_before = np.maximum(template - upper + 1, first)
        high_before = np.maximum(template - max(lower, 1) + 1, first)
        rank_before = seen.rank(low_before)
        k = pick(uniform, count + seen.rank(high_before) - rank_before)
        after = k < count
        target = np.where(after, rank + k, rank_before + k - count)
        return seen.select(
            target, np.where(after, low, low_before), np.where(after, high, high_before)
        )

    def __reduce__(self) -> Any:
        return _make_sampler, (self.videos, self.bins, self.direction, self.scheme, self.seed)


def _make_sampler(
    videos: VideoIndex, bins: IntervalBins, direction: str, scheme: str, seed: int
) -> IntervalSampler:
    return IntervalSampler(videos, bins, direction=direction, scheme=scheme, seed=seed)
