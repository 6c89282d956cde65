"""Stored results: differences between rows, and cells of the map."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from .rows import MAP_ROWS
from .settings import BINS, Setting
from .statistics import Estimate, estimate, significant
from .store import Store

Pair = Tuple[str, str]  # a row and its control
MAP_PAIRS: Tuple[Pair, ...] = (
    ("weighted", "random"),
    ("weighted", "uniform"),
    ("uniform", "random"),
)
CENTRES = (BINS.lower + BINS.upper) / 2


def difference(store: Store, setting: str, row: str, control: str) -> Estimate:
    """Estimate the difference in mean accuracy of a row and its control, in points."""
    return estimate(differences(store, setting, row, control, store.seeds(setting, row, control)))


def differences(store: Store, setting: str, row: str, control: str, seeds) -> np.ndarray:
    """Return the paired differences in points, (n_seeds, n_arenas)."""
    of_row, of_control = (store.array(setting, r, "by_arena", seeds) for r in (row, control))
    return 100 * (of_row - of_control)


def difference_by_bin(store: Store, setting: str, row: str, control: str) -> List[Estimate]:
    seeds = store.seeds(setting, row, control)
    of_row, of_control = (store.array(setting, r, "by_bin", seeds) for r in (row, control))
    return [estimate(100 * column) for column in (of_row - of_control).T]


def mean_over_seeds(store: Store, setting: str, row: str, field: str) -> np.ndarray:
    return store.array(setting, row, field, store.seeds(setting, row)).mean(axis=0)


def slope(success_rate: np.ndarray) -> float:
    """Fit the slope of success over the interval, in points per 100 frames."""
    return float(100 * np.polyfit(CENTRES / 100, success_rate, 1)[0])


class Cell(NamedTuple):
    """One cell of the map."""

    setting: Setting
    slope: float  # of success over the interval after the first, random epoch
    level: float  # mean of that success, in per cent
    differences: Dict[Pair, np.ndarray]  # (n_seeds, n_arenas)
    gain: Dict[Pair, Estimate]


def read_map(out: Path) -> List[Cell]:
    """Read all cells with their common seeds; return none for fewer than two seeds."""
    store = Store(out / "map.json")
    settings = [Setting(**s) for s in store.made_by["settings"]]
    seeds = sorted(set.intersection(*(set(store.seeds(s.name, *MAP_ROWS)) for s in settings)))
    return [read_cell(store, s, seeds) for s in settings] if len(seeds) >= 2 else []


def read_cell(store: Store, setting: Setting, seeds: List[int]) -> Cell:
    by_pair = {pair: differences(store, setting.name, *pair, seeds) for pair in MAP_PAIRS}
    gain = {pair: estimate(values) for pair, values in by_pair.items()}
    first = store.array(setting.name, "random", "first_success", seeds).mean(axis=0)
    return Cell(setting, slope(first), float(100 * first.mean()), by_pair, gain)


def mean_gain(cells: Sequence[Cell], pair: Pair) -> Estimate:
    """Estimate the mean over cells; only their common seeds and arenas are resampled."""
    return estimate(np.mean([cell.differences[pair] for cell in cells], axis=0))


def standing(cells: Sequence[Cell]) -> Dict[Tuple[str, Pair], bool]:
    """Return which gains are significant after Holm's correction over the whole map."""
    keys = [(cell.setting.name, pair) for cell in cells for pair in MAP_PAIRS]
    stands = significant([cell.gain[pair] for cell in cells for pair in MAP_PAIRS])
    return dict(zip(keys, stands.tolist()))
