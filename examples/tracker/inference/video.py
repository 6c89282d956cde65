"""Frames in, from a video file, a folder of images or a camera; recordings and a window out."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..data.frames import picture_files
from .images import Floats, bit_depth, to_uint8

Frame = NDArray[np.uint8]  # (h, w, 3), BGR
DEFAULT_RATE = 30.0  # frames per second, where the source does not know
# A header may count a few frames that players do not show; more than these are missing ones.
SPARE_FRAMES = 2
CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
ENDINGS = (*CODECS, ".gif", ".webp")  # of recordings
WIDTH, RATE, LENGTH = 480, 12.5, 400  # of an animation, at most: pixels, images a second, all
FOUND, LOST, WHITE = (80, 220, 60), (60, 90, 255), (255, 255, 255)  # BGR
FONT = cv2.FONT_HERSHEY_SIMPLEX
WINDOW = "tracker"


@dataclass
class Stream:
    """Frames one after the other, once."""

    name: str
    frames: Iterator[Tuple[str, Frame]]  # each with the words that name it
    n_frames: Optional[int] = None  # as announced, where that is known
    rate: float = DEFAULT_RATE
    live: bool = False

    def __iter__(self) -> Iterator[Frame]:
        count, last = 0, ""
        for where, frame in self.frames:
            size = f"{frame.shape[1]} x {frame.shape[0]}"
            if count and size != last:
                words = f"{where} is {size} pixels, what came before was {last}"
                warnings.warn(f"{words}: boxes count the pixels of their own frame", stacklevel=2)
            count, last = count + 1, size
            yield frame
        if count == 0:
            raise ValueError(f"no frame could be read from {self.name}")
        if self.n_frames is not None and count < self.n_frames - SPARE_FRAMES:
            words = f"announces {self.n_frames} frames and only {count} could be read"
            warnings.warn(f"{self.name} {words}: it is cut off or damaged", stacklevel=2)


def open_stream(source: Union[str, Path]) -> Stream:
    """Frames of a video file, a folder of images, a camera's number, or an address with ``://``."""
    text, path = str(source), Path(source)
    if path.is_dir():
        for folder in (path, path / "img"):
            with contextlib.suppress(OSError, ValueError):
                files = picture_files(folder)
                return Stream(text, _read_files(files), len(files))
        raise ValueError(f"no images in {path}")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{path} is empty")
    if path.is_file() or "://" in text:
        return _open_video(text)
    if text.isdigit():
        return _open_video(int(text))
    raise ValueError(f"no video, folder or camera {text}")


def _read_files(files: List[str]) -> Iterator[Tuple[str, Frame]]:
    depth: Optional[int] = None  # of the first: those of a 12-bit camera must not be black
    for path in files:
        image = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if image is None:
            raise ValueError(f"cannot read an image from {path}")
        if image.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"{path} must have 8 or 16 bits per channel; got {image.dtype}")
        depth = depth or bit_depth(image)
        yield path, to_uint8(image, depth)


def _open_video(source: Union[int, str]) -> Stream:
    camera = isinstance(source, int)
    name = f"camera {source}" if camera else str(source)
    capture = cv2.VideoCapture(source)  # type: ignore[arg-type]  # a number or a name
    if not capture.isOpened():
        if camera:
            raise ValueError(f"cannot open {name}: is it there, and not in use elsewhere?")
        words = "it is damaged, cut off before its index, or of a format that OpenCV does not know"
        raise ValueError(f"cannot read a video from {name}: {words}")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # phones' videos are turned upright
    count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    return Stream(
        name,
        _read_video(capture, name),
        n_frames=int(count) if not camera and np.isfinite(count) and count > 0 else None,
        rate=rate if np.isfinite(rate) and 0 < rate <= 1000 else DEFAULT_RATE,
        live=camera or "://" in name,
    )


def _read_video(capture: cv2.VideoCapture, name: str) -> Iterator[Tuple[str, Frame]]:
    count, (taken, frame) = 0, capture.read()
    while taken:
        yield f"{name}, frame {count}", frame
        count, (taken, frame) = count + 1, capture.read()


class Recorder:
    """Writes BGR frames to a video (by OpenCV) or to an animation for a web page (by Pillow).

    Browsers play ``.webm``; ``.mp4`` is written in the one codec that every OpenCV has. Of an
    animation, frames are made smaller and left out so that the file stays small.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate, self.suffix = path, rate, path.suffix.lower()
        self.every = max(1, int(np.ceil(rate / RATE)))  # frames for an image of an animation
        self._count, self._size = 0, (0, 0)
        self._writer: Optional[cv2.VideoWriter] = None
        self._images: List[Image.Image] = []
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame) -> None:
        if self._count == 0:
            height, width = frame.shape[:2]
            scale = 1.0 if self.suffix in CODECS else min(1.0, WIDTH / width)
            self._size = (round(width * scale), max(1, round(height * scale)))
            if self.suffix in CODECS:
                code = cv2.VideoWriter.fourcc(*CODECS[self.suffix])
                self._writer = cv2.VideoWriter(str(self.path), code, self.rate, self._size)
                if not self._writer.isOpened():
                    raise OSError(f"OpenCV cannot write a video to {self.path}")
        if self._writer is not None:
            self._writer.write(fitted(frame, self._size))  # it drops other sizes without a word
        elif self._count == LENGTH * self.every:
            warnings.warn(f"{self.path} ends after {LENGTH} images", stacklevel=2)
        elif self._count < LENGTH * self.every and self._count % self.every == 0:
            image = Image.fromarray(fitted(frame, self._size)[..., ::-1])
            if self.suffix == ".gif":
                # The octree keeps the thin lines' colours, which others give away for the scene's.
                image = image.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
            self._images.append(image)
        self._count += 1

    def close(self) -> None:
        """Complete the file; there is none if no frame came."""
        if self._writer is not None:
            self._writer.release()
        if self._images:
            first, *rest = self._images
            options = dict(duration=round(1000 * self.every / self.rate), loop=0, quality=60)
            first.save(self.path, save_all=True, append_images=rest, **options)


def fitted(frame: Frame, size: Tuple[int, int]) -> Frame:
    """A frame in the middle of an image of ``size`` (width, height), as large as it fits."""
    if frame.shape[1::-1] == size:
        return frame
    return np.array(ImageOps.pad(Image.fromarray(frame), size, Image.Resampling.BOX))


def annotate(frame: Frame, box: Any, score: float, lost: bool = False, speed: float = 0) -> Frame:
    """A copy of a frame with the box, dashed and red if lost, the score and the speed in it."""
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


def open_window() -> None:
    """Open the window; OSError if this OpenCV has no windows, or the machine no screen."""
    # Without a screen OpenCV's Qt ends the whole process: asked first, it cannot.
    screens = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    instead = "give --box x,y,w,h, and leave out --show"
    if sys.platform.startswith("linux") and not screens:
        raise OSError(f"there is no screen (DISPLAY is not set): {instead}")
    try:
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    except cv2.error:
        words = "opencv-python-headless is installed, and only opencv-python has windows"
        raise OSError(f"{words}: install it, or {instead}") from None


def choose_box(frames: Iterator[Frame], live: bool) -> Tuple[Frame, Floats]:
    """A frame and the box (left, top, width, height) that the user draws in it."""
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
    key, escape = cv2.waitKey(1) & 0xFF, 27
    closed = cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) < 1
    return not closed and key not in (ord("q"), escape)
