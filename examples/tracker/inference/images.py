"""Frames and boxes as people hand them in: checked, and made into RGB."""

from __future__ import annotations

from typing import Any, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras deliver in words of 16
COLOURS = ("bgr", "rgb")


def check_frame(frame: Any) -> NDArray[Any]:
    """A frame as an array that OpenCV can read, its pixels unchanged; ValueError for no image."""
    if not isinstance(frame, np.ndarray):
        raise ValueError(f"frame must be an array; got {type(frame).__name__}")
    shape, kind = frame.shape, frame.dtype
    if frame.ndim < 2 or shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(f"frame must have shape (h, w) or (h, w, 1 or 3 or 4); got {shape}")
    if kind.kind != "u" or kind.itemsize > 2:
        raise ValueError(f"frame must be of uint8 or uint16; got {kind}")
    if frame.size == 0:
        raise ValueError(f"frame must not be empty; got shape {shape}")
    # This copies only what lies backwards in memory or is in another byte order.
    return np.ascontiguousarray(frame, dtype=kind.newbyteorder("="))


def check_box(box: Any, frame: NDArray[Any]) -> Floats:
    """A first box (left, top, width, height) that a tracker can start from, else ValueError."""
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
    if width > 2 * wide or height > 2 * high:  # no target is that large
        raise ValueError(f"box must be at most twice the {wide} x {high} frame; got {told}")
    return values


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
    if image.ndim == 2 or image.shape[2] == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    image = np.ascontiguousarray(image[..., :3])
    return image if colour == "rgb" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def keep_inside(box: Floats, size: Tuple[int, int], min_side: float) -> Floats:
    """A box no larger than a frame of ``size`` (height, width), its centre in the frame."""
    limit = np.array(size[::-1], dtype=np.float64)
    side = np.clip(box[2:], min_side, np.maximum(limit, min_side))
    centre = np.clip(box[:2] + box[2:] / 2, 0.0, limit)
    return np.concatenate([centre - side / 2, side])
