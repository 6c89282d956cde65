"""Readers of the folder layouts of GOT-10k, OTB and LaSOT, and of video files with boxes.

Boxes come out 0-based: the pixel in the corner covers (0, 0) to (1, 1). OTB and LaSOT write 1-based
Matlab coordinates (their smallest left edge is 1; LaSOT's author confirms it in issue 14 of
HengLan/LaSOT_Evaluation_Toolkit), so 1 is subtracted. GOT-10k is read as it is: its authors once
called it 1-based, but its boxes at the border start at 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .annotations import Boxes, inside_share, read_boxes, read_flags
from .clips import decode_video, default_cache, find_video
from .sequences import MIN_INSIDE, Sequence

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
# The one OTB video whose annotation starts late: frame 300 of 770.
OTB_FIRST_FRAME = {"David": 300}
ONE_BASED = np.array([1.0, 1.0, 0.0, 0.0])  # what Matlab coordinates are ahead
TIGHT = "groundtruth_tight.txt"


def read_got10k(folder: Path) -> List[Sequence]:
    """A GOT-10k folder: ``00000001.jpg`` ..., ``groundtruth.txt``, maybe ``absence.label``.

    Parameters
    ----------
    folder : Path
        Folder of one video.

    Returns
    -------
    list of Sequence
        One.

    Raises
    ------
    ValueError
        If pictures, boxes and labels differ in number.
    """
    boxes = read_boxes(folder / "groundtruth.txt")
    absent = read_flags(folder / "absence.label", len(boxes))
    return [_sequence(folder.name, _pictures(folder, len(boxes)), boxes, ~absent)]


def read_otb(folder: Path) -> List[Sequence]:
    """An OTB folder: ``img/0001.jpg`` ..., ``groundtruth_rect.txt``.

    Parameters
    ----------
    folder : Path
        Folder of one video. Where it has several targets (``groundtruth_rect.1.txt``, ...) each
        makes a sequence, named ``<folder>.1`` and so on.

    Returns
    -------
    list of Sequence

    Raises
    ------
    ValueError
        If there are fewer pictures than boxes. (More is usual: of some videos only a part is
        annotated.)
    """
    sequences = []
    for path in sorted(folder.glob("groundtruth_rect*.txt")):
        boxes = read_boxes(path) - ONE_BASED
        first = OTB_FIRST_FRAME.get(folder.name, 1) - 1
        pictures = _pictures(folder / "img", len(boxes), first=first, spare=True)
        target = path.stem[len("groundtruth_rect") :]
        sequences.append(
            _sequence(folder.name + target, pictures, boxes, np.ones(len(boxes), dtype=bool))
        )
    return sequences


def read_lasot(folder: Path) -> List[Sequence]:
    """A LaSOT folder: ``img/00000001.jpg`` ..., ``groundtruth.txt``, two files of absence flags.

    Parameters
    ----------
    folder : Path
        Folder of one video. ``full_occlusion.txt`` and ``out_of_view.txt``, where present, hold one
        line of 0 and 1.

    Returns
    -------
    list of Sequence
        One.

    Raises
    ------
    ValueError
        If pictures, boxes and flags differ in number.
    """
    boxes = read_boxes(folder / "groundtruth.txt") - ONE_BASED
    hidden = read_flags(folder / "full_occlusion.txt", len(boxes)) | read_flags(
        folder / "out_of_view.txt", len(boxes)
    )
    return [_sequence(folder.name, _pictures(folder / "img", len(boxes)), boxes, ~hidden)]


def read_clip(folder: Path, cache: Optional[Path] = None) -> List[Sequence]:
    """A video file and its boxes: ``video.mp4``, ``groundtruth.txt``, maybe ``absence.label``.

    Parameters
    ----------
    folder : Path
        Folder of one video. Where it holds ``groundtruth_tight.txt`` those boxes are taken; an
        empty one says that the frame has none that can be relied on.
    cache : Path, optional
        Where the file is decoded to, see `decode_video`. Default: the user's folder of caches.

    Returns
    -------
    list of Sequence
        One.

    Raises
    ------
    ValueError
        If frames, boxes and labels differ in number, or the video cannot be read.
    """
    video = find_video(folder)
    if video is None:
        raise ValueError(f"no video file in {folder}")
    tight = folder / TIGHT
    boxes = read_boxes(tight if tight.is_file() else folder / "groundtruth.txt")
    absent = read_flags(folder / "absence.label", len(boxes))
    pictures = decode_video(video, cache or default_cache())
    if len(pictures) != len(boxes):
        raise ValueError(f"{video}: {len(pictures)} frames for {len(boxes)} boxes")
    return [_sequence(folder.name, pictures, boxes, ~absent)]


READERS: Dict[str, Callable[[Path], List[Sequence]]] = {
    "got10k": read_got10k,
    "otb": read_otb,
    "lasot": read_lasot,
    "clip": read_clip,
}


def detect_layout(folder: Path) -> Optional[str]:
    """Layout of one video's folder, a key of ``READERS``, or None if it is none."""
    if any(folder.glob("groundtruth_rect*.txt")):
        return "otb"
    if not (folder / "groundtruth.txt").is_file():
        return None
    if (folder / "img").is_dir():
        return "lasot"
    return "clip" if find_video(folder) else "got10k"


def _pictures(
    folder: Path, n_boxes: int, *, first: int = 0, spare: bool = False
) -> Tuple[str, ...]:
    if not folder.is_dir():
        raise ValueError(f"no folder of pictures {folder}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if spare and len(paths) > n_boxes:
        paths = paths[first : first + n_boxes] if len(paths) >= first + n_boxes else paths[:n_boxes]
    if len(paths) != n_boxes:
        raise ValueError(
            f"{folder}: {len(paths)} pictures ({', '.join(PICTURES)}) for {n_boxes} boxes"
        )
    return tuple(str(path) for path in paths)


def _sequence(
    name: str, pictures: Tuple[str, ...], boxes: Boxes, present: NDArray[np.bool_]
) -> Sequence:
    try:
        with Image.open(pictures[0]) as picture:  # reads the header only
            width, height = picture.size
    except UnidentifiedImageError:
        raise ValueError(f"{pictures[0]}, the first of {name!r}, is no picture") from None
    return Sequence(
        name, pictures, boxes, present & (inside_share(boxes, width, height) >= MIN_INSIDE)
    )
