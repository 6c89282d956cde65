"""The tracker: a first box in, a box per frame out."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Union

import numpy as np

from ..data.crops import CropConfig, Square, crop_template, cut, square_around
from . import images
from .choose import NO_BIAS, Bias, TrackSettings, choose, measure_bias
from .engines import Exported, make_engine
from .images import Floats, Image
from .motion import Expected, Motion

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
    look_again=0.15,
    found_again=0.6,
    correction=1.0,
    lasting=0.7,
    motion=0.3,
    score_slope=1.78,
    score_shift=4.56,
)
LEAST_TARGET = 12.0  # pixels of a search crop: a wider search square must not shrink it below
CONFIRMED = 0.8  # share of its score that a target keeps in the middle of the square
SAME = 0.5  # standard deviation of its place there, in root areas
FADE = 10.0  # root areas of its path in which a target's correction fades
LOOKS = 4  # other places that are searched for a lost target in each frame
# They overlap by half: centres in sides of the square around the last place, nearest first.
GRID = np.mgrid[-4:5, -4:5].reshape(2, -1).T / 2
PLACES = GRID[np.argsort((GRID**2).sum(axis=1), kind="stable")][1:]
MIN_SIDE = 2.0  # pixels of a box; the search crop of a smaller one shows nothing


def add_settings_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--settings``: a JSON object of the settings that differ from the default ones."""
    words = "settings that differ from the default ones, such as '{\"motion\": 0}'"
    parser.add_argument("--settings", type=_settings, default=DEFAULTS, metavar="JSON", help=words)


def _settings(text: str) -> TrackSettings:
    try:
        return replace(DEFAULTS, **json.loads(text))
    except (TypeError, ValueError) as error:
        names = ", ".join(field.name for field in fields(TrackSettings))
        words = f"must be a JSON object with any of {names}; got {text}: {error}"
        raise argparse.ArgumentTypeError(words) from None


class Tracker:
    """Follow one target through a video.

    ``weights`` is a file, a network, or a folder that the export command wrote; None is the shipped
    file. ``engine`` is ``"auto"`` (the first one that is installed), ``"openvino"`` or ``"torch"``.
    ``precision`` is ``"auto"`` (bfloat16 where engine and processor have it, else float32),
    ``"float32"``, ``"bfloat16"`` or ``"int8"``. ``threads`` is by default as many as cores, at most
    4. ``colour`` is the order of the frames' channels: ``"bgr"`` as of OpenCV, or ``"rgb"``.

    Frames are (h, w, 3), uint8. Grey frames (h, w) work too; so does a fourth channel, which is
    dropped. Of 16-bit frames the upper 8 bits are used, counted from the smallest of 8, 10, 12, 14
    and 16 bits that hold the brightest pixel of the first frame. Frames may change their size in a
    video: the target is looked for at the same pixels, or at the nearest ones that are still there.
    The target may leave the frame: the box's centre stays in it, its score drops::

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
        if colour not in images.COLOURS:
            raise ValueError(f"colour must be one of {', '.join(images.COLOURS)}; got {colour!r}")
        if not isinstance(settings, TrackSettings):
            raise ValueError(f"settings must be TrackSettings; got {type(settings).__name__}")
        source = open_network(weights)
        self.colour, self.settings = colour, settings
        self.engine = make_engine(source, engine=engine, precision=precision, threads=threads)
        self._crops = CropConfig().for_model(source)
        self._embedded: Any = None  # no target yet

    def init(self, frame: Image, box: Any) -> None:
        """Set the target: ``box`` is left, top, width, height in pixels of the first frame.

        Pixel (0, 0) covers the square to (1, 1). May be called again for another video. Raises
        ValueError, and leaves the tracker as it was, if frame or box cannot be used.
        """
        frame = images.check_frame(frame)
        first = images.check_box(box, frame)
        depth = images.bit_depth(frame)
        rgb = images.to_rgb(images.to_uint8(frame, depth), self.colour)
        self._embedded = self.engine.embed(crop_template(rgb, first, self._crops))
        self._depth, self._n_lost = depth, 0
        self._box = images.keep_inside(first, frame.shape[:2], MIN_SIDE)
        self._square = self._around(self._box, 0)
        self._motion = Motion(_centre(self._box), self.settings.motion)
        self._bias = NO_BIAS
        if self.settings.correction:
            size = self._box[2:] / self._square.side
            self._bias = measure_bias(self._look(frame), size, self.settings)

    def update(self, frame: Image) -> Tuple[Floats, float]:
        """Find it again: the box (left, top, width, height) and a score in [0, 1]."""
        if self._embedded is None:
            raise RuntimeError("update needs a target: call init first")
        frame = images.check_frame(frame)
        last = images.keep_inside(self._box, frame.shape[:2], MIN_SIDE)
        square = self._aim(last, self._n_lost)
        box, score = self._find(frame, last, square, self._expect(last, square))
        if score >= self.settings.lost_score and self._is_far(box, last):
            box, score = self._confirm(frame, last, box, score)
        if score < self.settings.lost_score and self.settings.found_again:
            box, score = self._search_around(frame, last, score) or (box, score)
        if score < self.settings.lost_score:
            self._n_lost += 1
            self._box = last
        else:
            self._motion.observe(_centre(box), _unit(box), self._n_lost)
            self._n_lost, self._box = 0, box
        return self._box.copy(), score

    def _find(
        self, frame: Image, last: Floats, square: Square, expected: Optional[Expected]
    ) -> Tuple[Floats, float]:
        """The box in pixels, and its score, looked for in a square."""
        self._square = square
        size = last[2:] / square.side
        found = choose(self._look(frame), size, self.settings, self._trusted_bias(), expected)
        left_top = (found.centre - found.size / 2) * square.side + (square.left, square.top)
        box = np.concatenate([left_top, found.size * square.side])
        return images.keep_inside(box, frame.shape[:2], MIN_SIDE), found.score

    def _trusted_bias(self) -> Bias:
        """The first box may itself be off, so it counts less when the target has moved about."""
        lasting = self.settings.lasting
        return self._bias.times(lasting + (1 - lasting) * math.exp(-self._motion.path / FADE))

    def _is_far(self, box: Floats, last: Floats) -> bool:
        limit = self.settings.look_again * _unit(last)
        return bool(0 < limit < np.hypot(*(_centre(box) - _centre(last))))

    def _confirm(
        self, frame: Image, last: Floats, box: Floats, score: float
    ) -> Tuple[Floats, float]:
        """Look once more at a target that has moved, now with it in the middle of the square.

        The network's box depends a little on where in the crop the target is, and its bias was
        measured in the middle.
        """
        first, square = self._square, self._aim(box, 0)
        here = Expected(np.full(2, 0.5), SAME * _unit(last) / square.side)
        again = self._find(frame, last, square, here)
        if again[1] >= CONFIRMED * score:
            return again
        self._square = first
        return box, score

    def _search_around(
        self, frame: Image, last: Floats, beside: float
    ) -> Optional[Tuple[Floats, float]]:
        """Look for a lost target in other places, farther away in each frame; None if not found.

        The network alone would accept any look-alike. So the target must not be farther away than
        it can have moved, it needs a higher score than usual, and this score, discounted by the
        distance, must be above ``beside``, the score of the usual search.
        """
        held, side, middle = self._square, self._around(last, 0).side, _centre(last)
        limit = self._motion.limit(self._n_lost) * _unit(last)
        spread = limit / 2  # of a Gaussian prior on the place, in each square and between them
        best, where, most = (last, 0.0), held, beside
        for place in self._places(frame, middle, side, limit):
            left, top = place - side / 2
            prior = Expected((middle - (left, top)) / side, spread / side)
            found = self._find(frame, last, Square(left, top, side), prior)
            distance = float(np.hypot(*(_centre(found[0]) - middle)))
            likely = found[1] * math.exp(-((distance / spread) ** 2) / 2)
            if likely > most and distance <= limit:
                best, where, most = found, self._square, likely
        self._square = where
        if best[1] >= self.settings.found_again:
            best = self._confirm(frame, last, *best)
            if best[1] >= self.settings.found_again:
                return best
        self._square = held
        return None

    def _places(self, frame: Image, middle: Floats, side: float, limit: float) -> List[Floats]:
        """Centres of the squares that are searched for a lost target in this frame."""
        inside = [
            place
            for place in middle + side * PLACES
            if (place >= 0).all()
            and (place <= frame.shape[1::-1]).all()
            and np.hypot(*(place - middle)) <= limit + side / 4
        ]
        first = LOOKS * self._n_lost
        places = [inside[k % len(inside)] for k in range(first, first + min(LOOKS, len(inside)))]
        return [middle, *places]  # without a prior, and not as wide as the usual square may be

    def _expect(self, last: Floats, square: Square) -> Optional[Expected]:
        """The prior on the target's centre, in units of the search square."""
        if not self.settings.motion:
            return None
        centre, spread = self._motion.expect(self._n_lost, _unit(last))
        return Expected((centre - (square.left, square.top)) / square.side, spread / square.side)

    def _look(self, frame: Image) -> Any:
        crop = cut(images.to_uint8(frame, self._depth), self._square, self._crops.search_size)
        return self.engine.locate(self._embedded, images.to_rgb(crop, self.colour))

    def _around(self, box: Floats, n_lost: int) -> Square:
        """The square to search for a target; wider for one that is lost, or a few pixels small.

        What is small moves by more than its own size from frame to frame.
        """
        settings, factor = self.settings, self._crops.search_factor
        scale = min(1.0 + settings.search_growth * n_lost, settings.search_limit)
        usual = factor * _unit(box)
        widest = self._crops.search_size * usual / factor / LEAST_TARGET
        least = min(settings.least_search, widest) / usual
        return square_around(box, factor, scale=max(scale, least))

    def _aim(self, box: Floats, n_lost: int) -> Square:
        """Search square of this frame: the last one, moved and resized no more than it must be.

        A crop that follows every hundredth of a pixel of the box samples the image anew each time,
        and hands the network's own noise back to it: the box wanders on a still image. So the
        square moves by whole pixels, and changes its size in steps.
        """
        wanted, held = self._around(box, n_lost), self._square
        if not self.settings.hold or abs(wanted.side / held.side - 1) > self.settings.hold:
            return wanted
        spare = (wanted.side - held.side) / 2
        left = held.left + round(wanted.left + spare - held.left)
        top = held.top + round(wanted.top + spare - held.top)
        return Square(left, top, held.side)


def _centre(box: Floats) -> Floats:
    return box[:2] + box[2:] / 2


def _unit(box: Floats) -> float:
    """Root of a box's area."""
    return float(np.sqrt(box[2] * box[3]))


def open_network(weights: Union[str, Path, TrackerModel, None]) -> Any:
    """The network that the weights of `Tracker` stand for: a `TrackerModel` or `Exported`."""
    if hasattr(weights, "template_size"):  # a network
        return weights
    if weights is not None and not isinstance(weights, (str, Path)):
        kinds = "a path, a network, or None for the shipped ones"
        raise ValueError(f"weights must be {kinds}; got {type(weights).__name__}")
    path = SHIPPED if weights is None else Path(weights)
    if path.is_dir():
        return Exported(path)
    from ..models.weights import load_weights  # torch, which exported networks do not need

    return load_weights(path)
