"""Video files, decoded once into a folder of pictures.

Training reads frames in any order, which video files are slow at. Each file is decoded from its
first frame to its last into a cache; later runs read the pictures there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Optional, Tuple

import cv2

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
QUALITY = 95  # of the JPEG files
COUNT = "frames.txt"


def default_cache() -> Path:
    """Where decoded frames go: ``sstrack-tracker`` in the user's folder of caches."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "sstrack-tracker"


def find_video(folder: Path) -> Optional[Path]:
    """The file ``video.mp4`` (or another of ``VIDEOS``) in a folder; None if there is none."""
    for suffix in VIDEOS:
        path = folder / f"video{suffix}"
        if path.is_file():
            return path
    return None


def decode_video(path: Path, cache: Path) -> Tuple[str, ...]:
    """Frames of a video file as JPEG files, decoded if they are not there yet.

    Parameters
    ----------
    path : Path
        The video. A file that changed is decoded again.
    cache : Path
        Folder for all videos' frames; made if it is not there.

    Returns
    -------
    tuple of str
        A path a frame, in order.

    Raises
    ------
    ValueError
        If no frame can be read from the file.
    OSError
        If the cache cannot be written.
    """
    target = cache / _key(path)
    count = target / COUNT
    if not count.is_file():
        _decode_into(path, target)
    return tuple(str(target / _name(i)) for i in range(int(count.read_text())))


def _key(path: Path) -> str:
    facts = path.stat()
    text = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    return f"{path.parent.name}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def _name(index: int) -> str:
    return f"{index + 1:08d}.jpg"


def _decode_into(path: Path, target: Path) -> None:
    """Fill a folder of its own and rename it, so that two processes may do this at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    try:
        n_frames = _write_frames(path, partial)
        (partial / COUNT).write_text(f"{n_frames}\n")
        if not target.exists():
            partial.replace(target)
    except OSError:
        if not (target / COUNT).is_file():  # else another process was faster
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_frames(path: Path, folder: Path) -> int:
    video = cv2.VideoCapture(str(path))
    n_frames = 0
    try:
        while True:
            found, picture = video.read()
            if not found:
                break
            file = folder / _name(n_frames)
            if not cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
                raise OSError(f"cannot write {file}")
            n_frames += 1
    finally:
        video.release()
    if not n_frames:
        raise ValueError(f"cannot read a frame from the video {path}")
    return n_frames
