"""Figures of the docs page, drawn from the stored results."""

from __future__ import annotations

from pathlib import Path
from typing import List

import numpy as np

from .results import MAP_PAIRS, Cell, Pair, difference, difference_by_bin, read_map, standing
from .settings import AXES, BINS
from .store import Store

GREY = "#808080"  # legible on light and dark pages
COLOURS = {"uniform": "#999999", "scheduled": "#56b4e9", "weighted": "#d55e00"}


def new_figure(width: float, height: float):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    return figure


def style(axes) -> None:
    axes.patch.set_alpha(0)
    axes.tick_params(colors=GREY)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)


def draw_all(out: Path) -> None:
    drawn = {"rows": draw_rows(out)}
    found = read_map(out) if (out / "map.json").exists() else []
    if found:
        drawn.update(map=draw_map(found), slope=draw_slope(found))
    for name, figure in drawn.items():
        figure.savefig(
            out / f"{name}.png",
            dpi=100,
            metadata={"Software": None},
            pil_kwargs={"optimize": True},
        )


def draw_rows(out: Path):
    """Plot gains over `random` by world, and by bin in the first world."""
    store = Store(out / "tables.json")
    figure = new_figure(9.5, 3.8)
    left, right = figure.subplots(1, 2)
    worlds = [setting["name"] for setting in store.made_by["settings"]]
    for shift, (row, colour) in zip((0.2, 0, -0.2), COLOURS.items()):
        gains = [difference(store, world, row, "random") for world in worlds]
        y = np.arange(len(worlds))[::-1] + shift
        draw_intervals(left, gains, y, colour, row, vertical=False)
        by_bin = difference_by_bin(store, "drift", row, "random")
        x = np.arange(len(by_bin)) - shift
        draw_intervals(right, by_bin, x, colour, row, vertical=True)
    left.set_yticks(np.arange(len(worlds))[::-1], worlds)
    left.set(title="by world", xlabel="accuracy over random, points")
    right.set_xticks(np.arange(len(BINS)), BINS.labels, rotation=30, ha="right")
    right.set(title="world drift, by interval", ylabel="points")
    left.axvline(0, color=GREY, lw=0.8)
    right.axhline(0, color=GREY, lw=0.8)
    for axes in (left, right):
        style(axes)
    left.legend(frameon=False, labelcolor=GREY)
    return figure


def draw_intervals(axes, estimates, place, colour, label, vertical) -> None:
    mean, low, high = (np.array([e[i] for e in estimates]) for i in range(3))
    error = {"yerr" if vertical else "xerr": (mean - low, high - mean)}
    x, y = (place, mean) if vertical else (mean, place)
    axes.errorbar(x, y, **error, fmt="o", ms=4, color=colour, label=label)


def draw_map(found: List[Cell]):
    """Plot the gain of `weighted`, by number of videos (columns), width and control (rows)."""
    figure = new_figure(9, 7.6)
    lines = [(pair, width) for pair in MAP_PAIRS[:2] for width in AXES["width"]]
    grid = figure.subplots(len(lines), len(AXES["n_videos"]), sharex=True, sharey=True)
    stands = standing(found)
    limit = np.quantile([abs(c.gain[pair].mean) for c in found for pair in MAP_PAIRS[:2]], 0.95)
    for (pair, width), line in zip(lines, grid):
        for axes, n_videos in zip(line, AXES["n_videos"]):
            panel = (n_videos, width)
            chosen = [c for c in found if (c.setting.n_videos, c.setting.width) == panel]
            image = draw_panel(axes, chosen, pair, stands, limit)
            axes.set_title(f"{' − '.join(pair)}, {n_videos} videos, width {width}", size=8)
            style(axes)
        line[0].set_ylabel("steps per epoch")
    for axes in grid[-1]:
        axes.set_xlabel("drift")
    bar = figure.colorbar(image, ax=grid, label="points", shrink=0.5)
    style(bar.ax)
    return figure


def draw_panel(axes, cells: List[Cell], pair: Pair, stands, limit: float):
    """Plot gains by drift and steps; stars: the interval excludes 0, also after Holm."""
    values = np.full((len(AXES["steps"]), len(AXES["drift"])), np.nan)
    for cell in cells:
        i, j = (AXES[a].index(getattr(cell.setting, a)) for a in ("steps", "drift"))
        gain = cell.gain[pair]
        values[i, j] = gain.mean
        stars = "*" * (gain.excludes_zero + stands[cell.setting.name, pair])
        colour = "white" if abs(gain.mean) > 0.7 * limit else "black"
        axes.text(
            j, i, f"{gain.mean:+.1f}{stars}", ha="center", va="center", size=8.5, color=colour
        )
    axes.set_xticks(range(len(AXES["drift"])), [f"{d:g}" for d in AXES["drift"]])
    axes.set_yticks(range(len(AXES["steps"])), AXES["steps"])
    return axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, origin="lower", aspect="auto")


def draw_slope(found: List[Cell]):
    """Plot the gain of each cell over its slope of success after one random epoch."""
    figure = new_figure(9.5, 3.6)
    grid = figure.subplots(1, len(MAP_PAIRS), sharey=True)
    for axes, pair in zip(grid, MAP_PAIRS):
        for drift, colour in zip(AXES["drift"], ("#0072b2", "#56b4e9", "#e69f00", "#d55e00")):
            chosen = [cell for cell in found if cell.setting.drift == drift]
            gains = [cell.gain[pair] for cell in chosen]
            error = [[g.mean - g.low for g in gains], [g.high - g.mean for g in gains]]
            x, y = [cell.slope for cell in chosen], [g.mean for g in gains]
            axes.errorbar(
                x, y, error, fmt="o", ms=3, lw=0.6, color=colour, label=f"drift {drift:g}"
            )
        axes.axhline(0, color=GREY, lw=0.8)
        axes.set_title(" − ".join(pair))
        style(axes)
    grid[0].set_ylabel("points")
    grid[1].set_xlabel("slope, points of success per 100 frames")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, labelcolor=GREY
    )
    style(grid[1])
    return figure
