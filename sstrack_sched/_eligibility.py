"""Tables of the videos and template frames that have a pair in each bin."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import numpy as np

from . import _checks
from ._bits import AllSet, RankedBits
from ._draws import WeightedDraw, pick
from ._storage import load_arrays, save_arrays
from ._types import Array, Floats, Ints, Mask
from .bins import IntervalBins
from .videos import VideoIndex

_KIND = "eligibility tables"
_BLOCK = 1 << 20  # frames or videos per block; a multiple of 8 for `packbits`


class FullTemplates:
    """Templates of one bin if every frame is visible: in closed form, nothing is stored."""

    def __init__(self, lower: int, both: bool) -> None:
        self.lower = lower
        self.both = both

    def count(self, start: Ints, stop: Ints) -> Ints:
        """Count the templates among frames ``[start, stop)`` of a video."""
        length = stop - start
        one_side: Ints = np.maximum(length - self.lower, 0)
        return np.minimum(2 * one_side, length) if self.both else one_side

    def draw(self, uniform: Floats, start: Ints, stop: Ints) -> Ints:
        """Draw a template; frames in the middle without a partner are skipped."""
        k = pick(uniform, self.count(start, stop))
        one_side = stop - start - self.lower
        gap = np.maximum(self.lower - one_side, 0)
        return start + k + np.where(k >= one_side, gap, 0)


class MaskedTemplates(RankedBits):
    """Templates of one bin under a visibility mask: one bit per frame."""

    def count(self, start: Ints, stop: Ints) -> Ints:
        """Count the templates among frames ``[start, stop)`` of a video."""
        return self.rank(stop) - self.rank(start)

    def draw(self, uniform: Floats, start: Ints, stop: Ints) -> Ints:
        """Draw a template."""
        before = self.rank(start)
        return self.select(before + pick(uniform, self.rank(stop) - before), start, stop)


Templates = Union[FullTemplates, MaskedTemplates]


class Eligibility:
    """Videos that have a pair, and their templates, for each bin."""

    draws: List[WeightedDraw]  # among videos of positive weight with a pair in the bin
    templates: List[Optional[Templates]]  # None for the image bin: the template is frame 0
    n_templates: Ints  # in all these videos together

    def __init__(self, videos: VideoIndex, bins: IntervalBins, both: bool) -> None:
        drawn = np.ones(len(videos), dtype=bool) if videos.weight is None else videos.weight > 0
        images = usable_images(videos)
        images = images[drawn[images]]
        drawn &= ~videos.is_image
        edges = bins.edges.tolist()
        tables = [_templates(videos, *window, both) for window in zip(edges[:-1], edges[1:])]
        served = [_serving(videos, drawn, table) for table in tables]
        self.templates = [*tables]
        if bins.image_bin:
            self.templates.insert(0, None)
            served.insert(0, (_draw_of(videos, [images]), len(images)))
        self.draws = [draw for draw, _ in served]
        self.n_templates = np.array([count for _, count in served], dtype=np.int64)

    def save(self, path: Path, key: str) -> None:
        """Write the tables to a file."""
        arrays: Dict[str, Array] = {"n_templates": self.n_templates}
        for i, (draw, table) in enumerate(zip(self.draws, self.templates)):
            arrays.update({f"{name}-{i}": array for name, array in draw.arrays.items()})
            if isinstance(table, MaskedTemplates):
                arrays.update({f"words-{i}": table.words, f"ranks-{i}": table.ranks})
        save_arrays(path, _KIND, key, arrays)

    @classmethod
    def load(cls, path: Path, key: str, bins: IntervalBins, both: bool) -> Eligibility:
        """Memory-map saved tables; ValueError if they are damaged or of another key."""
        # A damaged table would silently draw wrong frames, so checksums are always verified.
        found, arrays = load_arrays(path, _KIND, mmap=True, verify=True)
        _checks.require(found == key, str(path), f"be the tables of {key}", found)
        self = cls.__new__(cls)
        self.n_templates = arrays.pop("n_templates")
        of_bin: List[Dict[str, Array]] = [{} for _ in range(len(bins))]
        for title, array in arrays.items():
            name, index = title.split("-")
            of_bin[int(index)][name] = array
        self.draws = [WeightedDraw(tables) for tables in of_bin]
        self.templates = [
            MaskedTemplates(tables["words"], tables["ranks"])
            if "words" in tables
            else FullTemplates(lower, both)
            for tables, lower in zip(of_bin, bins.lower.tolist())
        ]
        if bins.image_bin:
            self.templates[0] = None
        return self


def check_images(videos: VideoIndex, bins: IntervalBins) -> None:
    """Check the types, and refuse images if there is no image bin."""
    _checks.instance("videos", videos, VideoIndex)
    _checks.instance("bins", bins, IntervalBins)
    n_images = int(videos.is_image.sum())
    rule = f"have an image bin (image_bin=True) because videos has still images ({n_images})"
    _checks.require(bins.image_bin or not n_images, "bins", rule, bins)


def frame_range(videos: VideoIndex, ids: Union[Ints, slice]) -> Tuple[Ints, Ints]:
    """Return each video's first frame in the mask and the end, or 0 and the length."""
    if isinstance(videos._bits, AllSet):
        lengths = videos.lengths[ids]
        return np.zeros_like(lengths), lengths
    return videos.offsets[:-1][ids], videos.offsets[1:][ids]


def usable_images(videos: VideoIndex) -> Ints:
    """Return the ids of still images with a visible target."""
    images = np.flatnonzero(videos.is_image)
    frame, _ = frame_range(videos, images)
    return images[videos._bits.rank(frame + 1) > videos._bits.rank(frame)]


def _serving(videos: VideoIndex, drawn: Mask, table: Templates) -> Tuple[WeightedDraw, int]:
    """Return a draw of the videos that have templates, and their number of templates."""
    ids, n_templates = [], 0
    for start in range(0, len(videos), _BLOCK):
        part = slice(start, start + _BLOCK)
        count = table.count(*frame_range(videos, part)) * drawn[part]
        ids.append(start + np.flatnonzero(count))
        n_templates += int(count.sum())
    return _draw_of(videos, ids), n_templates


def _draw_of(videos: VideoIndex, parts: List[Ints]) -> WeightedDraw:
    """Build the draw of ids by video weight, with int32 ids if they suffice."""
    dtype = np.int32 if len(videos) < 2**31 else np.int64
    ids = np.concatenate([part.astype(dtype) for part in parts])
    return WeightedDraw.of(ids, None if videos.weight is None else videos.weight[ids])


def _templates(videos: VideoIndex, lower: int, upper: int, both: bool) -> Templates:
    """Find visible frames with a visible partner at an interval in ``[lower, upper)``."""
    if isinstance(videos._bits, AllSet):
        return FullTemplates(lower, both)
    packed = [
        np.packbits(_eligible(videos, start, lower, upper, both), bitorder="little")
        for start in range(0, videos.n_frames, _BLOCK)
    ]
    return MaskedTemplates.from_bytes(np.concatenate(packed))


def _eligible(videos: VideoIndex, start: int, lower: int, upper: int, both: bool) -> Mask:
    """Mask the templates in the block of frames that begins at `start`."""
    stop, offsets = min(start + _BLOCK, videos.n_frames), videos.offsets
    first, last = np.searchsorted(offsets, [start, stop - 1], side="right") - 1
    inside = np.clip(offsets[first : last + 2], start, stop)
    video = np.repeat(np.arange(first, last + 1), np.diff(inside))
    # Frames are numbered from `origin`, at most `upper` frames before the block.
    origin = max(start - upper, 0)
    seen = videos._bits.unpack(origin, min(stop + upper, videos.n_frames))
    before = np.zeros(len(seen) + 1, dtype=np.int64)
    np.cumsum(seen, out=before[1:])
    frame = np.arange(start - origin, stop - origin)
    end = offsets[video + 1] - origin
    partners = before[np.minimum(frame + upper, end)] - before[np.minimum(frame + lower, end)]
    if both:
        begin = offsets[video] - origin
        partners += before[np.maximum(frame - lower + 1, begin)]
        partners -= before[np.maximum(frame - upper + 1, begin)]
    return seen[start - origin : stop - origin] & (partners > 0)
