"""Exact sampling of pairs by bin (section 3.2)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Dict, NamedTuple, Tuple

import numpy as np

from . import _checks
from ._draws import Draws, Sampler, pick, uniform_numbers
from ._eligibility import Eligibility, check_images, frame_range
from ._storage import digest
from ._types import Floats, Ints
from .bins import IntervalBins
from .random_sampler import SCHEMES, random_sampler_distribution
from .videos import VideoIndex


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


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(Draws[Pair]):
    """Drawn pairs as int64 arrays of shape (n_pairs,).

    ``pairs[2]`` and iteration give a `Pair`, slices and arrays `Pairs`.
    """

    _item = Pair
    video: Ints  #: Index of the video.
    template: Ints  #: Template frame, from 0.
    search: Ints  #: Search frame, from 0.
    bin: Ints  #: Interval bin.
    number: Ints  #: Number of the pair in its epoch, from 0.
    epoch: Ints  #: Epoch, from 0.

    @property
    def interval(self) -> Ints:
        """Frames between template and search, unsigned."""
        return np.abs(self.search - self.template)


class Coverage(NamedTuple):
    """Counts of videos and templates with a pair: int64, shape (n_bins,)."""

    videos: Ints
    templates: Ints


class IntervalSampler(Sampler[Pairs]):
    """Exact, reproducible sampler of pairs by bin (docs: "The mathematics").

    A video is drawn by weight among those with two visible frames at an
    interval of the bin; then a template, uniformly among its visible frames
    with such a partner; then a search frame, uniformly among the partners.
    A still image pairs frame 0 with itself. Random numbers are raw words
    of NumPy's Philox with key (seed, epoch) and counter (number, attempt),
    four per pair. A choice among n has a bias of at most n / 2**53.

    Parameters
    ----------
    videos : VideoIndex
        The training set.
    bins : IntervalBins
        Interval bins, with an image bin if the index has images.
    direction : {"both", "forward"}, default="both"
        Search on both sides of the template (the paper), or not before it.
    scheme : {"forward", "symmetric", "causal"}, default="forward"
        Sampler behind q^R, see `random_sampler_distribution`.
    seed : int, default=0
        In [0, 2**64).

    Attributes
    ----------
    feasible : ndarray of bool, shape (n_bins,)
        Bins that the data can fill, read-only.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, no bin is feasible or images have no bin.

    Examples
    --------
    >>> sampler = IntervalSampler(VideoIndex([9, 40]), IntervalBins(20, 10))
    >>> pairs = sampler.sample([0.5, 0.5], epoch=0, start=0, stop=1000)
    >>> set(pairs.video[pairs.bin == 1].tolist())  # video 0 is too short
    {1}
    """

    _drawn = Pairs

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
        self.videos, self.bins, self.n_bins = videos, bins, len(bins)
        self._tables = self._open_tables()
        self.feasible = _checks.frozen(self._tables.n_templates > 0)
        rule = f"have a pair in at least one bin of {bins!r}"
        _checks.require(self.feasible.any(), "videos", rule, videos)

    @cached_property
    def random_distribution(self) -> Floats:
        """Exact q^R under `scheme`, shape (n_bins,), read-only."""
        return _checks.frozen(random_sampler_distribution(self.videos, self.bins, self.scheme))

    @property
    def identity(self) -> Dict[str, Any]:
        """Values that must be equal after a restart and in all processes."""
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
        options = f"direction={self.direction!r}, scheme={self.scheme!r}, seed={self.seed}"
        return f"IntervalSampler({self.videos!r}, {self.bins!r}, {options})"

    def _tables_file(self) -> Tuple[Path, str]:
        """Return the path of the saved tables and the key that they must have."""
        path = self.videos.path
        if path is None:
            raise ValueError("videos must be saved and loaded for save_tables; got one in memory")
        key = digest(f"{self.videos.fingerprint} {self.bins!r} {self.direction}")
        return path.with_name(f"{path.name}.{key}.tables"), key

    def _open_tables(self) -> Eligibility:
        both = self.direction == "both"
        with suppress(OSError, ValueError, LookupError, RecursionError):  # none, or damaged
            return Eligibility.load(*self._tables_file(), self.bins, both)
        return Eligibility(self.videos, self.bins, both)

    def save_tables(self) -> None:
        """Save the eligibility tables next to the index, for later samplers.

        Raises
        ------
        ValueError
            If the index was not loaded from a file.
        """
        self._tables.save(*self._tables_file())

    def coverage(self) -> Coverage:
        """Count videos of positive weight with a pair, and their templates."""
        n_videos = np.array([len(draw.videos) for draw in self._tables.draws], dtype=np.int64)
        return Coverage(n_videos, self._tables.n_templates.copy())

    def redraw(self, pair: Pair, attempt: int) -> Pair:
        """Draw another pair of the same bin to replace one that is unreadable.

        Parameters
        ----------
        pair : Pair
            The pair to replace, from `sample` or `redraw`.
        attempt : int
            In [1, 2**64); the same attempt always gives the same pair.

        Raises
        ------
        TypeError, ValueError
            If the attempt is out of range or the bin is infeasible.
        """
        _checks.instance("pair", pair, Pair)
        attempt = _checks.integer("attempt", attempt, 1, 2**64 - 1)
        index = _checks.integer("pair.bin", pair.bin, 0, len(self.bins) - 1)
        _checks.require(self.feasible[index], "pair.bin", "be feasible", index)
        number = _checks.integer("pair.number", pair.number, 0, 2**63 - 1)
        epoch = _checks.integer("pair.epoch", pair.epoch, 0, 2**63 - 1)
        uniform = uniform_numbers(self.seed, epoch, np.array([number]), 1, attempt)
        video, template, search = (int(x[0]) for x in self._draw_in_bin(index, uniform[1:]))
        return Pair(video, template, search, index, number, epoch)

    def _draw_in_bin(self, index: int, uniform: Floats) -> Tuple[Ints, Ints, Ints]:
        """Return video, template and search of pairs in a bin, from uniforms, shape (3, n)."""
        video = self._tables.draws[index](uniform[0])
        table = self._tables.templates[index]
        if table is None:  # a still image
            return video, np.zeros_like(video), np.zeros_like(video)
        first, end = frame_range(self.videos, video)
        template = table.draw(uniform[1], first, end)
        search = self._draw_search(index, template, first, end, uniform[2])
        return video, template - first, search - first

    def _draw_search(self, index: int, template: Ints, first: Ints, end: Ints, u: Floats) -> Ints:
        """Draw search frames uniformly among a template's partners, after and before it."""
        lower, upper = int(self.bins.lower[index]), int(self.bins.upper[index])
        seen = self.videos._bits
        low, high = np.minimum(template + lower, end), np.minimum(template + upper, end)
        rank = seen.rank(low)
        count = seen.rank(high) - rank
        if self.direction == "forward":
            return seen.select(rank + pick(u, count), low, high)
        # Interval 0 belongs to the window after the template only.
        low_before = np.maximum(template - upper + 1, first)
        high_before = np.maximum(template - max(lower, 1) + 1, first)
        rank_before = seen.rank(low_before)
        k = pick(u, count + seen.rank(high_before) - rank_before)
        after = k < count
        target = np.where(after, rank + k, rank_before + k - count)
        low, high = np.where(after, low, low_before), np.where(after, high, high_before)
        return seen.select(target, low, high)

    def __reduce__(self) -> Any:
        options: Dict[str, Any] = {"direction": self.direction, "scheme": self.scheme}
        return partial(IntervalSampler, self.videos, self.bins, seed=self.seed, **options), ()
