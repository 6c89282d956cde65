"""Success by the time since the template was taken, from many start frames of each sequence.

One run a sequence would mix the time since the template with what happens at that time in the
video. Starts every so many frames average over that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.frames import FrameStore
from ..data.sequences import Sequence
from .confidence import Interval, bootstrap_mean
from .measures import carried_forward, overlap
from .one_pass import AnyTracker, annotation, check_same, save_arrays, track_sequence

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TimeConfig:
    """Starts and length of runs, and groups of their frames.

    Parameters
    ----------
    every : int
        Frames between starts. A start in which the target is not visible is left out.
    n_frames : int
        Longest run, in frames after its start.
    group : int
        Groups are 1 to group - 1 frames since the start, group to 2 group - 1, and so on.
    last_group : int
        From here on all frames are one group.
    min_frames : int
        Starts with fewer frames after them are left out.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    every: int = 30
    n_frames: int = 230
    group: int = 30
    last_group: int = 200
    min_frames: int = 30

    def __post_init__(self) -> None:
        for name in ("every", "n_frames", "min_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 2 <= self.group <= self.last_group:
            raise ValueError(
                f"group must be at least 2 and at most last_group; "
                f"got {self.group} and {self.last_group}"
            )

    @property
    def edges(self) -> NDArray[np.int64]:
        """First interval of each group: 1, 30, 60, ... 180, 200 by default."""
        inner = np.arange(self.group, self.last_group, self.group)
        return np.array([1, *inner, self.last_group])

    @property
    def labels(self) -> List[str]:
        """Names of the groups: ``1-29``, ... ``200+``."""
        edges = self.edges
        return [f"{a}-{b - 1}" for a, b in zip(edges, edges[1:])] + [f"{edges[-1]}+"]

    def starts(self, sequence: Sequence) -> NDArray[np.int64]:
        """Frames of a sequence to start in."""
        frames = np.arange(0, len(sequence) - self.min_frames, self.every)
        return frames[sequence.visible[frames]]


@dataclass(frozen=True, eq=False)
class Runs:
    """Overlaps of all runs over one sequence.

    Parameters
    ----------
    starts : ndarray of int, shape (n_runs,)
        Frame of each start.
    iou : ndarray of float, shape (n_runs, n_frames)
        Overlap 1, 2, ... frames after it; NaN where the target is not visible or the video ended.
    """

    starts: NDArray[np.int64]
    iou: Floats

    def by_group(self, edges: NDArray[np.int64], threshold: Optional[float] = None) -> Floats:
        """Mean overlap in each group, or share above a threshold; NaN where there is no frame."""
        ends = [*edges[1:], self.iou.shape[1] + 1]
        parts = [self.iou[:, a - 1 : b - 1] for a, b in zip(edges, ends)]
        parts = [part[np.isfinite(part)] for part in parts]
        if threshold is not None:
            parts = [part > threshold for part in parts]
        return np.array([part.mean() if part.size else np.nan for part in parts])


def run_sequence(
    tracker: AnyTracker,
    sequence: Sequence,
    config: TimeConfig,
    *,
    done: Optional[Runs] = None,
    keep: Optional[Callable[[Runs], None]] = None,
) -> Runs:
    """Run a tracker from every start of a sequence."""
    runs = done or Runs(np.empty(0, dtype=np.int64), np.empty((0, config.n_frames)))
    store = FrameStore([sequence])  # pictures are decoded once for neighbouring starts
    for start in np.setdiff1d(config.starts(sequence), runs.starts):
        track = track_sequence(
            tracker, sequence, start=int(start), n_frames=config.n_frames + 1, store=store
        )
        row = _overlaps(track.boxes, sequence, int(start), config.n_frames)
        runs = Runs(np.append(runs.starts, start), np.vstack([runs.iou, row]))
        if keep is not None:
            keep(runs)
    return runs


def run_and_keep(
    make_tracker: Callable[[], AnyTracker],
    sequence: Sequence,
    config: TimeConfig,
    path: Path,
    identity: str,
) -> Runs:
    """The same, with a file that holds every run as soon as it is done."""
    done = None
    if path.is_file():
        with np.load(path) as stored:
            check_same(path, stored, sequence, identity)
            done = Runs(stored["starts"], stored["iou"])
        if done.iou.shape[1] != config.n_frames:
            raise ValueError(
                f"{path} has runs of {done.iou.shape[1]} frames, not {config.n_frames}: "
                "start over with --fresh, or give another --out"
            )
        wanted = np.isin(done.starts, config.starts(sequence))
        done = Runs(done.starts[wanted], done.iou[wanted])
        if wanted.sum() == len(config.starts(sequence)):
            return done

    def keep(runs: Runs) -> None:
        save_arrays(
            path, identity=identity, truth=annotation(sequence), starts=runs.starts, iou=runs.iou
        )

    return run_sequence(make_tracker(), sequence, config, done=done, keep=keep)


def summarise(
    runs: Dict[str, Runs], config: TimeConfig, *, threshold: float = 0.5
) -> Tuple[List[Interval], List[Interval], List[int]]:
    """Success rate and mean overlap in each group, over sequences."""
    success = np.array([part.by_group(config.edges, threshold) for part in runs.values()])
    iou = np.array([part.by_group(config.edges) for part in runs.values()])
    counts = [int(count) for count in np.isfinite(iou).sum(axis=0)]
    return [bootstrap_mean(c) for c in success.T], [bootstrap_mean(c) for c in iou.T], counts


def _overlaps(boxes: Floats, sequence: Sequence, start: int, n_frames: int) -> Floats:
    stop = min(len(sequence), start + n_frames + 1)
    rows = slice(start, stop)
    iou = overlap(carried_forward(boxes[rows]), sequence.boxes[rows])
    row = np.full(n_frames, np.nan)
    row[: stop - start - 1] = np.where(sequence.visible[rows], iou, np.nan)[1:]
    return row
