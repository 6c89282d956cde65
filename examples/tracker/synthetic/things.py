"""Objects that move through composited clips: their look, their place, and how both change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from .drift import Drift, bounce, draw_skin, random_walk, turn_in_space
from .layers import SIZE, Layer, Thing
from .library import Array, Library, Shape, blob, load, shape_of_mask, silhouette


def affine(centre: Array, radii: Array, angle: Array) -> Array:
    """Matrices (n, 2, 3): scale by the radii, turn, move."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.empty((len(angle), 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * radii[:, 0], -sin * radii[:, 1]
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * radii[:, 0], cos * radii[:, 1]
    matrix[:, :, 2] = centre
    return matrix


def moved(matrices: Array, step: Array) -> Array:
    """Matrices (n, 2, 3) that move by (n, 2) besides."""
    result = matrices.copy()
    result[:, :, 2] += step
    return result


def on_body(body: Array, part: Array) -> Array:
    """Poses in the frame of a part that is placed in its body's square."""
    return moved(body[:, :, :2] @ part, body[:, :, 2])


class Way(NamedTuple):
    """How an object moves."""

    n: int  # frames
    wildness: float  # factor on all but its place: its size, its angle, its light and colours
    speed: float  # pixels that it is away after 200 frames, about


@dataclass(frozen=True, eq=False)
class Look:
    """A photograph, a shape, and where in the photograph the shape's square lies."""

    photo: str
    shape: Shape
    centre: Tuple[float, float]
    half: Tuple[float, float]
    slides: bool  # a piece of a larger image can show its surroundings as it turns

    def like(self, rng: np.random.Generator, library: Library) -> Look:
        """Another of the same kind: the same look, or another piece of the same image."""
        if not self.slides or rng.random() < 0.3:
            return self
        piece = draw_look(rng, library, self.photo)
        return replace(piece, shape=self.shape) if rng.random() < 0.5 else piece

    def twin(self, rng: np.random.Generator, library: Library) -> Look:
        """Another that is not the same: of a like photograph, or of the same one."""
        if self.slides:
            return replace(draw_look(rng, library, self.photo), shape=self.shape)
        other = str(rng.choice(library.like(self.photo)))
        return _cutout(other) if other in library.cutouts else draw_look(rng, library, other)

    def thing(self, rng: np.random.Generator, library: Library, radius: float, way: Way) -> Thing:
        """An object of one part or several on its way through the frame."""
        aspect = self.half[0] / self.half[1] * float(np.exp(rng.normal(0, 0.15)))
        if self.slides:
            aspect = float(np.exp(rng.normal(-0.15, 0.5)))
        pose = draw_poses(rng, radius, float(np.clip(aspect, 0.25, 4.0)), way)
        layers = [make_layer(rng, self, pose, way.wildness)]
        if self.slides and rng.random() < 0.6:
            limbs = _limbs(rng, library, self, pose, way.wildness)
            behind = int(rng.integers(0, len(limbs) + 1))
            layers = [*limbs[:behind], *layers, *limbs[behind:]]
        return Thing(tuple(layers))


def draw_look(rng: np.random.Generator, library: Library, photo: Optional[str] = None) -> Look:
    """Draw a cut-out, an object on a plain ground, or a shaped piece of an image."""
    kind = rng.random()
    if photo is None and library.cutouts and kind < 0.15:
        return _cutout(str(rng.choice(library.cutouts)))
    photo = photo or str(rng.choice(library.photos))
    found = silhouette(photo) if kind < 0.75 else None
    if found is not None:
        shape, (left, top, width, height) = found
        half = (width / 2, height / 2)
        return Look(photo, shape, (left + half[0], top + half[1]), half, False)
    height, width = load(photo).shape[:2]
    side = rng.uniform(0.12, 0.4) * min(height, width)
    x, y = rng.uniform(side, width - side), rng.uniform(side, height - side)
    return Look(photo, blob(rng), (x, y), (side, side), True)


@lru_cache(maxsize=256)
def _cutout(path: str) -> Look:
    picture = load(path)
    height, width = picture.shape[:2]
    alpha = picture[..., 3] if picture.shape[2] == 4 else np.full((height, width), 255, np.uint8)
    shape = shape_of_mask(alpha)
    if shape is None:
        raise ValueError(f"cut-out {path} shows nothing")
    return Look(path, shape, (width / 2, height / 2), (width / 2, height / 2), False)


def make_layer(rng: np.random.Generator, look: Look, pose: Array, wildness: float) -> Layer:
    """A layer whose piece of the photograph, light and colours walk with time."""
    n = len(pose)
    slide, zoom = np.zeros((n, 2)), np.ones(n)
    if look.slides:
        walks = [random_walk(rng, n, 0.5 * wildness) for _ in range(2)]
        slide = np.stack(walks, axis=1) * look.half
        zoom = np.exp(random_walk(rng, n, 0.15 * wildness))
    radii = zoom[:, None] * np.array(look.half)
    source = affine(np.array(look.centre) + slide, radii, np.zeros(n))
    light = rng.normal(0, 0.15) + random_walk(rng, n, 0.2 * wildness)[:, None]
    tint = np.stack([random_walk(rng, n, 0.08 * wildness) for _ in range(3)], axis=1)
    gain = np.exp(bounce(light, -0.9, 0.6) + bounce(tint, -0.4, 0.4))
    return Layer(look.photo, look.shape, pose, source, gain)


def draw_poses(rng: np.random.Generator, radius: float, aspect: float, way: Way) -> Array:
    """An object's square wandering through the frame, its centre always inside."""
    n, wildness, speed = way
    size = radius * np.exp(bounce(random_walk(rng, n, 0.35 * wildness), -0.7, 0.7))
    change = np.log(aspect) + bounce(random_walk(rng, n, 0.3 * wildness), -0.6, 0.6)
    radii = np.stack([size * np.exp(change / 2), size / np.exp(change / 2)], axis=1)
    angle = rng.normal(0, 0.15) + random_walk(rng, n, rng.choice([0.15, 0.8]) * wildness)
    centre = np.empty((n, 2))
    for axis, length in enumerate(SIZE):
        path = rng.uniform(0, length) + random_walk(rng, n, speed)
        margin = np.minimum(0.8 * radii[:, axis], 0.35 * length)
        centre[:, axis] = bounce(path, margin, length - margin)
    # Shakes: what a hand-held camera or a running person adds to a smooth path.
    shake = rng.normal(0, rng.choice([0.0, 0.02, 0.06]) * radius, (n, 2))
    return affine(centre + shake, radii, angle)


def _limbs(
    rng: np.random.Generator, library: Library, body: Look, pose: Array, wildness: float
) -> List[Layer]:
    """Parts that hang on a body and swing."""
    n, layers = len(pose), []
    for _ in range(int(rng.integers(1, 5))):
        look = draw_look(rng, library, body.photo if rng.random() < 0.5 else None)
        at = rng.uniform(-0.9, 0.9, 2)
        long = rng.uniform(0.25, 0.7) * np.array([1.0, rng.uniform(0.4, 1.0)])
        width, rate, phase = rng.uniform(0, 0.5), rng.uniform(0.1, 0.6), rng.uniform(0, 6.3)
        beat = width * np.sin(np.arange(n) * rate + phase)
        angle = rng.uniform(0, 6.3) + beat + random_walk(rng, n, 0.5 * wildness)
        # It turns about its end, not about its middle.
        at = at + 0.6 * long[0] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        limb = on_body(pose, affine(at, long[None], angle))
        layers.append(make_layer(rng, look, limb, wildness))
    return layers


def drifting(thing: Thing, rng: np.random.Generator, library: Library, drift: Drift) -> Thing:
    """The same object on the same way, its look drifting."""
    middle = thing.layers[0].pose[:, :, 2]
    n = len(middle)
    turns = turn_in_space(rng, drift, n)
    layers = []
    for layer in thing.layers:
        pose = moved(turns @ moved(layer.pose, -middle), middle)
        look = draw_look(rng, library)
        source = affine(np.array(look.centre), np.array([look.half]), np.zeros(1))[0]
        layers.append(replace(layer, pose=pose, skin=draw_skin(rng, drift, n, look.photo, source)))
    return Thing(tuple(layers))


def beside(thing: Thing, target: Thing, rng: np.random.Generator, radius: float) -> Thing:
    """The same object on a way that stays near the target's, and crosses it now and then."""
    way = target.layers[0].pose[:, :, 2]
    n = len(way)
    turn = rng.uniform(0, 2 * np.pi) + random_walk(rng, n, 1.5)
    reach = radius * bounce(rng.uniform(1.0, 3.5) + random_walk(rng, n, 1.5), 0.3, 4.0)
    middle = way + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    step = middle - thing.layers[0].pose[:, :, 2]
    return Thing(tuple(replace(one, pose=moved(one.pose, step)) for one in thing.layers))


def draw_cover(target: Thing, rng: np.random.Generator, library: Library, drift: Drift) -> Thing:
    """Something that grows over an object from one side, and recedes."""
    pose = target.layers[0].pose
    wish, side = drift.wander(rng, len(pose), 0.8, 1.0).T
    share = np.clip(wish - 0.3, -3, 0.42)  # below 0: beside it, further away
    side = side + rng.uniform(0, 2 * np.pi)
    away = 2.2 * (1 - share)[:, None] * np.stack([np.cos(side), np.sin(side)], axis=1)
    cover = moved(pose, np.einsum("nij,nj->ni", pose[:, :, :2], away))
    return Thing((make_layer(rng, draw_look(rng, library), cover, 0.3),))
