"""Figures with a head, a trunk and swinging limbs: people and four-legged animals.

The free photographs show no people. A figure moves and deforms as a person does, and others in the
same clothes are its look-alikes; its surface is painted with plain colours and pieces of images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Tuple

import numpy as np

from .layers import Thing
from .library import Array, Library, load, superellipse
from .things import Look, Way, affine, draw_poses, make_layer, on_body

SKIN = np.array([[255.0, 219, 172], [198, 134, 66], [92, 58, 40]])  # light to dark
HAIR = np.array([[20.0, 16, 14], [90, 60, 35], [200, 165, 110]])


class Part(NamedTuple):
    """One part in the figure's square, [-1, 1] x [-1, 1]; y points down."""

    cover: int  # number of its cover
    joint: Tuple[float, float]  # from which it hangs
    half: Tuple[float, float]  # half its width and length
    angle: float = 0.0  # at rest; 0 hangs down
    swing: float = 0.0  # share of the stride, with its sign


PERSON = (  # covers: shirt, trousers, sleeves, hair, skin
    Part(0, (0.0, -0.68), (0.58, 0.42)),
    Part(1, (-0.24, 0.05), (0.25, 0.47), swing=1.0),
    Part(1, (0.24, 0.05), (0.25, 0.47), swing=-1.0),
    Part(2, (-0.60, -0.60), (0.17, 0.35), angle=0.1, swing=-0.8),
    Part(2, (0.60, -0.60), (0.17, 0.35), angle=-0.1, swing=0.8),
    Part(3, (0.0, -1.0), (0.32, 0.18)),
    Part(4, (0.0, -0.94), (0.26, 0.14)),
)
ANIMAL = (  # covers: coat, head
    Part(0, (-0.75, -0.25), (0.42, 0.72), angle=-np.pi / 2),
    *(Part(0, (x, 0.0), (0.12, 0.48), swing=s) for x, s in [(-0.6, 1), (-0.4, -1), (0.5, 1)]),
    Part(1, (0.45, -0.55), (0.30, 0.28), angle=-np.pi / 2, swing=0.2),
)


@dataclass(frozen=True, eq=False)
class Figure:
    """A body and what covers its parts."""

    parts: Tuple[Part, ...]
    covers: Tuple[Look, ...]
    aspect: float  # width over height

    def twin(self, rng: np.random.Generator, library: Library) -> Figure:
        """Another in the same clothes, with hair and skin of its own."""
        if self.parts is ANIMAL:
            return self
        return replace(self, covers=(*self.covers[:3], *_hair_and_skin(rng, library)))

    def like(self, rng: np.random.Generator, library: Library) -> Figure:
        return self.twin(rng, library) if rng.random() < 0.5 else draw_figure(rng, library)

    def thing(self, rng: np.random.Generator, _library: Library, radius: float, way: Way) -> Thing:
        """The figure on its way through the frame; the trunk is the first layer."""
        pose, layers = draw_poses(rng, radius, self.aspect, way), []
        stride, rate = rng.uniform(0.0, 1.2), rng.uniform(0.1, 0.6)
        beat = stride * np.sin(np.arange(way.n) * rate + rng.uniform(0, 2 * np.pi))
        for part in self.parts:
            half, angle = np.array(part.half), part.angle + part.swing * beat
            middle = part.joint + half[1] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
            placed = on_body(pose, affine(middle, half[None], angle))
            layers.append(make_layer(rng, self.covers[part.cover], placed, way.wildness))
        return Thing(tuple(layers))


def draw_figure(rng: np.random.Generator, library: Library) -> Figure:
    """Draw a person in clothes, or an animal."""
    if rng.random() < 0.2:
        coat = _cloth(rng, library)
        head = coat if rng.random() < 0.5 else _cloth(rng, library)
        return Figure(ANIMAL, (coat, head), float(rng.uniform(1.0, 1.8)))
    shirt, trousers = _cloth(rng, library), _cloth(rng, library)
    hair, skin = _hair_and_skin(rng, library)
    bare = rng.random(2) < (0.4, 0.2)
    covers = (shirt, skin if bare[1] else trousers, skin if bare[0] else shirt, hair, skin)
    return Figure(PERSON, covers, float(rng.uniform(0.3, 0.6)))


def _hair_and_skin(rng: np.random.Generator, library: Library) -> Tuple[Look, Look]:
    mixed = [rng.dirichlet(np.ones(3)) @ colours for colours in (HAIR, SKIN)]
    return _plain(rng, library, mixed[0]), _plain(rng, library, mixed[1])


def _cloth(rng: np.random.Generator, library: Library) -> Look:
    """A plain colour, or a piece of an image."""
    if rng.random() < 0.6:
        colour, greyness = rng.uniform(15, 245, 3), rng.random()
        return _plain(rng, library, colour + greyness * (colour.mean() - colour))
    photo = str(rng.choice(library.photos))
    return _piece(rng, photo, rng.uniform(0.05, 0.3) * min(load(photo).shape[:2]))


def _plain(rng: np.random.Generator, library: Library, colour: Array) -> Look:
    """A few pixels of an image, which shade it a little, brought to a colour."""
    piece = _piece(rng, str(rng.choice(library.photos)), 3.0)
    x, y = (int(value) for value in piece.centre)
    mean = load(piece.photo)[y - 3 : y + 4, x - 3 : x + 4, :3].mean(axis=(0, 1))
    return replace(piece, paint=tuple((colour / np.maximum(mean, 20.0)).tolist()))


def _piece(rng: np.random.Generator, photo: str, side: float) -> Look:
    height, width = load(photo).shape[:2]
    x, y = rng.uniform(side, width - side), rng.uniform(side, height - side)
    return Look(photo, superellipse(float(rng.uniform(2.0, 5.0))), (x, y), (side, side), False)
