"""Sphinx extension that draws the figures of these pages at each build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import simulated_runs

from sstrack_sched import redetection_probability, sampling_distribution

TABLE = Path(__file__).resolve().parents[1] / "examples" / "quickstart_ious.csv"
GREY = "#808080"  # reads on a light and on a dark page


def success_rates(threshold):
    """Return real success rates: the share of each bin's IoU quantiles above the threshold."""
    return (np.loadtxt(TABLE, delimiter=",")[:, 1:] > threshold).mean(axis=0)


def labels():
    (line,) = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("# bin,")]
    return line.split(",")[1:]


def draw_distributions():
    """Draw Q for several d, and d over training for several orders."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sstrack-sched"  # the same file from the same data
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    p = success_rates(0.65)
    colours = matplotlib.colormaps["viridis"](np.linspace(0.15, 0.85, 5))
    for d, colour in zip((0, 0.25, 0.5, 0.75, 1), colours):
        left.plot(labels(), sampling_distribution(p, d), "o-", color=colour, label=f"d = {d:g}")
    left.set(title="Sampling distribution Q", xlabel="interval (frames)", ylim=(0, None))
    progress = np.linspace(0, 1, 201)
    for order, colour in zip((1, 2, 4), colours[::2]):
        d = [redetection_probability(e, 1, order) for e in progress]
        right.plot(progress, d, color=colour, label=f"order = {order}")
    right.set(title="Re-detection probability d", xlabel="epoch / total epochs")
    for axes in (left, right):
        axes.legend(frameon=False, labelcolor=GREY)
        axes.title.set_color(GREY)
        axes.xaxis.label.set_color(GREY)
        axes.patch.set_alpha(0)
        axes.tick_params(colors=GREY)
        for spine in axes.spines.values():
            spine.set_color(GREY)
    left.tick_params(axis="x", labelsize="small")
    figure.patch.set_alpha(0)
    return figure


def setup(app):
    folder = Path(app.srcdir) / "_static" / "drawn"
    folder.mkdir(parents=True, exist_ok=True)
    draw_distributions().savefig(folder / "distributions.svg", metadata={"Date": None})
    simulated_runs.draw(folder)
    return {"parallel_read_safe": True}
