"""Readers of the folder layouts of GOT-10k, OTB and LaSOT.

Boxes come out 0-based: the pixel in the corner covers (0, 0) to (1, 1). OTB and LaSOT write 1-based
Matlab coordinates (their smallest left edge is 1; LaSOT's author confirms it in issue 14 of
HengLan/LaSOT_Evaluation_Toolkit), so 1 is subtracted. GOT-10k is read as it is: its authors once
called it 1-based, but its boxes at the border start at 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .annotations import Boxes, inside_share, read_boxes, read_flags
from .sequences import Sequence, split_sequences

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
# The one OTB video whose annotation starts late: frame 300 of 770.
OTB_FIRST_FRAME = {"David": 300}
ONE_BASED = np.array([1.0, 1.0, 0.0, 0.0])  # what Matlab coordinates are ahead
MIN_INSIDE = 0.5  # share of a box's area that must lie in the picture for its target to be visible


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


READERS: Dict[str, Callable[[Path], List[Sequence]]] = {
    "got10k": read_got10k,
    "otb": read_otb,
    "lasot": read_lasot,
}


def detect_layout(folder: Path) -> Optional[str]:
    """Layout of one video's folder: ``"got10k"``, ``"otb"``, ``"lasot"``, or None if it is none."""
    if any(folder.glob("groundtruth_rect*.txt")):
        return "otb"
    if (folder / "groundtruth.txt").is_file():
        return "lasot" if (folder / "img").is_dir() else "got10k"
    return None


def read_sequences(root: Path) -> List[Sequence]:
    """All videos in a folder, whatever their layouts, sorted by name.

    Parameters
    ----------
    root : Path
        A video's folder, a folder of these, or one of classes of these (LaSOT).

    Returns
    -------
    list of Sequence

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If no video is found in it, two have one name, or one is not as its layout demands.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    folders = [root] if detect_layout(root) else _video_folders(root)
    if not folders:
        raise ValueError(
            f"no video found in {root} or up to two folders below: looked for groundtruth.txt "
            "beside pictures (GOT-10k) or beside img/ (LaSOT), and for groundtruth_rect.txt "
            "beside img/ (OTB)"
        )
    sequences: List[Sequence] = []
    for folder in folders:
        sequences += READERS[str(detect_layout(folder))](folder)
    names = [sequence.name for sequence in sequences]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{root}: more than one video is named {twice[0]!r}")
    return sequences


def read_split(root: Path) -> Tuple[List[Sequence], List[Sequence]]:
    """Videos to train on and videos to report on.

    Parameters
    ----------
    root : Path
        As `read_sequences` takes. If it holds ``sequences.json``, ``{name: {"split": "train" or
        "test"}}``, that decides; else a hash of the names does.

    Returns
    -------
    train, test : list of Sequence

    Raises
    ------
    ValueError
        As `read_sequences`, and if a split would be empty.
    """
    sequences = read_sequences(root)
    listing = root / "sequences.json"
    if not listing.is_file():
        return split_sequences(sequences)
    entries = json.loads(listing.read_text())
    return split_sequences(
        sequences, {name: str(entry.get("split")) for name, entry in entries.items()}
    )


def _video_folders(root: Path) -> List[Path]:
    found: List[Path] = []
    for child in sorted(path for path in root.iterdir() if path.is_dir()):
        if detect_layout(child):
            found.append(child)
        else:
            found += sorted(
                path for path in child.iterdir() if path.is_dir() and detect_layout(path)
            )
    return found


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
    with Image.open(pictures[0]) as picture:  # reads the header only
        width, height = picture.size
    return Sequence(
        name, pictures, boxes, present & (inside_share(boxes, width, height) >= MIN_INSIDE)
    )
