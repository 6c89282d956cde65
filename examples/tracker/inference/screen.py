"""Drawing of the box into the frame, and the window in which the user can draw one."""

from __future__ import annotations

import os
import sys
from typing import Any, Iterator, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (h, w, 3), BGR
FOUND, LOST, WHITE = (80, 220, 60), (60, 90, 255), (255, 255, 255)  # BGR
FONT = cv2.FONT_HERSHEY_SIMPLEX
WINDOW = "tracker"
ESCAPE = 27


def annotate(
    frame: Frame, box: Any, score: float, *, lost: bool = False, speed: float = 0
) -> Frame:
    """A copy of a frame with the box, the score and, if above 0, the frames a second in it.

    A lost target's box is dashed and red.
    """
    image, high, wide = frame.copy(), *frame.shape[:2]
    colour, width = LOST if lost else FOUND, max(1, round(min(high, wide) / 140))
    edges = np.array([box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1])
    # Far outside the image corners are of no use to OpenCV.
    left, top, right, bottom = np.clip(np.round(edges), -9999, 9999).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right, bottom), colour, width, cv2.LINE_AA)
    if lost:  # every second diagonal stripe shows the frame again: this makes dashes
        gaps = np.add.outer(np.arange(high), np.arange(wide)) // (3 * width) % 2 == 1
        image[gaps] = frame[gaps]
    _label(image, f"lost {score:.2f}" if lost else f"{score:.2f}", (left, top), colour)
    if speed > 0:
        _label(image, f"{speed:.0f} frames/s", (0, 0), WHITE)
    return image


def _label(image: Frame, text: str, corner: Tuple[int, int], colour: Tuple[int, ...]) -> None:
    """Words on black above a corner; inside the image wherever the corner is."""
    limits = np.array(image.shape[1::-1])
    scale = min(max(limits.min() / 600, 0.35), 1.5)
    bold = max(1, round(2 * scale))
    (wide, high), below = cv2.getTextSize(text, FONT, scale, bold)
    size = np.array([wide + 6, high + below + 4])
    left, top = np.clip([corner[0], corner[1] - size[1]], 0, np.maximum(limits - size, 0)).tolist()
    image[top : top + size[1], left : left + size[0]] = 0
    cv2.putText(image, text, (left + 3, top + high + 2), FONT, scale, colour, bold, cv2.LINE_AA)


class NoScreenError(OSError):
    """There is no window to be had; the message says why."""


def check_screen() -> None:
    """Raise NoScreenError if this OpenCV has no windows, or the machine no screen."""
    # Without a screen OpenCV's Qt ends the whole process: asked first, it cannot.
    screens = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not screens:
        raise NoScreenError("there is no screen (DISPLAY is not set)")
    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    except cv2.error:
        words = "opencv-python-headless is installed; opencv-python in its place can"
        raise NoScreenError(f"this OpenCV cannot open windows: {words}") from None


def choose_box(frames: Iterator[Frame], live: bool) -> Tuple[Frame, NDArray[np.float64]]:
    """A frame and the box (left, top, width, height) that the user draws in it.

    A camera's (``live``) frames go on until a key is pressed. Raises ValueError if no box is drawn.
    """
    if live:
        print("press a key to stop the video, then draw the box", file=sys.stderr)
    for frame in frames:
        cv2.imshow(WINDOW, frame)
        if not live or cv2.waitKey(1) & 0xFF != 0xFF:
            break
    print("draw the box, then Space or Enter; C for none", file=sys.stderr)
    chosen = cv2.selectROI(WINDOW, frame, showCrosshair=False)
    if chosen[2] < 1 or chosen[3] < 1:
        raise ValueError("no box was drawn")
    return frame, np.array(chosen, dtype=np.float64)


def show(frame: Frame) -> bool:
    """Show a frame; False if the user wants no more: Q, Escape, or the window closed."""
    cv2.imshow(WINDOW, frame)
    key = cv2.waitKey(1) & 0xFF
    closed = cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1
    return not closed and key not in (ord("q"), ESCAPE)
