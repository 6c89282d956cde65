"""The tracker: a first box in, a box per frame out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

import numpy as np

from ..data.crops import CropConfig, Square, crop_template, cut, square_around
from .choose import NO_BIAS, TrackSettings, choose, measure_bias
from .engines import Exported, make_engine
from .motion import Expected, Motion
from .pictures import (
    COLOURS,
    Floats,
    Picture,
    bit_depth,
    check_box,
    check_frame,
    keep_inside,
    to_rgb,
    to_uint8,
)

if TYPE_CHECKING:
    from ..models.base import TrackerModel

__all__ = ["TrackSettings", "Tracker"]

SHIPPED = Path(__file__).resolve().parents[1] / "weights" / "lite.pt"
# Chosen on videos that neither training nor the published measurements use.
DEFAULTS = TrackSettings(
    window_product=1.0,
    penalty=0.1,
    size_smoothing=0.7,
    blend=0.5,
    lost_score=0.4,
    search_growth=0.03,
    least_search=36.0,
    hold=0.1,
    correction=1.0,
    motion=0.3,
    score_slope=1.78,
    score_shift=4.56,
)
LEAST_TARGET = 12.0  # pixels of a search crop: a wider search square must not shrink it below
MIN_SIDE = 2.0  # pixels of a box; the search crop of a smaller one shows nothing


class Tracker:
    """Follow one target through a video.

    Parameters
    ----------
    weights : str, Path or TrackerModel, optional
        A file of weights, a network, or a folder that the export command wrote; the shipped weights
        by default.
    engine : {"auto", "openvino", "torch"}
        What runs the network. ``"auto"``: the first of these that is installed.
    precision : {"auto", "float32", "bfloat16", "int8"}
        What it computes in. ``"auto"``: bfloat16 where engine and processor have it, else float32.
    threads : int, optional
        Threads of the network; by default as many as cores, at most 4.
    colour : {"bgr", "rgb"}
        Order of the frames' channels: OpenCV's, or that of PIL and of the sequences here.
    settings : TrackSettings
        Assumptions of the tracker beside the network.

    Notes
    -----
    Frames are (h, w, 3), uint8. Grey frames (h, w) work too; so does a fourth channel, which is
    dropped. Of 16-bit frames the upper 8 bits are used, counted from the smallest of 8, 10, 12, 14
    and 16 bits that hold the brightest pixel of the first frame. Frames may change their size in a
    video: the target is looked for at the same pixels, or at the nearest ones that are still there.

    The target may leave the frame: the box's centre stays in it, its score drops.

    Examples
    --------
    ::

        tracker = Tracker()
        tracker.init(first_frame, (left, top, width, height))
        for frame in frames:
            box, score = tracker.update(frame)
    """

    def __init__(
        self,
        weights: Union[str, Path, TrackerModel, None] = None,
        *,
        engine: str = "auto",
        precision: str = "auto",
        threads: Optional[int] = None,
        colour: str = "bgr",
        settings: TrackSettings = DEFAULTS,
    ) -> None:
        if colour not in COLOURS:
            raise ValueError(f"colour must be one of {', '.join(COLOURS)}; got {colour!r}")
        if not isinstance(settings, TrackSettings):
            raise ValueError(f"settings must be TrackSettings; got {type(settings).__name__}")
        source = open_network(weights)
        self.colour, self.settings = colour, settings
        self.engine = make_engine(source, engine=engine, precision=precision, threads=threads)
        self._crops = CropConfig().for_model(source)
        self._embedded: Any = None
        self._box: Floats = np.zeros(4)
        self._square = Square(0.0, 0.0, 0.0)
        self._bias = NO_BIAS
        self._motion = Motion(np.zeros(2), settings.motion)
        self._depth = 8
        self._n_lost = 0

    def init(self, frame: Picture, box: Any) -> None:
        """Set the target: ``box`` is left, top, width, height in pixels of the first frame.

        Pixel (0, 0) covers the square to (1, 1). May be called again for another video. Raises
        ValueError, and leaves the tracker as it was, if the frame is no picture, or the box is not
        four finite numbers, is empty, or lies outside the frame.
        """
        frame = check_frame(frame)
        first = check_box(box, frame)
        depth = bit_depth(frame)
        template = crop_template(to_rgb(to_uint8(frame, depth), self.colour), first, self._crops)
        self._embedded = self.engine.embed(template)
        self._depth, self._n_lost = depth, 0
        self._box = keep_inside(first, frame.shape[:2], MIN_SIDE)
        self._square = self._around(self._box)
        self._motion = Motion(self._box[:2] + self._box[2:] / 2, self.settings.motion)
        size = self._box[2:] / self._square.side
        self._bias = NO_BIAS
        if self.settings.correction:
            self._bias = measure_bias(self._look(frame), size, self.settings)

    def update(self, frame: Picture) -> Tuple[Floats, float]:
        """Find it again: the box (left, top, width, height) and a score in [0, 1].

        Raises RuntimeError before `init`, and ValueError if the frame is no picture.
        """
        if self._embedded is None:
            raise RuntimeError("update needs a target: call init first")
        frame = check_frame(frame)
        last = keep_inside(self._box, frame.shape[:2], MIN_SIDE)
        self._square = self._aim(last)
        square = self._square
        found = choose(
            self._look(frame), last[2:] / square.side, self.settings, self._bias, self._expect(last)
        )
        if found.score < self.settings.lost_score:
            self._n_lost += 1
            self._box = last
        else:
            self._n_lost = 0
            left_top = (found.centre - found.size / 2) * square.side + (square.left, square.top)
            box = np.concatenate([left_top, found.size * square.side])
            self._box = keep_inside(box, frame.shape[:2], MIN_SIDE)
            self._motion.observe(self._box[:2] + self._box[2:] / 2, _unit(self._box))
        return self._box.copy(), found.score

    def _expect(self, last: Floats) -> Optional[Expected]:
        """The prior on the target's centre, in units of the search square."""
        if not self.settings.motion:
            return None
        centre, spread = self._motion.expect(self._n_lost, _unit(last))
        square = self._square
        return Expected((centre - (square.left, square.top)) / square.side, spread / square.side)

    def _look(self, frame: Picture) -> Any:
        crop = cut(to_uint8(frame, self._depth), self._square, self._crops.search_size)
        return self.engine.locate(self._embedded, to_rgb(crop, self.colour))

    def _around(self, box: Floats) -> Square:
        """The square to search for a target; wider for one that is lost, or a few pixels small.

        What is small moves by more than its own size from frame to frame.
        """
        settings = self.settings
        scale = min(1.0 + settings.search_growth * self._n_lost, settings.search_limit)
        usual = self._crops.search_factor * float(np.sqrt(box[2] * box[3]))
        widest = self._crops.search_size * usual / self._crops.search_factor / LEAST_TARGET
        least = min(settings.least_search, widest) / usual
        return square_around(box, self._crops.search_factor, scale=max(scale, least))

    def _aim(self, last: Floats) -> Square:
        """Search square of this frame: the last one, moved and resized no more than it must be.

        A crop that follows every hundredth of a pixel of the box samples the picture anew each
        time, and hands the network's own noise back to it: the box wanders on a still picture. So
        the square moves by whole pixels, and changes its size in steps.
        """
        wanted, held = self._around(last), self._square
        if not self.settings.hold or abs(wanted.side / held.side - 1) > self.settings.hold:
            return wanted
        spare = (wanted.side - held.side) / 2
        left = held.left + round(wanted.left + spare - held.left)
        top = held.top + round(wanted.top + spare - held.top)
        return Square(left, top, held.side)


def _unit(box: Floats) -> float:
    """Root of a box's area."""
    return float(np.sqrt(box[2] * box[3]))


def open_network(weights: Union[str, Path, TrackerModel, None]) -> Any:
    """The network that the weights of `Tracker` stand for: a `TrackerModel` or `Exported`."""
    if hasattr(weights, "template_size"):  # a network
        return weights
    if weights is not None and not isinstance(weights, (str, Path)):
        raise ValueError(
            "weights must be a path, a network, or None for the shipped ones; "
            f"got {type(weights).__name__}"
        )
    path = SHIPPED if weights is None else Path(weights)
    if path.is_dir():
        return Exported(path)
    from ..models.weights import load_weights  # torch, which exported networks do not need

    return load_weights(path)
