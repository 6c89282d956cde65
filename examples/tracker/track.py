"""Follow one target through a video: ``python -m examples.tracker.track VIDEO``.

VIDEO is a video file, a folder of images, or the number of a camera. The target is in the first
frame: ``--box x,y,w,h``, or drawn with the mouse.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import List, Optional, TextIO

import numpy as np
from tqdm import tqdm

from .inference import video
from .inference.engines import ENGINES, PRECISIONS
from .inference.images import Floats
from .inference.tracker import DEFAULTS, Tracker, add_settings_option
from .training.interrupt import Interrupt, exit_status  # not by way of torch


class Outputs:
    """All that the command line wants, written frame by frame: an early end loses nothing."""

    def __init__(self, options: argparse.Namespace, stream: video.Stream, stack: ExitStack) -> None:
        self.lost, self.window = options.lost, options.show
        self.boxes = _open_text(options.out, stack)
        self.scores = _open_text(options.scores, stack)
        self.recorder: Optional[video.Recorder] = None
        if options.save is not None:
            self.recorder = video.Recorder(options.save, options.rate or stream.rate)
            stack.callback(self.recorder.close)
        # On a terminal only, where no boxes are printed that the bar would be in the way of.
        quiet = True if self.boxes is sys.stdout else None
        total = options.frames or stream.n_frames
        self.bar = stack.enter_context(tqdm(total=total, unit=" frames", disable=quiet))
        self.n_frames = self.n_lost = 0
        self.seconds = 0.0

    def take(self, frame: video.Frame, box: Floats, score: float, seconds: float = 0.0) -> bool:
        """Write one frame everywhere; False if the user closed the window."""
        lost = score < self.lost
        self.n_frames += 1
        self.n_lost += lost
        self.seconds += seconds
        if self.boxes:
            self.boxes.write(",".join(f"{number:.3f}" for number in box) + "\n")
        if self.scores:
            self.scores.write(f"{score:.4f}\n")
        self.bar.set_postfix_str(f"score {score:.2f}, tracker {self.speed:.0f} frames/s", False)
        self.bar.update()
        if self.recorder is None and not self.window:
            return True
        image = video.annotate(frame, box, score, lost=lost, speed=self.speed)
        if self.recorder is not None:
            self.recorder.write(image)
        return video.show(image) if self.window else True

    @property
    def speed(self) -> float:  # of the tracker alone, which does not look at the first frame
        return (self.n_frames - 1) / max(self.seconds, 1e-9)

    def summary(self) -> str:
        words = f"{self.n_frames} frames, {self.n_lost} of them lost (score < {self.lost})"
        return f"{words}; the tracker alone did {self.speed:.0f} frames/s" if self.speed else words


def _open_text(path: Optional[Path], stack: ExitStack) -> Optional[TextIO]:
    if path is None or str(path) == "-":
        return sys.stdout if path else None
    path.parent.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(path.open("w", encoding="utf-8", buffering=1))


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.track", description=__doc__)
    add = parser.add_argument
    add("source", metavar="VIDEO", help="video file, folder of images, or number of a camera")
    add("--box", help="left,top,width,height (--box=-3,... if negative); default: the mouse")
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
    if options.save is not None and options.save.suffix.lower() not in video.ENDINGS:
        raise ValueError(f"{options.save}: a recording must end in {', '.join(video.ENDINGS)}")
    files = [path for path in (options.out, options.scores, options.save) if path]
    places = [Path(options.source).resolve(), *(path.resolve() for path in files)]
    if len(set(places)) < len(places):
        raise ValueError("VIDEO, --out, --scores and --save must be different files")
    if options.show or options.box is None:
        video.open_window()


def parse_box(text: str) -> Floats:
    try:
        box = np.array(text.split(","), dtype=np.float64)
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > 0).all():
        raise ValueError(f"--box must be left,top,width,height, the last two above 0; got {text!r}")
    return box


def run(options: argparse.Namespace) -> bool:
    """Track as the command line says; returns False if Ctrl-C stopped it."""
    check(options)
    stream = video.open_stream(options.source)
    box = None if options.box is None else parse_box(options.box)
    names = ("engine", "precision", "threads", "settings")
    tracker = Tracker(options.weights, **{name: getattr(options, name) for name in names})
    frames = iter(stream)
    frame, box = video.choose_box(frames, stream.live) if box is None else (next(frames), box)
    tracker.init(frame, box)  # a box that cannot be tracked is refused before files are replaced
    with Interrupt() as interrupt, ExitStack() as stack:
        outputs = Outputs(options, stream, stack)
        going = outputs.take(frame, box, score=1.0)
        while going and not interrupt.requested and outputs.n_frames != options.frames:
            image = next(frames, None)
            if image is None:
                break
            start = time.perf_counter()
            box, score = tracker.update(image)
            going = outputs.take(image, box, float(score), time.perf_counter() - start)
    print(outputs.summary(), file=sys.stderr)
    return not interrupt.requested


def main(arguments: Optional[List[str]] = None) -> int:
    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        return exit_status(lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
