"""The tracker: a first box in, a box a frame out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

import numpy as np

from ..data.crops import CropConfig, Square, crop_template, cut, square_around
from .choose import NO_BIAS, Choice, TrackSettings, choose, measure_bias
from .engines import make_engine
from .graphs import Graphs
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
    lost_score=0.2,
    search_growth=0.03,
)
MIN_SIDE = 2.0  # pixels of a box; the search crop of a smaller one shows nothing


class Tracker:
    """Follow one thing through a video.

    Parameters
    ----------
    weights : str, Path or TrackerModel, optional
        A file of weights, a network, or a folder that the export command wrote; the shipped weights
        by default.
    engine : {"auto", "openvino", "onnxruntime", "torch"}
        What runs the network. ``"auto"``: the first of these that is installed.
    precision : {"auto", "float32", "bfloat16", "int8"}
        What it computes in. ``"auto"``: bfloat16 where the engine and the processor have it,
        else float32.
    threads : int, optional
        Threads of the network; by default as many as cores, at most 4.
    colour : {"bgr", "rgb"}
        Order of the frames' channels: OpenCV's, or that of PIL and of the sequences here.
    settings : TrackSettings
        What the tracker believes beyond the network.

    Raises
    ------
    FileNotFoundError
        If the file of weights is missing.
    ImportError
        If what the engine needs is not installed; says what to install.
    ValueError
        If an argument is unknown, the file is no file of weights, or the engine cannot compute in
        the precision.

    Notes
    -----
    Frames are (h, w, 3), uint8. Gray frames (h, w) work too; so does a fourth channel, which is
    dropped. Of 16-bit frames the upper 8 bits are used, counted from the smallest of 8, 10, 12, 14
    and 16 bits that hold the brightest pixel of the first frame. Frames may change their size in a
    video (a phone that is turned): the target is looked for at the same pixels, or at the nearest
    ones that are still there.

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
        self._crops = CropConfig().for_model(getattr(source, "facts", source))
        self._embedded: Any = None
        self._box: Floats = np.zeros(4)
        self._depth = 8
        self._n_lost = 0

    def init(self, frame: Picture, box: Any) -> None:
        """Say what to follow; may be called again for another video.

        Parameters
        ----------
        frame : ndarray of uint8, shape (h, w, 3)
            The first frame; or gray, 16-bit or of four channels.
        box : array of float, shape (4,)
            Left, top, width, height in pixels; pixel (0, 0) covers the square to (1, 1).

        Raises
        ------
        ValueError
            If the frame is no picture, or the box is not four finite numbers, is empty, or lies
            outside the frame. The tracker is then as it was before.
        """
        frame = check_frame(frame)
        first = check_box(box, frame)
        depth = bit_depth(frame)
        template = crop_template(to_rgb(to_uint8(frame, depth), self.colour), first, self._crops)
        self._embedded = self.engine.embed(template)
        self._box, self._depth, self._n_lost = first, depth, 0
        start = keep_inside(first, frame.shape[:2], MIN_SIDE)
        square = square_around(start, self._crops.search_factor)
        crop = to_rgb(cut(to_uint8(frame, depth), square, self._crops.search_size), self.colour)
        maps = self.engine.locate(self._embedded, crop)
        self._square = square
        self._bias = measure_bias(maps, start[2:] / square.side, self.settings)

    def update(self, frame: Picture) -> Tuple[Floats, float]:
        """Find it again.

        Parameters
        ----------
        frame : ndarray of uint8, shape (h, w, 3)
            The next frame.

        Returns
        -------
        box : ndarray of float64, shape (4,)
            Left, top, width, height in pixels; its centre is in the frame.
        score : float
            How sure the network is, in [0, 1].

        Raises
        ------
        RuntimeError
            Before `init`.
        ValueError
            If the frame is no picture.
        """
        if self._embedded is None:
            raise RuntimeError("update needs a target: call init first")
        frame = check_frame(frame)
        last = keep_inside(self._box, frame.shape[:2], MIN_SIDE)
        scale = self.settings.search_scale(self._n_lost)
        square = self._hold(square_around(last, self._crops.search_factor, scale=scale))
        crop = cut(to_uint8(frame, self._depth), square, self._crops.search_size)
        maps = self.engine.locate(self._embedded, to_rgb(crop, self.colour))
        choice = choose(maps, last[2:] / square.side, self.settings, self._bias)
        if choice.score < self.settings.lost_score:
            self._n_lost += 1
            self._box = last
        else:
            self._n_lost = 0
            self._box = keep_inside(_in_frame(choice, square), frame.shape[:2], MIN_SIDE)
        return self._box.copy(), choice.score

    HOLD = (0.0, 0.1)
    def _hold(self, wanted):
        """The last square where it still serves: the crop must not follow the network's noise."""
        from dataclasses import replace
        held = self._square
        if abs(np.log(wanted.side / held.side)) > self.HOLD[1]:
            self._square = wanted
            return wanted
        half = (wanted.side - held.side) / 2
        move = np.array([wanted.left + half - held.left, wanted.top + half - held.top])
        if np.abs(move).max() > self.HOLD[0] * held.side / self._crops.search_factor:
            move = np.round(move)
            self._square = Square(held.left + move[0], held.top + move[1], held.side)
        return self._square


def open_network(weights: Union[str, Path, TrackerModel, None]) -> Any:
    """The network that the weights of `Tracker` stand for: a `TrackerModel` or `Graphs`."""
    if isinstance(weights, Graphs) or hasattr(weights, "template_size"):  # a network
        return weights
    if weights is not None and not isinstance(weights, (str, Path)):
        raise ValueError(
            "weights must be a path, a network, or None for the shipped ones; "
            f"got {type(weights).__name__}"
        )
    path = SHIPPED if weights is None else Path(weights)
    if path.is_dir():
        return Graphs(path)
    from ..models.weights import load_weights  # torch, which exported networks do not need

    return load_weights(path)


def _in_frame(choice: Choice, square: Square) -> Floats:
    corner = choice.centre - choice.size / 2
    left_top = corner * square.side + (square.left, square.top)
    return np.concatenate([left_top, choice.size * square.side])
