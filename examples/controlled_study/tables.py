"""Tables of the docs page, made from the stored results, and their insertion into the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Dict, List, Sequence

import numpy as np

from .results import (
    MAP_PAIRS,
    Cell,
    Pair,
    difference,
    mean_gain,
    mean_over_seeds,
    read_map,
    slope,
    standing,
)
from .rows import CONTROL_ROWS, FIRST_ROWS, ROWS, TABLE_4_ROWS
from .settings import AXES, SAYS
from .statistics import Estimate, correlation, significant
from .store import Store

QUESTIONS = (
    ("Does the change of mixture alone help?", "uniform", "random"),
    ("Does the schedule do better than uniform?", "scheduled", "uniform"),
    ("Does the method do better than uniform?", "weighted", "uniform"),
    ("Do the loss weights improve the schedule?", "weighted", "scheduled"),
    ("Does a mean weight above 1 help?", "weighted", "normalised"),
    ("Does the order matter? Against the mean Q in every epoch", "scheduled", "static"),
    ("The same with weights", "weighted", "static, weighted"),
    ("Against the same epochs in reverse order", "scheduled", "reversed"),
    ("The same with weights", "weighted", "reversed, weighted"),
    ("Against the schedule from hard to easy", "scheduled", "anti"),
    ("The same with weights", "weighted", "anti, weighted"),
    ("Does d have to change? Against d = 0.5", "weighted", "d = 0.5, weighted"),
    ("Against d = 1", "weighted", "d = 1, weighted"),
)
PAPER = {"order 1": -0.7, "order 3": -1.0, "tau 0.5": -1.2, "tau 0.75": -1.0, "two updates": -1.6}
AFTER_ONE_EPOCH = ("slope", "mean success")
PREDICTORS: Dict[str, Callable[[Cell], float]] = {
    "slope": lambda cell: cell.slope,
    "mean success": lambda cell: cell.level,
    "drift": lambda cell: cell.setting.drift,
    "training videos": lambda cell: cell.setting.n_videos,
    "width": lambda cell: cell.setting.width,
    "steps per epoch": lambda cell: cell.setting.steps,
}
AXIS_NAMES = {"n_videos": "training videos", "steps": "steps per epoch"}


def all_tables(out: Path) -> Dict[str, str]:
    store = Store(out / "tables.json")
    tables = {
        "premise": premise(store),
        "rows": rows(store),
        "questions": questions(store),
        "worlds": worlds(store),
        "table4": table_4(store),
    }
    found = read_map(out) if (out / "map.json").exists() else []
    if found:
        tables.update(map=map_cells(found), axes=map_axes(found), predictors=predictors(found))
    return tables


def markdown(head: Sequence[str], lines: List[Sequence[str]]) -> str:
    table = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def cells(estimates: Sequence[Estimate]) -> List[str]:
    """Format mean and interval, with a star if significant after Holm's correction."""
    return [
        interval(e) + (r" \*" if star else "") for e, star in zip(estimates, significant(estimates))
    ]


def interval(e) -> str:
    return f"{e[0]:+.2f} ({e[1]:+.2f} to {e[2]:+.2f})"


def percent(values: np.ndarray) -> str:
    return " ".join(f"{100 * value:.0f}" for value in values)


def premise(store: Store) -> str:
    """Make the table of success by interval for `random`."""
    lines = []
    for setting in store.made_by["settings"]:
        name = setting["name"]
        first, last, test = (
            mean_over_seeds(store, name, "random", field)
            for field in ("first_success", "last_success", "by_bin")
        )
        lines.append(
            [f"`{name}`", SAYS[name], f"{setting['rate']:g}", f"{slope(first):+.1f}"]
            + [percent(values) for values in (first, last, test)]
        )
    head = ["world", "description", "learning rate", "slope", "first epoch", "last epoch", "test"]
    return markdown(head, lines)


def rows(store: Store) -> str:
    """Compare every row of the first world with both controls."""
    names = [row.name for row in FIRST_ROWS + CONTROL_ROWS]
    over = {}
    for control in ("random", "uniform"):
        others = [name for name in names if name != control]
        estimates = [difference(store, "drift", name, control) for name in others]
        over[control] = dict(zip(others, cells(estimates)))
    lines = [
        [
            f"`{name}`",
            ROWS[name].says,
            f"{100 * mean_over_seeds(store, 'drift', name, 'by_bin').mean():.2f}",
            over["random"].get(name, ""),
            over["uniform"].get(name, ""),
        ]
        for name in names
    ]
    return markdown(["row", "description", "accuracy", "over `random`", "over `uniform`"], lines)


def questions(store: Store) -> str:
    estimates = [difference(store, "drift", row, control) for _, row, control in QUESTIONS]
    lines = [
        [says, f"`{row}` − `{control}`", cell]
        for (says, row, control), cell in zip(QUESTIONS, cells(estimates))
    ]
    return markdown(["question", "difference", "points"], lines)


def worlds(store: Store) -> str:
    pairs = (
        ("uniform", "random"),
        ("scheduled", "random"),
        ("weighted", "random"),
        ("weighted", "uniform"),
        ("weighted", "static, weighted"),
    )
    names = [setting["name"] for setting in store.made_by["settings"]]
    kept = [
        (name, pair)
        for name in names
        for pair in pairs
        if all((name, row) in {key[:2] for key in store.runs} for row in pair)
    ]
    cell = dict(zip(kept, cells([difference(store, name, *pair) for name, pair in kept])))
    lines = [
        [f"`{name}`", f"{100 * mean_over_seeds(store, name, 'random', 'by_bin').mean():.2f}"]
        + [cell.get((name, pair), "") for pair in pairs]
        for name in names
    ]
    return markdown(["world", "`random`", *map(named, pairs)], lines)


def table_4(store: Store) -> str:
    estimates = [difference(store, "drift", row.name, "weighted") for row in TABLE_4_ROWS]
    lines = [
        [f"`{row.name}`", row.says, cell, f"{PAPER[row.name]:+.1f}"]
        for row, cell in zip(TABLE_4_ROWS, cells(estimates))
    ]
    return markdown(["row", "description", "− `weighted`", "paper, SUC on LaSOT"], lines)


def named(pair: Pair) -> str:
    return f"`{pair[0]}` − `{pair[1]}`"


def map_cells(found: List[Cell]) -> str:
    """Count the cells that gain or lose, and in brackets those after Holm's correction."""
    stands = standing(found)
    lines = []
    for pair in MAP_PAIRS:
        lines.append([named(pair), interval(mean_gain(found, pair))])
        lines[-1] += [count(found, [pair], sign, stands) for sign in (1, -1)]
    both = [pair for pair in MAP_PAIRS if pair[0] == "weighted"]
    lines.append(["`weighted` − each of the two", ""])
    lines[-1] += [count(found, both, sign, stands) for sign in (1, -1)]
    return markdown(["difference", "mean over cells", "cells above 0", "cells below 0"], lines)


def count(found: List[Cell], pairs: Sequence[Pair], sign: int, stands) -> str:
    """Count the cells in which the intervals of all pairs lie on one side of 0."""
    there = [
        all(stands[cell.setting.name, pair] for pair in pairs)
        for cell in found
        if all(cell.gain[pair].excludes_zero and sign * cell.gain[pair].mean > 0 for pair in pairs)
    ]
    return f"{len(there)} ({sum(there)}) of {len(found)}"


def map_axes(found: List[Cell]) -> str:
    """Make the table of mean gains over the cells that share a value of an axis."""
    lines, estimates = [], []
    for axis, values in AXES.items():
        for value in values:
            chosen = [cell for cell in found if getattr(cell.setting, axis) == value]
            slopes = np.mean([cell.slope for cell in chosen])
            lines.append([f"{AXIS_NAMES.get(axis, axis)} {value:g}", f"{slopes:+.1f}"])
            estimates += [mean_gain(chosen, pair) for pair in MAP_PAIRS]
    columns = np.reshape(cells(estimates), (len(lines), -1)).tolist()
    head = ["cells with", "slope", *map(named, MAP_PAIRS)]
    return markdown(head, [line + column for line, column in zip(lines, columns)])


def predictors(found: List[Cell]) -> str:
    """Make the table of rank correlations between the gain and possible predictors."""
    drift = np.array([cell.setting.drift for cell in found])
    names, estimates = [], []
    for name, value in PREDICTORS.items():
        x = np.array([value(cell) for cell in found])
        for groups, says in ((None, ""), (drift, ", at one drift")):
            if groups is drift and name not in AFTER_ONE_EPOCH:
                continue
            names.append(name + says)
            for pair in MAP_PAIRS:
                gain = np.array([cell.gain[pair].mean for cell in found])
                estimates.append(correlation(x, gain, groups))
    columns = np.reshape(cells(estimates), (len(names), -1)).tolist()
    head = ["rank correlation of", *map(named, MAP_PAIRS)]
    return markdown(head, [[name, *column] for name, column in zip(names, columns)])


def write_page(page: Path, out: Path) -> None:
    """Write each table into the page, between its two markers."""
    page.write_text(with_tables(page.read_text("utf-8"), out), encoding="utf-8")


def with_tables(text: str, out: Path) -> str:
    for name, table in all_tables(out).items():
        pattern = rf"(<!-- table {name} -->\n).*?(<!-- end of table -->)"
        text = re.sub(pattern, lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.DOTALL)
    return text
