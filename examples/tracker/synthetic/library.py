"""Photographs to make composited clips of, and shapes to cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Optional, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Array = NDArray[np.float64]
MASK = 96  # side of a mask in pixels
TURN = np.linspace(0, 2 * np.pi, 128, endpoint=False)  # angles of the corners of a drawn outline
KEPT = 4096  # decoded photographs that stay in memory
SHIPPED = "skimage:"  # before the names of photographs that come inside scikit-image's wheel
# No photograph is in both lists, so that clips to report on show nothing that training has seen.
SHIPPED_PHOTOS = {
    "train": "astronaut stereo_motorcycle chelsea camera brick coins hubble_deep_field moon",
    "test": "coffee immunohistochemistry rocket gravel grass retina",
}
LONG_SIDE = 480  # pixels of a shipped photograph, at most


@dataclass(frozen=True)
class Library:
    """Photographs to take pieces and backgrounds of, and cut-outs with an alpha channel."""

    photos: Tuple[str, ...]
    cutouts: Tuple[str, ...] = ()

    def like(self, path: str) -> Tuple[str, ...]:
        """Others of an image's kind: of a cut-out the cut-outs, else photographs of its folder."""
        kin = self.cutouts if path in self.cutouts else _beside(self.photos, Path(path).parent)
        return tuple(other for other in kin if other != path) or (path,)

    @classmethod
    def of_folder(cls, root: Path) -> Library:
        """All photographs (``.jpg``, ``.jpeg``) and cut-outs (``.png``) in a folder and below."""
        if not root.is_dir():
            raise FileNotFoundError(f"no folder {root}")
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        photos = tuple(str(path) for path in paths if path.suffix.lower() in (".jpg", ".jpeg"))
        cutouts = tuple(str(path) for path in paths if path.suffix.lower() == ".png")
        if len(photos) < 2:
            raise ValueError(f"{root} needs at least two photographs (.jpg); got {len(photos)}")
        return cls(photos, cutouts)

    @classmethod
    def shipped(cls, split: str) -> Library:
        """Photographs of scikit-image to train or to test on: nothing is downloaded."""
        if split not in SHIPPED_PHOTOS:
            raise ValueError(f"split must be 'train' or 'test'; got {split!r}")
        return cls(tuple(SHIPPED + name for name in SHIPPED_PHOTOS[split].split()))


@lru_cache(maxsize=KEPT)
def _beside(photos: Tuple[str, ...], folder: Path) -> Tuple[str, ...]:
    return tuple(photo for photo in photos if Path(photo).parent == folder)


@lru_cache(maxsize=KEPT)
def load(path: str) -> Picture:
    """A photograph (h, w, 3), or a cut-out (h, w, 4) trimmed to what shows, in RGB order."""
    if path.startswith(SHIPPED):
        return _load_shipped(path[len(SHIPPED) :])
    picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError(f"cannot read an image from {path}")
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    if picture.shape[2] == 3:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
    left, top, width, height = cv2.boundingRect((picture[..., 3] > 127).astype(np.uint8))
    trimmed = picture[top : top + height, left : left + width]
    return np.asarray(cv2.cvtColor(trimmed, cv2.COLOR_BGRA2RGBA), dtype=np.uint8)


def _load_shipped(name: str) -> Picture:
    from skimage import data

    loaded = getattr(data, name)()
    picture = loaded[0] if isinstance(loaded, tuple) else loaded  # a stereo pair: its left image
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    scale = min(1.0, LONG_SIDE / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True, eq=False)
class Shape:
    """Something to cut out, over the square [-1, 1] x [-1, 1]."""

    mask: Picture  # (MASK, MASK), 255 inside
    outline: Array  # (k, 2), corners of its convex hull: exact boxes follow from them
    edge: Array  # (k, 2), all of its edge: where the shape bends, a hull is not enough


def shape_of_mask(mask: Picture) -> Optional[Shape]:
    """A shape from a mask of any size, stretched so that it fills the square; None if empty."""
    left, top, width, height = cv2.boundingRect((mask > 127).astype(np.uint8))
    if width < 4 or height < 4:
        return None
    shown = mask[top : top + height, left : left + width]
    whole = cv2.resize(shown, (MASK, MASK), interpolation=cv2.INTER_AREA)
    inside = (whole > 127).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    pixels = np.concatenate(contours)[:, 0]
    # In units of the square: the centres of pixels lie half a pixel inside the edge.
    edge = ((pixels + 0.5) / MASK * 2 - 1) * MASK / (MASK - 1)
    return Shape(whole, edge[cv2.convexHull(pixels, returnPoints=False)[:, 0]], edge)


def blob(rng: np.random.Generator) -> Shape:
    """A random shape: an ellipse, a rounded box, a polygon or a wavy outline."""
    kind = rng.random()
    if kind < 0.6:
        return superellipse(2.0 if kind < 0.3 else float(rng.uniform(2.5, 8.0)))
    if kind < 0.75:  # a polygon
        return _drawn(np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8)))), 1.0)
    radius = np.ones_like(TURN)
    for order in range(2, 6):
        radius += rng.normal(0, 0.35 / order) * np.cos(order * TURN + rng.uniform(0, 6.3))
    return _drawn(TURN, np.maximum(radius, 0.25))


def superellipse(power: float) -> Shape:
    """From an ellipse (2) to a box with round corners."""
    cos, sin = np.abs(np.cos(TURN)), np.abs(np.sin(TURN))
    return _drawn(TURN, (cos**power + sin**power) ** (-1 / power))


def _drawn(turn: Array, radius: Union[float, Array]) -> Shape:
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    pixels = (points - low) / np.maximum(high - low, 1e-6) * (4 * MASK - 1)
    mask = np.zeros((4 * MASK, 4 * MASK), dtype=np.uint8)
    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 255)
    shape = shape_of_mask(mask)
    return shape if shape is not None else blob(np.random.default_rng(0))


@lru_cache(maxsize=KEPT)
def silhouette(path: str) -> Optional[Tuple[Shape, Tuple[float, float, float, float]]]:
    """The object on a plain background, and its box, for photographs that show one."""
    away = _off_the_ground(cv2.GaussianBlur(load(path), (5, 5), 0).astype(np.float32))
    if away is None:
        return None
    mask = (away > 60).astype(np.uint8) * 255
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height, area = stats[best].tolist()
    right, bottom = mask.shape[1] - left - width, mask.shape[0] - top - height
    if min(left, top, right, bottom) <= 1 or not 0.06 < area / mask.size < 0.75:
        return None
    shape = shape_of_mask((labels == best).astype(np.uint8) * 255)
    return None if shape is None else (shape, (left, top, width, height))


def _off_the_ground(picture: NDArray[np.float32]) -> Optional[Array]:
    """How far each pixel's colour is from a plain ground's, (h, w); None without such a ground."""
    grid = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    rows, columns = grid.reshape(2, -1)
    # Light falls off over the ground: a quadratic surface through the border follows it.
    terms = [np.ones(rows.size), rows, columns, rows * columns, rows**2, columns**2]
    surface, flat = np.stack(terms, axis=1), picture.reshape(-1, 3)
    ground = np.maximum(np.abs(rows), np.abs(columns)) > 0.93
    for _ in range(2):  # the second time without what is not ground
        light, *_ = np.linalg.lstsq(surface[ground], flat[ground], rcond=None)
        away = np.abs(flat - surface @ light).sum(axis=1)
        if np.median(away[ground]) > 24:
            return None
        ground &= away < 2 * np.median(away[ground]) + 6
    return away.reshape(picture.shape[:2])
