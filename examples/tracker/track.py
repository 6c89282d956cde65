"""Follow one target through a video: ``python -m examples.tracker.track VIDEO``.

VIDEO is a video file, a folder of pictures, or the number of a camera. The target is in the first
frame: ``--box x,y,w,h``, or drawn with the mouse. In Python::

    from examples.tracker.inference.tracker import Tracker
    from examples.tracker.inference.video import open_stream

    tracker = Tracker()
    with open_stream("holiday.mp4") as stream:
        frames = iter(stream)
        tracker.init(next(frames), (120, 80, 60, 40))
        for frame in frames:
            box, score = tracker.update(frame)
"""

from __future__ import annotations

import argparse
import sys
import warnings
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import numpy as np

from .inference.annotate import Frame
from .inference.recorder import check_recording
from .inference.screen import NoScreenError, check_screen, choose_box
from .inference.session import Box, Outputs, Wanted, follow
from .inference.tracker import Tracker
from .inference.video import FrameStream, open_stream
from .training.interrupt import Interrupt  # not by way of torch

LOST = 0.2  # as the shipped settings have it: the tracker waits


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.tracker.track",
        description=(__doc__ or "").split("In Python")[0].strip(),
    )
    add = parser.add_argument
    add("source", metavar="VIDEO", help="video file, folder of pictures, or number of a camera")
    add(
        "--box",
        help="target in the first frame: left,top,width,height in pixels (--box=-3,... where it "
        "starts left of the picture); default: drawn with the mouse",
    )
    add("--out", type=Path, help="text file for the boxes, one per line; - or nothing: printed")
    add("--scores", type=Path, help="text file for the scores, one per line")
    add("--save", type=Path, help="annotated video: .mp4, .avi, .webm; .gif or .webp, short ones")
    add("--rate", type=float, help="frames a second of the annotated video; default: the source's")
    add("--show", action="store_true", help="window with what is tracked; Q ends")
    add("--frames", type=int, help="stop after so many frames")
    add("--lost", type=float, default=LOST, help="scores below are shown as lost (%(default)s)")
    add("--weights", help="file of weights; default: the ones that come with it")
    add("--engine", default="auto", choices=("auto", "openvino", "onnxruntime", "torch"))
    add("--precision", default="auto", choices=("auto", "float32", "bfloat16", "int8"))
    add("--threads", type=int, help="of the tracker; default: the engine's")
    options = parser.parse_args(arguments)
    if not (options.out or options.save or options.show):
        options.out = Path("-")
    return options


def check(options: argparse.Namespace) -> None:
    """Refuse options that cannot be met, before anything is opened or written.

    Raises
    ------
    ValueError
        If a number is out of range, a file would replace the video, or two outputs are one file.
    NoScreenError
        If a window is wanted and there is none to be had.
    """
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


def parse_box(text: str) -> Box:
    """A box of the command line.

    Parameters
    ----------
    text : str
        Left, top, width, height, split by commas.

    Returns
    -------
    ndarray of float, shape (4,)

    Raises
    ------
    ValueError
        If they are not four finite numbers, or the box has no size.
    """
    try:
        box = np.array([float(word) for word in text.split(",")])
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > 0).all():
        raise ValueError(
            "--box must be left,top,width,height: four numbers in pixels, the last two above 0; "
            f"got {text!r}"
        )
    return box


def first_box(
    options: argparse.Namespace, stream: FrameStream, frames: Iterator[Frame]
) -> Tuple[Frame, Box]:
    """First frame and the target in it: of the command line, or drawn."""
    if options.box is not None:
        return next(frames), parse_box(options.box)
    return choose_box(frames, live=stream.live)


def check_box(options: argparse.Namespace) -> None:
    """Refuse a box before the network is loaded, which takes seconds.

    Raises
    ------
    ValueError
        If the box is none.
    NoScreenError
        If it is to be drawn and cannot be.
    """
    if options.box is not None:
        parse_box(options.box)
        return
    try:
        check_screen()
    except NoScreenError as error:
        raise NoScreenError(
            f"the box cannot be drawn, for {error}; give it as --box x,y,w,h"
        ) from None


def wanted(options: argparse.Namespace, stream: FrameStream) -> Wanted:
    """What the command line wants written."""
    return Wanted(
        boxes=options.out,
        scores=options.scores,
        video=options.save,
        rate=options.rate or stream.rate,
        window=options.show,
        lost=options.lost,
        total=options.frames or stream.n_frames,
    )


def run(options: argparse.Namespace) -> bool:
    """Track as the command line says; returns False if Ctrl-C stopped it."""
    check(options)
    with ExitStack() as stack:
        stream = stack.enter_context(open_stream(options.source))
        check_box(options)
        tracker = Tracker(
            options.weights,
            engine=options.engine,
            precision=options.precision,
            threads=options.threads,
        )
        frames = iter(stream)
        steps = follow(tracker, *first_box(options, stream, frames), frames)
        first = next(steps)  # a box that cannot be tracked is refused before files are replaced
        interrupt = stack.enter_context(Interrupt())
        outputs = Outputs(wanted(options, stream), stack)
        for step in chain([first], steps):
            going = outputs.take(step)
            if not going or interrupt.requested or outputs.n_frames == options.frames:
                break
    print(outputs.summary(), file=sys.stderr)
    return not interrupt.requested


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when done, 1 where the video, the box or an option cannot be used or a package is missing,
        130 when interrupted; then what was written so far is kept.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
            finished = run(parse(arguments))
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if finished else 130


if __name__ == "__main__":
    sys.exit(main())
