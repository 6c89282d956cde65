"""Bins of the interval from template to search frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Tuple, Union

import numpy as np

from . import _checks
from ._types import ArrayLike, Ints

MAX_INTERVAL = 2**31 - 1  # longest interval, and longest video, in frames


@dataclass(frozen=True, init=False, eq=False, repr=False)
class IntervalBins:
    """Interval bins ``[m i, min(m (i + 1), M))`` of section 3.2 of the paper.

    There are ``ceil(M / m)`` bins. The object is immutable and hashable.

    Parameters
    ----------
    max_interval : int
        M in frames, at least 1; the longest interval is M - 1.
    spacing : int
        m in frames, at least 1.
    image_bin : bool, default=False
        Prepend a bin for still images, without video pairs of interval 0.

    Attributes
    ----------
    lower, upper : ndarray of int64, shape (n_bins,)
        Bounds in frames, read-only. The image bin has ``[0, 1)``.
    edges : ndarray of int64, shape (n_video_bins + 1,)
        Bounds of the interval bins, without the image bin.

    Examples
    --------
    >>> bins = IntervalBins(200, 50, image_bin=True)
    >>> bins.labels
    ['image', '[0, 50)', '[50, 100)', '[100, 150)', '[150, 200)']
    >>> bins.assign([0, 49, 50, 199])
    array([1, 1, 2, 4])
    """

    edges: Ints
    image_bin: bool
    lower: Ints
    upper: Ints

    def __init__(self, max_interval: int, spacing: int, image_bin: bool = False) -> None:
        stop = _checks.integer("max_interval", max_interval, 1, MAX_INTERVAL)
        step = _checks.integer("spacing", spacing, 1, MAX_INTERVAL)
        self._set(np.append(np.arange(0, stop, step), stop), image_bin)

    @classmethod
    def from_edges(cls, edges: ArrayLike, image_bin: bool = False) -> IntervalBins:
        """Create bins ``[edges[i], edges[i + 1])`` of any width.

        Parameters
        ----------
        edges : array_like of int, shape (n_video_bins + 1,)
            At least two edges in frames, not negative, strictly increasing.
        image_bin : bool, default=False
            As for the class.
        """
        array = _checks.integers("edges", edges)
        good = array.ndim == 1 and len(array) >= 2
        _checks.require(good, "edges", "be one-dimensional, with two numbers or more", array.shape)
        outside = (array < 0) | (array > MAX_INTERVAL)
        _checks.refuse("edges", f"be in [0, {MAX_INTERVAL}]", array, outside)
        _checks.refuse("edges", "increase", array, np.append(False, np.diff(array) <= 0))
        self = cls.__new__(cls)
        self._set(array, image_bin)
        return self

    def _set(self, edges: Ints, image_bin: bool) -> None:
        has_images = _checks.flag("image_bin", image_bin)
        object.__setattr__(self, "image_bin", has_images)
        lower = np.insert(edges[:-1], 0, [0] * has_images)
        upper = np.insert(edges[1:], 0, [1] * has_images)
        for name, value in (("edges", edges), ("lower", lower), ("upper", upper)):
            object.__setattr__(self, name, _checks.frozen(value.astype(np.int64)))

    def assign(self, interval: ArrayLike, is_image: Union[bool, ArrayLike] = False) -> Ints:
        """Return the bin of each interval, int64 in ``[0, len(self))``.

        Parameters
        ----------
        interval : array_like of int, any shape
            Frames between template and search, unsigned.
        is_image : bool or array_like of bool, default=False
            True for still images; broadcasts against `interval`.

        Raises
        ------
        TypeError, ValueError
            If a pair has no bin, or an image has a nonzero interval.
        """
        intervals = _checks.integers("interval", interval)
        images = _checks.mask("is_image", is_image)
        images, intervals = _checks.broadcast("is_image", images, "interval", intervals)
        good = self.image_bin or not images.any()
        _checks.require(good, "is_image", "be False if there is no image bin", True)
        low, high = self.edges[0], self.edges[-1]
        outside = np.where(images, intervals != 0, (intervals < low) | (intervals >= high))
        rule = f"be in [{low}, {high}) for a video and 0 for an image"
        _checks.refuse("interval", rule, intervals, outside)
        ids = np.searchsorted(self.edges, intervals, side="right") - 1 + self.image_bin
        return np.where(images, 0, ids).astype(np.int64)

    @property
    def labels(self) -> List[str]:
        """``"image"`` or ``"[lower, upper)"``, one per bin."""
        names = [f"[{low}, {up})" for low, up in zip(self.lower, self.upper)]
        return ["image", *names[1:]] if self.image_bin else names

    def __len__(self) -> int:
        return len(self.lower)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalBins) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"IntervalBins.from_edges({self.edges.tolist()}, image_bin={self.image_bin})"

    def _key(self) -> Tuple[int, ...]:
        return (self.image_bin, *self.edges.tolist())

    def __reduce__(self) -> Any:
        return IntervalBins.from_edges, (self.edges.tolist(), self.image_bin)
