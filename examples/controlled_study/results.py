"""What the stored files say: differences between rows, and the cells of the map."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np

from .rows import MAP_ROWS
from .settings import BINS, Setting
from .statistics import Estimate, estimate
from .store import Store

CENTRES = (BINS.lower + BINS.upper) / 2


def difference(store: Store, setting: str, row: str, control: str) -> Estimate:
    """Mean accuracy over the bins, in points, of a row minus its control, seed by seed."""
    seeds = store.seeds(setting, row, control)
    of_row, of_control = (store.array(setting, r, "by_arena", seeds) for r in (row, control))
    return estimate(100 * (of_row - of_control))


def difference_by_bin(store: Store, setting: str, row: str, control: str) -> List[Estimate]:
    seeds = store.seeds(setting, row, control)
    of_row, of_control = (store.array(setting, r, "by_bin", seeds) for r in (row, control))
    return [estimate(100 * column) for column in (of_row - of_control).T]


def mean_over_seeds(store: Store, setting: str, row: str, field: str) -> np.ndarray:
    return store.array(setting, row, field, store.seeds(setting, row)).mean(axis=0)


def slope(success_rate: np.ndarray) -> float:
    """Least-squares slope of success over the interval, in points per 100 frames."""
    return float(100 * np.polyfit(CENTRES / 100, success_rate, 1)[0])


class Cell(NamedTuple):
    """One cell of the map."""

    setting: Setting
    slope: float  # of success over the bins after the first epoch, which is random
    n_seeds: int
    gain: Dict[str, Estimate]  # of `weighted` over the row named


def map_cells_of(out: Path) -> List[Cell]:
    """Cells that have two seeds at least."""
    store = Store(out / "map.json")
    cells = []
    for values in store.made_by["settings"]:
        setting = Setting(**{**values, "lengths": tuple(values["lengths"])})
        n_seeds = len(store.seeds(setting.name, *MAP_ROWS))
        if n_seeds >= 2:
            gain = {
                control: difference(store, setting.name, "weighted", control)
                for control in ("random", "uniform")
            }
            gain["uniform over random"] = difference(store, setting.name, "uniform", "random")
            first = mean_over_seeds(store, setting.name, "random", "first_success")
            cells.append(Cell(setting, slope(first), n_seeds, gain))
    return cells
