"""Follow one target through a video: ``python -m examples.tracker.track VIDEO``.

VIDEO is a video file, a folder of images, or the number of a camera. The target is in the first
frame: ``--box x,y,w,h``, or drawn with the mouse.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import deque
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, Deque, Iterator, List, Optional, TextIO, Tuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .inference.engines import ENGINES, PRECISIONS
from .inference.screen import NoScreenError, annotate, check_screen, choose_box, show
from .inference.tracker import DEFAULTS, Tracker, add_settings_option
from .inference.video import Frame, Recorder, Stream, check_recording, open_stream
from .training.interrupt import Interrupt, exit_status  # not by way of torch

Box = NDArray[np.float64]


# Frame, box, score (1 in the first frame), seconds that the tracker took (0 in the first frame)
Step = Tuple[Frame, Box, float, float]


def follow(tracker: Any, frame: Frame, box: Box, frames: Iterator[Frame]) -> Iterator[Step]:
    """Track from a first frame and box through the frames after it; a step per frame."""
    tracker.init(frame, box)
    yield frame, box, 1.0, 0.0
    for frame in frames:
        start = time.perf_counter()
        box, score = tracker.update(frame)
        yield frame, box, float(score), time.perf_counter() - start


class Outputs:
    """All that the command line wants, written frame by frame: an early end loses nothing."""

    def __init__(self, options: argparse.Namespace, stream: Stream, stack: ExitStack) -> None:
        self.lost, self.window = options.lost, options.show
        self._boxes = _open_text(options.out, stack)
        self._scores = _open_text(options.scores, stack)
        self._recorder: Optional[Recorder] = None
        if options.save is not None:
            self._recorder = Recorder(options.save, options.rate or stream.rate)
            stack.callback(self._recorder.close)
        # On a terminal only, where no boxes are printed that the bar would be in the way of.
        quiet = True if self._boxes is sys.stdout else None
        total = options.frames or stream.n_frames
        self._bar = stack.enter_context(tqdm(total=total, unit=" frames", disable=quiet))
        self.n_frames = self.n_lost = 0
        self.seconds = 0.0
        self._recent: Deque[float] = deque(maxlen=30)

    def take(self, step: Step) -> bool:
        """Write one frame everywhere; False if the user closed the window."""
        frame, box, score, seconds = step
        lost = score < self.lost
        self.n_frames += 1
        self.n_lost += lost
        self.seconds += seconds
        if seconds > 0:
            self._recent.append(seconds)
        if self._boxes:
            self._boxes.write(",".join(f"{number:.3f}" for number in box) + "\n")
        if self._scores:
            self._scores.write(f"{score:.4f}\n")
        speed = len(self._recent) / max(sum(self._recent), 1e-9)
        self._bar.set_postfix_str(f"score {score:.2f}, tracker {speed:.0f} frames/s", False)
        self._bar.update()
        if self._recorder is None and not self.window:
            return True
        image = annotate(frame, box, score, lost=lost, speed=speed)
        if self._recorder is not None:
            self._recorder.write(image)
        return show(image) if self.window else True

    def summary(self) -> str:
        words = f"{self.n_frames} frames, {self.n_lost} of them lost (score < {self.lost})"
        if self.n_frames < 2:
            return words
        return f"{words}; the tracker alone did {(self.n_frames - 1) / self.seconds:.0f} frames/s"


def _open_text(path: Optional[Path], stack: ExitStack) -> Optional[TextIO]:
    if path is None or str(path) == "-":
        return sys.stdout if path else None
    path.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(path.open("w", encoding="utf-8", buffering=1))


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.track", description=__doc__)
    add = parser.add_argument
    add("source", metavar="VIDEO", help="video file, folder of images, or number of a camera")
    box = "left,top,width,height in the first frame (--box=-3,... if negative); default: the mouse"
    add("--box", help=box)
    add("--out", type=Path, help="text file for the boxes, one per line; - prints them")
    add("--scores", type=Path, help="text file for the scores, one per line")
    add("--save", type=Path, help="annotated video: .mp4, .avi, .webm, or a short .gif or .webp")
    add("--rate", type=float, help="frames per second of the annotated video; default: source")
    add("--show", action="store_true", help="show a window with the tracked target; Q quits")
    add("--frames", type=int, help="maximum number of frames")
    add("--lost", type=float, default=DEFAULTS.lost_score, help="show lower scores as lost")
    add("--weights", help="weights file or folder of an exported network; default: shipped")
    add("--engine", default="auto", choices=("auto", *ENGINES))
    add("--precision", default="auto", choices=("auto", *PRECISIONS))
    add("--threads", type=int, help="CPU threads; default: chosen by the engine")
    add_settings_option(parser)
    options = parser.parse_args(arguments)
    if not (options.out or options.save or options.show):
        options.out = Path("-")
    return options


def check(options: argparse.Namespace) -> None:
    """Refuse options that cannot be met, before anything is opened or written."""
    for name in ("rate", "frames", "threads"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name} must be above 0; got {value}")
    if options.save is not None:
        check_recording(options.save)
    files = [path for path in (options.out, options.scores, options.save) if path]
    places = [Path(options.source).resolve(), *(path.resolve() for path in files)]
    if len(set(places)) < len(places):
        raise ValueError("VIDEO, --out, --scores and --save must be different files")
    if options.show:
        check_screen()


def given_box(text: Optional[str]) -> Optional[Box]:
    """The box of the command line; None if it is to be drawn, which must be possible."""
    if text is None:
        try:
            check_screen()
        except NoScreenError as error:
            words = f"the box cannot be drawn, for {error}; give it as --box x,y,w,h"
            raise NoScreenError(words) from None
        return None
    try:
        box = np.array([float(word) for word in text.split(",")])
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > 0).all():
        words = "four numbers in pixels, the last two above 0"
        raise ValueError(f"--box must be left,top,width,height: {words}; got {text!r}")
    return box


def run(options: argparse.Namespace) -> bool:
    """Track as the command line says; returns False if Ctrl-C stopped it."""
    check(options)
    with ExitStack() as stack:
        stream = stack.enter_context(open_stream(options.source))
        box = given_box(options.box)  # before the network is loaded, which takes seconds
        names = ("engine", "precision", "threads", "settings")
        tracker = Tracker(options.weights, **{name: getattr(options, name) for name in names})
        frames = iter(stream)
        frame, box = choose_box(frames, stream.live) if box is None else (next(frames), box)
        steps = follow(tracker, frame, box, frames)
        first = next(steps)  # a box that cannot be tracked is refused before files are replaced
        interrupt = stack.enter_context(Interrupt())
        outputs = Outputs(options, stream, stack)
        for step in chain([first], steps):
            going = outputs.take(step)
            if not going or interrupt.requested or outputs.n_frames == options.frames:
                break
    print(outputs.summary(), file=sys.stderr)
    return not interrupt.requested


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse(arguments)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
