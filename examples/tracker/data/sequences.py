"""Annotated video sequences: what a reader or a renderer hands to everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex

MIN_INSIDE = 0.5  # share of a box's area that must lie in the image for its target to be visible


@dataclass(frozen=True, eq=False)
class Sequence:
    """One video with one annotated target."""

    name: str
    # Paths of the images; the images, (n, h, w, 3) RGB; or what makes them: ``frames[i]``.
    frames: Union[Tuple[str, ...], NDArray[np.uint8], Any]
    boxes: NDArray[np.float64]  # (n, 4): left, top, width, height; pixel (0, 0) ends at (1, 1)
    visible: NDArray[np.bool_]  # (n,): may be sampled; never where a box is not finite or empty
    is_image: bool = False  # a still: one frame, which is template and search at once
    weight: float = 1.0  # relative probability of drawing it
    layout: str = ""  # that it was read by, such as "uav123"

    def __post_init__(self) -> None:
        n_frames = len(self.frames)
        boxes = np.array(self.boxes, dtype=np.float64)
        visible = np.array(self.visible, dtype=bool)
        if n_frames == 0:
            raise ValueError(f"sequence {self.name!r} has no frame")
        if boxes.shape != (n_frames, 4) or visible.shape != (n_frames,):
            wanted = f"boxes of shape ({n_frames}, 4) and visible of shape ({n_frames},)"
            got = f"{boxes.shape} and {visible.shape}"
            raise ValueError(f"sequence {self.name!r}: {n_frames} frames need {wanted}; got {got}")
        if self.is_image and n_frames > 1:
            raise ValueError(f"still {self.name!r} must have one frame; got {n_frames}")
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "visible", visible & usable_boxes(boxes))

    def __len__(self) -> int:
        return len(self.frames)

    def frame_name(self, index: int) -> str:
        """Words that lead a person to frame ``index``: its path, or the sequence and number."""
        frames = self.frames
        return frames[index] if isinstance(frames, tuple) else f"{self.name}, frame {index}"


def usable_boxes(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True for boxes (n, 4) with four finite numbers and a positive width and height."""
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore"):
        return finite & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)


def inside_share(boxes: NDArray[np.float64], width: Any, height: Any) -> NDArray[np.float64]:
    """Share of each box's area that lies in its image; 0 for one that is empty or not finite."""
    usable = usable_boxes(boxes)
    left, top, wide, high = np.where(usable[:, None], boxes, 1.0).T
    wide_inside = np.clip(left + wide, 0, width) - np.clip(left, 0, width)
    high_inside = np.clip(top + high, 0, height) - np.clip(top, 0, height)
    return np.where(usable, wide_inside * high_inside / (wide * high), 0.0)


def video_index(sequences: List[Sequence]) -> VideoIndex:
    weight = np.array([sequence.weight for sequence in sequences])
    return VideoIndex(
        np.array([len(sequence) for sequence in sequences]),
        visible=[sequence.visible for sequence in sequences],
        is_image=np.array([sequence.is_image for sequence in sequences]),
        weight=None if (weight == 1).all() else weight,
    )


def fit_bins(
    train_videos: List[Sequence], test_videos: List[Sequence], max_interval: int, spacing: int
) -> Tuple[int, int]:
    """The longest intervals and bins, up to those asked for, that both sets of videos can fill."""
    sets = [[s for s in videos if not s.is_image] for videos in (train_videos, test_videos)]
    for videos in sets:
        spans = [int(np.ptp(np.flatnonzero(s.visible))) for s in videos if s.visible.any()]
        if max(spans, default=0) < 1:
            raise ValueError("the videos need at least two visible frames each side of the split")
        max_interval = min(max_interval, max(spans) + 1)  # the upper edge of a bin is outside it
    spacing = min(spacing, max(1, max_interval // 2))
    indices = [video_index(videos) for videos in sets]
    while max_interval > spacing:
        bins = IntervalBins(max_interval, spacing)
        samplers = [IntervalSampler(index, bins, direction="forward") for index in indices]
        if all(sampler.feasible.all() for sampler in samplers):
            break
        max_interval = spacing * ((max_interval - 1) // spacing)
    return max_interval, spacing
