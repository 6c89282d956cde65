"""Pictures of moving pieces of photographs, painted when asked for."""

from __future__ import annotations

from typing import Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.sequences import FrameSource
from .motion import Array, Track
from .photos import photograph


def _warp(photo: str, inverse: Array, size: Tuple[int, int]) -> NDArray[np.uint8]:
    """Piece of a photograph; ``inverse`` (2, 3) leads from its pixels to the photograph."""
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT_101
    piece = cv2.warpAffine(photograph(photo), inverse, size, flags=flags, borderMode=border)
    return np.asarray(piece, dtype=np.uint8)


class RenderedFrames(FrameSource):
    """Frames of one rendered video, painted when asked for, about a millisecond each.

    Parameters
    ----------
    size : tuple of int
        Width, height in pixels.
    background : str
        Photograph behind everything.
    window : ndarray of float, shape (n, 3)
        x, y in pixels of that photograph where the frame's corner lies, and photograph pixels per
        frame pixel.
    tracks : tuple of Track
        Painted in this order.
    light : ndarray of float, shape (n,)
        Factor on the whole picture.
    """

    def __init__(
        self,
        size: Tuple[int, int],
        background: str,
        window: Array,
        tracks: Tuple[Track, ...],
        light: Array,
    ) -> None:
        self.size, self.background, self.window, self.tracks, self.light = (
            size,
            background,
            window,
            tracks,
            light,
        )

    def __len__(self) -> int:
        return len(self.light)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Paint frame ``index``: (h, w, 3) uint8 RGB."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a video of {len(self)}")
        x, y, zoom = self.window[index]
        inverse = np.array([[zoom, 0.0, x], [0.0, zoom, y]])
        picture = _warp(self.background, inverse, self.size)
        for track in self.tracks:
            paint(picture, track.at(index))
        return np.asarray(
            cv2.convertScaleAbs(picture, alpha=float(self.light[index])), dtype=np.uint8
        )


def paint(picture: NDArray[np.uint8], still: Track) -> None:
    """Paint an ellipse into a picture, in place, with an edge one pixel soft.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        Painted on.
    still : Track
        What to paint; of one frame.
    """
    centre, reach, to_unit = still.centre[0], still.extent()[0] + 1.0, still.to_unit()[0]
    left, top = np.maximum(np.floor(centre - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(centre + reach), picture.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    offset = np.array([left, top]) + 0.5 - centre  # of the region's first pixel centre
    inverse = np.column_stack(
        [
            still.source_half * to_unit,
            still.source_half * (to_unit @ offset) + still.source[0] - 0.5,
        ]
    )
    texture = _warp(still.photo, inverse, (int(right - left), int(bottom - top)))
    colour = np.minimum(texture * still.gain[0].astype(np.float32), 255.0)
    region = picture[top:bottom, left:right]
    coverage = _coverage(to_unit, offset, still.radii[0], texture.shape[:2])
    region[:] = (region + coverage * (colour - region) + 0.5).astype(np.uint8)


def _coverage(
    to_unit: Array, offset: Array, radii: Array, shape: Tuple[int, ...]
) -> NDArray[np.float32]:
    """Share of each pixel inside the ellipse, about: (h, w, 1) in [0, 1], one half on the edge."""
    x = np.arange(shape[1], dtype=np.float32) + np.float32(offset[0])
    y = np.arange(shape[0], dtype=np.float32)[:, None] + np.float32(offset[1])
    matrix = to_unit.astype(np.float32)
    u, v = matrix[0, 0] * x + matrix[0, 1] * y, matrix[1, 0] * x + matrix[1, 1] * y
    depth = (1.0 - np.hypot(u, v)) * np.float32(radii.min())
    return np.asarray(np.clip(depth + 0.5, 0.0, 1.0)[..., None], dtype=np.float32)


def uncovered(target: Track, occluders: Tuple[Track, ...], *, n_points: int = 200) -> Array:
    """Share of the target that no occluder hides, by frame.

    Parameters
    ----------
    target : Track
        What may be hidden.
    occluders : tuple of Track
        What hides; as long as the target's track.
    n_points : int, default=200
        Points spread evenly over the target's ellipse (a sunflower); the error is a few times
        ``1 / n_points``.

    Returns
    -------
    ndarray of float, shape (n_frames,)
    """
    k = np.arange(n_points)
    radius, turn = np.sqrt((k + 0.5) / n_points), k * np.pi * (3 - np.sqrt(5))
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn)])
    points = (
        target.centre[:, :, None] + np.linalg.inv(target.to_unit()) @ disc
    )  # (n_frames, 2, n_points)
    free = np.ones((len(points), n_points), dtype=bool)
    for other in occluders:
        unit = other.to_unit() @ (points - other.centre[:, :, None])
        free &= (unit**2).sum(axis=1) > 1
    return np.asarray(free.mean(axis=1), dtype=np.float64)
