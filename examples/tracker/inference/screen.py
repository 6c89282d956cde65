"""A window with what is tracked, and a box drawn with the mouse."""

from __future__ import annotations

import os
import sys
from typing import Iterator, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
WINDOW = "tracker"
ESCAPE = 27


class NoScreenError(OSError):
    """There is no window to be had; the message says why."""


def check_screen() -> None:
    """Raise NoScreenError if this OpenCV has no windows, or the machine no screen."""
    # Without a screen OpenCV's Qt ends the whole process: asked first, it cannot.
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise NoScreenError("there is no screen (DISPLAY is not set)")
    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    except cv2.error:
        raise NoScreenError(
            "this OpenCV cannot open windows: opencv-python-headless is installed; "
            "opencv-python in its place can"
        ) from None


def choose_box(frames: Iterator[Frame], *, live: bool) -> Tuple[Frame, NDArray[np.float64]]:
    """A frame and the box (left, top, width, height) that the user draws in it.

    A camera's (``live``) frames go on until a key is pressed. Raises ValueError if no box is drawn.
    """
    check_screen()
    if live:
        print("press a key to stop the picture, then draw the box", file=sys.stderr)
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
