"""Annotated frames as a file: a video, or a short animation for a page."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import List, Optional, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]
CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
ANIMATIONS = (".gif", ".webp")


class Recorder:
    """Takes frames and leaves a file. What was taken before `close` is kept, whatever comes."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame) -> None:
        """Take one BGR frame; one of another size than the first is made to fit."""
        raise NotImplementedError

    def close(self) -> None:
        """Complete the file; nothing is written if no frame came."""
        raise NotImplementedError


class VideoRecorder(Recorder):
    """A video file, by OpenCV: ``.mp4`` (MPEG-4), ``.avi`` (motion JPEG), ``.webm`` (VP8).

    Browsers play ``.webm``; ``.mp4`` is written in the one codec that every OpenCV has, which
    players know and most browsers do not. A side of odd length loses its last pixel.
    """

    def __init__(self, path: Path, rate: float) -> None:
        super().__init__(path, rate)
        self._writer: Optional[cv2.VideoWriter] = None
        self._size = (0, 0)

    def write(self, frame: Frame) -> None:
        """Take one BGR frame.

        Raises
        ------
        OSError
            If OpenCV cannot write there.
        """
        if self._writer is None:
            self._size = (frame.shape[1], frame.shape[0])
            code = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write a video to {self.path}")
        self._writer.write(fitted(frame, self._size))  # it drops other sizes without a word

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.release()


class AnimationRecorder(Recorder):
    """An animated ``.gif`` or ``.webp`` for a web page, by Pillow.

    Frames are made smaller and left out so that the file stays small; they are held in memory until
    `close`.

    Parameters
    ----------
    path : Path
        The file.
    rate : float
        Frames per second that come.
    width : int, default=480
        Widest picture, in pixels.
    most_rate : float, default=12.5
        Pictures per second that are kept, at most.
    most : int, default=400
        Pictures that are kept, at most; what comes after them is left out with a warning.
    """

    def __init__(
        self,
        path: Path,
        rate: float,
        *,
        width: int = 480,
        most_rate: float = 12.5,
        most: int = 400,
    ) -> None:
        super().__init__(path, rate)
        self.width, self.most = width, most
        self.every = max(1, int(np.ceil(rate / most_rate)))
        self._taken = 0
        self._size = (0, 0)
        self._pictures: List[Image.Image] = []

    def write(self, frame: Frame) -> None:
        """Take one BGR frame."""
        if self._taken % self.every == 0:
            if len(self._pictures) < self.most:
                self._pictures.append(self._picture(frame))
            elif len(self._pictures) == self.most:
                warnings.warn(f"{self.path} ends after {self.most} pictures", stacklevel=2)
                self.most = -1
        self._taken += 1

    def _picture(self, frame: Frame) -> Image.Image:
        if not self._pictures:
            scale = min(1.0, self.width / frame.shape[1])
            self._size = (round(frame.shape[1] * scale), max(1, round(frame.shape[0] * scale)))
        picture = Image.fromarray(cv2.cvtColor(fitted(frame, self._size), cv2.COLOR_BGR2RGB))
        if self.path.suffix.lower() == ".gif":
            # The octree keeps the thin lines' colours, which others give away for the scene's.
            return picture.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        return picture

    def close(self) -> None:
        """Write the file."""
        if not self._pictures:
            return
        first, rest = self._pictures[0], self._pictures[1:]
        milliseconds = round(1000 * self.every / self.rate)
        first.save(
            self.path, save_all=True, append_images=rest, duration=milliseconds, loop=0, quality=60
        )
        self._pictures = []


def fitted(frame: Frame, size: Tuple[int, int]) -> Frame:
    """A frame in the middle of a picture of another size, as large as it fits, black around it.

    Parameters
    ----------
    frame : ndarray of uint8, shape (h, w, 3)
        Returned as it is where it has the size.
    size : tuple of int
        Width and height, in pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
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


def check_recording(path: Path) -> None:
    """Refuse a file that could not be written.

    Parameters
    ----------
    path : Path
        What `open_recorder` is to be asked for.

    Raises
    ------
    ValueError
        If its name has another ending than the known ones.
    """
    known = (*CODECS, *ANIMATIONS)
    if path.suffix.lower() not in known:
        raise ValueError(f"{path}: a recording must end in {', '.join(known)}")


def open_recorder(path: Path, rate: float) -> Recorder:
    """Recorder of the kind that the file's name asks for.

    Parameters
    ----------
    path : Path
        ``.mp4``, ``.avi``, ``.webm``, ``.gif`` or ``.webp``; its folder is made.
    rate : float
        Frames per second.

    Returns
    -------
    Recorder

    Raises
    ------
    ValueError
        If the name has another ending.
    """
    check_recording(path)
    if path.suffix.lower() in ANIMATIONS:
        return AnimationRecorder(path, rate)
    return VideoRecorder(path, rate)
