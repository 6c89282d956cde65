"""Images of sequences: their files, video files decoded once, and a store of what was read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, List, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from .sequences import Sequence

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
QUALITY = 95  # of the JPEG files that videos are decoded into
GIB = 1 << 30


class FrameError(ValueError):
    """An image that cannot be read."""


class FrameStore:
    """Frames of sequences; each process keeps decoded ones, at most ``limit`` bytes of them."""

    def __init__(self, sequences: List[Sequence], limit: int = GIB) -> None:
        self.sequences, self.limit, self.used = sequences, limit, 0
        self._kept: OrderedDict[Tuple[int, int], NDArray[np.uint8]] = OrderedDict()

    def frame(self, video: int, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` of a sequence, RGB, (h, w, 3). Not to be changed: it may be shared."""
        key = (video, index)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        frames = self.sequences[video].frames
        image = frames[index]
        if isinstance(frames, tuple):
            image = cv2.imread(frames[index], cv2.IMREAD_COLOR)
            if image is None:
                raise FrameError(f"cannot read an image from {frames[index]}")
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        # An array is in memory already.
        if not isinstance(frames, np.ndarray) and image.nbytes <= self.limit:
            self._kept[key] = image
            self.used += image.nbytes
            while self.used > self.limit:
                self.used -= self._kept.popitem(last=False)[1].nbytes
        return image

    def __reduce__(self) -> Tuple[Any, ...]:
        return FrameStore, (self.sequences, self.limit)  # pickled without its images


def picture_files(folder: Path) -> List[str]:
    """Paths of the images in a folder, in the order of the numbers in their names."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    names = [path.name for path in paths if path.name[0] != "."]  # else a system's leftover
    if not names:
        raise ValueError(f"no images ({', '.join(IMAGES)}) in {folder}")
    return [f"{folder}/{name}" for name in sorted(names, key=_natural)]


def _natural(name: str) -> List[Union[int, str]]:
    words = re.split(r"(\d+)", name.rpartition(".")[0])
    return [int(word) if i % 2 else word for i, word in enumerate(words)]


def default_cache() -> Path:
    """Folder of decoded frames: ``sstrack-tracker`` in the user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sstrack-tracker"


def decode_video(path: Path, cache: Path) -> List[str]:
    """Paths of its frames as JPEG files: training reads in any order, which a video is slow at."""
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
    found, image = video.read()
    while found:
        n_frames += 1
        file = folder / f"{n_frames:08d}.jpg"
        if not cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
            raise OSError(f"cannot write {file}")
        found, image = video.read()
    if not n_frames:
        raise ValueError(f"cannot read a frame from the video {path}")
