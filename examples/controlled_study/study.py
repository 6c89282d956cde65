"""Run the controlled study, resuming stored results, and make its tables and figures."""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

from tqdm import tqdm

from .rows import FEW_ROWS, FIRST_ROWS, MAP_ROWS, ROWS
from .settings import (
    RATES,
    TUNING_SEEDS,
    WORLDS,
    Setting,
    map_cells,
    table_settings,
    tuned,
)
from .store import Store
from .training import run_rows

SEEDS, MAP_SEEDS = 32, 12
# Unused fields are not stored, to keep the files small.
UNUSED_IN_MAP = ("by_bin", "score", "mean_q", "last_success")
UNUSED_IN_TUNING = ("inputs", "by_arena", "score", "mean_q", "first_success", "last_success")


class Task(NamedTuple):
    """Rows of one seed, which share a world; some replay the epochs of others."""

    setting: Setting
    rows: Sequence[str]
    seed: int
    unused: Sequence[str] = ()  # fields not to store


def run_task(task: Task):
    runs = run_rows(task.setting, task.rows, task.seed)
    for run in runs:
        of_random = () if run["row"] == "random" else ("first_success", "last_success")
        for field in (*task.unused, *of_random):
            run.pop(field, None)
    return runs


def run_missing(store: Store, tasks: List[Task], n_workers: int, says: str) -> None:
    missing = [
        t for t in tasks if not all((t.setting.name, r, t.seed) in store.runs for r in t.rows)
    ]
    if not missing:
        return
    spawn = multiprocessing.get_context("spawn")
    bar = tqdm(total=len(tasks), initial=len(tasks) - len(missing), desc=says, smoothing=0)
    with bar, ProcessPoolExecutor(n_workers, mp_context=spawn) as pool:
        futures = [pool.submit(run_task, task) for task in missing]
        try:
            for future in as_completed(futures):
                store.add(future.result())
                bar.update()
        finally:
            for future in futures:
                future.cancel()


def tune(path: Path, settings: Sequence[Setting], n_workers: int) -> Dict[str, float]:
    """Find each setting's best learning rate for `random`, on separate seeds."""
    variants = [
        dataclasses.replace(s, name=f"{s.name} @ {rate:g}", rate=rate)
        for s in settings
        for rate in RATES
    ]
    store = Store(path, variants)
    tasks = [Task(v, ["random"], seed, UNUSED_IN_TUNING) for v in variants for seed in TUNING_SEEDS]
    run_missing(store, tasks, n_workers, "learning rates")
    accuracy = {
        v.name: store.array(v.name, "random", "by_bin", TUNING_SEEDS).mean() for v in variants
    }
    return {s.name: max(RATES, key=lambda r: accuracy[f"{s.name} @ {r:g}"]) for s in settings}


def run_tables(out: Path, n_seeds: int, n_workers: int) -> None:
    settings = table_settings(tune(out / "rates.json", WORLDS, n_workers))
    rows = {s.name: FEW_ROWS for s in settings}
    rows["drift"] = tuple(ROWS)
    rows["slower"] = rows["faster"] = tuple(row.name for row in FIRST_ROWS)
    tasks = [Task(s, rows[s.name], seed) for seed in range(n_seeds) for s in settings]
    run_missing(Store(out / "tables.json", settings), tasks, n_workers, "tables")


def run_map(out: Path, n_seeds: int, n_workers: int) -> None:
    cells = map_cells()
    settings = tuned(cells, tune(out / "map-rates.json", cells, n_workers))
    tasks = [Task(s, MAP_ROWS, seed, UNUSED_IN_MAP) for seed in range(n_seeds) for s in settings]
    run_missing(Store(out / "map.json", settings), tasks, n_workers, "map")


def print_cell(out: Path, name: str, row: str, seed: int) -> None:
    """Repeat one run and print it with all digits, then the stored run."""
    store = Store(out / "tables.json")
    (settings,) = [s for s in store.made_by["settings"] if s["name"] == name]
    print(json.dumps(run_rows(Setting(**settings), [row], seed)[0]))
    print(json.dumps(store.runs.get((name, row, seed))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/evidence"), help="folder of results")
    parser.add_argument("--map", action="store_true", help="also run the map (4 times as long)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds per row of the tables")
    parser.add_argument("--map-seeds", type=int, default=MAP_SEEDS, help="seeds per map cell")
    parser.add_argument("--workers", type=int, default=2, help="number of processes")
    parser.add_argument("--page", type=Path, help="docs page to write the tables into")
    parser.add_argument("--cell", nargs=3, metavar=("WORLD", "ROW", "SEED"), help="repeat one run")
    options = parser.parse_args()
    if options.cell:
        name, row, seed = options.cell
        print_cell(options.out, name, row, int(seed))
        return
    run_tables(options.out, options.seeds, options.workers)
    if options.map:
        run_map(options.out, options.map_seeds, options.workers)
    from .pictures import draw_all
    from .tables import all_tables, write_page

    print("\n\n".join(all_tables(options.out).values()))
    draw_all(options.out)
    if options.page:
        write_page(options.page, options.out)
