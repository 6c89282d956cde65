"""Settings of the simulated worlds, and the grid of worlds of the map."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Dict, List, Tuple

from sstrack_sched import IntervalBins

BINS = IntervalBins(max_interval=200, spacing=30)  # the paper's, without still images


@dataclasses.dataclass(frozen=True)
class Setting:
    """Parameters of a world and its training; a run also depends on its row and seed."""

    name: str
    drift: float = 1.0  # standard deviation of the nuisance; that of the identity is 1
    correlation: float = 60.0  # frames after which the nuisance's autocorrelation is 1/e
    n_videos: int = 200
    lengths: Tuple[int, int] = (300, 300)  # shortest and longest video, log-uniform in between
    width: int = 32  # of the network
    epochs: int = 20
    steps: int = 60  # per epoch
    batch: int = 64  # pairs per step
    rate: float = 0.0  # learning rate, tuned; a tenth of it in the last fifth of the epochs


WORLDS = (
    Setting("drift"),
    Setting("steep", drift=2.0),
    Setting("flat", correlation=1.0),
    Setting("few", n_videos=20),
    Setting("lengths", lengths=(40, 800)),
)
SAYS = {
    "drift": "drift 1, correlation 60 frames, 200 videos of 300 frames",
    "steep": "drift 2",
    "flat": "correlation 1 frame: all intervals are equally hard",
    "few": "20 videos",
    "lengths": "videos of 40 to 800 frames",
    "slower": "a quarter of the learning rate",
    "faster": "twice the learning rate",
}
RATES = (0.003, 0.006, 0.012, 0.024)  # the rate at which `random` is best is used
TUNING_SEEDS = range(1000, 1003)  # not used by any other run

AXES = {
    "drift": (0.5, 1.0, 2.0, 4.0),
    "n_videos": (20, 60, 200),
    "width": (16, 64),
    "steps": (20, 60, 180),
}


def map_cells() -> List[Setting]:
    """Return one setting per cell of the map, without a tuned learning rate."""
    cells = []
    for values in itertools.product(*AXES.values()):
        name = " ".join(f"{value:g}" for value in values)
        cells.append(Setting(name, **dict(zip(AXES, values))))
    return cells


def tuned(settings, rates: Dict[str, float]) -> List[Setting]:
    return [dataclasses.replace(s, rate=rates[s.name]) for s in settings]


def table_settings(rates: Dict[str, float]) -> List[Setting]:
    """Return the tuned worlds, and the first world at two other learning rates."""
    worlds = tuned(WORLDS, rates)
    first = worlds[0]
    slower = dataclasses.replace(first, name="slower", rate=first.rate / 4)
    faster = dataclasses.replace(first, name="faster", rate=first.rate * 2)
    return [*worlds, slower, faster]
