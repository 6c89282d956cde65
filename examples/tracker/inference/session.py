"""Following one target through a stream, and everything that is written on the way."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Deque, Iterator, Optional, TextIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .annotate import Frame, annotate
from .recorder import Recorder, open_recorder
from .screen import show

Box = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Step:
    """One frame, tracked.

    Parameters
    ----------
    frame : ndarray of uint8, shape (h, w, 3)
        BGR.
    box : ndarray of float, shape (4,)
        Left, top, width, height in pixels.
    score : float
        The tracker's trust in the box; 1 in the first frame.
    seconds : float
        That the tracker took; 0 in the first frame.
    """

    frame: Frame
    box: Box
    score: float
    seconds: float


def follow(tracker: Any, frame: Frame, box: Box, frames: Iterator[Frame]) -> Iterator[Step]:
    """Track.

    Parameters
    ----------
    tracker : Tracker
        Anything that has ``init(frame, box)`` and ``update(frame) -> box, score``.
    frame : ndarray of uint8, shape (h, w, 3)
        The first frame.
    box : ndarray of float, shape (4,)
        The target in it.
    frames : iterator of ndarray
        The frames after it.

    Yields
    ------
    Step
        One a frame, the first included.
    """
    tracker.init(frame, box)
    yield Step(frame, box, 1.0, 0.0)
    for frame in frames:
        start = time.perf_counter()
        box, score = tracker.update(frame)
        yield Step(frame, box, float(score), time.perf_counter() - start)


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Parameters
    ----------
    boxes, scores : Path, optional
        Text files, a line a frame; ``-`` prints. Boxes are in the format of GOT-10k.
    video : Path, optional
        Annotated video, for `open_recorder`.
    rate : float
        Its frames per second.
    window : bool
        Show it on the screen as well.
    lost : float
        A score below this is shown as a lost target.
    total : int, optional
        Frames that will come, for the bar.
    """

    boxes: Optional[Path] = None
    scores: Optional[Path] = None
    video: Optional[Path] = None
    rate: float = 30.0
    window: bool = False
    lost: float = 0.2
    total: Optional[int] = None


class Outputs:
    """All that is wanted, written frame by frame, so that an early end loses nothing.

    Parameters
    ----------
    wanted : Wanted
        What to write; files are replaced.
    stack : ExitStack
        Closes them.

    Raises
    ------
    OSError, ValueError
        If a file cannot be written.
    """

    def __init__(self, wanted: Wanted, stack: ExitStack) -> None:
        self.wanted = wanted
        self._boxes = _open_text(wanted.boxes, stack)
        self._scores = _open_text(wanted.scores, stack)
        self._recorder: Optional[Recorder] = None
        if wanted.video is not None:
            self._recorder = open_recorder(wanted.video, wanted.rate)
            stack.callback(self._recorder.close)
        self._bar = stack.enter_context(_bar(wanted))
        self.n_frames = self.n_lost = 0
        self.seconds = 0.0
        self._recent: Deque[float] = deque(maxlen=30)

    def take(self, step: Step) -> bool:
        """Write one frame everywhere; False if the user closed the window."""
        lost = step.score < self.wanted.lost
        self.n_frames += 1
        self.n_lost += lost
        if self._boxes:
            self._boxes.write(",".join(f"{number:.3f}" for number in step.box) + "\n")
        if self._scores:
            self._scores.write(f"{step.score:.4f}\n")
        speed = self._speed(step.seconds)
        self._bar.set_postfix_str(f"score {step.score:.2f}, tracker {speed:.0f} frames/s", False)
        self._bar.update()
        if self._recorder is None and not self.wanted.window:
            return True
        picture = annotate(step.frame, step.box, step.score, lost=lost, speed=speed)
        if self._recorder is not None:
            self._recorder.write(picture)
        return show(picture) if self.wanted.window else True

    def _speed(self, seconds: float) -> float:
        """Frames a second of the tracker alone, over the last frames; 0 in the first."""
        if seconds > 0:
            self.seconds += seconds
            self._recent.append(seconds)
        return len(self._recent) / max(sum(self._recent), 1e-9)

    def summary(self) -> str:
        """What came of it, in a line."""
        words = f"{self.n_frames} frames, {self.n_lost} of them lost (score < {self.wanted.lost})"
        if self.n_frames < 2:
            return words
        return f"{words}; the tracker alone did {(self.n_frames - 1) / self.seconds:.0f} frames/s"


def _bar(wanted: Wanted) -> Any:
    """A progress bar on a terminal, where no boxes are printed that it would be in the way of."""
    quiet = True if str(wanted.boxes) == "-" else None
    return tqdm(total=wanted.total, unit=" frames", disable=quiet)


def _open_text(path: Optional[Path], stack: ExitStack) -> Optional[TextIO]:
    if path is None or str(path) == "-":
        return sys.stdout if path else None
    path.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(path.open("w", encoding="utf-8", buffering=1))
