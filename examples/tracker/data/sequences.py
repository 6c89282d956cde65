"""Annotated video sequences: what a reader or a renderer hands to everything else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex

Split = Tuple[List["Sequence"], List["Sequence"]]  # to train on, and to report on
Frames = Union[Tuple[str, ...], NDArray[np.uint8], Any]
MIN_INSIDE = 0.5  # share of a box's area that must lie in the image for its target to be visible


@dataclass(frozen=True, eq=False)
class Sequence:
    """One video with one annotated target."""

    name: str
    # Paths of the images; the images, (n, h, w, 3) RGB; or what makes them: ``frames[i]``.
    frames: Frames
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
            raise ValueError(
                f"sequence {self.name!r}: {n_frames} frames need boxes of shape ({n_frames}, 4) "
                f"and visible of shape ({n_frames},); got {boxes.shape} and {visible.shape}"
            )
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


def video_index(sequences: List[Sequence]) -> VideoIndex:
    if not sequences:
        raise ValueError("video_index needs at least one sequence; got none")
    weight = np.array([sequence.weight for sequence in sequences])
    return VideoIndex(
        np.array([len(sequence) for sequence in sequences]),
        visible=[sequence.visible for sequence in sequences],
        is_image=np.array([sequence.is_image for sequence in sequences]),
        weight=None if (weight == 1).all() else weight,
    )


def split_sequences(
    sequences: List[Sequence], assigned: Optional[Dict[str, str]] = None, *, held_out: float = 0.25
) -> Split:
    """Sequences to train on and sequences to report on.

    ``assigned`` says ``"train"`` or ``"test"`` for each name. Without it a hash of the name does,
    so that the split hardly depends on what else is in the folder. ``held_out`` is the share to
    report on; at least one sequence, never all. 0: none.
    """
    if assigned is None and held_out == 0:
        return list(sequences), []
    names = [sequence.name for sequence in sequences]
    splits = _split_by_hash(names, held_out) if assigned is None else assigned
    for name in names:
        found = splits.get(name)
        if found not in ("train", "test"):
            raise ValueError(f"sequence {name!r} needs split 'train' or 'test'; got {found!r}")
    train, test = ([s for s in sequences if splits[s.name] == k] for k in ("train", "test"))
    if not train or not test:
        missing = "test" if train else "train"
        raise ValueError(f"no sequence to {missing} on among {len(sequences)}")
    return train, test


def _split_by_hash(names: List[str], held_out: float) -> Dict[str, str]:
    ranked = sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())
    n_test = min(max(1, round(held_out * len(names))), len(names) - 1)
    return {name: "test" if rank < n_test else "train" for rank, name in enumerate(ranked)}


def fit_bins(
    train_videos: List[Sequence], test_videos: List[Sequence], max_interval: int, spacing: int
) -> Tuple[int, int]:
    """The longest intervals and bins, up to those asked for, that both sets of videos can fill.

    They are whole bins, at least two, narrower if need be; stills do not count.
    """
    sets = [[s for s in videos if not s.is_image] for videos in (train_videos, test_videos)]
    spans = [
        [np.ptp(np.flatnonzero(s.visible)) for s in videos if s.visible.any()] for videos in sets
    ]
    longest = int(min(max(found, default=0) for found in spans))
    if longest < 1:
        raise ValueError(
            "the videos need at least two visible frames each side of the split; they have not"
        )
    max_interval = min(max_interval, longest + 1)  # the upper edge of a bin is outside it
    spacing = min(spacing, max(1, max_interval // 2))
    indices = [video_index(videos) for videos in sets]
    while max_interval > spacing:
        bins = IntervalBins(max_interval, spacing)
        samplers = [IntervalSampler(index, bins, direction="forward") for index in indices]
        if all(sampler.feasible.all() for sampler in samplers):
            break
        max_interval = spacing * ((max_interval - 1) // spacing)
    return max_interval, spacing
