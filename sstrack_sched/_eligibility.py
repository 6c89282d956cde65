"""Which videos and which templates can serve a bin: the tables behind `IntervalSampler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

import numpy as np

from . import _checks
from ._bits import RankedBits, word_aligned_blocks
from ._storage import load_arrays, read_meta, save_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .bins import IntervalBins
    from .videos import VideoIndex

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_BLOCK = 1 << 20  # frames worked on at a time


class WeightedDraw:
    """Draw one of some videos by weight.

    Runs of equal weight are kept, not weights: one run for uniform weights, one a dataset for a
    mixture, so that a draw is a division and not a search through all videos.

    Parameters
    ----------
    videos : ndarray of int, shape (n,)
        The ids to draw from.
    weight : ndarray of float64, shape (n,), optional
        Relative probabilities, above 0. Default: uniform.
    """

    def __init__(self, videos: NDArray[np.integer], weight: Optional[Floats] = None) -> None:
        self.videos = videos
        if weight is None:
            self._starts = np.zeros(min(len(videos), 1), dtype=np.int64)
            self._each = np.ones(len(self._starts))
        else:
            change = np.ones(len(weight), dtype=bool)
            np.not_equal(weight[1:], weight[:-1], out=change[1:])
            self._starts = np.flatnonzero(change)
            self._each = weight[self._starts] / weight.max(initial=0.0)
        self._counts = np.diff(self._starts, append=len(videos))
        cumulative = np.cumsum(self._each * self._counts)
        self._before = np.append(0.0, cumulative[:-1])
        self._total = cumulative[-1:]

    def __call__(self, uniform: Floats) -> Ints:
        """Ids for uniform numbers in [0, 1)."""
        target = uniform * self._total
        run = np.searchsorted(self._before, target, side="right") - 1
        within = ((target - self._before[run]) / self._each[run]).astype(np.int64)
        index = self._starts[run] + np.minimum(within, self._counts[run] - 1)
        drawn: Ints = self.videos[index].astype(np.int64)
        return drawn


class FullTemplates:
    """Templates of one bin where every frame is visible: closed form, nothing stored."""

    def __init__(self, lower: int, both: bool) -> None:
        self.lower = lower
        self.both = both

    def count(self, start: Ints, stop: Ints) -> Ints:
        """Templates among the frames ``[start, stop)`` of a video."""
        length = stop - start
        one_side: Ints = np.maximum(length - self.lower, 0)
        return np.minimum(2 * one_side, length) if self.both else one_side

    def nth(self, k: Ints, start: Ints, stop: Ints) -> Ints:
        """The k-th of them; frames in the middle that reach neither way are jumped over."""
        if not self.both:
            return start + k
        one_side = stop - start - self.lower
        gap = np.maximum(self.lower - one_side, 0)
        return start + k + np.where(k >= one_side, gap, 0)


class MaskedTemplates:
    """Templates of one bin under a visibility mask: a bit a frame."""

    def __init__(self, bits: RankedBits) -> None:
        self.bits = bits

    def count(self, start: Ints, stop: Ints) -> Ints:
        """Templates among the frames ``[start, stop)`` of a video."""
        return self.bits.rank(stop) - self.bits.rank(start)

    def nth(self, k: Ints, start: Ints, stop: Ints) -> Ints:
        """The k-th of them."""
        return self.bits.select(self.bits.rank(start) + k, start, stop)


class Eligibility:
    """Per bin: the videos that have a pair, and the templates in them.

    Attributes
    ----------
    videos : list of ndarray of int, n_bins
        Ids of the videos of positive weight that have at least one pair of the bin.
    templates : list of FullTemplates or MaskedTemplates or None, n_bins
        None for the image bin, where the template is frame 0.
    n_templates : ndarray of int64, shape (n_bins,)
        Template frames in all those videos.
    """

    def __init__(self, videos: VideoIndex, bins: IntervalBins, both: bool) -> None:
        drawn = np.ones(len(videos), dtype=bool) if videos.weight is None else videos.weight > 0
        self.videos: List[NDArray[np.integer]] = []
        self.templates: List[Union[FullTemplates, MaskedTemplates, None]] = []
        n_templates: List[int] = []
        if bins.image_bin:
            self.videos.append(_ids(drawn & videos.is_image & first_frame_visible(videos)))
            self.templates.append(None)
            n_templates.append(len(self.videos[0]))
        drawn &= ~videos.is_image
        for lower, upper in zip(bins.edges[:-1].tolist(), bins.edges[1:].tolist()):
            table = _templates(videos, drawn, lower, upper, both)
            count = table.count(*frame_range(videos, slice(None)))
            count *= drawn
            self.videos.append(_ids(count > 0))
            self.templates.append(table)
            n_templates.append(int(count.sum()))
        self.n_templates = np.array(n_templates, dtype=np.int64)

    def save(self, folder: Path, key: str) -> None:
        """Write the tables, for `load`."""
        arrays: Dict[str, NDArray[Any]] = {"n_templates": self.n_templates}
        for i, (videos, table) in enumerate(zip(self.videos, self.templates)):
            arrays[f"videos-{i}"] = videos
            if isinstance(table, MaskedTemplates):
                arrays[f"words-{i}"] = table.bits.words
                arrays[f"ranks-{i}"] = table.bits.ranks
        save_arrays(folder, f"tables-{key}", key, arrays)

    @classmethod
    def load(cls, folder: Path, key: str, bins: IntervalBins, both: bool) -> Eligibility:
        """Map the tables that `save` wrote."""
        arrays = load_arrays(folder, read_meta(folder, f"tables-{key}"), mmap=True)
        self = cls.__new__(cls)
        self.n_templates = arrays["n_templates"]
        self.videos = [arrays[f"videos-{i}"] for i in range(len(bins))]
        self.templates = [None] if bins.image_bin else []
        for i in range(len(self.templates), len(bins)):
            if f"words-{i}" in arrays:
                bits = RankedBits(arrays[f"words-{i}"], arrays[f"ranks-{i}"])
                self.templates.append(MaskedTemplates(bits))
            else:
                self.templates.append(FullTemplates(int(bins.lower[i]), both))
        return self


def frame_range(videos: VideoIndex, ids: Union[Ints, slice]) -> Tuple[Ints, Ints]:
    """First frame of videos and the one past their last, as the visibility bits count them.

    Where all is visible there are no bits, and every video's frames begin at 0.
    """
    if videos._visible_bits is not None:
        return videos.offsets[:-1][ids], videos.offsets[1:][ids]
    lengths = videos.lengths[ids]
    return np.zeros_like(lengths), lengths


def first_frame_visible(videos: VideoIndex) -> NDArray[np.bool_]:
    """Whether the target is visible in frame 0 of each video, shape (n_videos,)."""
    bits = videos._visible_bits
    if bits is None:
        return np.ones(len(videos), dtype=bool)
    first = videos.offsets[:-1]
    return bits.rank(first + 1) > bits.rank(first)


def _ids(mask: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Indices of True in 4 bytes each where that is enough."""
    dtype = np.int32 if len(mask) < 2**31 else np.int64
    return _checks.frozen(np.flatnonzero(mask).astype(dtype))


def _templates(
    videos: VideoIndex, drawn: NDArray[np.bool_], lower: int, upper: int, both: bool
) -> Union[FullTemplates, MaskedTemplates]:
    """Frames that are visible and have a visible partner at a distance in ``[lower, upper)``."""
    if videos._visible_bits is None:
        return FullTemplates(lower, both)
    blocks = [
        _eligible_block(videos, drawn, start, stop, lower, upper, both)
        for start, stop in word_aligned_blocks(videos.n_frames, _BLOCK)
    ]
    return MaskedTemplates(RankedBits.from_bytes(np.concatenate(blocks)))


def _eligible_block(
    videos: VideoIndex,
    drawn: NDArray[np.bool_],
    start: int,
    stop: int,
    lower: int,
    upper: int,
    both: bool,
) -> NDArray[np.uint8]:
    """Packed bits of `_templates` for the frames ``[start, stop)`` of all videos."""
    bits, offsets = videos._visible_bits, videos.offsets
    assert bits is not None
    first, last = np.searchsorted(offsets, [start, stop - 1], side="right") - 1
    inside = np.clip(offsets[first : last + 2], start, stop)
    video = np.repeat(np.arange(first, last + 1), np.diff(inside))
    frame = np.arange(start, stop)
    # Visible frames before each frame of the block and of its surroundings.
    low = max(start - upper, 0)
    seen = bits.unpack(low, min(stop + upper, videos.n_frames))
    before = np.zeros(len(seen) + 1, dtype=np.int64)
    np.cumsum(seen, out=before[1:])
    end = offsets[video + 1]
    partners = (
        before[np.minimum(frame + upper, end) - low] - before[np.minimum(frame + lower, end) - low]
    )
    if both:
        begin = offsets[video]
        partners += (
            before[np.maximum(frame - lower + 1, begin) - low]
            - before[np.maximum(frame - upper + 1, begin) - low]
        )
    eligible = seen[start - low : stop - low] & (partners > 0) & drawn[video]
    return np.packbits(eligible, bitorder="little")
