"""Text files of annotations, and what their boxes are worth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Union

import numpy as np
from numpy.typing import NDArray

from .sequences import usable_boxes

Boxes = NDArray[np.float64]
Size = Union[int, NDArray[np.float64]]


def read_boxes(path: Path) -> Boxes:
    """Boxes of a text file, one per line, four numbers split by commas, tabs or spaces.

    Parameters
    ----------
    path : Path
        The file. ``nan`` is a number here: it marks a target without a box.

    Returns
    -------
    ndarray of float, shape (n, 4)
        As written.

    Raises
    ------
    ValueError
        If a line does not hold four numbers, or there is none; names the file and the line.
    """
    rows: List[List[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = re.split(r"[,\s]+", line.strip().strip(","))
        if words == [""]:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: expected 4 numbers (x, y, w, h); got {line!r}"
            ) from None
        if len(words) != 4:
            raise ValueError(
                f"{path}, line {number}: expected 4 numbers (x, y, w, h); got {line!r}"
            )
    if not rows:
        raise ValueError(f"{path}: no box in it")
    return np.array(rows, dtype=np.float64)


def read_flags(path: Path, n_frames: int) -> NDArray[np.bool_]:
    """Absence flags of a text file: 0 and 1 split by commas or white space.

    Parameters
    ----------
    path : Path
        The file; need not exist.
    n_frames : int
        How many flags there must be.

    Returns
    -------
    ndarray of bool, shape (n_frames,)
        All False where there is no such file.

    Raises
    ------
    ValueError
        If there are more or fewer flags, or others than 0 and 1.
    """
    if not path.is_file():
        return np.zeros(n_frames, dtype=bool)
    words = [word for word in re.split(r"[,\s]+", path.read_text(encoding="utf-8").strip()) if word]
    if len(words) != n_frames or set(words) - {"0", "1"}:
        raise ValueError(
            f"{path}: expected {n_frames} flags 0 or 1; got {len(words)}: {sorted(set(words))[:4]}"
        )
    return np.array([word == "1" for word in words], dtype=bool)


def inside_share(boxes: Boxes, width: Size, height: Size) -> Boxes:
    """Share of each box's area that lies in a picture; 0 for a box that is empty or not finite.

    Parameters
    ----------
    boxes : ndarray of float, shape (n, 4)
        Left, top, width, height in pixels.
    width, height : int, or ndarray of int with shape (n,)
        Of the picture, or of each box's own, in pixels.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    usable = usable_boxes(boxes)
    left, top, wide, high = np.where(usable[:, None], boxes, 1.0).T
    inside = (np.clip(left + wide, 0, width) - np.clip(left, 0, width)) * (
        np.clip(top + high, 0, height) - np.clip(top, 0, height)
    )
    return np.asarray(np.where(usable, inside / (wide * high), 0.0), dtype=np.float64)
