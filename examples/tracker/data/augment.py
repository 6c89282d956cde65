"""Random changes to crops, the same for a pair whichever process makes them."""

from __future__ import annotations

import numpy as np

from .crops import Change, CropConfig
from .degrade import KINDS, Degradation

# Last counter word of this random stream: that of the pairs has the same key, and a zero there.
CROP_STREAM = 0x63726F70


def pair_generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """The random stream of one pair's crops, whichever process makes them.

    Parameters
    ----------
    seed, epoch, number : int
        Of the run and the pair; not negative.

    Returns
    -------
    numpy.random.Generator
        Counter-based: no two (seed, epoch, number) share a word of it.
    """
    key = np.array([seed, epoch], dtype=np.uint64)
    counter = np.array([0, 0, number, CROP_STREAM], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def draw_change(rng: np.random.Generator, config: CropConfig) -> Change:
    """Draw the changes of one training pair; always the same number of draws.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    config : CropConfig
        Strengths.

    Returns
    -------
    Change
    """
    stretch = rng.standard_normal(2) * config.scale_jitter
    shift = (rng.random(2) - 0.5) * config.centre_jitter
    flip, grey = rng.random(2)
    bright = 1 + (2 * rng.random(2) - 1) * config.brightness
    tint = 1 + (2 * rng.random((2, 3)) - 1) * config.tint
    degraded = tuple(_draw_degradation(rng, config.degrade) for _ in range(2))
    return Change(
        (float(shift[0]), float(shift[1])),
        float(np.exp(stretch.mean())),  # the side follows the area of the stretched box
        bool(flip < config.flip),
        bool(grey < config.grey),
        (float(bright[0]), float(bright[1])),
        (tuple(tint[0].tolist()), tuple(tint[1].tolist())),
        (degraded[0], degraded[1]),
    )


def _draw_degradation(rng: np.random.Generator, probability: float) -> Degradation:
    chance, kind, strength, seed = rng.random(4)
    if chance >= probability:
        return Degradation()
    return Degradation(list(KINDS)[int(kind * len(KINDS))], float(strength), int(seed * 2**32))
