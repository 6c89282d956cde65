"""Frames in, from a video file, a folder of pictures or a camera; annotated frames out."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.frames import picture_files
from .pictures import bit_depth, to_uint8

Frame = NDArray[np.uint8]  # (h, w, 3), BGR
DEFAULT_RATE = 30.0  # frames per second, where the source does not know
# A header may count a few frames that players do not show; more than these are missing ones.
SPARE_FRAMES = 2
CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
ANIMATIONS = (".gif", ".webp")
WIDTH, RATE, LENGTH = 480, 12.5, 400  # of an animation, at most: pixels, pictures a second, all
FOUND, LOST, WHITE = (80, 220, 60), (60, 90, 255), (255, 255, 255)  # BGR
FONT = cv2.FONT_HERSHEY_SIMPLEX


class SourceError(ValueError):
    """A video, folder or camera that gives no frames; the message names it."""


class Stream:
    """Frames one after the other, once; a context manager that lets go of the file or camera."""

    def __init__(self, source: Union[str, int, List[str]], name: str) -> None:
        self.name, self.rate, self.live = name, DEFAULT_RATE, False
        self.n_frames: Optional[int] = None  # as announced, where that is known
        self._paths = source if isinstance(source, list) else None
        if self._paths is not None:
            self.n_frames = len(self._paths)
            return
        self._capture = cv2.VideoCapture(source)  # type: ignore[arg-type]  # lists were handled above
        camera = isinstance(source, int)
        if not self._capture.isOpened():
            raise SourceError(
                f"cannot open {name}: is it there, and not in use elsewhere?"
                if camera
                else f"cannot read a video from {name}: it is damaged, cut off before its index, "
                "or of a format that this OpenCV does not know"
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # phones' videos are turned upright
        self.live = camera or "://" in name
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not camera and np.isfinite(count) and count > 0:
            self.n_frames = int(count)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        if np.isfinite(rate) and 0 < rate <= 1000:
            self.rate = rate

    def __iter__(self) -> Iterator[Frame]:
        size: Optional[Tuple[int, ...]] = None
        for where, frame in self._pictures() if self._paths is not None else self._frames():
            if size is not None and frame.shape != size:
                warnings.warn(
                    f"{where} is {frame.shape[1]} x {frame.shape[0]} pixels, what came before was "
                    f"{size[1]} x {size[0]}: boxes count the pixels of their own frame",
                    stacklevel=2,
                )
            size = frame.shape
            yield frame
        if size is None:
            raise SourceError(f"no frame could be read from {self.name}")

    def _pictures(self) -> Iterator[Tuple[str, Frame]]:
        depth: Optional[int] = None  # of the first: those of a 12-bit camera must not be black
        for path in self._paths or ():
            picture = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            if picture is None:
                raise SourceError(f"cannot read a picture from {path}")
            if picture.dtype not in (np.uint8, np.uint16):
                raise SourceError(f"{path} must have 8 or 16 bits per channel; got {picture.dtype}")
            depth = depth or bit_depth(picture)
            yield path, to_uint8(picture, depth)

    def _frames(self) -> Iterator[Tuple[str, Frame]]:
        count = 0
        while True:
            taken, frame = self._capture.read()
            if not taken:
                break
            if frame.ndim == 2:  # some cameras are grey
                frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
            yield f"{self.name}, frame {count}", frame
            count += 1
        if self.n_frames is not None and 0 < count < self.n_frames - SPARE_FRAMES:
            warnings.warn(
                f"{self.name} announces {self.n_frames} frames and only {count} could be read: "
                "it is cut off or damaged",
                stacklevel=2,
            )

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._paths is None:
            self._capture.release()


def open_stream(source: Union[str, int, Path]) -> Stream:
    """Frames of a video file, a folder of pictures, a camera's number, or an address with ``://``.

    A folder's pictures come in the order of their numbers, or are those of its ``img``. Raises
    SourceError if the source is not there or cannot be opened.
    """
    text, path = str(source), Path(str(source))
    if path.is_dir():
        for folder in (path, path / "img"):
            with contextlib.suppress(OSError, ValueError):
                return Stream(picture_files(folder), text)
        raise SourceError(f"no pictures in {path}")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path} is empty")
    if path.is_file() or "://" in text:
        return Stream(text, text)
    if text.isdigit():
        return Stream(int(text), f"camera {text}")
    raise SourceError(f"no video, folder or camera {text}")


def check_recording(path: Path) -> None:
    """Refuse a file of another ending than the known ones."""
    known = (*CODECS, *ANIMATIONS)
    if path.suffix.lower() not in known:
        raise ValueError(f"{path}: a recording must end in {', '.join(known)}")


class Recorder:
    """Writes BGR frames to a video (by OpenCV) or to an animation for a web page (by Pillow).

    Browsers play ``.webm``; ``.mp4`` is written in the one codec that every OpenCV has. Of an
    animation, frames are made smaller and left out so that the file stays small. Whatever comes,
    `close` keeps what was written before. Frames of another size than the first are made to fit.
    """

    def __init__(self, path: Path, rate: float) -> None:
        check_recording(path)
        self.path, self.rate = path, rate
        self.animated = path.suffix.lower() in ANIMATIONS
        self.every = max(1, int(np.ceil(rate / RATE)))  # frames for a picture of an animation
        self._count = 0
        self._size = (0, 0)
        self._writer: Optional[cv2.VideoWriter] = None
        self._pictures: List[Image.Image] = []
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame) -> None:
        """Take one frame. Raises OSError if OpenCV cannot write there."""
        if self._count == 0:
            self._start(frame.shape[1], frame.shape[0])
        if self._writer is not None:
            self._writer.write(fitted(frame, self._size))  # it drops other sizes without a word
        elif self._count == LENGTH * self.every:
            warnings.warn(f"{self.path} ends after {LENGTH} pictures", stacklevel=2)
        elif self._count < LENGTH * self.every and self._count % self.every == 0:
            self._pictures.append(self._picture(frame))
        self._count += 1

    def _start(self, width: int, height: int) -> None:
        scale = min(1.0, WIDTH / width) if self.animated else 1.0
        self._size = (round(width * scale), max(1, round(height * scale)))
        if not self.animated:
            code = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write a video to {self.path}")

    def _picture(self, frame: Frame) -> Image.Image:
        picture = Image.fromarray(cv2.cvtColor(fitted(frame, self._size), cv2.COLOR_BGR2RGB))
        if self.path.suffix.lower() == ".gif":
            # The octree keeps the thin lines' colours, which others give away for the scene's.
            return picture.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        return picture

    def close(self) -> None:
        """Complete the file; there is none if no frame came."""
        if self._writer is not None:
            self._writer.release()
        if self._pictures:
            first, *rest = self._pictures
            pause = round(1000 * self.every / self.rate)
            options = {"duration": pause, "loop": 0, "quality": 60}
            first.save(self.path, save_all=True, append_images=rest, **options)
            self._pictures = []


def fitted(frame: Frame, size: Tuple[int, int]) -> Frame:
    """A frame in the middle of a picture of ``size`` (width, height), as large as it fits."""
    high, wide = frame.shape[:2]
    if (wide, high) == size:
        return frame
    scale = min(size[0] / wide, size[1] / high)
    inner = (max(1, round(wide * scale)), max(1, round(high * scale)))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    picture = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    small = cv2.resize(frame, inner, interpolation=cv2.INTER_AREA)
    picture[top : top + inner[1], left : left + inner[0]] = small
    return picture


def annotate(
    frame: Frame, box: Any, score: float, *, lost: bool = False, speed: float = 0
) -> Frame:
    """A copy of a frame with the box, the score and, if above 0, the frames a second in it.

    A lost target's box is dashed and red.
    """
    picture = frame.copy()
    colour, width = LOST if lost else FOUND, max(1, round(min(picture.shape[:2]) / 140))
    edges = np.array([box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1])
    # Far outside the picture corners are of no use to OpenCV.
    left, top, right, bottom = np.clip(np.round(edges), -9999, 9999).astype(int).tolist()
    if not lost:
        cv2.rectangle(picture, (left, top), (right, bottom), colour, width, cv2.LINE_AA)
    dash = 3 * width
    for x in range(left, right, 2 * dash) if lost else ():
        for y in (top, bottom):
            cv2.line(picture, (x, y), (min(x + dash, right), y), colour, width)
    for y in range(top, bottom, 2 * dash) if lost else ():
        for x in (left, right):
            cv2.line(picture, (x, y), (x, min(y + dash, bottom)), colour, width)
    _label(picture, f"lost {score:.2f}" if lost else f"{score:.2f}", (left, top), colour)
    if speed > 0:
        _label(picture, f"{speed:.0f} frames/s", (0, 0), WHITE)
    return picture


def _label(picture: Frame, text: str, corner: Tuple[int, int], colour: Tuple[int, ...]) -> None:
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
