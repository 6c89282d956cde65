"""What a tracker said, drawn into the picture."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
FOUND = (80, 220, 60)  # BGR
LOST = (60, 90, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(
    frame: Frame,
    box: NDArray[np.float64],
    score: float,
    *,
    lost: bool = False,
    speed: float = 0.0,
) -> Frame:
    """A copy of a frame with the box, the score and the speed in it.

    Parameters
    ----------
    frame : ndarray of uint8, shape (h, w, 3)
        BGR; unchanged.
    box : ndarray of float, shape (4,)
        Left, top, width, height in pixels.
    score : float
        The tracker's trust in the box, in [0, 1].
    lost : bool, default=False
        The tracker does not trust it: a dashed red box, and the word.
    speed : float, default=0.0
        Frames a second of the tracker, written in the corner if above 0.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    picture = frame.copy()
    colour = LOST if lost else FOUND
    width = max(1, round(min(picture.shape[:2]) / 140))
    left, top, right, bottom = _corners(box)
    if lost:
        _dashed(picture, (left, top, right, bottom), colour, width)
    else:
        cv2.rectangle(picture, (left, top), (right, bottom), colour, width, cv2.LINE_AA)
    _label(picture, f"lost {score:.2f}" if lost else f"{score:.2f}", (left, top), colour)
    if speed > 0:
        _label(picture, f"{speed:.0f} frames/s", (0, 0), (255, 255, 255))
    return picture


def _corners(box: NDArray[np.float64]) -> Tuple[int, int, int, int]:
    """Pixels of the outline; far outside the picture they are of no use to OpenCV."""
    edges = np.array([box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1])
    left, top, right, bottom = np.clip(np.round(edges), -9999, 9999).astype(int).tolist()
    return left, top, right, bottom


def _dashed(
    picture: Frame, corners: Tuple[int, int, int, int], colour: Tuple[int, int, int], width: int
) -> None:
    left, top, right, bottom = corners
    dash = 3 * width
    for x in range(left, right, 2 * dash):
        for y in (top, bottom):
            cv2.line(picture, (x, y), (min(x + dash, right), y), colour, width)
    for y in range(top, bottom, 2 * dash):
        for x in (left, right):
            cv2.line(picture, (x, y), (x, min(y + dash, bottom)), colour, width)


def _label(
    picture: Frame, text: str, corner: Tuple[int, int], colour: Tuple[int, int, int]
) -> None:
    """Words on black above a corner; inside the picture wherever the corner is."""
    high, wide = picture.shape[:2]
    scale = min(max(min(high, wide) / 600, 0.35), 1.5)
    bold = max(1, round(2 * scale))
    (text_wide, text_high), below = cv2.getTextSize(text, FONT, scale, bold)
    box_high = text_high + below + 4
    left = int(np.clip(corner[0], 0, max(wide - text_wide - 6, 0)))
    top = int(np.clip(corner[1] - box_high, 0, max(high - box_high, 0)))
    cv2.rectangle(picture, (left, top), (left + text_wide + 5, top + box_high - 1), (0, 0, 0), -1)
    place = (left + 3, top + text_high + 2)
    cv2.putText(picture, text, place, FONT, scale, colour, bold, cv2.LINE_AA)
