"""Runs of trackers over sequences: start one on an annotated box, then only ask it.

A tracker is any object with ``init(frame, box)`` and ``update(frame) -> (box, score)``, frames RGB.

One pass starts on a sequence's first box. It mixes the time since the template with what happens at
that time in the video; starts every so many frames average over that.
"""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

import numpy as np

from ..data.frames import FrameStore
from ..data.sequences import Sequence
from .measures import Floats, carried_forward, overlap

RUN_SPACING = 10  # frames from the start of one run to that of the next
# Groups of frames since the start: 1-29, 30-59, ... 180-199, 200+.
EDGES = [1, 30, 60, 90, 120, 150, 180, 200]
LABELS = [f"{a}-{b - 1}" for a, b in zip(EDGES, EDGES[1:])] + [f"{EDGES[-1]}+"]
MIN_FRAMES = 30  # a start with fewer frames after it is left out
START_OVER = "start over with --fresh, or give another --out"
# Layouts of raw results that the benchmarks' own toolkits and servers read: folder of a tracker;
# paths of a sequence's boxes and of its seconds per frame, if there are any; coordinate of the
# image's corner; whether a server takes a zip. Boxes count pixels as the benchmark's annotations.
# GOT-10k's server wants three runs of a tracker that is not deterministic; ours is.
LAYOUTS = (
    ("GOT-10k/{}", "{0}/{0}_001.txt", "{0}/{0}_time.txt", 0, True),
    ("OTB2015/{}", "{}.txt", "times/{}_time.txt", 1, False),
    ("LaSOT/{}_tracking_result", "{}.txt", "", 1, False),
    ("TrackingNet/{}", "{}.txt", "", 0, True),
)


@dataclass(frozen=True)
class Contestant:
    name: str  # in tables, plots and folders
    identity: str  # what answers and speed depend on; a kept run of another identity is not used
    make: Callable[[], Any]

    @cached_property
    def tracker(self) -> Any:
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
    box = sequence.boxes[start] if box is None else box
    stop = len(sequence) if n_frames is None else min(len(sequence), start + n_frames)
    track = Track(*(np.full((len(sequence), *shape), np.nan) for shape in ((4,), (), ())))
    for index in range(start, stop):
        frame = store.frame(0, index)
        begin = time.perf_counter()
        if index == start:
            tracker.init(frame, box.copy())
            answer, score = box, 1.0
        else:
            answer, score = tracker.update(frame)
        track.seconds[index] = time.perf_counter() - begin
        if np.shape(answer) != (4,):
            words = "the tracker must answer 4 numbers (left, top, width, height); got shape"
            raise ValueError(f"{sequence.frame_name(index)}: {words} {np.shape(answer)}")
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


def many_runs(
    contestant: Contestant, sequence: Sequence, path: Path, *, every: int, n_frames: int
) -> Floats:
    """Overlaps of runs from many starts, (n_runs, n_frames); a file keeps the runs.

    The starts are every so many frames of the sequence, those in which the target is visible. A
    row holds 1, 2, ... frames after it; NaN without the target or after the video's end.
    """
    frames = np.arange(0, len(sequence) - MIN_FRAMES, every)
    wanted = frames[sequence.visible[frames]]
    print(f"{sequence.name}: {len(wanted)} starts, {contestant.name}", flush=True)
    starts, iou = np.empty(0, dtype=np.int64), np.empty((0, n_frames))
    if path.is_file():
        kept = load_kept(path, sequence, contestant)
        n_kept = kept["iou"].shape[1]
        if n_kept != n_frames:
            raise ValueError(f"{path} has runs of {n_kept} frames, not {n_frames}: {START_OVER}")
        asked = np.isin(kept["starts"], wanted)
        starts, iou = kept["starts"][asked], kept["iou"][asked]
    store = FrameStore([sequence])  # images are decoded once for neighbouring starts
    for start in np.setdiff1d(wanted, starts).tolist():
        options = {"start": start, "n_frames": n_frames + 1, "store": store}
        boxes = track_sequence(contestant.tracker, sequence, **options).boxes
        found = overlap(carried_forward(boxes), sequence.boxes)
        found = np.where(sequence.visible, found, np.nan)[start + 1 :][:n_frames]
        row = np.pad(found, (0, n_frames - len(found)), constant_values=np.nan)
        starts, iou = np.append(starts, start), np.vstack([iou, row])
        keep(path, sequence, contestant, starts=starts, iou=iou)
    return iou


def by_group(iou: Floats, threshold: Optional[float] = None) -> Floats:
    """Mean of overlaps in each group of frames, or share above a threshold; NaN without frames."""
    parts = [iou[:, a - 1 : b - 1] for a, b in zip(EDGES, [*EDGES[1:], iou.shape[1] + 1])]
    parts = [part[np.isfinite(part)] for part in parts]
    values = parts if threshold is None else [part > threshold for part in parts]
    return np.array([part.mean() if part.size else np.nan for part in values])


def keep(path: Path, sequence: Sequence, contestant: Contestant, **arrays: Any) -> None:
    truth = np.where(sequence.visible[:, None], sequence.boxes, np.nan)
    save_arrays(path, identity=contestant.identity, truth=truth, **arrays)


def load_kept(path: Path, sequence: Sequence, contestant: Contestant) -> Dict[str, Any]:
    """Arrays that were kept; refuses those of another tracker or annotation."""
    with np.load(path) as stored:
        arrays = dict(stored)
    was, now = str(arrays["identity"]), contestant.identity
    if was != now:
        raise ValueError(f"{path} is of another tracker ({was}; now {now}): {START_OVER}")
    truth = np.where(sequence.visible[:, None], sequence.boxes, np.nan)
    if not np.array_equal(arrays["truth"], truth, equal_nan=True):
        raise ValueError(f"{path} is of another annotation of {sequence.name}: {START_OVER}")
    return arrays


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write an ``.npz`` file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def write_results(root: Path, tracker: str, tracks: Dict[str, Track]) -> None:
    """Write the runs of one tracker, by sequence, as raw results in all layouts."""
    for place, path_of_boxes, path_of_times, base, zipped in LAYOUTS:
        folder, files = root / place.format(tracker), []
        for name, track in tracks.items():
            # Toolkits want a box in every frame: the one before, or zeros ahead of the start.
            boxes = np.nan_to_num(carried_forward(track.boxes))
            boxes[:, :2] += base
            files.append(_write(folder / path_of_boxes.format(name), boxes, "%.4f"))
            if path_of_times:
                seconds = np.nan_to_num(track.seconds)
                files.append(_write(folder / path_of_times.format(name), seconds, "%.8f"))
        if zipped:
            with zipfile.ZipFile(f"{folder}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    archive.write(file, str(file.relative_to(folder)))


def _write(path: Path, values: Floats, form: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, fmt=form, delimiter=",")
    return path
