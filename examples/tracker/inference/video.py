"""Where frames come from: a video file, a folder of pictures, a camera. All give BGR uint8."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Iterator, List, Optional, Tuple, Type, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import bit_depth, to_uint8

Frame = NDArray[np.uint8]  # (h, w, 3), BGR
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
DEFAULT_RATE = 30.0  # frames per second, where the source does not know
# A header may count a few frames that players do not show; more than these are missing ones.
SPARE_FRAMES = 2


class SourceError(ValueError):
    """A video, folder or camera that gives no frames; the message names it."""


class FrameStream:
    """Frames one after the other, once; a context manager that lets go of the file or camera.

    Attributes
    ----------
    name : str
        For messages.
    rate : float
        Frames per second when played, above 0.
    n_frames : int or None
        As announced; None where it is not known.
    live : bool
        True for a camera, which does not wait.
    """

    def __init__(self, name: str, rate: float, n_frames: Optional[int], live: bool = False) -> None:
        self.name, self.live = name, live
        self.rate = rate if np.isfinite(rate) and 0 < rate <= 1000 else DEFAULT_RATE
        self.n_frames = n_frames

    def __iter__(self) -> Iterator[Frame]:
        size: Optional[Tuple[int, ...]] = None
        for where, frame in self._read():
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

    def _read(self) -> Iterator[Tuple[str, Frame]]:
        """Frames, each with words that lead a person to it."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file or camera; may be called again."""

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class FolderStream(FrameStream):
    """Pictures of a folder in the order in which a person counts: 2 before 10.

    Parameters
    ----------
    folder : Path
        Holds pictures, or a folder ``img`` that does (OTB, LaSOT). A picture that is to be turned
        by its EXIF tag is; of 16 bits the 8 are taken that the first picture needs, so that those
        of a 12-bit camera are not black; transparency is dropped.

    Raises
    ------
    SourceError
        If there is no picture.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = _pictures(folder) or _pictures(folder / "img")
        if not self.paths:
            raise SourceError(f"no pictures in {folder}: looked for {', '.join(PICTURES)}")
        super().__init__(str(folder), DEFAULT_RATE, len(self.paths))

    def _read(self) -> Iterator[Tuple[str, Frame]]:
        depth: Optional[int] = None
        for path in self.paths:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            if picture is None:
                raise SourceError(f"cannot read a picture from {path}")
            if picture.dtype not in (np.uint8, np.uint16):
                raise SourceError(f"{path} must have 8 or 16 bits per channel; got {picture.dtype}")
            depth = depth or bit_depth(picture)
            yield str(path), to_uint8(picture, depth)


class CaptureStream(FrameStream):
    """A video file, a network stream or a camera, by OpenCV; phones' videos are turned upright.

    Parameters
    ----------
    source : str or int
        Path or address, or the number of a camera.

    Raises
    ------
    SourceError
        If OpenCV cannot open it.

    Warns
    -----
    UserWarning
        At the end of a file that holds fewer frames than its header says: it is cut off or damaged.
    """

    def __init__(self, source: Union[str, int]) -> None:
        camera = isinstance(source, int)
        name = f"camera {source}" if camera else str(source)
        self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            raise SourceError(
                f"cannot open {name}: is it there, and not in use elsewhere?"
                if camera
                else f"cannot read a video from {name}: it is damaged, cut off before its index, "
                "or of a format that this OpenCV does not know"
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        known = not camera and np.isfinite(count) and count > 0
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        live = camera or "://" in name
        super().__init__(name, rate, int(count) if known else None, live)

    def _read(self) -> Iterator[Tuple[str, Frame]]:
        count = 0
        while True:
            taken, frame = self._capture.read()
            if not taken:
                break
            yield f"{self.name}, frame {count}", _colour(np.asarray(frame))
            count += 1
        if self.n_frames is not None and 0 < count < self.n_frames - SPARE_FRAMES:
            warnings.warn(
                f"{self.name} announces {self.n_frames} frames and only {count} could be read: "
                "it is cut off or damaged",
                stacklevel=2,
            )

    def close(self) -> None:
        """Let go of the file or camera; may be called again."""
        self._capture.release()


def open_stream(source: Union[str, int, Path]) -> FrameStream:
    """Frames of whatever a person names.

    Parameters
    ----------
    source : str, int or Path
        A video file, a folder of pictures, the number of a camera, or an address with ``://``.

    Returns
    -------
    FrameStream

    Raises
    ------
    SourceError
        If it is not there or cannot be opened.

    Examples
    --------
    >>> with open_stream("holiday.mp4") as frames:  # doctest: +SKIP
    ...     for frame in frames:
    ...         print(frame.shape)
    """
    text, path = str(source), Path(str(source))
    if path.is_dir():
        return FolderStream(path)
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path} is empty")
    if path.is_file() or "://" in text:
        return CaptureStream(text)
    if text.isdigit():
        return CaptureStream(int(text))
    raise SourceError(f"no video, folder or camera {text}")


def _pictures(folder: Path) -> List[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]
    return sorted((path for path in found if path.is_file()), key=lambda path: _counted(path.name))


def _counted(name: str) -> Tuple[List[Tuple[int, str]], str]:
    """Key that sorts the numbers in names as numbers."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", name)
    return [(int(digits or -1), letters.lower()) for digits, letters in parts], name


def _colour(frame: NDArray[Any]) -> Frame:
    """Three channels: some cameras give one."""
    colour = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame
    return np.asarray(colour, dtype=np.uint8)
