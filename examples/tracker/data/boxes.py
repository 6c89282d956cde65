"""Files of boxes and flags, as people have them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, List, Union

import numpy as np
from numpy.typing import NDArray

from .sequences import usable_boxes

Boxes = NDArray[np.float64]
Size = Union[int, NDArray[np.float64]]
NO_BOX = [float("nan")] * 4


def read_boxes(path: Path, _n_frames: int = 0) -> Boxes:
    """Boxes of a text file, one per line: four numbers, the eight of a polygon's corners, or nan.

    Words are split by any mix of commas, semicolons and white space. Raises ValueError with the
    file and the line if it is no box, or there is none.
    """
    return _parsed(path, _box, "4 numbers (x, y, w, h) or a polygon's 8")


def read_regions(path: Path, _n_frames: int) -> Boxes:
    """As `read_boxes`, besides what VOT has: masks, whose box comes first, and codes for none."""

    def region(words: List[str]) -> List[float]:
        if words[0].startswith("m"):
            return _box([words[0][1:], *words[1:4]])
        return NO_BOX if len(words) == 1 else _box(words)

    return _parsed(path, region, "a rectangle, polygon, mask or code")


def read_vatic(path: Path, n_frames: int) -> Boxes:
    """NFS: track, left, top, right, bottom, frame, lost, occluded, generated, "label".

    Frames count from 0 or 1. Frames without a line, and those where the target is lost, get nan.
    The file of the 240 fps video may serve the one of 30 fps.
    """
    rows = _parsed(path, lambda words: [float(word) for word in words[1:7]], "10 columns", 6)
    frame = rows[:, 4].astype(int) - min(1, int(rows[0, 4]))
    if frame.max() >= 4 * n_frames:
        rows, frame = rows[frame % 8 == 0], frame[frame % 8 == 0] // 8
    if frame.max() > n_frames:  # one more is usual
        raise ValueError(f"{path}: {frame.max() + 1} boxes for {n_frames} images")
    boxes = np.full((n_frames + 1, 4), np.nan)
    boxes[frame] = np.where(rows[:, 5:] == 0, rows[:, :4], np.nan)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes[:n_frames]


def read_flags(path: Path, n_frames: int) -> NDArray[np.bool_]:
    """Flags 0 and 1 of a text file; all False where there is no such file."""
    if not path.is_file():
        return np.zeros(n_frames, dtype=bool)
    words = [word for line in _lines(path) for word in line]
    if len(words) != n_frames or set(words) - {"0", "1"}:
        found = f"{len(words)}: {sorted(set(words))[:4]}"
        raise ValueError(f"{path}: expected {n_frames} flags 0 or 1; got {found}")
    return np.array([word == "1" for word in words], dtype=bool)


def inside_share(boxes: Boxes, width: Size, height: Size) -> Boxes:
    """Share of each box's area that lies in its image; 0 for one that is empty or not finite."""
    usable = usable_boxes(boxes)
    left, top, wide, high = np.where(usable[:, None], boxes, 1.0).T
    wide_inside = np.clip(left + wide, 0, width) - np.clip(left, 0, width)
    high_inside = np.clip(top + high, 0, height) - np.clip(top, 0, height)
    return np.where(usable, wide_inside * high_inside / (wide * high), 0.0)


def _box(words: List[str]) -> List[float]:
    values = [float(word) for word in words]
    if len(values) == 8:
        x, y = values[::2], values[1::2]
        return [min(x), min(y), max(x) - min(x), max(y) - min(y)]
    return NO_BOX if len(values) == 1 and np.isnan(values[0]) else values


def _parsed(
    path: Path, parse: Callable[[List[str]], List[float]], wanted: str, n_columns: int = 4
) -> Boxes:
    rows: List[List[float]] = []
    for number, words in enumerate(_lines(path), start=1):
        try:
            row = parse(words) if words else None  # an empty line
        except ValueError:
            row = []
        if row is not None and len(row) != n_columns:
            line = " ".join(words)[:80]
            raise ValueError(f"{path}, line {number}: expected {wanted}; got {line!r}")
        rows += [row] if row else []
    if not rows:
        raise ValueError(f"{path}: no box in it")
    return np.array(rows, dtype=np.float64)


def _lines(path: Path) -> List[List[str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [[word for word in re.split(r"[,;\s]+", line) if word] for line in lines]
