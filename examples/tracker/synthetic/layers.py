"""Parts of things: where they are in each frame, and how they are painted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..data.sequences import FrameSource
from .drift import Skin, cover_at, square_points
from .library import MASK, Picture, Shape, load
from .motion import Array

SIZE = (320, 240)  # of a frame, in pixels
SCENE = 1.5  # the scene behind is so much wider and higher


@dataclass(frozen=True, eq=False)
class Layer:
    """One part of a thing: what it shows, and where, by frame."""

    photo: str  # that it is cut from
    shape: Shape
    pose: Array  # (n, 2, 3), from the shape's square to pixels of the frame
    source: Array  # (n, 2, 3), from the shape's square to pixels of the photograph
    gain: Array  # (n, 3), factor on red, green, blue
    skin: Optional[Skin] = None  # how its surface drifts

    def corners(self) -> Array:
        """Left, top, right, bottom in pixels of the frame, (n, 4)."""
        outline = self.shape.outline if self.skin is None else self.skin.outline(self.shape)
        points = outline @ self.pose[:, :, :2].transpose(0, 2, 1) + self.pose[:, None, :, 2]
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)

    def corners_at(self, index: int) -> Array:
        """The same of one frame, (4,)."""
        rows = slice(index, index + 1)
        skin = None if self.skin is None else self.skin.at(index)
        return replace(self, pose=self.pose[rows], skin=skin).corners()[0]


@dataclass(frozen=True, eq=False)
class Thing:
    """Layers that move together, the first behind."""

    layers: Tuple[Layer, ...]

    def boxes(self) -> Array:
        """The upright rectangle around it, left, top, width, height by frame, (n, 4)."""
        corners = np.stack([layer.corners() for layer in self.layers])
        low, high = corners[..., :2].min(axis=0), corners[..., 2:].max(axis=0)
        return np.concatenate([low, high - low], axis=1)


class CompositeFrames(FrameSource):
    """Frames of one clip, painted when asked for.

    ``scene`` is the photograph behind everything, and what lies about in it; ``window`` (n, 3)
    where in the scene the frame's corner lies, and scene pixels per frame pixel. Things are painted
    in order. ``exposure`` is the share of the time for which the shutter is open; ``grade`` (n, 4)
    factors on the frame's colours and a blur's sigma in pixels.
    """

    def __init__(
        self,
        scene: Tuple[str, Tuple[Layer, ...]],
        window: Array,
        things: Tuple[Thing, ...],
        exposure: float,
        grade: Optional[Array] = None,
    ) -> None:
        self.scene, self.window, self.things, self.exposure = scene, window, things, exposure
        self.grade = grade
        self._canvas: Optional[Picture] = None

    def __len__(self) -> int:
        return len(self.window)

    def __getitem__(self, index: int) -> Picture:
        """Paint frame ``index``: (h, w, 3) uint8 RGB."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a clip of {len(self)}")
        x, y, zoom = self.window[index]
        picture = cv2.warpAffine(
            self._scenery(),
            np.array([[zoom, 0.0, x], [0.0, zoom, y]]),
            SIZE,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        before = max(index - 1, 0)
        pan = (self.window[before, :2] - self.window[index, :2]) / zoom * self.exposure
        picture = _smear(picture, pan)
        for thing in self.things:
            for layer in thing.layers:
                way = (layer.pose[index, :, 2] - layer.pose[before, :, 2]) * self.exposure
                paint(picture, layer, index, way)
        return np.asarray(self._graded(picture, index), dtype=np.uint8)

    def _graded(self, picture: Picture, index: int) -> Any:
        if self.grade is None:
            return picture
        *light, blur = self.grade[index]
        if blur > 0.3:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur))
        return np.minimum(picture * np.float32(light) + np.float32(0.5), 255.0)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_canvas": None}  # a worker paints its own

    def _scenery(self) -> Picture:
        if self._canvas is None:
            photo, layers = self.scene
            size = tuple(int(SCENE * side) for side in SIZE)
            canvas = cv2.resize(load(photo)[..., :3], size, interpolation=cv2.INTER_LINEAR)
            for layer in layers:
                paint(canvas, layer, 0, np.zeros(2))
            self._canvas = np.asarray(canvas, dtype=np.uint8)
        return self._canvas


def _smear(picture: NDArray, way: Array) -> NDArray:  # type: ignore[type-arg]  # uint8 or float32
    """Average a picture along a way in pixels; short ways change nothing."""
    length = float(np.hypot(*way))
    if length < 1.5:
        return picture
    reach = int(min(length, 24.0) / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    step = way / length * min(length, 24.0) / 2
    ends = [tuple(round(reach + sign * value) for value in step) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()))


def paint(picture: Picture, layer: Layer, index: int, way: Array) -> None:
    """Paint one frame of a layer into a picture, in place."""
    corners = layer.corners_at(index)
    reach = 2.0 + np.abs(way) / 2
    left, top = np.maximum(np.floor(corners[:2] - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners[2:] + reach), picture.shape[1::-1]).astype(int)
    if left >= right or top >= bottom:
        return
    pixel = np.array([[1.0, 0.0, left + 0.5], [0.0, 1.0, top + 0.5]])  # centres of the region's
    unit = _to_square(layer.pose[index], pixel)
    seen = _seen if layer.skin is None else _seen_drifting
    texture, cover = seen(layer, index, unit, (int(right - left), int(bottom - top)))
    texture *= layer.gain[index].astype(np.float32)
    cover = cover[..., None]
    premultiplied = np.concatenate([np.clip(texture, 0.0, 255.0) * cover, cover], axis=2)
    premultiplied = _smear(premultiplied, way)
    region = picture[top:bottom, left:right]
    mixed = region * (1 - premultiplied[..., 3:]) + premultiplied[..., :3] + 0.5
    region[:] = np.clip(mixed, 0, 255).astype(np.uint8)


def _seen(layer: Layer, index: int, unit: Array, size: Tuple[int, int]) -> Tuple[Any, Any]:
    """Texture (h, w, 3) and cover (h, w) of a region."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    mask_map = unit * (MASK / 2)
    mask_map[:, 2] += MASK / 2 - 0.5
    cover = cv2.warpAffine(layer.shape.mask, mask_map, size, flags=flags).astype(np.float32)
    cover *= 1 / 255.0
    to_photo = layer.source[index, :, :2] @ unit
    to_photo[:, 2] += layer.source[index, :, 2] - 0.5
    front = load(layer.photo)[..., :3]
    texture = cv2.warpAffine(front, to_photo, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return texture.astype(np.float32), cover


def _seen_drifting(layer: Layer, index: int, unit: Array, size: Tuple[int, int]) -> Tuple[Any, Any]:
    """The same through a skin, which bends the square before anything is looked up."""
    assert layer.skin is not None
    x, y = layer.skin.bent(*square_points(unit, size), index)
    texture = layer.skin.surface(load(layer.photo)[..., :3], layer.source[index], x, y, index)
    return texture, cover_at(layer.shape.mask, x, y)


def _to_square(pose: Array, pixel: Array) -> Array:
    """From the region's pixels to the shape's square, (2, 3)."""
    linear = np.linalg.inv(pose[:, :2])
    unit = linear @ pixel
    unit[:, 2] -= linear @ pose[:, 2]
    return np.asarray(unit, dtype=np.float64)


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
