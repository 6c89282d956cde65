"""Runs of trackers over sequences: start one on an annotated box, then only ask it.

A tracker is any object with ``init(frame, box)`` and ``update(frame) -> (box, score)``, frames RGB.

One pass starts on a sequence's first box. It mixes the time since the template with what happens at
that time in the video; starts every so many frames average over that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.frames import FrameStore
from ..data.sequences import Sequence
from .measures import carried_forward, overlap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
RUN_SPACING = 10  # frames from the start of one run to that of the next
# Groups of frames since the start: 1-29, 30-59, ... 180-199, 200+.
EDGES = [1, 30, 60, 90, 120, 150, 180, 200]
LABELS = [f"{a}-{b - 1}" for a, b in zip(EDGES, EDGES[1:])] + [f"{EDGES[-1]}+"]
MIN_FRAMES = 30  # a start with fewer frames after it is left out
START_OVER = "start over with --fresh, or give another --out"


@dataclass(frozen=True)
class Contestant:
    """A tracker to evaluate."""

    name: str  # in tables, plots and folders
    identity: str  # what answers and speed depend on; a kept run of another identity is not used
    make: Callable[[], Any]

    @cached_property
    def tracker(self) -> Any:
        """The tracker, made when it is first needed."""
        return self.make()


class Track(NamedTuple):
    """One run over one sequence; NaN in frames before its start and after its end."""

    boxes: Floats  # (n, 4): left, top, width, height; in the frame of the start the given box
    scores: Floats  # (n,): the tracker's own; 1 in the frame of the start
    seconds: Floats  # (n,): of each call, the first of which is init; without reading the image

    @property
    def frames_per_second(self) -> float:
        """Updates by the time that they took; NaN where there was none."""
        spent = self.seconds[np.isfinite(self.seconds)][1:]
        return len(spent) / float(spent.sum()) if spent.sum() > 0 else float("nan")


def track_sequence(
    tracker: Any,
    sequence: Sequence,
    *,
    start: Optional[int] = None,
    n_frames: Optional[int] = None,
    store: Optional[FrameStore] = None,
    box: Optional[Floats] = None,
) -> Track:
    """Run a tracker over a sequence, from its first visible frame unless told otherwise."""
    start = start_of_run(sequence, 0)[0] if start is None else start
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
        if np.shape(answer) != (4,):
            raise ValueError(
                f"{sequence.frame_name(index)}: the tracker must answer 4 numbers "
                f"(left, top, width, height); got shape {np.shape(answer)}"
            )
        track.boxes[index], track.scores[index] = answer, score
    return track


def start_of_run(sequence: Sequence, run: int) -> Tuple[int, Floats]:
    """Frame and box from which a run starts, the same for every tracker.

    Run 0 starts from the first visible frame and the annotated box. Run k starts up to 10 k frames
    later, at most halfway through the video, and each edge of its box is moved by up to a pixel.
    """
    visible = np.flatnonzero(sequence.visible)
    if not len(visible):
        raise ValueError(f"{sequence.name}: the target is visible in no frame")
    first, last = int(visible[0]), int(visible[-1])
    if run == 0:
        return first, sequence.boxes[first].copy()
    latest = min(first + RUN_SPACING * run, (first + last) // 2)
    start = int(visible[visible <= latest][-1])
    left, top, width, height = sequence.boxes[start]
    corners = np.array([left, top, left + width, top + height])
    rng = np.random.default_rng((run, *sequence.name.encode()))
    moved = corners + rng.uniform(-1, 1, 4) * np.minimum(1, np.tile([width, height], 2) / 4)
    return start, np.concatenate([moved[:2], moved[2:] - moved[:2]])


def track_and_keep(
    contestant: Contestant, sequence: Sequence, path: Path, *, run: int = 0
) -> Tuple[Track, bool]:
    """The run that a file holds (and True), or a new one, which the file then holds."""
    if path.is_file():
        kept = load_kept(path, sequence, contestant)
        return Track(*(kept[name] for name in Track._fields)), True
    start, box = start_of_run(sequence, run)
    track = track_sequence(contestant.tracker, sequence, start=start, box=box)
    keep(path, sequence, contestant, **track._asdict())
    return track, False


@dataclass(frozen=True, eq=False)
class ManyRuns:
    """Overlaps of all runs over one sequence."""

    starts: Integers  # (n_runs,): frame of each start
    # (n_runs, n_frames): 1, 2, ... frames after it; NaN without the target or after the video's end
    iou: Floats

    def by_group(self, threshold: Optional[float] = None) -> Floats:
        """Mean overlap in each group, or share above a threshold; NaN where there is no frame."""
        ends = [*EDGES[1:], self.iou.shape[1] + 1]
        values = self.iou
        if threshold is not None:
            values = np.where(np.isfinite(values), values > threshold, np.nan)
        parts = [values[:, a - 1 : b - 1] for a, b in zip(EDGES, ends)]
        parts = [part[np.isfinite(part)] for part in parts]
        return np.array([part.mean() if part.size else np.nan for part in parts])


def many_starts(sequence: Sequence, every: int) -> Integers:
    """Every so many frames of a sequence, those in which the target is visible."""
    frames = np.arange(0, len(sequence) - MIN_FRAMES, every)
    return frames[sequence.visible[frames]]


def many_runs(
    contestant: Contestant, sequence: Sequence, path: Path, *, every: int, n_frames: int
) -> ManyRuns:
    """Run a tracker from many starts, for at most n_frames after each; a file keeps the runs."""
    wanted = many_starts(sequence, every)
    print(f"{sequence.name}: {len(wanted)} starts, {contestant.name}", flush=True)
    runs = ManyRuns(np.empty(0, dtype=np.int64), np.empty((0, n_frames)))
    if path.is_file():
        kept = load_kept(path, sequence, contestant)
        if kept["iou"].shape[1] != n_frames:
            raise ValueError(
                f"{path} has runs of {kept['iou'].shape[1]} frames, not {n_frames}: {START_OVER}"
            )
        asked = np.isin(kept["starts"], wanted)
        runs = ManyRuns(kept["starts"][asked], kept["iou"][asked])
    store = FrameStore([sequence])  # images are decoded once for neighbouring starts
    for start in np.setdiff1d(wanted, runs.starts).tolist():
        track = track_sequence(
            contestant.tracker, sequence, start=start, n_frames=n_frames + 1, store=store
        )
        row = _overlaps(track.boxes, sequence, start, n_frames)
        runs = ManyRuns(np.append(runs.starts, start), np.vstack([runs.iou, row]))
        keep(path, sequence, contestant, starts=runs.starts, iou=runs.iou)
    return runs


def _overlaps(boxes: Floats, sequence: Sequence, start: int, n_frames: int) -> Floats:
    stop = min(len(sequence), start + n_frames + 1)
    rows = slice(start, stop)
    iou = overlap(carried_forward(boxes[rows]), sequence.boxes[rows])
    row = np.full(n_frames, np.nan)
    row[: stop - start - 1] = np.where(sequence.visible[rows], iou, np.nan)[1:]
    return row


def keep(path: Path, sequence: Sequence, contestant: Contestant, **arrays: Any) -> None:
    """Write arrays of a tracker on a sequence to a file that `load_kept` reads."""
    save_arrays(path, identity=contestant.identity, truth=_annotation(sequence), **arrays)


def load_kept(path: Path, sequence: Sequence, contestant: Contestant) -> Dict[str, Any]:
    """Arrays that were kept; refuses those of another tracker or annotation."""
    with np.load(path) as stored:
        arrays = dict(stored)
    was, now = str(arrays["identity"]), contestant.identity
    if was != now:
        raise ValueError(f"{path} is of another tracker ({was}; now {now}): {START_OVER}")
    if not np.array_equal(arrays["truth"], _annotation(sequence), equal_nan=True):
        raise ValueError(f"{path} is of another annotation of {sequence.name}: {START_OVER}")
    return arrays


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an ``.npz`` file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def _annotation(sequence: Sequence) -> Floats:
    return np.where(sequence.visible[:, None], sequence.boxes, np.nan)
