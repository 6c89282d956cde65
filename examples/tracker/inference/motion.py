"""Prior on the target's place in the next frame, from how it has moved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MEMORY = 0.8  # per frame, of velocity and of surprise
FIRST_SURPRISE = 0.3  # before anything is known
SURPRISES = 3.0  # standard deviation of the prior, in mean distances from the prediction
GROWTH = 0.15  # of the standard deviation per frame in which the target is lost
LIMIT = 3.0  # standard deviations that the target may be away from where it was lost
LIMIT_GROWTH = 0.05  # of that limit per frame, in root areas
WIDEST = 2.0  # standard deviation: the place where it was lost stays the likeliest


class Expected(NamedTuple):
    """A place and its standard deviation, in one unit."""

    centre: Floats
    spread: float


class Motion:
    """A prior on the target's place: a prediction, as wide as predictions have been wrong.

    Distances are in root areas of the target, so that zoom changes nothing. A target that barely
    moves gets a narrow prior, and a look-alike beside it needs a far higher score; one that jumps
    about gets a wide prior. While the target is lost the prior widens, so that it is found again
    anywhere in the search image.
    """

    def __init__(self, centre: Floats, least: float) -> None:
        self.centre, self.least = centre, least
        self.velocity, self.path = np.zeros(2), 0.0  # the latter in root areas
        self.surprise = FIRST_SURPRISE

    def expect(self, n_lost: int, unit: float) -> Expected:
        """The place in the next frame, in pixels; ``unit`` is the root of the target's area."""
        usual = self._usual_spread()
        spread = min(usual + GROWTH * n_lost, max(usual, WIDEST))
        return Expected(self.centre + self.velocity * (not n_lost), spread * unit)

    def limit(self, n_lost: int) -> float:
        """The farthest that a lost target may be away, in root areas."""
        return LIMIT * max(self._usual_spread(), FIRST_SURPRISE) + LIMIT_GROWTH * n_lost

    def _usual_spread(self) -> float:
        return max(self.least, SURPRISES * self.surprise)

    def observe(self, centre: Floats, unit: float, n_lost: int) -> None:
        """Learn from where the target was found, in pixels, after some frames without it."""
        moved = (centre - self.centre) / (n_lost + 1)
        distance = float(np.hypot(*(moved - self.velocity))) / unit
        self.surprise = MEMORY * self.surprise + (1 - MEMORY) * min(distance, 1.0)
        self.path += float(np.hypot(*(centre - self.centre))) / unit
        self.velocity = MEMORY * self.velocity + (1 - MEMORY) * moved
        self.centre = centre
