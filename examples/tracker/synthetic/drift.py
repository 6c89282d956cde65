"""Change over time: walks, and the drift of an object's look.

A walk adds up. Drift comes back, as real appearance does: it is made of Ornstein-Uhlenbeck
processes. Each forgets where it was over a correlation time in frames, so that two frames are less
alike the further apart they are, up to a limit. Everything is drawn when a clip is made: a frame is
a function of the clip's seed and its number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ..data.crops import check
from .library import MASK, Array, Picture, Shape, load

Pixels = NDArray[np.float32]
HORIZON = 200  # frames, the interval at which spreads are stated
SMOOTHING = 120  # frames over which a step is spread: no jerks, and a direction is kept a while
BEND = 0.14  # largest bend, in half sides of the shape's square: it never folds
PIVOT = np.float32(110.0)  # brightness that contrast leaves alone


def random_walk(rng: np.random.Generator, n_frames: int, spread: float) -> Array:
    """A smooth walk from 0 whose standard deviation reaches ``spread`` after 200 frames."""
    # Over t > SMOOTHING frames a walk of averaged unit steps has the variance t - SMOOTHING / 3.
    step = spread / np.sqrt(HORIZON - SMOOTHING / 3)
    steps = rng.standard_normal(n_frames + SMOOTHING - 1) * step
    walk = np.cumsum(np.convolve(steps, np.full(SMOOTHING, 1.0 / SMOOTHING), mode="valid"))
    return np.asarray(walk - walk[0], dtype=np.float64)


def bounce(values: Array, low: Union[float, Array], high: Union[float, Array]) -> Array:
    """Reflect values into ``[low, high]``, as a ball between two walls."""
    room = np.asarray(high, dtype=np.float64) - low
    folded = np.mod(values - low, 2 * room)
    return np.asarray(low + np.where(folded > room, 2 * room - folded, folded), dtype=np.float64)


@dataclass(frozen=True)
class Drift:
    """Strength and speed of the drift."""

    # Factor on all standard deviations. At 1, success of a trained tracker falls with the interval
    # about as it does on real videos (docs/tracker.md); 0: no drift.
    strength: float = 1.0
    correlation: float = 60.0  # frames after which all but 1/e of where it was is forgotten

    def __post_init__(self) -> None:
        check(self, {"not be negative": "strength", "be positive": "correlation"})

    def wander(self, rng: np.random.Generator, n: int, *spreads: float) -> Array:
        """Stationary processes (n, k); ``spreads`` are standard deviations at strength 1."""
        before = int(6 * self.correlation)  # by then it has forgotten that it started at 0
        paths = rng.standard_normal((before + n, len(spreads)))
        slow, fast = np.exp(-1 / self.correlation), np.exp(-10 / self.correlation)
        for kept in (slow, fast):  # the second smooths over a tenth of the correlation time
            paths = lfilter([1.0], [1.0, -kept], paths, axis=0)
        both = slow * fast
        variance = (1 + both) / ((1 - both) * (1 - slow**2) * (1 - fast**2))
        scale = self.strength / np.sqrt(variance) * np.array(spreads)
        return np.asarray(paths[before:] * scale, dtype=np.float64)


USUAL = Drift()


@dataclass(frozen=True, eq=False)
class Skin:
    """Changes that drift makes to the surface of a layer, by frame."""

    bend: Array  # (n, 4), shifts over the square: of x, a wave and an arc along y; of y along x
    shade: Array  # (n, 2), log of the light, from the square's middle to its right and lower edge
    contrast: Array  # (n,), factor
    turned: Array  # (n,), share of the other side that shows
    photo: str  # of the other side
    source: Array  # (2, 3), from the shape's square to pixels of that photograph

    def outline(self, shape: Shape, frames: slice) -> Array:
        """Edge of the bent shape in some frames, (n, k, 2), in units of the square."""
        edge, bends = shape.edge, self.bend[frames]
        bend = bends.T[:, :, None]
        x, y = (np.tile(column, (len(bends), 1)) for column in edge.T)
        for _ in range(6):  # undo the bend: a contraction, as it is small
            right, down = _shift(bend, x, y)
            x, y = edge[:, 0] - right, edge[:, 1] - down
        return np.stack([x, y], axis=2)

    def seen(self, layer: Any, index: int, unit: Array, size: Tuple[int, int]) -> Tuple[Any, Any]:
        """Texture (h, w, 3) and cover (h, w) of a region; ``unit``: pixels to the square."""
        columns, rows = (np.arange(length, dtype=np.float32) for length in size)
        x, y = _transformed(unit.astype(np.float32), columns, rows[:, None])
        right, down = _shift(self.bend[index].astype(np.float32), x, y)
        x, y = x + right, y + down  # the square bends before anything is looked up
        texture = _sample(load(layer.photo)[..., :3], layer.source[index], x, y)
        share = self.turned[index]
        if share > 0.01:
            other = _sample(load(self.photo)[..., :3], self.source, x, y)
            texture = texture * np.float32(1 - share) + other * np.float32(share)
        right, down = self.shade[index].astype(np.float32)
        light = np.exp(right * x + down * y)
        texture = (PIVOT + (texture - PIVOT) * np.float32(self.contrast[index])) * light[..., None]
        half = np.float32(MASK / 2)
        at = [values * half + (half - np.float32(0.5)) for values in (x, y)]
        cover = cv2.remap(layer.shape.mask, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return texture, cover.astype(np.float32) * np.float32(1 / 255.0)


def _shift(bend: Any, x: Any, y: Any) -> Tuple[Any, Any]:
    wave_x, arc_x, wave_y, arc_y = bend
    right = wave_x * np.sin(np.pi * y) + arc_x * np.cos(np.pi * y)
    down = wave_y * np.sin(np.pi * x) + arc_y * np.cos(np.pi * x)
    return right, down


def _transformed(matrix: Pixels, x: Pixels, y: Pixels) -> Tuple[Pixels, Pixels]:
    right, down = (row[0] * x + row[1] * y + row[2] for row in matrix)
    return right, down


def _sample(picture: Picture, source: Array, x: Pixels, y: Pixels) -> Pixels:
    matrix = source.astype(np.float32)
    matrix[:, 2] -= np.float32(0.5)
    columns, rows = _transformed(matrix, x, y)
    found = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return found.astype(np.float32)


def draw_skin(rng: np.random.Generator, drift: Drift, n: int, photo: str, source: Array) -> Skin:
    """A surface that drifts; ``photo`` and ``source`` are its other side's."""
    paths = drift.wander(rng, n, *[0.12] * 4, 0.7, 0.7, 0.5, 2.4)
    bend = BEND / 2 * np.tanh(paths[:, :4] / (BEND / 2))
    # The other side comes and goes; without drift it never shows.
    turned = np.clip(paths[:, 7] - 0.3, 0, 1)
    return Skin(bend, paths[:, 4:6], np.exp(paths[:, 6]), turned, photo, source)


def turn_in_space(rng: np.random.Generator, drift: Drift, n: int) -> Array:
    """Matrices (n, 2, 2) that resize an object, turn it, and squeeze it as a turn in depth does."""
    scale, tilt, axis, turn = drift.wander(rng, n, 0.44, 1.0, 1.2, 0.6).T
    axis = axis + rng.uniform(0, np.pi)
    along = np.stack([np.cos(axis), np.sin(axis)], axis=1)
    lost = 1 - np.cos(np.clip(tilt, -1.1, 1.1))
    squeeze = np.eye(2) - lost[:, None, None] * along[:, :, None] * along[:, None, :]
    cos, sin = np.cos(turn), np.sin(turn)
    spin = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    size = np.exp(np.clip(scale, -0.7, 0.7))
    return np.asarray(size[:, None, None] * spin @ squeeze, dtype=np.float64)


def draw_grade(rng: np.random.Generator, drift: Drift, n: int) -> Array:
    """Factors on red, green and blue of a whole clip, and its blur's sigma in pixels, (n, 4)."""
    paths = drift.wander(rng, n, 0.4, 0.16, 0.16, 0.16, 1.6)
    light = np.exp(np.clip(paths[:, :1], -0.7, 0.5) + np.clip(paths[:, 1:4], -0.3, 0.3))
    blur = np.clip(paths[:, 4] - 0.5, 0, 2.0)
    return np.concatenate([light, blur[:, None]], axis=1)
