"""Which videos and which templates can serve a bin: the tables behind `IntervalSampler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Tuple, Union

import numpy as np

from ._bits import RankedBits, word_aligned_blocks
from ._draws import WeightedDraw, pick
from ._storage import load_arrays, save_arrays
from ._types import Array, Floats, Ints, Mask
from .bins import IntervalBins
from .videos import VideoIndex

if TYPE_CHECKING:
    from pathlib import Path


_KIND = "eligibility tables"
_BLOCK = 1 << 20  # frames or videos worked on at a time


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

    def draw(self, uniform: Floats, start: Ints, stop: Ints) -> Ints:
        """One of them; frames in the middle that reach neither way are jumped over."""
        k = pick(uniform, self.count(start, stop))
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

    def draw(self, uniform: Floats, start: Ints, stop: Ints) -> Ints:
        """One of them."""
        before = self.bits.rank(start)
        k = pick(uniform, self.bits.rank(stop) - before)
        return self.bits.select(before + k, start, stop)


class Eligibility:
    """Per bin: the videos that have a pair, and the templates in them.

    Attributes
    ----------
    draws : list of WeightedDraw, n_bins
        Of the videos of positive weight that have at least one pair of the bin.
    templates : list of FullTemplates or MaskedTemplates or None, n_bins
        None for the image bin, where the template is frame 0.
    n_templates : ndarray of int64, shape (n_bins,)
        Template frames in all those videos.
    """

    def __init__(self, videos: VideoIndex, bins: IntervalBins, both: bool) -> None:
        drawn = np.ones(len(videos), dtype=bool) if videos.weight is None else videos.weight > 0
        self.draws: List[WeightedDraw] = []
        self.templates: List[Union[FullTemplates, MaskedTemplates, None]] = []
        n_templates: List[int] = []
        if bins.image_bin:
            images = np.flatnonzero(drawn & videos.is_image & first_frame_visible(videos))
            self.draws.append(_draw_of(videos, [images]))
            self.templates.append(None)
            n_templates.append(len(images))
        drawn &= ~videos.is_image
        for lower, upper in zip(bins.edges[:-1].tolist(), bins.edges[1:].tolist()):
            table = _templates(videos, drawn, lower, upper, both)
            ids, count = _serving(videos, drawn, table)
            self.draws.append(_draw_of(videos, ids))
            self.templates.append(table)
            n_templates.append(count)
        self.n_templates = np.array(n_templates, dtype=np.int64)

    def save(self, path: Path, key: str) -> None:
        """Write the tables, for `load`."""
        arrays: Dict[str, Array] = {"n_templates": self.n_templates}
        for i, (draw, table) in enumerate(zip(self.draws, self.templates)):
            arrays.update({f"{name}-{i}": array for name, array in draw.arrays.items()})
            if isinstance(table, MaskedTemplates):
                arrays[f"words-{i}"] = table.bits.words
                arrays[f"ranks-{i}"] = table.bits.ranks
        save_arrays(path, _KIND, key, arrays)

    @classmethod
    def load(cls, path: Path, key: str, bins: IntervalBins, both: bool) -> Eligibility:
        """Map the tables that `save` wrote; ValueError where they are damaged or of another key."""
        # A wrong table draws wrong frames in silence, so its checksums are always compared.
        found, arrays = load_arrays(path, _KIND, mmap=True, verify=True)
        if found != key:
            raise ValueError(f"{path} must be the tables of {key}; got {found}")
        self = cls.__new__(cls)
        self.n_templates = arrays.pop("n_templates")
        of_bin: List[Dict[str, Array]] = [{} for _ in range(len(bins))]
        for title, array in arrays.items():
            name, index = title.split("-")
            of_bin[int(index)][name] = array
        self.draws = [WeightedDraw(tables) for tables in of_bin]
        self.templates = [None] if bins.image_bin else []
        for i in range(len(self.templates), len(bins)):
            if "words" in of_bin[i]:
                bits = RankedBits(of_bin[i]["words"], of_bin[i]["ranks"])
                self.templates.append(MaskedTemplates(bits))
            else:
                self.templates.append(FullTemplates(int(bins.lower[i]), both))
        return self


def check_images(videos: VideoIndex, bins: IntervalBins) -> None:
    """Refuse arguments that are not what they should be, and images without a bin for them."""
    if not isinstance(videos, VideoIndex):
        raise TypeError(f"videos must be a VideoIndex; got {videos!r}")
    if not isinstance(bins, IntervalBins):
        raise TypeError(f"bins must be IntervalBins; got {bins!r}")
    if videos.is_image.any() and not bins.image_bin:
        raise ValueError(
            "bins must have an image bin (image_bin=True), for videos holds "
            f"{int(videos.is_image.sum())} images; got {bins!r}"
        )


def frame_range(videos: VideoIndex, ids: Union[Ints, slice]) -> Tuple[Ints, Ints]:
    """First frame of videos and the one past their last, as the visibility bits count them.

    Where all is visible there are no bits, and every video's frames begin at 0.
    """
    if videos._visible_bits is not None:
        return videos.offsets[:-1][ids], videos.offsets[1:][ids]
    lengths = videos.lengths[ids]
    return np.zeros_like(lengths), lengths


def first_frame_visible(videos: VideoIndex) -> Mask:
    """Whether the target is visible in frame 0 of each video, shape (n_videos,)."""
    bits = videos._visible_bits
    if bits is None:
        return np.ones(len(videos), dtype=bool)
    first = videos.offsets[:-1]
    return bits.rank(first + 1) > bits.rank(first)


def _serving(
    videos: VideoIndex, drawn: Mask, table: Union[FullTemplates, MaskedTemplates]
) -> Tuple[List[Ints], int]:
    """Ids, in parts, of the drawn videos that have templates, and how many these are."""
    ids, n_templates = [], 0
    for start in range(0, len(videos), _BLOCK):
        part = slice(start, start + _BLOCK)
        count = table.count(*frame_range(videos, part)) * drawn[part]
        ids.append(start + np.flatnonzero(count))
        n_templates += int(count.sum())
    return ids, n_templates


def _draw_of(videos: VideoIndex, parts: List[Ints]) -> WeightedDraw:
    """Draw from ids by the weights of their videos; 4 bytes an id where that is enough."""
    dtype = np.int32 if len(videos) < 2**31 else np.int64
    ids = np.concatenate([part.astype(dtype) for part in parts])
    return WeightedDraw.of(ids, None if videos.weight is None else videos.weight[ids])


def _templates(
    videos: VideoIndex, drawn: Mask, lower: int, upper: int, both: bool
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
    drawn: Mask,
    start: int,
    stop: int,
    lower: int,
    upper: int,
    both: bool,
) -> Array:
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
