"""Which cell of the maps is the target, and how much of what it says to believe."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = NDArray[np.float32]


class Maps(NamedTuple):
    """What a network says about one search crop.

    Parameters
    ----------
    score : ndarray of float32, shape (h, w)
        In [0, 1].
    offset, size : ndarray of float32, shape (2, h, w)
        In [0, 1]: x and y within the cell, width and height over the crop's side.
    """

    score: Map
    offset: Map
    size: Map


@dataclass(frozen=True)
class TrackSettings:
    """What a tracker believes beyond the network. 0 switches each of them off.

    Parameters
    ----------
    window : float
        Weight of a Hann window in a weighted mean with the scores, as in SiamRPN: the target is
        where it was. In [0, 1).
    window_product : float
        How much of a Hann window the scores are multiplied by, as in OSTrack; in [0, 1].
    penalty : float
        Strength of the penalty on changes of size and aspect, as in SiamRPN: scores are multiplied
        by exp(-penalty * (change of size * change of aspect - 1)). At least 0.
    size_smoothing : float
        Weight of the last size in the new one; in [0, 1).
    size_caution : float
        How much a low (penalised) score lessens the weight of the new size; in [0, 1]. With 1 it is
        (1 - size_smoothing) * score, SiamRPN's rule.
    blend : float
        How far the cells around the chosen one have a say in centre and size: they are weighted by
        (their score / its score) ** (1 / blend), so that the box does not jump where the best cell
        changes. In [0, 1].
    lost_score : float
        Under this score the target counts as lost, and the box stays where it is; in [0, 1).
    search_growth : float
        How much wider the search square gets with every frame that the target has been lost for,
        in units of its usual side; at least 0.
    search_limit : float
        The widest that it gets, in the same units; at least 1.
    """

    window: float = 0.0
    window_product: float = 0.0
    penalty: float = 0.0
    size_smoothing: float = 0.0
    size_caution: float = 0.0
    blend: float = 0.0
    lost_score: float = 0.0
    search_growth: float = 0.0
    search_limit: float = 2.0

    def __post_init__(self) -> None:
        ranges = {"window_product": "[0, 1]", "size_caution": "[0, 1]", "blend": "[0, 1]"}
        ranges.update(dict.fromkeys(("window", "size_smoothing", "lost_score"), "[0, 1)"))
        ranges.update(dict.fromkeys(("penalty", "search_growth"), "[0, inf)"))
        ranges["search_limit"] = "[1, inf)"
        for item in fields(self):
            value, allowed = getattr(self, item.name), ranges[item.name]
            low, high = (float(end) for end in allowed[1:-1].split(","))
            if not (low <= value <= high) or (allowed.endswith(")") and value == high):
                raise ValueError(f"{item.name} must be in {allowed}; got {value}")

    def search_scale(self, n_lost: int) -> float:
        """Factor on the search square's side after ``n_lost`` frames without the target."""
        return min(1.0 + self.search_growth * n_lost, self.search_limit)


class Choice(NamedTuple):
    """The cell that was chosen.

    Parameters
    ----------
    centre : ndarray of float64, shape (2,)
        x and y over the crop's side.
    size : ndarray of float64, shape (2,)
        Width and height over the crop's side, smoothed.
    score : float
        What the network says of it, in [0, 1].
    """

    centre: Floats
    size: Floats
    score: float


class Bias(NamedTuple):
    """How the network's box of a target differs from the box that the user drew around it."""

    offset: Floats  # of the centre, over the target's width and height
    size: Floats  # factor on width and height


NO_BIAS = Bias(np.zeros(2), np.ones(2))
MAX_OFFSET, MAX_FACTOR = 0.25, 2.0  # beyond these the network has found something else


def measure_bias(maps: Maps, size: Floats, settings: TrackSettings) -> Bias:
    """The bias on the first frame, where the box of ``size`` is in the crop's middle."""
    plain = replace(settings, size_smoothing=0.0, size_caution=0.0)
    bias = NO_BIAS
    for _ in range(8):
        found = choose(maps, size, plain, bias)
        if found.score < settings.lost_score:
            return NO_BIAS
        offset = bias.offset + (found.centre - 0.5) / size
        factor = bias.size * found.size / size
        bias = Bias(offset.clip(-MAX_OFFSET, MAX_OFFSET), factor.clip(1 / MAX_FACTOR, MAX_FACTOR))
    return bias


def choose(
    maps: Maps, last_size: Floats, settings: TrackSettings, bias: Bias = NO_BIAS
) -> Choice:
    """Read the maps.

    Parameters
    ----------
    maps : Maps
        Of one search crop.
    last_size : ndarray of float64, shape (2,)
        Width and height of the last box over the crop's side.
    settings : TrackSettings
        What to believe.

    Returns
    -------
    Choice
        Always finite: where the network says nan the score counts as 0.
    """
    maps = maps._replace(size=maps.size / bias.size[:, None, None])
    score = np.nan_to_num(maps.score, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    trust = score
    if settings.penalty:
        trust = trust * _penalties(maps.size, last_size, settings.penalty)
    wanted = trust
    if settings.window_product:
        wanted = wanted * (1 + settings.window_product * (hann(score.shape) - 1))
    if settings.window:
        wanted = wanted + settings.window * (hann(score.shape) - wanted)
    row, column = divmod(int(wanted.argmax()), score.shape[1])
    centre, size = _read(maps, row, column, wanted, settings.blend)
    if not (np.isfinite(centre).all() and np.isfinite(size).all()):
        return Choice(np.full(2, 0.5), last_size, 0.0)
    centre = centre - bias.offset * size
    share = 1.0 - settings.size_caution * (1.0 - float(trust[row, column]))
    share *= 1.0 - settings.size_smoothing
    return Choice(centre, last_size + share * (size - last_size), float(score[row, column]))


def _read(maps: Maps, row: int, column: int, wanted: Floats, blend: float) -> Tuple[Floats, Floats]:
    """Centre and size that the chosen cell tells, or it and its neighbours together."""
    high, wide = wanted.shape
    best = float(wanted[row, column])
    if not blend or best <= 0:
        centre = (maps.offset[:, row, column] + (column, row)) / (wide, high)
        return centre, np.asarray(maps.size[:, row, column], dtype=np.float64)
    rows = slice(max(row - 1, 0), row + 2)
    columns = slice(max(column - 1, 0), column + 2)
    near = wanted[rows, columns].clip(0) / best
    weights = near ** (1 / blend)
    weights /= weights.sum()
    corner = np.mgrid[
        rows.start : rows.start + near.shape[0], columns.start : columns.start + near.shape[1]
    ][::-1]
    centres = (maps.offset[:, rows, columns] + corner) / np.array([wide, high])[:, None, None]
    return (weights * centres).sum(axis=(1, 2)), (weights * maps.size[:, rows, columns]).sum(
        axis=(1, 2)
    )


def _penalties(size: Map, last: Floats, strength: float) -> Floats:
    """Factor on the score of each cell, (h, w): 1 where size and aspect are those of the last."""
    ratio = np.nan_to_num(size, nan=1.0).clip(1e-6) / last[:, None, None]
    area, aspect = np.sqrt(ratio[0] * ratio[1]), ratio[0] / ratio[1]
    change = np.maximum(area, 1 / area) * np.maximum(aspect, 1 / aspect)
    return np.exp(-strength * (change - 1))


@lru_cache(maxsize=8)
def hann(shape: Tuple[int, int]) -> Floats:
    """A Hann window, 1 in the middle, above 0 at the edges."""
    return np.outer(*(np.hanning(length + 2)[1:-1] for length in shape))
