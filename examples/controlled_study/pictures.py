"""The pictures of the docs page, from the stored files alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .results import difference, difference_by_bin, map_cells_of
from .settings import AXES, BINS
from .statistics import significant
from .store import Store

GREY = "#808080"  # reads on a light and on a dark page
COLOURS = {"uniform": "#999999", "scheduled": "#56b4e9", "weighted": "#d55e00"}
GAINS = {"random": "weighted − random", "uniform": "weighted − uniform"}


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
    draw_rows(out).savefig(out / "rows.png", dpi=110, metadata={"Software": None})
    if (out / "map.json").exists():
        draw_map(out).savefig(out / "map.png", dpi=90, metadata={"Software": None})
        draw_slope(out).savefig(out / "slope.png", dpi=110, metadata={"Software": None})


def draw_rows(out: Path):
    """Gains over `random`: by world, and by bin in the first world."""
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


def draw_map(out: Path):
    """Gain of `weighted`, a panel per number of videos and width, a row per control."""
    found = map_cells_of(out)
    panels = [(n, w) for n in AXES["n_videos"] for w in AXES["width"]]
    figure = new_figure(12, 3.9)
    grid = figure.subplots(2, len(panels), sharex=True, sharey=True)
    gains = [cell.gain[control] for control in GAINS for cell in found]
    stands = iter(significant(gains))
    limit = np.quantile([abs(g.mean) for g in gains], 0.95)
    for (control, says), line in zip(GAINS.items(), grid):
        mark = {id(cell): next(stands) for cell in found}
        for axes, (n_videos, width) in zip(line, panels):
            values = np.full((len(AXES["steps"]), len(AXES["drift"])), np.nan)
            for cell in found:
                if (cell.setting.n_videos, cell.setting.width) != (n_videos, width):
                    continue
                i, j = (AXES[a].index(getattr(cell.setting, a)) for a in ("steps", "drift"))
                gain = cell.gain[control]
                values[i, j] = gain.mean
                stars = "**" if mark[id(cell)] else "*" if gain.excludes_zero else ""
                colour = "white" if abs(gain.mean) > 0.7 * limit else "black"
                text = f"{gain.mean:+.1f}{stars}"
                axes.text(j, i, text, ha="center", va="center", size=7.5, color=colour)
            image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, origin="lower")
            axes.set_xticks(range(len(AXES["drift"])), [f"{d:g}" for d in AXES["drift"]])
            axes.set_yticks(range(len(AXES["steps"])), AXES["steps"])
            axes.set_title(f"{n_videos} videos, width {width}", size=9)
            style(axes)
        line[0].set_ylabel(f"{says}\nsteps per epoch")
    for axes in grid[-1]:
        axes.set_xlabel("drift")
    bar = figure.colorbar(image, ax=grid, label="points", shrink=0.7)
    style(bar.ax)
    return figure


def draw_slope(out: Path):
    """Gain of `weighted` over the slope of success after one random epoch, a dot per cell."""
    found = map_cells_of(out)
    figure = new_figure(9, 3.4)
    for axes, (control, says) in zip(figure.subplots(1, 2), GAINS.items()):
        for drift, colour in zip(AXES["drift"], ("#0072b2", "#56b4e9", "#e69f00", "#d55e00")):
            chosen = [cell for cell in found if cell.setting.drift == drift]
            gains = [cell.gain[control] for cell in chosen]
            error = [[g.mean - g.low for g in gains], [g.high - g.mean for g in gains]]
            x = [cell.slope for cell in chosen]
            y = [g.mean for g in gains]
            axes.errorbar(x, y, error, fmt="o", ms=3, lw=0.6, color=colour, label=f"{drift:g}")
        axes.axhline(0, color=GREY, lw=0.8)
        axes.set(title=says, xlabel="slope, points of success per 100 frames", ylabel="points")
        style(axes)
        legend = axes.legend(title="drift", frameon=False, labelcolor=GREY, fontsize=8)
        legend.get_title().set_color(GREY)
    return figure
