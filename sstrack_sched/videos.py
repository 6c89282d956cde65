"""What can be sampled, with no pixels: lengths, visibility, weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple, Union

import numpy as np

from . import _checks
from ._bits import MAX_BITS, RankedBits
from ._storage import load_arrays, save_arrays
from ._types import Array, ArrayLike, Floats, Ints, Mask
from .bins import MAX_INTERVAL

if TYPE_CHECKING:
    import os

    PathLike = Union[str, "os.PathLike[str]"]


_KIND = "VideoIndex"


class VideoIndex:
    """Videos to draw pairs from.

    Holds arrays only, no Python object a video, so that 10^7 videos and 10^9 frames fit.

    Parameters
    ----------
    lengths : array_like of int, shape (n_videos,)
        Frames of each video, at least 1; frames are numbered from 0.
    visible : sequence of n_videos boolean masks, or flat boolean array, optional
        Frames in which the target is annotated as present: a mask of ``lengths[i]`` for each video,
        or one array of ``sum(lengths)``, the videos one after the other. Default: all visible.
    is_image : array_like of bool, shape (n_videos,), optional
        Still images; only their frame 0 is used. Default: none.
    weight : array_like of float, shape (n_videos,), optional
        Relative probability of drawing each video, not negative. A video of weight 0 is never
        drawn. Default: uniform.

    Attributes
    ----------
    lengths : ndarray of int64, shape (n_videos,)
    is_image : ndarray of bool, shape (n_videos,)
    weight : ndarray of float64, shape (n_videos,), or None
    path : pathlib.Path or None
        The file that a loaded index came from.
    verified : bool
        Whether `load` compared the checksums.

    Raises
    ------
    TypeError, ValueError
        If a shape, type or value does not fit; the message names the argument and the video.

    Examples
    --------
    >>> videos = VideoIndex([3, 2], visible=[[True, False, True], [True, True]])
    >>> len(videos), videos.n_frames
    (2, 5)
    """

    def __init__(
        self,
        lengths: ArrayLike,
        visible: Union[ArrayLike, Sequence[ArrayLike], None] = None,
        is_image: Optional[ArrayLike] = None,
        weight: Optional[ArrayLike] = None,
    ) -> None:
        lengths = _checked_lengths(lengths)
        n_videos = len(lengths)
        images = (
            np.zeros(n_videos, dtype=bool)
            if is_image is None
            else _checks.mask("is_image", is_image, (n_videos,))
        )
        weights = None if weight is None else _checks.weights("weight", weight, n_videos)
        bits = None
        if visible is not None:
            flat = _flat_mask(visible, lengths)
            bits = None if flat.all() else RankedBits.pack(flat)
        self._set(lengths, images, weights, bits)

    def _set(
        self,
        lengths: Ints,
        is_image: Mask,
        weight: Optional[Floats],
        visible_bits: Optional[RankedBits],
    ) -> None:
        self.lengths = _checks.frozen(lengths)
        self.is_image = _checks.frozen(is_image)
        self.weight = None if weight is None else _checks.frozen(weight)
        self.path: Optional[Path] = None
        self._mapped = False
        self.verified = False
        self._visible_bits = visible_bits
        self._offsets: Optional[Ints] = None
        self._fingerprint: Optional[str] = None

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return (
            f"<VideoIndex: {len(self)} videos, {self.n_frames} frames, "
            f"{int(self.is_image.sum())} images, fingerprint {self.fingerprint[:8]}>"
        )

    @property
    def n_frames(self) -> int:
        """Frames of all videos."""
        return int(self.offsets[-1])

    @property
    def offsets(self) -> Ints:
        """First frame of each video among all frames, and their number, shape (n_videos + 1,)."""
        if self._offsets is None:
            offsets = np.zeros(len(self) + 1, dtype=np.int64)
            np.cumsum(self.lengths, out=offsets[1:])
            self._offsets = _checks.frozen(offsets)
        return self._offsets

    @property
    def visible(self) -> Optional[Mask]:
        """All videos' masks in one new array, shape (n_frames,); None where all are visible."""
        return None if self._visible_bits is None else self._visible_bits.unpack(0, self.n_frames)

    @property
    def fingerprint(self) -> str:
        """Hash of the content: equal for indices from which the same pairs are drawn."""
        if self._fingerprint is None:
            digest = hashlib.blake2b(digest_size=16)
            digest.update(f"VideoIndex {len(self)}".encode())
            for name, array in self._arrays().items():
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(array).view(np.uint8))
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _arrays(self) -> Dict[str, Array]:
        arrays: Dict[str, Array] = {"lengths": self.lengths, "is_image": self.is_image}
        if self.weight is not None:
            arrays["weight"] = self.weight
        if self._visible_bits is not None:
            arrays["visible_words"] = self._visible_bits.words
            arrays["visible_ranks"] = self._visible_bits.ranks
        return arrays

    @classmethod
    def concatenate(
        cls, indices: Sequence[VideoIndex], dataset_weights: Optional[ArrayLike] = None
    ) -> VideoIndex:
        """Mix datasets the way trackers do.

        Parameters
        ----------
        indices : sequence of VideoIndex
            One a dataset; the videos are numbered in this order.
        dataset_weights : array_like of float, shape (n_datasets,), optional
            First a dataset is drawn by these, then a video by its own index's weights. Default: all
            videos alike; where an index has weights of its own they stay as they are, beside 1 in
            the others.

        Returns
        -------
        VideoIndex

        Raises
        ------
        TypeError, ValueError
            If there is no index, or the weights do not fit.

        Examples
        --------
        >>> lasot, got10k = VideoIndex([2500] * 2), VideoIndex([150] * 3)
        >>> VideoIndex.concatenate([lasot, got10k], dataset_weights=[1, 3]).weight
        array([0.125, 0.125, 0.25 , 0.25 , 0.25 ])
        """
        parts = list(indices)
        if not parts:
            raise ValueError("indices must hold at least one VideoIndex; got none")
        for part in parts:
            if not isinstance(part, VideoIndex):
                raise TypeError(f"indices must hold VideoIndex objects; got {part!r}")
        weight = None
        if dataset_weights is not None:
            shares = _checks.normalized(
                _checks.weights("dataset_weights", dataset_weights, len(parts))
            )
            weights = [_checks.normalized(_ones_if_none(part)) for part in parts]
            weight = np.concatenate([own * share for own, share in zip(weights, shares)])
        elif any(part.weight is not None for part in parts):
            weight = np.concatenate([_ones_if_none(part) for part in parts])
        bits = None
        if any(part._visible_bits is not None for part in parts):
            masks = [part.visible for part in parts]
            _check_n_frames(sum(part.n_frames for part in parts))
            bits = RankedBits.pack(
                np.concatenate(
                    [
                        np.ones(part.n_frames, dtype=bool) if mask is None else mask
                        for part, mask in zip(parts, masks)
                    ]
                )
            )
        self = cls.__new__(cls)
        self._set(
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.is_image for part in parts]),
            weight,
            bits,
        )
        return self

    def save(self, path: PathLike) -> None:
        """Write the index into one file, in the safetensors layout.

        At every moment the file is the old index or the new one, whole, whatever other processes
        and threads write; the last one wins. A process that has mapped the old one keeps it.

        Parameters
        ----------
        path : path-like
            The file; its folder is made if need be.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        save_arrays(Path(path), _KIND, self.fingerprint, self._arrays())

    @classmethod
    def load(cls, path: PathLike, mmap: bool = True, verify: bool = False) -> VideoIndex:
        """Open a saved index.

        Parameters
        ----------
        path : path-like
            The file that `save` wrote.
        mmap : bool, default=True
            Map the file instead of reading it: opening takes no time, processes share the memory,
            and a pickled index sends its path.
        verify : bool, default=False
            Read everything and compare the checksums and the fingerprint. Without it the layout
            is checked, but not each value.

        Returns
        -------
        VideoIndex

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, of another kind or of another format; the message names it.
        """
        file = Path(path)
        mmap, verify = _checks.flag("mmap", mmap), _checks.flag("verify", verify)
        fingerprint, arrays = load_arrays(file, _KIND, mmap, verify)
        self = cls.__new__(cls)
        try:
            self._set(*_checked_arrays(arrays))
            if verify and self.fingerprint != fingerprint:
                raise ValueError("its fingerprint differs from that of its content")
        except ValueError as error:
            raise ValueError(f"path must be a saved {_KIND}; {file} is not: {error}") from error
        self._fingerprint = fingerprint
        self.path = file.resolve()
        self._mapped = mmap
        self.verified = verify
        return self

    def __getstate__(self) -> Dict[str, Any]:
        if self._mapped:
            return {"path": str(self.path), "fingerprint": self.fingerprint}
        return self.__dict__.copy()

    def __setstate__(self, state: Dict[str, Any]) -> None:
        if "path" in state and "fingerprint" in state:
            mapped = VideoIndex.load(state["path"])
            if mapped.fingerprint != state["fingerprint"]:
                raise ValueError(
                    f"path must hold the index that was pickled, fingerprint "
                    f"{state['fingerprint']}; {state['path']!r} now holds {mapped.fingerprint}"
                )
            state = mapped.__dict__
        self.__dict__.update(state)


def _checked_arrays(arrays: Dict[str, Array]) -> Tuple[Any, Any, Any, Any]:
    """Lengths, images, weights and visibility of a file, where they fit each other."""
    n_videos = arrays["lengths"].size if "lengths" in arrays else 0
    expected = {"lengths": ("<i8", n_videos), "is_image": ("?", n_videos)}
    if "weight" in arrays:
        expected["weight"] = ("<f8", n_videos)
    if "visible_words" in arrays or "visible_ranks" in arrays:
        n_words = -(-int(arrays["lengths"].sum()) // 64) + 1 if n_videos else 0
        expected["visible_words"] = ("<u8", n_words)
        expected["visible_ranks"] = ("<u4", n_words)
    found = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    wanted = {name: (np.dtype(code), (size,)) for name, (code, size) in expected.items()}
    if found != wanted or not n_videos:
        raise ValueError(f"it must hold arrays of types and shapes {wanted}; got {found}")
    bits = None
    if "visible_words" in arrays:
        bits = RankedBits(arrays["visible_words"], arrays["visible_ranks"])
    return arrays["lengths"], arrays["is_image"], arrays.get("weight"), bits


def _checked_lengths(lengths: ArrayLike) -> Ints:
    array = _checks.integers("lengths", lengths)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"lengths must be one number a video, at least one; got shape {array.shape}"
        )
    bad = (array < 1) | (array > MAX_INTERVAL)
    if bad.any():
        raise ValueError(
            f"lengths must be in [1, {MAX_INTERVAL}]; got {_checks.first_bad(array, bad)}"
        )
    return array


def _flat_mask(visible: Any, lengths: Ints) -> Mask:
    """All masks in one array, whichever way they were given."""
    n_frames = int(lengths.sum())
    _check_n_frames(n_frames)
    if isinstance(visible, np.ndarray) and visible.ndim == 1 and visible.dtype != object:
        return _checks.mask("visible", visible, (n_frames,))
    if not hasattr(visible, "__len__") or isinstance(visible, (str, bytes)):
        raise TypeError(f"visible must be masks, one a video, or one flat mask; got {visible!r}")
    masks = [_checks.array(f"visible[{i}]", mask) for i, mask in enumerate(visible)]
    if len(masks) == n_frames and all(mask.ndim == 0 for mask in masks):  # a flat list of booleans
        return _checks.mask("visible", masks, (n_frames,))
    if len(masks) != len(lengths):
        raise ValueError(f"visible must hold {len(lengths)} masks, one a video; got {len(masks)}")
    return np.concatenate(
        [
            _checks.mask(f"visible[{i}]", mask, (length,))
            for i, (mask, length) in enumerate(zip(masks, lengths.tolist()))
        ]
    )


def _check_n_frames(n_frames: int) -> None:
    if n_frames > MAX_BITS:
        raise ValueError(f"visible must cover at most {MAX_BITS} frames; got {n_frames}")


def _ones_if_none(part: VideoIndex) -> Floats:
    return np.ones(len(part)) if part.weight is None else part.weight
