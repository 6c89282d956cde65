"""Square crops around the target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .augment import Change, Image
from .sequences import usable_boxes

Box = NDArray[np.float64]
View = Tuple[Image, Box]  # a frame, (h, w, 3), and the target's box in it
UNCHANGED = Change()
MIN_CROP = 4.0  # pixels of the frame; less than this shows nothing
RULES: Dict[str, Callable[[Any], bool]] = {  # that settings must keep
    "be at least 1": lambda value: value >= 1,
    "be positive": lambda value: value > 0,
    "not be negative": lambda value: value >= 0,
    "be in [0, 1]": lambda value: 0 <= value <= 1,
    "be in [0, 1)": lambda value: 0 <= value < 1,
}


def check(settings: Any, names_of: Dict[str, str]) -> None:
    """Raise ValueError for the first attribute that breaks its rule; names are split by spaces."""
    for rule, names in names_of.items():
        for name in names.split():
            if not RULES[rule](getattr(settings, name)):
                raise ValueError(f"{name} must {rule}; got {getattr(settings, name)}")


class CropError(ValueError):
    """A pair that no crop can be made of."""


@dataclass(frozen=True)
class CropConfig:
    template_size: int = 64  # sides of the crops, in pixels
    search_size: int = 128
    template_factor: float = 2.0  # side of the cut square over the square root of the box's area
    search_factor: float = 4.0
    context: float = 1.0  # how much shows outside the template's box; the rest is the mean colour
    centre_jitter: float = 3.0  # the search crop moves by up to half of it, in roots of the area
    scale_jitter: float = 0.25  # standard deviation of the log of factors on width and height
    flip: float = 0.5  # probability of mirroring both crops
    grey: float = 0.05  # and of taking their colour out
    brightness: float = 0.2  # each crop is multiplied by up to 1 plus or minus this
    tint: float = 0.0  # and each of its colours by itself
    degrade: float = 0.0  # probability that a crop is blurred, shrunk, compressed, or gets noise

    def __post_init__(self) -> None:
        sizes = "template_size search_size template_factor search_factor"
        shares = "context flip grey brightness tint degrade"
        jitters = "centre_jitter scale_jitter"
        check(self, {"be positive": sizes, "be in [0, 1]": shares, "not be negative": jitters})

    def for_model(self, model: Any) -> CropConfig:
        names = ("template_size", "search_size", "template_factor", "search_factor", "context")
        return replace(self, **{name: getattr(model, name) for name in names})


@dataclass(frozen=True)
class Square:
    """A square of a frame: its left and top edge and its side, in pixels of the frame."""

    left: float
    top: float
    side: float

    def normalise(self, box: Box) -> NDArray[np.float32]:
        """Centre x, centre y, width and height of a box of the frame in units of the square."""
        left, top, width, height = box
        centre = (left + width / 2 - self.left, top + height / 2 - self.top)
        return np.array([*centre, width, height], dtype=np.float32) / np.float32(self.side)


def square_around(
    box: Box, factor: float, *, shift: Tuple[float, float] = (0.0, 0.0), scale: float = 1.0
) -> Square:
    """The square to cut for a box; side and shift are in roots of its area, times ``scale``."""
    if not usable_boxes(box[None]).all():
        raise CropError(f"box {box.tolist()} is empty or not finite")
    left, top, width, height = box.tolist()
    unit = float(np.sqrt(width * height)) * scale
    side = unit * factor
    if side < MIN_CROP:
        raise CropError(f"box {box.tolist()} gives a crop of {side:.2f} pixels, under {MIN_CROP:g}")
    x, y = left + width / 2 + shift[0] * unit, top + height / 2 + shift[1] * unit
    return Square(x - side / 2, y - side / 2, side)


def cut(image: Image, square: Square, size: int) -> Image:
    """Cut a square out of an image, resized to (size, size, 3); outside is the mean colour."""
    height, width = image.shape[:2]
    left, top, side = square.left, square.top, square.side
    if left >= width or top >= height or left + side <= 0 or top + side <= 0:
        words = f"crop at ({left:.1f}, {top:.1f}) of side {side:.1f} is outside"
        raise CropError(f"{words} a {width} x {height} image")
    factor = max(1, int(side / size))
    spare = min(left, top, width - left - side, height - top - side)
    # The mean of a large frame takes longer than the crop: only where the crop may show it.
    mean = cv2.mean(image)[:3] if spare <= factor + 1 else (0.0, 0.0, 0.0)
    if factor > 1:
        image, square = _shrink(image, square, factor)
    step = square.side / size
    # OpenCV puts the centre of the first pixel at 0, here it is at one half.
    corner = square.left + step / 2 - 0.5, square.top + step / 2 - 0.5
    matrix = np.array([[step, 0.0, corner[0]], [0.0, step, corner[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (size, size), flags=flags, borderValue=mean)


def _shrink(image: Image, square: Square, factor: int) -> Tuple[Image, Square]:
    """Average blocks of factor x factor pixels: bilinear sampling alone would skip some."""
    height, width = image.shape[:2]
    corner = np.array([square.left, square.top])
    # Only what the square needs, in whole blocks, and one block more for what is interpolated.
    low = np.maximum(np.floor(corner / factor).astype(int) - 1, 0) * factor
    high = (np.ceil((corner + square.side) / factor).astype(int) + 1) * factor
    near = image[low[1] : min(high[1], height), low[0] : min(high[0], width)]
    whole = [factor * (-(-length // factor)) for length in near.shape[:2]]
    padding = (0, whole[0] - near.shape[0], 0, whole[1] - near.shape[1])
    near = cv2.copyMakeBorder(near, *padding, cv2.BORDER_REPLICATE)
    small = cv2.resize(near, (whole[1] // factor, whole[0] // factor), interpolation=cv2.INTER_AREA)
    left, top = (corner - low) / factor
    return small, Square(float(left), float(top), square.side / factor)


def crop_template(image: Image, box: Box, config: CropConfig) -> Image:
    """The crop that shows what to look for: outside its box it fades by ``config.context``."""
    square = square_around(box, config.template_factor)
    crop = cut(image, square, config.template_size)
    if config.context == 1:
        return crop
    centre, extent = np.split(square.normalise(box) * config.template_size, 2)
    edges = np.round([centre - extent / 2, centre + extent / 2]).astype(int)
    (left, top), (right, bottom) = np.maximum(edges, 0)
    plain = np.broadcast_to(np.uint8(cv2.mean(crop)[:3]), crop.shape)
    faded = cv2.addWeighted(crop, config.context, plain, 1 - config.context, 0.0)
    faded[top:bottom, left:right] = crop[top:bottom, left:right]
    return faded


def crop_pair(
    template: View, search: View, config: CropConfig, change: Change = UNCHANGED
) -> Tuple[Image, Image, NDArray[np.float32]]:
    """The two crops of a pair, and where the target is in the second: `Square.normalise`."""
    square = square_around(search[1], config.search_factor, shift=change.shift, scale=change.scale)
    target = square.normalise(search[1])
    if not ((target[:2] >= 0) & (target[:2] < 1)).all():
        raise CropError(f"the target's centre {target[:2].tolist()} is outside the search crop")
    if change.flip:
        target = np.array([1 - target[0], *target[1:]], dtype=np.float32)
    first = crop_template(*template, config)
    second = cut(search[0], square, config.search_size)
    return change.apply(first, 0), change.apply(second, 1), target
