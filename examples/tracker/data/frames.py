"""Access to the pictures of sequences: decoded when asked for, kept while memory allows."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .sequences import Sequence

GIB = 1 << 30
DEFAULT_LIMIT = GIB  # bytes; per process, so DataLoader workers each have their own


class FrameError(ValueError):
    """A picture that cannot be read."""


class FrameStore:
    """Frames of sequences as RGB arrays; the least recently used are forgotten first.

    Parameters
    ----------
    sequences : list of Sequence
        Video ``i`` is ``sequences[i]``.
    limit : int, default=1 GiB
        Most bytes of decoded pictures to keep, in each process; 0 keeps none.

    Raises
    ------
    ValueError
        If the limit is negative.

    Notes
    -----
    Pickling sends the sequences and not the pictures. Frames of a sequence that is an array are
    already in memory and are not kept twice.
    """

    def __init__(self, sequences: List[Sequence], limit: int = DEFAULT_LIMIT) -> None:
        if limit < 0:
            raise ValueError(f"limit must be at least 0 bytes; got {limit}")
        self.sequences = sequences
        self.limit = limit
        self.used = 0
        self._kept: OrderedDict[Tuple[int, int], NDArray[np.uint8]] = OrderedDict()

    def frame(self, video: int, index: int) -> NDArray[np.uint8]:
        """One picture.

        Parameters
        ----------
        video : int
            Position in the list of sequences.
        index : int
            Frame, from 0.

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
            RGB; a picture of one channel has it three times. Not to be changed: it may be shared.

        Raises
        ------
        FrameError
            If the file is missing or is no picture; names it.
        """
        key = (video, index)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        frames = self.sequences[video].frames
        picture = read_picture(frames[index]) if isinstance(frames, tuple) else frames[index]
        if not isinstance(frames, np.ndarray):
            self._keep(key, picture)
        return picture

    def _keep(self, key: Tuple[int, int], picture: NDArray[np.uint8]) -> None:
        if picture.nbytes > self.limit:
            return
        self._kept[key] = picture
        self.used += picture.nbytes
        while self.used > self.limit:
            self.used -= self._kept.popitem(last=False)[1].nbytes

    def __getstate__(self) -> Dict[str, Any]:
        return {"sequences": self.sequences, "limit": self.limit}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__init__(state["sequences"], state["limit"])  # type: ignore[misc]  # unpickled: starts afresh


def read_picture(path: str) -> NDArray[np.uint8]:
    """Decode a file to RGB.

    Parameters
    ----------
    path : str
        JPEG, PNG or whatever OpenCV reads; grey or colour.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    FrameError
        If the file is missing or is no picture.
    """
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise FrameError(f"cannot read a picture from {path}")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
