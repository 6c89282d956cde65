"""The screen: a window with what is tracked, and a box drawn with the mouse."""

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
    """Make sure that windows can be opened.

    Raises
    ------
    NoScreenError
        If this OpenCV has no windows, or the machine no screen.
    """
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
    """Let the user draw the target's box.

    Parameters
    ----------
    frames : iterator of ndarray
        The first frame is shown; a camera's go on until a key is pressed, and the last one counts.
    live : bool
        Whether it is a camera.

    Returns
    -------
    frame : ndarray of uint8, shape (h, w, 3)
        Where the box was drawn.
    box : ndarray of float, shape (4,)
        Left, top, width, height in pixels.

    Raises
    ------
    NoScreenError
        As `check_screen`.
    ValueError
        If no box was drawn.
    """
    check_screen()
    if live:
        print("press a key to stop the picture, then draw the box", file=sys.stderr)
    for frame in frames:
        if not live or pressed(frame):
            break
    print("draw the box, then Space or Enter; C for none", file=sys.stderr)
    chosen = cv2.selectROI(WINDOW, frame, showCrosshair=False)
    if chosen[2] < 1 or chosen[3] < 1:
        raise ValueError("no box was drawn")
    return frame, np.array(chosen, dtype=np.float64)


def pressed(frame: Frame) -> bool:
    """Show a frame; True if a key was pressed."""
    cv2.imshow(WINDOW, frame)
    return cv2.waitKey(1) & 0xFF != 0xFF


def show(frame: Frame) -> bool:
    """Show a frame; False if the user wants no more: Q, Escape, or the window closed."""
    cv2.imshow(WINDOW, frame)
    key = cv2.waitKey(1) & 0xFF
    closed = cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1
    return not closed and key not in (ord("q"), ESCAPE)
