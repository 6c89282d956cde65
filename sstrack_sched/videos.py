"""What can be sampled, with no pixels: lengths, visibility, weights."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Union

import numpy as np

from . import _checks
from ._bits import MAX_BITS, RankedBits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    PathLike = Union[str, "os.PathLike[str]"]

FORMAT_VERSION = 1


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
        The folder that a loaded index came from.

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
        weights = None if weight is None else _checked_weight("weight", weight, n_videos)
        bits = None
        if visible is not None:
            flat = _flat_mask(visible, lengths)
            bits = None if flat.all() else RankedBits.pack(flat)
        self._set(lengths, images, weights, bits)

    def _set(
        self,
        lengths: NDArray[np.int64],
        is_image: NDArray[np.bool_],
        weight: Optional[NDArray[np.float64]],
        visible_bits: Optional[RankedBits],
    ) -> None:
        self.lengths = _checks.frozen(lengths)
        self.is_image = _checks.frozen(is_image)
        self.weight = None if weight is None else _checks.frozen(weight)
        self.path: Optional[Path] = None
        self._mapped = False
        self._visible_bits = visible_bits
        self._offsets: Optional[NDArray[np.int64]] = None
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
    def offsets(self) -> NDArray[np.int64]:
        """First frame of each video among all frames, and their number, shape (n_videos + 1,)."""
        if self._offsets is None:
            offsets = np.zeros(len(self) + 1, dtype=np.int64)
            np.cumsum(self.lengths, out=offsets[1:])
            self._offsets = _checks.frozen(offsets)
        return self._offsets

    @property
    def visible(self) -> Optional[NDArray[np.bool_]]:
        """All videos' masks in one new array, shape (n_frames,); None where all are visible."""
        return None if self._visible_bits is None else self._visible_bits.unpack(0, self.n_frames)

    @property
    def fingerprint(self) -> str:
        """Hash of the content: equal for indices from which the same pairs are drawn."""
        if self._fingerprint is None:
            digest = hashlib.blake2b(digest_size=16)
            digest.update(f"VideoIndex {FORMAT_VERSION} {len(self)}".encode())
            for name, array in self._arrays().items():
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(array).view(np.uint8))
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _arrays(self) -> Dict[str, NDArray[Any]]:
        arrays: Dict[str, NDArray[Any]] = {"lengths": self.lengths, "is_image": self.is_image}
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
        if not parts or not all(isinstance(part, VideoIndex) for part in parts):
            raise TypeError(f"indices must be one VideoIndex or more; got {indices!r}")
        weight = None
        if dataset_weights is not None:
            shares = _checked_weight("dataset_weights", dataset_weights, len(parts))
            weights = [_ones_if_none(part) for part in parts]
            weight = np.concatenate(
                [own * (share / shares.sum() / own.sum()) for own, share in zip(weights, shares)]
            )
        elif any(part.weight is not None for part in parts):
            weight = np.concatenate([_ones_if_none(part) for part in parts])
        bits = None
        if any(part._visible_bits is not None for part in parts):
            masks = [part.visible for part in parts]
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
        """Write a folder of ``.npy`` files, whole or not at all.

        Parameters
        ----------
        path : path-like
            The folder to make. One that already holds this very index is left as it is.

        Raises
        ------
        FileExistsError
            If something else is there.
        """
        target = Path(path)
        if (target / "index.json").is_file() and _read_meta(target)[
            "fingerprint"
        ] == self.fingerprint:
            return
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise FileExistsError(f"path must be free or hold this index; got {str(target)!r}")
        meta = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "n_videos": len(self),
            "arrays": sorted(self._arrays()),
        }
        save_folder(target, self._arrays(), "index.json", meta)

    @classmethod
    def load(cls, path: PathLike, mmap: bool = True) -> VideoIndex:
        """Open a saved index.

        Parameters
        ----------
        path : path-like
            The folder that `save` made.
        mmap : bool, default=True
            Map the files instead of reading them: opening takes no time, processes share the
            memory, and a pickled index sends its path.

        Returns
        -------
        VideoIndex

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no index there, or one of an unknown format.
        """
        folder = Path(path)
        meta = _read_meta(folder)
        arrays = {name: load_array(folder / f"{name}.npy", mmap) for name in meta["arrays"]}
        if len(arrays["lengths"]) != meta["n_videos"]:
            raise ValueError(
                f"path must hold a whole index; {str(folder)!r} has other lengths than it says"
            )
        self = cls.__new__(cls)
        bits = None
        if "visible_words" in arrays:
            bits = RankedBits(arrays["visible_words"], arrays["visible_ranks"])
        self._set(arrays["lengths"], arrays["is_image"], arrays.get("weight"), bits)
        self._fingerprint = str(meta["fingerprint"])
        self.path = folder.resolve()
        self._mapped = mmap
        return self

    def __getstate__(self) -> Dict[str, Any]:
        return {"path": str(self.path)} if self._mapped else self.__dict__.copy()

    def __setstate__(self, state: Dict[str, Any]) -> None:
        whole = "lengths" in state
        self.__dict__.update(state if whole else VideoIndex.load(state["path"]).__dict__)


def _checked_lengths(lengths: ArrayLike) -> NDArray[np.int64]:
    array = _checks.integers("lengths", lengths)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"lengths must be one number a video, at least one; got shape {array.shape}"
        )
    if (array < 1).any():
        raise ValueError(f"lengths must be at least 1; got {_checks.first_bad(array, array < 1)}")
    return array


def _checked_weight(name: str, weight: ArrayLike, size: int) -> NDArray[np.float64]:
    array = _checks.reals(name, weight)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},); got {array.shape}")
    bad = ~((array >= 0) & np.isfinite(array))
    if bad.any():
        raise ValueError(
            f"{name} must be finite and not negative; got {_checks.first_bad(array, bad)}"
        )
    if not array.any():
        raise ValueError(f"{name} must be above 0 somewhere; got zeros only")
    return array


def _flat_mask(visible: Any, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """All masks in one array, whichever way they were given."""
    n_frames = int(lengths.sum())
    if n_frames > MAX_BITS:
        raise ValueError(f"visible must cover at most {MAX_BITS} frames; got {n_frames}")
    if isinstance(visible, np.ndarray) and visible.ndim == 1 and visible.dtype != object:
        return _checks.mask("visible", visible, (n_frames,))
    masks = [np.asarray(mask) for mask in visible]
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


def _ones_if_none(part: VideoIndex) -> NDArray[np.float64]:
    return np.ones(len(part)) if part.weight is None else part.weight


def _read_meta(folder: Path) -> Dict[str, Any]:
    try:
        meta: Dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"path must hold a saved VideoIndex; no index.json in {str(folder)!r}"
        ) from None
    if meta.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"path must hold a VideoIndex of format {FORMAT_VERSION}; "
            f"got {meta.get('format_version')!r}"
        )
    return meta


def save_folder(
    target: Path, arrays: Dict[str, NDArray[Any]], meta_name: str, meta: Dict[str, Any]
) -> None:
    """Write arrays and a JSON file into a new folder that appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, array in arrays.items():
            np.save(draft / f"{name}.npy", array)
        (draft / meta_name).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        draft.chmod(0o755)  # mkdtemp's folder is private
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_array(path: Path, mmap: bool) -> NDArray[Any]:
    """Read or map a ``.npy`` file, as a plain ndarray (indexing a memmap object is slower)."""
    return np.asarray(np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False))
