"""Square crops around the target, and the changes that training makes to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .degrade import Degradation

Picture = NDArray[np.uint8]
Box = NDArray[np.float64]
Colour = Tuple[float, ...]  # red, green, blue
MIN_CROP = 4.0  # pixels of the frame; less than this shows nothing


class CropError(ValueError):
    """A pair that no crop can be made of."""


@dataclass(frozen=True)
class CropConfig:
    """Sizes of crops and strengths of their changes.

    Parameters
    ----------
    template_size, search_size : int
        Sides of the two crops, in pixels.
    template_factor, search_factor : float
        Side of the cut square over the square root of the box's area.
    context : float
        How much of the template's surroundings shows: outside the box its crop fades to the mean
        colour. 1 leaves it as it is.
    centre_jitter : float
        The search crop's centre moves by up to half of this, times the square root of the box's
        area, in x and y.
    scale_jitter : float
        Standard deviation of the logarithm of the factors on width and height that set the search
        crop's size.
    flip, grey : float
        Probability of mirroring both crops, and of taking the colour out of both.
    brightness, tint : float
        Each crop's brightness, and each of its colours by itself, is multiplied by up to 1 plus or
        minus this.
    degrade : float
        Probability that a crop is blurred, shrunk, compressed, or gets noise.

    Raises
    ------
    ValueError
        If a size or factor is not positive, a strength negative or a probability outside [0, 1].
    """

    template_size: int = 64
    search_size: int = 128
    template_factor: float = 2.0
    search_factor: float = 4.0
    context: float = 1.0
    centre_jitter: float = 3.0
    scale_jitter: float = 0.25
    flip: float = 0.5
    grey: float = 0.05
    brightness: float = 0.2
    tint: float = 0.0
    degrade: float = 0.0

    def __post_init__(self) -> None:
        for name in ("template_size", "search_size", "template_factor", "search_factor"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in ("centre_jitter", "scale_jitter"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")
        for name in ("context", "flip", "grey", "brightness", "tint", "degrade"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1]; got {getattr(self, name)}")

    def for_model(self, model: Any) -> CropConfig:
        """The same with the sizes, factors and context of a `TrackerModel`."""
        names = ("template_size", "search_size", "template_factor", "search_factor", "context")
        return replace(self, **{name: getattr(model, name) for name in names})


@dataclass(frozen=True)
class Square:
    """A square of a frame: its left and top edge and its side, in pixels of the frame."""

    left: float
    top: float
    side: float

    def normalise(self, box: Box) -> NDArray[np.float32]:
        """A box of the frame as centre x, centre y, width, height in units of the square, (4,)."""
        left, top, width, height = box
        centre = (left + width / 2 - self.left, top + height / 2 - self.top)
        return np.array([*centre, width, height], dtype=np.float32) / np.float32(self.side)


def square_around(
    box: Box, factor: float, *, shift: Tuple[float, float] = (0.0, 0.0), scale: float = 1.0
) -> Square:
    """The square to cut for a box.

    Parameters
    ----------
    box : ndarray of float, shape (4,)
        Left, top, width, height in pixels.
    factor : float
        Side over the square root of the box's area.
    shift : tuple of float
        How far the centre moves, in square roots of the area (after scaling).
    scale : float
        Another factor on the side.

    Returns
    -------
    Square

    Raises
    ------
    CropError
        If the box is empty or not finite, or the square is smaller than 4 pixels.
    """
    left, top, width, height = (float(value) for value in box)
    area = width * height
    if not (np.isfinite([left, top, area]).all() and width > 0 and height > 0):
        raise CropError(f"box {box.tolist()} is empty or not finite")
    unit = float(np.sqrt(area)) * scale
    side = unit * factor
    if side < MIN_CROP:
        raise CropError(f"box {box.tolist()} gives a crop of {side:.2f} pixels, under {MIN_CROP:g}")
    centre = (left + width / 2 + shift[0] * unit, top + height / 2 + shift[1] * unit)
    return Square(centre[0] - side / 2, centre[1] - side / 2, side)


def cut(picture: Picture, square: Square, size: int) -> Picture:
    """Cut a square out of a picture and resize it; what lies outside gets the mean colour.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        The frame.
    square : Square
        Where; edges may lie between pixels and outside the picture.
    size : int
        Side of the result, in pixels.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    CropError
        If the square and the picture have no pixel in common.
    """
    near, square, mean = cut_near(picture, square, size)
    step = square.side / size
    # OpenCV puts the centre of the first pixel at 0, here it is at one half.
    inverse = np.array(
        [
            [step, 0.0, square.left + step / 2 - 0.5],
            [0.0, step, square.top + step / 2 - 0.5],
        ]
    )
    return _uint8(
        cv2.warpAffine(
            near,
            inverse,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=mean,
        )
    )


def cut_near(picture: Picture, square: Square, size: int) -> Tuple[Picture, Square, Colour]:
    """What `cut` samples: the picture where the square is, shrunk if it is over twice the size.

    Parameters
    ----------
    picture, square, size
        As `cut` takes them.

    Returns
    -------
    near : ndarray of uint8, shape (h, w, 3)
        What it needs of the picture, or more.
    square : Square
        In pixels of ``near``; its side is less than twice the size.
    mean : tuple of float
        Mean colour of the picture; black where the crop cannot show it.

    Raises
    ------
    CropError
        As `cut`.
    """
    height, width = picture.shape[:2]
    left, top, side = square.left, square.top, square.side
    if left >= width or top >= height or left + side <= 0 or top + side <= 0:
        raise CropError(
            f"crop at ({left:.1f}, {top:.1f}) of side {side:.1f} is outside "
            f"a {width} x {height} picture"
        )
    factor = max(1, int(side / size))
    spare = min(left, top, width - left - side, height - top - side)
    # The mean of a large frame takes longer than the crop: only where the crop may show it.
    mean = cv2.mean(picture)[:3] if spare <= factor + 1 else (0.0, 0.0, 0.0)
    return (*_shrink(picture, square, factor), mean)


def _shrink(picture: Picture, square: Square, factor: int) -> Tuple[Picture, Square]:
    """Average blocks of factor x factor pixels: bilinear sampling alone would skip some."""
    if factor == 1:
        return picture, square
    height, width = picture.shape[:2]
    corner = np.array([square.left, square.top])
    # Only what the square needs, in whole blocks, and one block more for what is interpolated.
    low = np.maximum(np.floor(corner / factor).astype(int) - 1, 0) * factor
    high = (np.ceil((corner + square.side) / factor).astype(int) + 1) * factor
    near = picture[low[1] : min(high[1], height), low[0] : min(high[0], width)]
    whole = [factor * (-(-length // factor)) for length in near.shape[:2]]
    padding = (0, whole[0] - near.shape[0], 0, whole[1] - near.shape[1])
    near = _uint8(cv2.copyMakeBorder(near, *padding, cv2.BORDER_REPLICATE))
    small = cv2.resize(near, (whole[1] // factor, whole[0] // factor), interpolation=cv2.INTER_AREA)
    left, top = (corner - low) / factor
    return _uint8(small), Square(float(left), float(top), square.side / factor)


def _uint8(picture: Any) -> Picture:
    return np.asarray(picture, dtype=np.uint8)  # OpenCV's stubs allow more types than come back


def crop_template(picture: Picture, box: Box, config: CropConfig) -> Picture:
    """The crop that shows what to look for.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        The frame.
    box : ndarray of float, shape (4,)
        Left, top, width, height of the target, in pixels.
    config : CropConfig
        Its ``template_size``, ``template_factor`` and ``context`` count.

    Returns
    -------
    ndarray of uint8, shape (template_size, template_size, 3)

    Raises
    ------
    CropError
        As `square_around` and `cut`.
    """
    square = square_around(box, config.template_factor)
    crop = cut(picture, square, config.template_size)
    if config.context == 1:
        return crop
    left, top, right, bottom = target_in(square, box, config.template_size)
    plain = np.broadcast_to(np.uint8(cv2.mean(crop)[:3]), crop.shape)
    faded = _uint8(cv2.addWeighted(crop, config.context, plain, 1 - config.context, 0.0))
    inside = (slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0)))
    faded[inside] = crop[inside]
    return faded


def target_in(square: Square, box: Box, size: int) -> Tuple[int, int, int, int]:
    """Left, top, right, bottom of a box of the frame, in whole pixels of a square's crop."""
    centre_x, centre_y, width, height = square.normalise(box) * size
    left, right = round(centre_x - width / 2), round(centre_x + width / 2)
    top, bottom = round(centre_y - height / 2), round(centre_y + height / 2)
    return left, top, right, bottom


@dataclass(frozen=True)
class Change:
    """What training does to one pair, drawn beforehand.

    Parameters
    ----------
    shift : tuple of float
        Of the search crop's centre, in square roots of the target's (jittered) area.
    scale : float
        Factor on the search crop's side.
    flip, grey : bool
        Mirror both crops; take the colour out of both.
    brightness : tuple of float
        Factors on template and search.
    tint : tuple of tuple of float
        Factors on red, green, blue of template and search.
    degraded : tuple of Degradation
        What happens to template and search.
    """

    shift: Tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    flip: bool = False
    grey: bool = False
    brightness: Tuple[float, float] = (1.0, 1.0)
    tint: Tuple[Colour, Colour] = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    degraded: Tuple[Degradation, Degradation] = (Degradation(), Degradation())


def crop_pair(
    template: Tuple[Picture, Box],
    search: Tuple[Picture, Box],
    config: CropConfig,
    change: Change = Change(),
) -> Tuple[Picture, Picture, NDArray[np.float32]]:
    """The two crops of a pair, and where the target is in the second.

    Parameters
    ----------
    template, search : tuple of (ndarray, ndarray)
        Frame (h, w, 3) uint8 and box (4,) in pixels.
    config : CropConfig
        Sizes and factors.
    change : Change, optional
        What to alter; nothing by default.

    Returns
    -------
    template : ndarray of uint8, shape (template_size, template_size, 3)
    search : ndarray of uint8, shape (search_size, search_size, 3)
    box : ndarray of float32, shape (4,)
        Centre x, centre y, width, height over the search crop's side; the centre is in [0, 1].

    Raises
    ------
    CropError
        If a box is degenerate, a crop outside its frame, or the target's centre outside the
        search crop.
    """
    second, target = search_square(search[1], config, change)
    first_crop = crop_template(*template, config)
    second_crop = cut(search[0], second, config.search_size)
    return change_crop(first_crop, change, 0), change_crop(second_crop, change, 1), target


def search_square(
    box: Box, config: CropConfig, change: Change
) -> Tuple[Square, NDArray[np.float32]]:
    """The search crop's square, and where the target is in the (maybe mirrored) crop.

    Raises
    ------
    CropError
        As `square_around`, or if the target's centre is outside.
    """
    square = square_around(box, config.search_factor, shift=change.shift, scale=change.scale)
    target = square.normalise(box)
    if not (target[:2] >= 0).all() or not (target[:2] < 1).all():
        raise CropError(f"the target's centre {target[:2].tolist()} is outside the search crop")
    if change.flip:
        target = np.array([1 - target[0], *target[1:]], dtype=np.float32)
    return square, target


def change_crop(crop: Picture, change: Change, which: int) -> Picture:
    """A cut crop after its change; ``which``: 0 the template, 1 the search crop."""
    if change.flip:
        crop = np.ascontiguousarray(crop[:, ::-1])
    if change.grey:
        crop = _without_colour(crop)
    lit = _lit(crop, change.brightness[which], change.tint[which])
    return change.degraded[which].apply(lit)


def _lit(crop: Picture, gain: float, tint: Colour) -> Picture:
    if set(tint) == {1.0}:
        return _uint8(cv2.convertScaleAbs(crop, alpha=gain))
    return np.clip(crop * np.float32(gain) * np.float32(tint) + 0.5, 0, 255).astype(np.uint8)


def _without_colour(crop: Picture) -> Picture:
    return _uint8(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
