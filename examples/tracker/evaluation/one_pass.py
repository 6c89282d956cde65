"""One-pass evaluation: start a tracker on a sequence's first box, then only ask it.

A tracker is any object with ``init(frame, box)`` and ``update(frame) -> (box, score)``, frames RGB.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional, Protocol, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.frames import FrameStore
from ..data.sequences import Sequence

Floats = NDArray[np.float64]
RUN_SPACING = 10  # frames from the start of one run to that of the next


class AnyTracker(Protocol):
    """Interface of a tracker that can be evaluated."""

    def init(self, frame: NDArray[np.uint8], box: Floats) -> None:
        """Start on an RGB frame with the target in ``box``."""

    def update(self, frame: NDArray[np.uint8]) -> Tuple[Floats, float]:
        """Box and score of the target in the next frame."""


class Track(NamedTuple):
    """One run over one sequence.

    Parameters
    ----------
    boxes : ndarray of float, shape (n, 4)
        Left, top, width, height in pixels; in the frame of the start the given box, before it NaN.
    scores : ndarray of float, shape (n,)
        The tracker's own; 1 in the frame of the start.
    seconds : ndarray of float, shape (n,)
        Of each call, the first of which is ``init``; reading the picture is not in it.
    """

    boxes: Floats
    scores: Floats
    seconds: Floats

    @property
    def frames_per_second(self) -> float:
        """Updates by the time that they took; NaN where there was none."""
        spent = self.seconds[np.isfinite(self.seconds)][1:]
        return len(spent) / float(spent.sum()) if spent.sum() > 0 else float("nan")


def track_sequence(
    tracker: AnyTracker,
    sequence: Sequence,
    *,
    start: Optional[int] = None,
    n_frames: Optional[int] = None,
    store: Optional[FrameStore] = None,
    box: Optional[Floats] = None,
) -> Track:
    """Run a tracker over a sequence."""
    start = first_visible(sequence) if start is None else start
    if not (0 <= start < len(sequence) and sequence.visible[start]):
        raise ValueError(f"{sequence.name}: the target is not visible in frame {start}")
    store = FrameStore([sequence], limit=0) if store is None else store
    stop = len(sequence) if n_frames is None else min(len(sequence), start + n_frames)
    track = Track(*(np.full((len(sequence), *shape), np.nan) for shape in ((4,), (), ())))
    for index in range(start, stop):
        frame = store.frame(0, index)
        begin = time.perf_counter()
        if index == start:
            given = (sequence.boxes[start] if box is None else box).copy()
            tracker.init(frame, given.copy())
            answer, score = given, 1.0
        else:
            answer, score = tracker.update(frame)
        track.seconds[index] = time.perf_counter() - begin
        track.boxes[index], track.scores[index] = _checked_box(answer, sequence, index), score
    return track


def first_visible(sequence: Sequence) -> int:
    """Frame in which a one-pass run starts."""
    visible = np.flatnonzero(sequence.visible)
    if not len(visible):
        raise ValueError(f"{sequence.name}: the target is visible in no frame")
    return int(visible[0])


def start_of_run(sequence: Sequence, run: int) -> Tuple[int, Floats]:
    """Frame and box from which a run starts, the same for every tracker.

    Run 0 starts from the first visible frame and the annotated box. Run k starts up to 10 k frames
    later, at most halfway through the video, and each edge of its box is moved by up to a pixel.
    """
    visible = np.flatnonzero(sequence.visible)
    first = first_visible(sequence)
    if run == 0:
        return first, sequence.boxes[first].copy()
    latest = min(first + RUN_SPACING * run, (first + int(visible[-1])) // 2)
    start = int(visible[visible <= latest][-1])
    left, top, width, height = sequence.boxes[start]
    corners = np.array([left, top, left + width, top + height])
    rng = np.random.default_rng((run, *sequence.name.encode()))
    moved = corners + rng.uniform(-1, 1, 4) * np.minimum(1, np.tile([width, height], 2) / 4)
    return start, np.concatenate([moved[:2], moved[2:] - moved[:2]])


def track_and_keep(
    make_tracker: Callable[[], AnyTracker],
    sequence: Sequence,
    path: Path,
    identity: str,
    *,
    run: int = 0,
) -> Tuple[Track, bool]:
    """The run that a file holds, or a new one, which the file then holds."""
    if path.is_file():
        return load_track(path, sequence, identity), True
    start, box = start_of_run(sequence, run)
    track = track_sequence(make_tracker(), sequence, start=start, box=box)
    save_arrays(path, identity=identity, truth=annotation(sequence), **track._asdict())
    return track, False


def load_track(path: Path, sequence: Sequence, identity: str) -> Track:
    """A run that was kept."""
    with np.load(path) as stored:
        check_same(path, stored, sequence, identity)
        return Track(*(stored[name] for name in Track._fields))


def check_same(path: Path, stored: np.lib.npyio.NpzFile, sequence: Sequence, identity: str) -> None:
    """Raise ValueError unless what was stored is of this sequence and tracker."""
    if str(stored["identity"]) != identity:
        raise ValueError(
            f"{path} is of another tracker ({stored['identity']}; now {identity}): "
            "start over with --fresh, or give another --out"
        )
    if not np.array_equal(stored["truth"], annotation(sequence), equal_nan=True):
        raise ValueError(
            f"{path} is of another annotation of {sequence.name}: "
            "start over with --fresh, or give another --out"
        )


def annotation(sequence: Sequence) -> Floats:
    """Annotated boxes, NaN where the target is not visible; shape (n, 4)."""
    return np.where(sequence.visible[:, None], sequence.boxes, np.nan)


def save_arrays(path: Path, **arrays: object) -> None:
    """Write an ``.npz`` file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def _checked_box(box: object, sequence: Sequence, index: int) -> Floats:
    values = np.asarray(box, dtype=np.float64)
    if values.shape != (4,):
        raise ValueError(
            f"{sequence.frame_name(index)}: the tracker must answer 4 numbers "
            f"(left, top, width, height); got shape {values.shape}"
        )
    return values
