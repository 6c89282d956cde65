"""Frames and boxes as people hand them in: checked, and made into RGB."""

from __future__ import annotations

from typing import Any, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]

COLOURS = ("bgr", "rgb")
MAX_SIDE = 2.0  # of a first box, over the frame's: more than this is no target
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras deliver in words of 16


def check_frame(frame: Any) -> NDArray[Any]:
    """A frame as an array that OpenCV can read, its pixels unchanged.

    It must be uint8 or uint16, (h, w), (h, w, 1), (h, w, 3) or (h, w, 4). It is copied only where
    it lies backwards in memory or in another byte order. Raises ValueError for anything else.
    """
    if not isinstance(frame, np.ndarray):
        raise ValueError(f"frame must be an array; got {type(frame).__name__}")
    channels = frame.shape[2:] if frame.ndim == 3 else (1,)
    if frame.ndim not in (2, 3) or channels[0] not in (1, 3, 4):
        raise ValueError(
            f"frame must have shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); got {frame.shape}"
        )
    if frame.dtype.kind != "u" or frame.dtype.itemsize > 2:
        raise ValueError(f"frame must be of uint8 or uint16; got {frame.dtype}")
    if frame.size == 0:
        raise ValueError(f"frame must not be empty; got shape {frame.shape}")
    return np.ascontiguousarray(frame, dtype=frame.dtype.newbyteorder("="))


def check_box(box: Any, frame: NDArray[Any]) -> Floats:
    """A first box (left, top, width, height) that a tracker can start from; it may reach out.

    Raises ValueError if it is not four finite numbers, has no area, is outside the frame, or is
    more than twice as wide or high as the frame.
    """
    try:
        values = np.array(box, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"box must be four numbers; got {box!r}") from None
    if values.shape != (4,):
        raise ValueError(f"box must be four numbers; got shape {values.shape}")
    left, top, width, height = told = values.tolist()
    high, wide = frame.shape[:2]
    if not np.isfinite(values).all():
        raise ValueError(f"box must be finite; got {told}")
    if width <= 0 or height <= 0:
        raise ValueError(f"box must have a positive width and height; got {told}")
    if left >= wide or top >= high or left + width <= 0 or top + height <= 0:
        raise ValueError(f"box must overlap the {wide} x {high} frame; got {told}")
    if width > MAX_SIDE * wide or height > MAX_SIDE * high:
        raise ValueError(f"box must be at most twice the {wide} x {high} frame; got {told}")
    return values


def bit_depth(frame: NDArray[Any]) -> int:
    """Bits that the brightest pixel needs: cameras put 10, 12 or 14 into words of 16."""
    if frame.dtype.itemsize == 1:
        return 8
    needed = int(frame.max()).bit_length()
    return next(depth for depth in DEPTHS if depth >= needed)


def to_uint8(frame: NDArray[Any], depth: int) -> Picture:
    """The upper 8 of ``depth`` bits; what is brighter than ``depth`` bits can say becomes 255."""
    if frame.dtype.itemsize == 1:
        return frame
    return np.minimum(frame >> (depth - 8), 255).astype(np.uint8)


def to_rgb(picture: Picture, colour: str) -> Picture:
    """Red, green, blue of a picture or crop of 1, 3 or 4 channels."""
    codes = {
        (1, "bgr"): cv2.COLOR_GRAY2RGB,
        (1, "rgb"): cv2.COLOR_GRAY2RGB,
        (3, "bgr"): cv2.COLOR_BGR2RGB,
        (4, "bgr"): cv2.COLOR_BGRA2RGB,
        (4, "rgb"): cv2.COLOR_RGBA2RGB,
    }
    code = codes.get((picture.shape[2] if picture.ndim == 3 else 1, colour))
    return picture if code is None else cv2.cvtColor(picture, code)


def keep_inside(box: Floats, size: Tuple[int, int], min_side: float) -> Floats:
    """A box no larger than a frame of ``size`` (height, width), its centre in the frame."""
    limit = np.array(size[::-1], dtype=np.float64)
    side = np.clip(box[2:], min_side, np.maximum(limit, min_side))
    centre = np.clip(box[:2] + box[2:] / 2, 0.0, limit)
    return np.concatenate([centre - side / 2, side])
