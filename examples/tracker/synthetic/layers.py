"""Parts of objects: where they are in each frame, and how they are painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.augment import smear
from .drift import Skin
from .library import MASK, Array, Picture, Shape, load

SIZE = (320, 240)  # of a frame, in pixels
SCENE = 1.5  # the scene behind is so much wider and higher
INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
REFLECTED: Dict[str, Any] = {"flags": INVERSE, "borderMode": cv2.BORDER_REFLECT_101}


@dataclass(frozen=True, eq=False)
class Layer:
    """One part of an object: what it shows, and where, by frame."""

    photo: str  # that it is cut from
    shape: Shape
    pose: Array  # (n, 2, 3), from the shape's square to pixels of the frame
    source: Array  # (n, 2, 3), from the shape's square to pixels of the photograph
    gain: Array  # (n, 3), factor on red, green, blue
    skin: Optional[Skin] = None  # how its surface drifts

    def corners(self, frames: slice = slice(None)) -> Array:
        """Left, top, right, bottom in pixels of some frames, (n, 4)."""
        pose = self.pose[frames]
        outline = self.skin.outline(self.shape, frames) if self.skin else self.shape.outline
        points = outline @ pose[:, :, :2].transpose(0, 2, 1) + pose[:, None, :, 2]
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


@dataclass(frozen=True, eq=False)
class Thing:
    """Layers that move together, the first behind."""

    layers: Tuple[Layer, ...]

    def boxes(self) -> Array:
        """The upright rectangle around it, left, top, width, height by frame, (n, 4)."""
        corners = np.stack([layer.corners() for layer in self.layers])
        low, high = corners[..., :2].min(axis=0), corners[..., 2:].max(axis=0)
        return np.concatenate([low, high - low], axis=1)


@dataclass(frozen=True, eq=False)
class CompositeFrames:
    """Frames of one clip, painted when asked for."""

    scene: Tuple[str, Tuple[Layer, ...]]  # the photograph behind, and what lies about in it
    window: Array  # (n, 3), the frame's corner in the scene, scene pixels per frame pixel
    things: Tuple[Thing, ...]  # in the order in which they are painted
    exposure: float  # share of the time for which the shutter is open
    grade: Optional[Array]  # what `draw_grade` returns

    def __len__(self) -> int:
        return len(self.window)

    def __getitem__(self, index: int) -> Picture:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a clip of {len(self)}")
        x, y, zoom = self.window[index]
        matrix = np.array([[zoom, 0.0, x], [0.0, zoom, y]])
        picture: Any = cv2.warpAffine(self._scenery, matrix, SIZE, **REFLECTED)
        before = max(index - 1, 0)
        pan = (self.window[before, :2] - self.window[index, :2]) / zoom * self.exposure
        picture = _smear(picture, pan)
        for thing in self.things:
            for layer in thing.layers:
                way = (layer.pose[index, :, 2] - layer.pose[before, :, 2]) * self.exposure
                paint(picture, layer, index, way)
        if self.grade is not None:
            *light, blur = self.grade[index]
            if blur > 0.3:
                picture = cv2.GaussianBlur(picture, (0, 0), blur)
            picture = np.minimum(picture * np.float32(light) + np.float32(0.5), 255.0)
        return np.asarray(picture, dtype=np.uint8)

    def __getstate__(self) -> Dict[str, Any]:  # without its scenery: a worker paints its own
        return {name: value for name, value in vars(self).items() if name != "_scenery"}

    @cached_property
    def _scenery(self) -> Picture:
        photo, layers = self.scene
        size = tuple(int(SCENE * side) for side in SIZE)
        canvas = cv2.resize(load(photo)[..., :3], size, interpolation=cv2.INTER_LINEAR)
        for layer in layers:
            paint(canvas, layer, 0, np.zeros(2))
        return np.asarray(canvas, dtype=np.uint8)


def _smear(picture: NDArray[Any], way: Array) -> NDArray[Any]:
    """Average an image along a way in pixels; short ways change nothing."""
    length = float(np.hypot(*way))
    if length < 1.5:
        return picture
    half = min(length, 24.0) / 2
    return smear(picture, int(half) + 1, way / length * half)


def paint(picture: Picture, layer: Layer, index: int, way: Array) -> None:
    """Paint one frame of a layer into an image, in place."""
    corners = layer.corners(slice(index, index + 1))[0]
    reach = 2.0 + np.abs(way) / 2
    left, top = np.maximum(np.floor(corners[:2] - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners[2:] + reach), picture.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    # The matrix (2, 3) from the centres of the region's pixels to the shape's square.
    inverse = np.linalg.inv(layer.pose[index, :, :2])
    unit = inverse @ np.array([[1.0, 0.0, left + 0.5], [0.0, 1.0, top + 0.5]])
    unit[:, 2] -= inverse @ layer.pose[index, :, 2]
    seen = layer.skin.seen if layer.skin else _seen
    texture, cover = seen(layer, index, unit, (int(right - left), int(bottom - top)))
    texture *= layer.gain[index].astype(np.float32)
    premultiplied = np.dstack([np.clip(texture, 0.0, 255.0) * cover[..., None], cover])
    premultiplied = _smear(premultiplied, way)
    region = picture[top:bottom, left:right]
    mixed = region * (1 - premultiplied[..., 3:]) + premultiplied[..., :3] + 0.5
    region[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def _seen(layer: Layer, index: int, unit: Array, size: Tuple[int, int]) -> Tuple[Any, Any]:
    """Texture (h, w, 3) and cover (h, w) of a region."""
    mask_map = unit * (MASK / 2)
    mask_map[:, 2] += MASK / 2 - 0.5
    cover = cv2.warpAffine(layer.shape.mask, mask_map, size, flags=INVERSE)
    to_photo = layer.source[index, :, :2] @ unit
    to_photo[:, 2] += layer.source[index, :, 2] - 0.5
    texture = cv2.warpAffine(load(layer.photo)[..., :3], to_photo, size, **REFLECTED)
    return texture.astype(np.float32), cover.astype(np.float32) * np.float32(1 / 255.0)


def uncovered(target: Thing, others: Tuple[Thing, ...], *, n_points: int = 80) -> Array:
    """Share of the target that nothing in front of it hides and that is in the frame, (n,)."""
    body = target.layers[0]
    rows, columns = np.nonzero(body.shape.mask > 127)
    chosen = np.linspace(0, len(rows) - 1, n_points).astype(int)
    unit = (np.stack([columns[chosen], rows[chosen]], axis=1) + 0.5) / MASK * 2 - 1
    points = unit @ body.pose[:, :, :2].transpose(0, 2, 1) + body.pose[:, None, :, 2]
    free = ((points >= 0) & (points < np.array(SIZE))).all(axis=2)
    for other in others:
        for layer in other.layers:
            linear = np.linalg.inv(layer.pose[:, :, :2])
            theirs = (points - layer.pose[:, None, :, 2]) @ linear.transpose(0, 2, 1)
            inside = (np.abs(theirs) < 1).all(axis=2)
            cell = np.clip(((theirs + 1) * MASK / 2).astype(int), 0, MASK - 1)
            free &= ~(inside & (layer.shape.mask[cell[..., 1], cell[..., 0]] > 127))
    return np.asarray(free.mean(axis=1), dtype=np.float64)
