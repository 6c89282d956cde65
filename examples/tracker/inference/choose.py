"""Read a box from the score, offset and size maps of the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from .motion import Expected, Floats

Map = NDArray[np.float32]


RANGES = {  # of the settings; a round bracket leaves its end out
    "[0, 1]": ("window_product", "blend", "correction", "lasting", "found_again"),
    "[0, 1)": ("size_smoothing", "lost_score", "hold"),
    "[0, inf)": ("penalty", "search_growth", "least_search", "motion", "look_again"),
    "[1, inf)": ("search_limit",),
    "(0, inf)": ("score_slope",),
    "(-inf, inf)": ("score_shift",),
}


class Maps(NamedTuple):
    """Maps of the network for one search crop, all in [0, 1]."""

    score: Map  # (h, w)
    offset: Map  # (2, h, w): x and y within the cell
    size: Map  # (2, h, w): width and height over the crop's side


@dataclass(frozen=True)
class TrackSettings:
    """Assumptions of a tracker beside the network. The default values switch them off."""

    window_product: float = 0.0  # share of a Hann window that scores are multiplied by, as OSTrack
    penalty: float = 0.0  # of changes of size and aspect: a factor exp(-penalty * (change - 1))
    size_smoothing: float = 0.0  # weight of the last size in the new one
    blend: float = 0.0  # cells around the best one have weights (their score / its) ** (1 / blend)
    lost_score: float = 0.0  # under this the target is lost, and the box stays where it is
    search_growth: float = 0.0  # a lost target's search square gets wider by this per frame
    search_limit: float = 2.0  # and at most so many times as wide
    least_search: float = 0.0  # pixels of the frame that the search square is wide, at least
    hold: float = 0.0  # the search square keeps its size until the box's differs by so much
    look_again: float = 0.0  # a target that moved by more root areas is looked at again, centred
    found_again: float = 0.0  # score that a lost target needs outside the usual search square
    motion: float = 0.0  # least spread of the prior on the target's place, in root areas
    correction: float = 0.0  # share of the network's bias in the first frame that is taken off
    lasting: float = 1.0  # share of that correction that stays when the target has moved about
    # Logit of the score: slope * logit of the network's + shift, so that of the frames with score s
    # a share s is on target. The score of another network needs other numbers.
    score_slope: float = 1.0
    score_shift: float = 0.0

    def __post_init__(self) -> None:
        for allowed, names in RANGES.items():
            low, high = (float(end) for end in allowed[1:-1].split(","))
            for name in names:
                value = getattr(self, name)
                below = value < low if allowed[0] == "[" else value <= low
                above = value > high if allowed[-1] == "]" else value >= high
                if below or above or value != value:
                    raise ValueError(f"{name} must be in {allowed}; got {value}")

    def share_on_target(self, score: float) -> float:
        """The calibrated score: of the frames that have it, such a share is on target."""
        if score <= 0 or score >= 1:
            return float(score >= 1)
        logit = self.score_slope * math.log(score / (1 - score)) + self.score_shift
        return 1 / (1 + math.exp(-logit))


class Bias(NamedTuple):
    """Difference between the network's box of a target and the box that the user drew.

    People disagree about where a target ends (a rider and the bicycle), so that no network can say
    it from two crops alone. But it says the same each time.
    """

    offset: Floats  # of the centre, over width and height
    size: Floats  # factor on width and height

    def times(self, share: float) -> Bias:
        return Bias(share * self.offset, self.size**share)


NO_BIAS = Bias(np.zeros(2), np.ones(2))
MAX_OFFSET, MAX_FACTOR = 0.25, 2.0  # where it differs by more, it has found something else


class Choice(NamedTuple):
    centre: Floats  # x and y over the crop's side
    size: Floats  # width and height over the crop's side, smoothed
    score: float  # calibrated, in [0, 1]


def measure_bias(maps: Maps, size: Floats, settings: TrackSettings) -> Bias:
    """The bias in the first frame, where a box of ``size`` is in the middle of the crop."""
    plain, bias = replace(settings, size_smoothing=0.0), NO_BIAS
    for _ in range(8):  # the correction changes penalties, and they the cells that have a say
        found = choose(maps, size, plain, bias)
        if found.score < settings.lost_score:
            return NO_BIAS
        offset = bias.offset + (found.centre - 0.5) / size
        factor = bias.size * found.size / size
        bias = Bias(offset.clip(-MAX_OFFSET, MAX_OFFSET), factor.clip(1 / MAX_FACTOR, MAX_FACTOR))
    return bias.times(settings.correction)


def choose(
    maps: Maps,
    last_size: Floats,
    settings: TrackSettings,
    bias: Bias = NO_BIAS,
    expected: Optional[Expected] = None,
) -> Choice:
    """Read the maps; the size of the last box and a prior on the centre are over the crop's side.

    Always finite: where the network says nan the score counts as 0.
    """
    maps = maps._replace(size=maps.size / bias.size[:, None, None])
    score = np.nan_to_num(maps.score, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    wanted = score
    if settings.penalty:
        wanted = wanted * _penalties(maps.size, last_size, settings.penalty)
    if settings.window_product:
        wanted = wanted * (1 + settings.window_product * (hann(score.shape) - 1))
    if expected is not None:
        wanted = wanted * _prior(maps.offset, expected)
    row, column = divmod(int(wanted.argmax()), score.shape[1])
    # The network's own scores: a prior would draw the box towards where it expects the target.
    centre, size = _read(maps, row, column, score, settings.blend)
    if not (np.isfinite(centre).all() and np.isfinite(size).all()):
        return Choice(np.full(2, 0.5), last_size, 0.0)
    centre = centre - bias.offset * size
    size = last_size + (1.0 - settings.size_smoothing) * (size - last_size)
    return Choice(centre, size, settings.share_on_target(float(score[row, column])))


def _read(maps: Maps, row: int, column: int, score: Floats, blend: float) -> Tuple[Floats, Floats]:
    """Centre and size; with ``blend`` the box does not jump where the best cell changes."""
    high, wide = score.shape
    best = float(score[row, column])
    reach = 1 if blend and best > 0 else 0
    rows = slice(max(row - reach, 0), min(row + reach + 1, high))
    columns = slice(max(column - reach, 0), min(column + reach + 1, wide))
    weights = (
        (score[rows, columns].clip(0, best) / best) ** (1 / blend) if reach else np.ones((1, 1))
    )
    weights = weights / weights.sum()
    corner = np.mgrid[rows, columns][::-1]
    centres = (maps.offset[:, rows, columns] + corner) / np.array([wide, high])[:, None, None]
    sizes = maps.size[:, rows, columns]
    return (weights * centres).sum(axis=(1, 2)), (weights * sizes).sum(axis=(1, 2))


def _penalties(size: Map, last: Floats, strength: float) -> Floats:
    """Factor on the score of each cell, (h, w): 1 where size and aspect are those of the last."""
    ratio = np.nan_to_num(size, nan=1.0).clip(1e-6) / last[:, None, None]
    area, aspect = np.sqrt(ratio[0] * ratio[1]), ratio[0] / ratio[1]
    change = np.maximum(area, 1 / area) * np.maximum(aspect, 1 / aspect)
    return np.exp(-strength * (change - 1))


def _prior(offset: Map, expected: Expected) -> Floats:
    """Factor on the score of each cell, (h, w): a Gaussian around the expected centre."""
    high, wide = offset.shape[1:]
    x = (offset[0] + np.arange(wide)) / wide - expected.centre[0]
    y = (offset[1] + np.arange(high)[:, None]) / high - expected.centre[1]
    return np.exp(-np.nan_to_num(x**2 + y**2) / (2 * expected.spread**2))


@lru_cache(maxsize=8)
def hann(shape: Tuple[int, int]) -> Floats:
    """A Hann window, 1 in the middle, above 0 at the edges."""
    return np.outer(*(np.hanning(length + 2)[1:-1] for length in shape))
