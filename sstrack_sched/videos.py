"""Index of the training videos, without pixels."""

from __future__ import annotations

import os
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Sequence, Union

import numpy as np

from . import _checks
from ._bits import MAX_BITS, AllSet, RankedBits
from ._storage import digest, load_arrays, save_arrays
from ._types import Array, ArrayLike, Floats, Ints, Mask
from .bins import MAX_INTERVAL

PathLike = Union[str, "os.PathLike[str]"]
_KIND = "VideoIndex"


class VideoIndex:
    """Compact index of training videos, for 10^7 videos and 10^9 frames.

    Parameters
    ----------
    lengths : array_like of int, shape (n_videos,)
        Number of frames of each video, at least 1. Frame 0 is the first.
    visible : sequence of boolean masks, or flat boolean array, optional
        Whether the target is present: a mask of shape ``(lengths[i],)`` per
        video, or all concatenated, ``(sum(lengths),)``. Default: all True.
    is_image : array_like of bool, shape (n_videos,), optional
        True for still images; only their frame 0 is used. Default: none.
    weight : array_like of float, shape (n_videos,), optional
        Relative probability of each video, at least 0. Default: uniform.

    Attributes
    ----------
    lengths, is_image, weight : ndarray, shape (n_videos,)
        As int64, bool and float64, read-only; `weight` may be None.
    path : pathlib.Path or None
        File of a loaded index.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; the message names argument and video.

    Examples
    --------
    >>> videos = VideoIndex([2, 1], visible=[[True, False], [True]])
    >>> len(videos), videos.n_frames
    (2, 3)
    """

    def __init__(
        self,
        lengths: ArrayLike,
        visible: Union[ArrayLike, Sequence[ArrayLike], None] = None,
        is_image: Optional[ArrayLike] = None,
        weight: Optional[ArrayLike] = None,
    ) -> None:
        lengths = _checks.integers("lengths", lengths)
        good = lengths.ndim == 1 and len(lengths)
        _checks.require(good, "lengths", "be one number per video, at least one", lengths.shape)
        outside = (lengths < 1) | (lengths > MAX_INTERVAL)
        _checks.refuse("lengths", f"be in [1, {MAX_INTERVAL}]", lengths, outside)
        n_videos = len(lengths)
        is_image = np.zeros(n_videos, dtype=bool) if is_image is None else is_image
        images = _checks.mask("is_image", is_image, (n_videos,))
        arrays: Dict[str, Array] = {"lengths": lengths, "is_image": images}
        if weight is not None:
            arrays["weight"] = _checks.weights("weight", weight, n_videos)
        if visible is not None:
            arrays.update(_packed(int(lengths.sum()), _masks(visible, lengths)))
        self._set(arrays)

    def _set(self, arrays: Dict[str, Array]) -> None:
        """Set the arrays that an index file holds, in the order of the fingerprint."""
        self._arrays = {name: _checks.frozen(array) for name, array in arrays.items()}
        self.lengths: Ints = arrays["lengths"]
        self.is_image: Mask = arrays["is_image"]
        self.weight: Optional[Floats] = arrays.get("weight")
        self.path: Optional[Path] = None
        self._mapped = False
        self._bits: Union[AllSet, RankedBits] = AllSet()
        if "visible_words" in arrays:
            self._bits = RankedBits(arrays["visible_words"], arrays["visible_ranks"])

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        sizes = f"{self.n_frames} frames, {int(self.is_image.sum())} images"
        return f"<VideoIndex: {len(self)} videos, {sizes}, fingerprint {self.fingerprint[:8]}>"

    @property
    def n_frames(self) -> int:
        """Total number of frames."""
        return int(self.offsets[-1])

    @cached_property
    def offsets(self) -> Ints:
        """Frames before each video, then in total, shape (n_videos + 1,)."""
        offsets = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(self.lengths, out=offsets[1:])
        return _checks.frozen(offsets)

    @property
    def visible(self) -> Optional[Mask]:
        """Concatenated masks, shape (n_frames,), as a copy; None: all visible."""
        return None if isinstance(self._bits, AllSet) else self._bits.unpack(0, self.n_frames)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the content; indices with equal hashes give equal pairs."""
        return digest(f"VideoIndex {len(self)}", *chain.from_iterable(self._arrays.items()))

    def _weights(self) -> Floats:
        return np.ones(len(self)) if self.weight is None else self.weight

    @classmethod
    def concatenate(
        cls, indices: Sequence[VideoIndex], dataset_weights: Optional[ArrayLike] = None
    ) -> VideoIndex:
        """Join the indices of several datasets, mixed as in tracker training.

        Parameters
        ----------
        indices : sequence of VideoIndex
            One per dataset; the videos are numbered in this order.
        dataset_weights : array_like of float, shape (n_datasets,), optional
            Probability of each dataset; its videos are drawn by their own
            weights. Default: video weights as they are, or 1 without any.

        Raises
        ------
        TypeError, ValueError
            If `indices` is empty or the weights are invalid.

        Examples
        --------
        >>> lasot, got10k = VideoIndex([2500] * 2), VideoIndex([150] * 3)
        >>> VideoIndex.concatenate([lasot, got10k], [1, 3]).weight
        array([0.125, 0.125, 0.25 , 0.25 , 0.25 ])
        """
        parts = list(indices)
        _checks.require(parts, "indices", "hold at least one VideoIndex", parts)
        for i, part in enumerate(parts):
            _checks.instance(f"indices[{i}]", part, VideoIndex)
        arrays: Dict[str, Array] = {
            "lengths": np.concatenate([part.lengths for part in parts]),
            "is_image": np.concatenate([part.is_image for part in parts]),
        }
        if dataset_weights is not None:
            given = _checks.weights("dataset_weights", dataset_weights, len(parts))
            shares = _checks.normalized(given)
            own = [_checks.normalized(part._weights()) for part in parts]
            arrays["weight"] = np.concatenate([a * b for a, b in zip(own, shares)])
        elif any(part.weight is not None for part in parts):
            arrays["weight"] = np.concatenate([part._weights() for part in parts])
        if any(isinstance(part._bits, RankedBits) for part in parts):
            masks = (part._bits.unpack(0, part.n_frames) for part in parts)
            arrays.update(_packed(sum(part.n_frames for part in parts), masks))
        self = cls.__new__(cls)
        self._set(arrays)
        return self

    def save(self, path: PathLike) -> None:
        """Write the index atomically as a safetensors file; create its folder.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        save_arrays(Path(path), _KIND, self.fingerprint, self._arrays)

    @classmethod
    def load(cls, path: PathLike, mmap: bool = True, verify: bool = False) -> VideoIndex:
        """Open a saved index.

        Parameters
        ----------
        path : path-like
            The file that `save` wrote.
        mmap : bool, default=True
            Memory-map the file: it opens at once, processes share it, and
            pickling the index stores only its path.
        verify : bool, default=False
            Also read the whole file to check checksums and fingerprint.

        Raises
        ------
        FileNotFoundError, ValueError
            If the file is missing, damaged, or of another kind or format.
        """
        file = Path(path)
        mmap, verify = _checks.flag("mmap", mmap), _checks.flag("verify", verify)
        self = cls.__new__(cls)
        try:
            fingerprint, arrays = load_arrays(file, _KIND, mmap, verify)
            self._set(_fitting(arrays))
            if verify and self.fingerprint != fingerprint:
                raise ValueError("its fingerprint differs from that of its content")
        except FileNotFoundError:
            raise FileNotFoundError(f"path must be a saved {_KIND}; there is no {file}") from None
        except (ValueError, IsADirectoryError, RecursionError) as error:
            raise ValueError(f"path must be a saved {_KIND}; {file} is not: {error}") from error
        self.fingerprint = fingerprint
        self.path = file.resolve()
        self._mapped = mmap
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._mapped:
            return _reopened, (str(self.path), self.fingerprint)
        return super().__reduce_ex__(protocol)


def _reopened(path: str, fingerprint: str) -> VideoIndex:
    """Open the file of a pickled memory-mapped index."""
    videos = VideoIndex.load(path)
    rule = f"hold the index that was pickled, fingerprint {fingerprint}"
    _checks.require(videos.fingerprint == fingerprint, path, rule, videos.fingerprint)
    return videos


def _fitting(arrays: Dict[str, Array]) -> Dict[str, Array]:
    """Return the arrays of a file in order if their types and shapes match."""
    n_videos = arrays["lengths"].size if "lengths" in arrays else 0
    wanted = {"lengths": ("int64", n_videos), "is_image": ("bool", n_videos)}
    if "weight" in arrays:
        wanted["weight"] = ("float64", n_videos)
    if "visible_words" in arrays:
        n_words = -(-int(arrays["lengths"].sum()) // 64) + 1 if n_videos else 0
        wanted.update(visible_words=("uint64", n_words), visible_ranks=("uint32", n_words))
    found = {name: (array.dtype.name, *array.shape) for name, array in arrays.items()}
    good = n_videos and found == wanted
    _checks.require(good, "it", f"hold arrays of types and shapes {wanted}", found)
    return {name: arrays[name] for name in wanted}


def _packed(n_frames: int, masks: Iterable[Mask]) -> Dict[str, Array]:
    """Pack masks into the arrays of an index; none if all frames are visible."""
    _checks.require(n_frames <= MAX_BITS, "visible", f"cover at most {MAX_BITS} frames", n_frames)
    flat = np.concatenate(list(masks))
    if flat.all():
        return {}
    bits = RankedBits.from_bytes(np.packbits(flat, bitorder="little"))
    return {"visible_words": bits.words, "visible_ranks": bits.ranks}


def _masks(visible: Any, lengths: Ints) -> Iterator[Mask]:
    """Yield the checked masks: one per video, or one for all."""
    if isinstance(visible, np.ndarray) and visible.ndim == 1 and visible.dtype != object:
        yield _checks.mask("visible", visible, (int(lengths.sum()),))
        return
    good = hasattr(visible, "__len__") and not isinstance(visible, (str, bytes))
    rule = "be masks, one per video, or one flat mask"
    _checks.require(good, "visible", rule, visible, TypeError)
    good = len(visible) == len(lengths)
    _checks.require(good, "visible", f"hold {len(lengths)} masks, one per video", len(visible))
    for i, (mask, length) in enumerate(zip(visible, lengths.tolist())):
        yield _checks.mask(f"visible[{i}]", mask, (length,))
