"""Clips composited from photographs: objects of one or several parts move over a busy scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Tuple, Union

import numpy as np

from ..data.sequences import Sequence
from . import things
from .drift import USUAL, Drift, bounce, draw_grade, random_walk
from .layers import SCENE, SIZE, CompositeFrames, Layer, uncovered
from .library import Array, Library
from .things import Way, affine, draw_look, make_layer

MIN_VISIBLE = 0.5  # share of the target that must be uncovered
# Last words of the seeds of all that drifts, and of what stays beside the target.
DRIFT_STREAM, TWIN_STREAM = 0x64726966, 0x7477696E


def composite_clip(
    name: str,
    seed: Tuple[int, ...],
    library: Library,
    n: int = 240,
    *,
    drift: Drift = USUAL,
    look_alikes: float = 0.0,
) -> Sequence:
    """One clip with exact boxes, the same for the same seed; drift changes looks, not the way.

    The target counts as visible where at least half of it shows. With the probability
    ``look_alikes`` another object of its kind stays beside it.
    """
    rng = np.random.default_rng(seed)
    wildness = float(np.exp(rng.uniform(np.log(0.25), np.log(1.6))))
    speed = float(np.exp(rng.uniform(np.log(30), np.log(250))))
    radius = float(np.exp(rng.uniform(np.log(9), np.log(45))))
    look = draw_look(rng, library)
    way = Way(n, wildness, speed)
    target = look.thing(rng, library, radius, way)
    behind, before = [], []
    for _ in range(int(rng.integers(0, 4))):  # some of the same kind, some not
        other = look.like(rng, library) if rng.random() < 0.6 else draw_look(rng, library)
        size = radius * float(np.exp(rng.normal(0, 0.25)))
        thing = other.thing(rng, library, size, way)
        (before if rng.random() < 0.25 else behind).append(thing)
    for _ in range(int(rng.integers(0, 3))):
        size = radius * float(rng.uniform(0.5, 1.4))
        fast = Way(n, 0.3, 2.5 * speed)
        before.append(draw_look(rng, library).thing(rng, library, size, fast))
    scene, window = _scene(rng, library), _window(rng, n, speed)
    twins = np.random.default_rng((*seed, TWIN_STREAM))
    if twins.random() < look_alikes:
        twin = look.twin(twins, library).thing(twins, library, radius, way)
        place = before if twins.random() < 0.3 else behind
        place.append(things.beside(twin, target, twins, radius))
    exposure, grade = float(rng.choice([0.0, 0.5, 1.0])), None
    if drift.strength:
        drifts = np.random.default_rng((*seed, DRIFT_STREAM))
        grade = draw_grade(drifts, drift, n)
        target = things.drifting(target, drifts, library, drift)
        behind = [things.drifting(thing, drifts, library, drift) for thing in behind]
        if drifts.random() < 0.5:
            before.append(things.draw_cover(target, drifts, library, drift))
    frames = CompositeFrames(scene, window, (*behind, target, *before), exposure, grade)
    return Sequence(name, frames, target.boxes(), uncovered(target, tuple(before)) >= MIN_VISIBLE)


def _scene(rng: np.random.Generator, library: Library) -> Tuple[str, Tuple[Layer, ...]]:
    size = SCENE * np.array(SIZE)
    layers = []
    for _ in range(int(rng.integers(0, 16))):
        look = draw_look(rng, library)
        radius = np.exp(rng.uniform(np.log(8), np.log(60)))
        shape = np.exp(rng.normal(0, 0.4))
        radii = np.array([[radius * shape, radius / shape]])
        pose = affine(rng.uniform(0, 1, (1, 2)) * size, radii, rng.normal(0, 0.6, 1))
        layers.append(make_layer(rng, look, pose, 0.0))
    return str(rng.choice(library.photos)), tuple(layers)


def _window(rng: np.random.Generator, n: int, speed: float) -> Array:
    zoom = np.exp(np.log(1.1) + bounce(random_walk(rng, n, 0.12), -0.2, 0.2))
    columns = [zoom]
    for axis, side in enumerate(SIZE):
        room = SCENE * side - zoom * side
        path = rng.uniform(0, 1) * room + random_walk(rng, n, 0.5 * speed)
        columns.insert(axis, bounce(path, np.zeros(n), np.maximum(room, 1e-3)))
    return np.stack(columns, axis=1)


def composite_clips(
    photos: Union[Path, str], n_clips: int, *, seed: int = 0, **look: Any
) -> List[Sequence]:
    """Clips of the images of a folder, or of scikit-image: "train" or "test"; painted when read.

    ``look`` is as for `composite_clip`. The first ``k`` are the same for any ``n_clips >= k``.
    """
    if n_clips < 1:
        raise ValueError(f"n_clips must be at least 1; got {n_clips}")
    library = Library.shipped(photos) if isinstance(photos, str) else Library.of_folder(photos)
    return [composite_clip(f"clip-{i:05d}", (seed, i), library, **look) for i in range(n_clips)]
