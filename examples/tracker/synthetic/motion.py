"""How things in a rendered video change: random walks, so that change adds up over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple, Union

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HORIZON = 200  # frames, the interval at which spreads are stated
SMOOTHING = (
    120  # frames over which a step is spread: no jerks, and change keeps its direction a while
)


def random_walk(rng: np.random.Generator, n_frames: int, spread: float) -> Array:
    """A smooth Gaussian walk from 0 whose standard deviation reaches ``spread`` after 200 frames.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    n_frames : int
        Length of the walk.
    spread : float
        Standard deviation of the change between two frames that are 200 frames apart.

    Returns
    -------
    ndarray of float, shape (n_frames,)
    """
    # Over t > SMOOTHING frames a walk of averaged unit steps has the variance t - SMOOTHING / 3.
    step = spread / np.sqrt(HORIZON - SMOOTHING / 3)
    steps = rng.standard_normal(n_frames + SMOOTHING - 1) * step
    smooth = np.convolve(steps, np.full(SMOOTHING, 1.0 / SMOOTHING), mode="valid")
    walk = np.cumsum(smooth)
    return np.asarray(walk - walk[0], dtype=np.float64)


def bounce(values: Array, low: Union[float, Array], high: Union[float, Array]) -> Array:
    """Reflect values into ``[low, high]``, as a ball between two walls.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Anything finite.
    low, high : float or ndarray of float, shape (n,)
        Walls; ``low < high``.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    room = np.asarray(high, dtype=np.float64) - low
    folded = np.mod(values - low, 2 * room)
    return np.asarray(low + np.where(folded > room, 2 * room - folded, folded), dtype=np.float64)


@dataclass(frozen=True)
class Drift:
    """How far a thing changes in 200 frames, as standard deviations.

    Parameters
    ----------
    position : float
        Of its centre, in pixels.
    scale, aspect : float
        Of the logarithm of its size, and of its width over height.
    angle : float
        In radians.
    slide : float
        Of the piece of photograph that it shows, in its own radii: like a ball that turns, it shows
        other parts as time passes.
    light, tint : float
        Of the logarithm of its brightness, and of each colour channel besides.
    """

    position: float = 110.0
    scale: float = 0.45
    aspect: float = 0.4
    angle: float = 2.0
    slide: float = 1.6
    light: float = 0.5
    tint: float = 0.35


@dataclass(frozen=True)
class Track:
    """An ellipse cut from a photograph, moving: one row a frame.

    Parameters
    ----------
    photo : str
        Photograph that it is cut from.
    centre : ndarray of float, shape (n, 2)
        x, y in pixels of the frame.
    radii : ndarray of float, shape (n, 2)
        Half axes in pixels.
    angle : ndarray of float, shape (n,)
        Radians from the x axis to the first half axis.
    source : ndarray of float, shape (n, 2)
        Centre of the piece shown, in pixels of the photograph.
    source_half : float
        Half the side of that piece, in pixels of the photograph.
    gain : ndarray of float, shape (n, 3)
        Factor on red, green, blue.
    """

    photo: str
    centre: Array
    radii: Array
    angle: Array
    source: Array
    source_half: float
    gain: Array

    def extent(self) -> Array:
        """Half width and half height of the upright rectangle around the ellipse, shape (n, 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        first, second = self.radii[:, 0], self.radii[:, 1]
        return np.stack(
            [np.hypot(first * cos, second * sin), np.hypot(first * sin, second * cos)], axis=1
        )

    def to_unit(self) -> Array:
        """Matrices from pixels around the centre to the unit disc, shape (n, 2, 2)."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
        return np.asarray(turn / self.radii[:, :, None], dtype=np.float64)

    def at(self, index: int) -> Track:
        """This track for one frame only."""
        rows = slice(index, index + 1)
        return Track(
            self.photo,
            self.centre[rows],
            self.radii[rows],
            self.angle[rows],
            self.source[rows],
            self.source_half,
            self.gain[rows],
        )

    def boxes(self) -> Array:
        """Left, top, width, height of that rectangle in pixels, shape (n, 4)."""
        extent = self.extent()
        return np.concatenate([self.centre - extent, 2 * extent], axis=1)


def make_track(
    rng: np.random.Generator,
    photo: str,
    source: Tuple[float, float],
    source_half: float,
    radius: float,
    n_frames: int,
    frame_size: Tuple[int, int],
    drift: Drift,
) -> Track:
    """Let a piece of a photograph wander through a frame, wholly inside it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    photo, source, source_half
        The piece: see `Track`.
    radius : float
        Geometric mean of the half axes at the start, in pixels.
    n_frames : int
        Length of the video.
    frame_size : tuple of int
        Width, height in pixels.
    drift : Drift
        How much changes.

    Returns
    -------
    Track
    """
    # A small frame cannot hold a thing that has grown without bound: sizes bounce too.
    size = radius * np.exp(bounce(random_walk(rng, n_frames, drift.scale), -0.55, 0.55))
    shape = np.exp(
        0.5 * bounce(rng.normal(0, 0.25) + random_walk(rng, n_frames, drift.aspect), -0.6, 0.6)
    )
    radii = np.stack([size * shape, size / shape], axis=1)
    angle = rng.normal(0, 0.5) + random_walk(rng, n_frames, drift.angle)
    slide = source_half * np.stack(
        [random_walk(rng, n_frames, drift.slide) for _ in range(2)], axis=1
    )
    light = random_walk(rng, n_frames, drift.light)[:, None]
    tint = np.stack([random_walk(rng, n_frames, drift.tint) for _ in range(3)], axis=1)
    still = Track(
        photo,
        np.zeros((n_frames, 2)),
        radii,
        angle,
        np.array(source) + slide,
        source_half,
        np.exp(bounce(light, -1.0, 0.8) + bounce(tint, -0.6, 0.6)),
    )
    extent = still.extent() + 1.0
    centre = np.empty((n_frames, 2))
    for axis, length in enumerate(frame_size):
        path = rng.uniform(0, length) + random_walk(rng, n_frames, drift.position)
        centre[:, axis] = bounce(path, extent[:, axis], length - extent[:, axis])
    return Track(photo, centre, radii, angle, still.source, source_half, still.gain)
