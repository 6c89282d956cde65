"""Frames and boxes as people hand them in: checked, and made into RGB."""

from __future__ import annotations

from typing import Any, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

MAX_SIDE = 2.0  # of a first box, over the frame's: more than this is no target
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras deliver in words of 16
COLOURS = ("bgr", "rgb")
TO_RGB = {  # by the number of channels and their order; three in RGB are left as they are
    (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (1, "rgb"): cv2.COLOR_GRAY2RGB,
    (3, "bgr"): cv2.COLOR_BGR2RGB,
    (4, "bgr"): cv2.COLOR_BGRA2RGB,
    (4, "rgb"): cv2.COLOR_RGBA2RGB,
}


def check_frame(frame: Any) -> NDArray[Any]:
    """A frame as an array that OpenCV can read, its pixels unchanged; ValueError for no image."""
    if not isinstance(frame, np.ndarray):
        raise ValueError(f"frame must be an array; got {type(frame).__name__}")
    shape, kind = frame.shape, frame.dtype
    of_image = frame.ndim == 2 or (frame.ndim == 3 and shape[2] in (1, 3, 4))
    shapes = "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4)"
    _require(
        "frame",
        (of_image, f"have shape {shapes}; got {shape}"),
        (kind.kind == "u" and kind.itemsize <= 2, f"be of uint8 or uint16; got {kind}"),
        (frame.size > 0, f"not be empty; got shape {shape}"),
    )
    # This copies only what lies backwards in memory or is in another byte order.
    return np.ascontiguousarray(frame, dtype=kind.newbyteorder("="))


def check_box(box: Any, frame: NDArray[Any]) -> Floats:
    """A first box (left, top, width, height) that a tracker can start from, else ValueError."""
    try:
        values = np.array(box, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"box must be four numbers; got {box!r}") from None
    _require("box", (values.shape == (4,), f"be four numbers; got shape {values.shape}"))
    left, top, width, height = told = values.tolist()
    high, wide = frame.shape[:2]
    meets = left < wide and top < high and left + width > 0 and top + height > 0
    fits = width <= MAX_SIDE * wide and height <= MAX_SIDE * high
    _require(
        "box",
        (np.isfinite(values).all(), f"be finite; got {told}"),
        (width > 0 and height > 0, f"have a positive width and height; got {told}"),
        (meets, f"overlap the {wide} x {high} frame; got {told}"),
        (fits, f"be at most twice the {wide} x {high} frame; got {told}"),
    )
    return values


def _require(name: str, *checks: Tuple[Any, str]) -> None:
    for holds, wish in checks:
        if not holds:
            raise ValueError(f"{name} must {wish}")


def bit_depth(frame: NDArray[Any]) -> int:
    """Bits that the brightest pixel needs: cameras put 10, 12 or 14 into words of 16."""
    needed = int(frame.max()).bit_length() if frame.dtype.itemsize > 1 else 8
    return next(depth for depth in DEPTHS if depth >= needed)


def to_uint8(frame: NDArray[Any], depth: int) -> Image:
    """The upper 8 of ``depth`` bits; what is brighter than ``depth`` bits can say becomes 255."""
    if frame.dtype.itemsize == 1:
        return frame
    return np.minimum(frame >> (depth - 8), 255).astype(np.uint8)


def to_rgb(image: Image, colour: str) -> Image:
    """Red, green, blue of an image or crop of 1, 3 or 4 channels."""
    code = TO_RGB.get((image.shape[2] if image.ndim == 3 else 1, colour))
    return image if code is None else cv2.cvtColor(image, code)


def keep_inside(box: Floats, size: Tuple[int, int], min_side: float) -> Floats:
    """A box no larger than a frame of ``size`` (height, width), its centre in the frame."""
    limit = np.array(size[::-1], dtype=np.float64)
    side = np.clip(box[2:], min_side, np.maximum(limit, min_side))
    centre = np.clip(box[:2] + box[2:] / 2, 0.0, limit)
    return np.concatenate([centre - side / 2, side])
