"""Random walks: change that adds up over time."""

from __future__ import annotations

from typing import Union

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HORIZON = 200  # frames, the interval at which spreads are stated
SMOOTHING = 120  # frames over which a step is spread: no jerks, and a direction is kept a while


def random_walk(rng: np.random.Generator, n_frames: int, spread: float) -> Array:
    """A smooth walk from 0 whose standard deviation reaches ``spread`` after 200 frames."""
    # Over t > SMOOTHING frames a walk of averaged unit steps has the variance t - SMOOTHING / 3.
    step = spread / np.sqrt(HORIZON - SMOOTHING / 3)
    steps = rng.standard_normal(n_frames + SMOOTHING - 1) * step
    smooth = np.convolve(steps, np.full(SMOOTHING, 1.0 / SMOOTHING), mode="valid")
    walk = np.cumsum(smooth)
    return np.asarray(walk - walk[0], dtype=np.float64)


def bounce(values: Array, low: Union[float, Array], high: Union[float, Array]) -> Array:
    """Reflect values into ``[low, high]``, as a ball between two walls."""
    room = np.asarray(high, dtype=np.float64) - low
    folded = np.mod(values - low, 2 * room)
    return np.asarray(low + np.where(folded > room, 2 * room - folded, folded), dtype=np.float64)
