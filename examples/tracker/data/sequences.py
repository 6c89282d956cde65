"""Annotated video sequences: what a reader or a renderer hands to everything else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Dict, List, Optional, Sized, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from sstrack_sched import VideoIndex


class FrameSource(Sized):
    """Frames made on demand: ``len(source)`` and ``source[i]`` -> (h, w, 3) uint8 RGB."""

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Picture number ``index``."""
        raise NotImplementedError


Frames = Union[Tuple[str, ...], NDArray[np.uint8], FrameSource]
MIN_INSIDE = 0.5  # share of a box's area that must lie in the picture for its target to be visible


@dataclass(frozen=True, eq=False)
class Sequence:
    """One video with one annotated target.

    Parameters
    ----------
    name : str
        Unique within a data set.
    frames : tuple of str, ndarray of uint8 with shape (n, h, w, 3), or FrameSource
        Paths of the pictures, the pictures (RGB), or an object that makes them on demand.
    boxes : ndarray of float, shape (n, 4)
        Left, top, width, height in pixels. Pixel (0, 0) covers the square from (0, 0) to (1, 1).
    visible : ndarray of bool, shape (n,)
        Frames in which the target may be sampled. Always False where a box is not finite or empty.
    is_image : bool, default=False
        A still: one frame, which is template and search at once.
    weight : float, default=1
        Relative probability of drawing it.

    Raises
    ------
    ValueError
        If the three disagree about the number of frames, there is no frame, or a still has more
        than one.
    """

    name: str
    frames: Frames
    boxes: NDArray[np.float64]
    visible: NDArray[np.bool_]
    is_image: bool = False
    weight: float = 1.0

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
    """Which boxes have four finite numbers and a positive width and height.

    Parameters
    ----------
    boxes : ndarray of float, shape (n, 4)
        Left, top, width, height in pixels.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    finite = np.isfinite(boxes).all(axis=1)
    with np.errstate(invalid="ignore"):
        return finite & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)


def video_index(sequences: List[Sequence]) -> VideoIndex:
    """What can be sampled from these sequences, in their order.

    Parameters
    ----------
    sequences : list of Sequence
        Video ``i`` of the index is ``sequences[i]``.

    Returns
    -------
    VideoIndex

    Raises
    ------
    ValueError
        If the list is empty.
    """
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
) -> Tuple[List[Sequence], List[Sequence]]:
    """Sequences to train on and sequences to report on.

    Parameters
    ----------
    sequences : list of Sequence
        All of a data set.
    assigned : dict of str to str, optional
        ``"train"`` or ``"test"`` by sequence name. None: by a hash of the name, so that the split
        depends on neither the order nor the machine and hardly on what else is in the folder.
    held_out : float, default=0.25
        Share to report on when nothing is assigned; at least one sequence, never all. 0: none.

    Returns
    -------
    train, test : list of Sequence

    Raises
    ------
    ValueError
        If one of the two would be empty, a name is not assigned, or a split is unknown.
    """
    if assigned is None and held_out == 0:
        return list(sequences), []
    if assigned is None:
        assigned = _split_by_hash([sequence.name for sequence in sequences], held_out)
    parts: Dict[str, List[Sequence]] = {"train": [], "test": []}
    for sequence in sequences:
        split = assigned.get(sequence.name)
        if split not in parts:
            raise ValueError(
                f"sequence {sequence.name!r} needs split 'train' or 'test'; got {split!r}"
            )
        parts[split].append(sequence)
    for split, members in parts.items():
        if not members:
            raise ValueError(f"no sequence to {split} on among {len(sequences)}")
    return parts["train"], parts["test"]


def _split_by_hash(names: List[str], held_out: float) -> Dict[str, str]:
    ranked = sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())
    n_test = min(max(1, round(held_out * len(names))), len(names) - 1)
    return {name: "test" if rank < n_test else "train" for rank, name in enumerate(ranked)}
