"""Images of sequences: their files, video files decoded once, and a store of what was read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from .sequences import Sequence

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
QUALITY = 95  # of the JPEG files that videos are decoded into
GIB = 1 << 30


class FrameError(ValueError):
    """An image that cannot be read."""


class FrameStore:
    """Frames of sequences as RGB arrays; the least recently used are forgotten first.

    ``limit`` is the most bytes of decoded images to keep, in each process. Pickling sends the
    sequences and not the images.
    """

    def __init__(self, sequences: List[Sequence], limit: int = GIB) -> None:
        if limit < 0:
            raise ValueError(f"limit must be at least 0 bytes; got {limit}")
        self.sequences = sequences
        self.limit = limit
        self.used = 0
        self._kept: OrderedDict[Tuple[int, int], NDArray[np.uint8]] = OrderedDict()

    def frame(self, video: int, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` of a sequence, RGB, (h, w, 3). Not to be changed: it may be shared."""
        key = (video, index)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        frames = self.sequences[video].frames
        picture = read_picture(frames[index]) if isinstance(frames, tuple) else frames[index]
        # An array is in memory already.
        if not isinstance(frames, np.ndarray) and picture.nbytes <= self.limit:
            self._kept[key] = picture
            self.used += picture.nbytes
            while self.used > self.limit:
                self.used -= self._kept.popitem(last=False)[1].nbytes
        return picture

    def __getstate__(self) -> Dict[str, Any]:
        return {"sequences": self.sequences, "limit": self.limit}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__init__(**state)  # unpickled: starts afresh


def read_picture(path: str) -> NDArray[np.uint8]:
    """Decode a file to RGB, (h, w, 3); grey is repeated."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise FrameError(f"cannot read an image from {path}")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def picture_files(folder: Path) -> List[str]:
    """Paths of the images in a folder, in the order of the numbers in their names."""
    with os.scandir(folder) as entries:  # .name: what operating systems leave beside files
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    names = [name for name in names if name.lower().endswith(PICTURES)]
    if not names:
        raise ValueError(f"no images ({', '.join(PICTURES)}) in {folder}")
    return [f"{folder}/{name}" for name in sorted(names, key=_natural)]


def number_of(path: str) -> int:
    """Last number in a file's name; 0 without one."""
    return int((["0"] + re.findall(r"\d+", Path(path).stem))[-1])


def _natural(name: str) -> List[Union[int, str]]:
    words = re.split(r"(\d+)", name.rpartition(".")[0])
    return [int(word) if i % 2 else word for i, word in enumerate(words)]


def default_cache() -> Path:
    """Folder of decoded frames: ``sstrack-tracker`` in the user's folder of caches."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "sstrack-tracker"


def find_video(folder: Path) -> Optional[Path]:
    """The file ``video.mp4`` (or another of ``VIDEOS``) in a folder; None if there is none."""
    paths = [folder / f"video{suffix}" for suffix in VIDEOS]
    return next((path for path in paths if path.is_file()), None)


def decode_video(path: Path, cache: Path) -> List[str]:
    """Paths of a video file's frames as JPEG files in a cache, decoded there once.

    Training reads frames in any order, which video files are slow at.
    """
    facts = path.stat()
    key = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode()
    target = cache / f"{path.parent.name}-{hashlib.blake2b(key, digest_size=8).hexdigest()}"
    make_once(target, lambda folder: _write_frames(path, folder))
    return picture_files(target)


def make_once(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder elsewhere and move it, so that two processes may do this at once."""
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=target.name, dir=target.parent) as folder:
        partial = Path(folder) / "partial"
        partial.mkdir()
        fill(partial)
        try:
            partial.replace(target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise


def _write_frames(path: Path, folder: Path) -> None:
    video, n_frames = cv2.VideoCapture(str(path)), 0
    found, picture = video.read()
    while found:
        n_frames += 1
        file = folder / f"{n_frames:08d}.jpg"
        if not cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
            raise OSError(f"cannot write {file}")
        found, picture = video.read()
    if not n_frames:
        raise ValueError(f"cannot read a frame from the video {path}")
