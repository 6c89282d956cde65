"""Draw the figure of the first screen from a real run: ``python docs/first_picture.py``.

The run is the first seed of the row `weighted` in the world `drift` of the controlled study. It
takes a few seconds. The files go to ``docs/_static/schedule-light.svg`` and ``schedule-dark.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"light": "#24292f", "dark": "#e6edf3"}


def train_once():
    """Train; return Q per epoch, (n_epochs, n_bins), and first and last success rates."""
    from examples.controlled_study.rows import ROWS
    from examples.controlled_study.settings import Setting
    from examples.controlled_study.store import Store
    from examples.controlled_study.training import train
    from examples.controlled_study.world import make_world

    stored = Store(ROOT / "docs" / "evidence" / "controlled" / "tables.json").made_by["settings"]
    setting = next(Setting(**values) for values in stored if values["name"] == "drift")
    result, epochs = train(setting, ROWS["weighted"], 0, make_world(setting, 0))
    q = np.array([distribution for distribution, _ in epochs])
    return q, np.array(result["first_success"]), np.array(result["last_success"])


def draw(q, first, last, labels, colour):
    """Draw the shares of the intervals over epochs (left) and success by interval (right)."""
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "sstrack-sched"  # the same file from the same data
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.3), layout="constrained")
    figure.patch.set_alpha(0)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    shades = matplotlib.colormaps["viridis"](np.linspace(0.95, 0.1, len(labels)))
    epochs = np.arange(len(q))
    left.stackplot(epochs, 100 * q.T, labels=labels, colors=shades, lw=0)
    left.set(title="Which pairs are drawn", xlabel="epoch", ylabel="% of the pairs")
    left.set(xlim=(0, len(q) - 1), ylim=(0, 100), xticks=epochs[:: max(1, len(q) // 5)])
    handles, names = left.get_legend_handles_labels()
    legend = left.legend(
        handles[::-1],
        names[::-1],
        title="frames apart",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
        fontsize="small",
        labelcolor=colour,
    )
    legend.get_title().set_color(colour)
    for rate, name, style in ((last, "last epoch", "o-"), (first, "first epoch", "o:")):
        right.plot(labels, 100 * rate, style, color=colour, label=name)
    right.set(title="How often the tracker succeeds", xlabel="frames apart", ylim=(0, 100))
    right.set_ylabel("% above the mean score")
    right.tick_params(axis="x", labelrotation=30, labelsize="small")
    right.legend(frameon=False, labelcolor=colour)
    for axes in (left, right):
        axes.patch.set_alpha(0)
        axes.tick_params(colors=colour)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_color(colour)
        for name, spine in axes.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(colour)
    return figure


def main(folder: Path) -> None:
    """Train once and write both files."""
    from examples.controlled_study.settings import BINS

    run = train_once()
    for theme, colour in COLOURS.items():
        figure = draw(*run, BINS.labels, colour)
        figure.savefig(folder / f"schedule-{theme}.svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(ROOT / "docs" / "_static")
