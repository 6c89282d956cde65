"""Pictures of an evaluation, as the field draws them."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from .confidence import Interval
from .measures import OVERLAPS, PIXELS, SHARES
from .summary import Outcome

# Curve, what its legend ranks by, thresholds, words of the axes.
CURVES: Dict[str, Tuple[str, str, Any, str, str]] = {
    "success": ("success_curve", "auc", OVERLAPS, "overlap threshold", "success rate"),
    "precision": (
        "precision_curve",
        "precision",
        PIXELS,
        "location error threshold, pixels",
        "precision",
    ),
    "normalised_precision": (
        "normalised_precision_curve",
        "normalised_precision",
        SHARES,
        "location error threshold, share of the target's size",
        "normalised precision",
    ),
}
STYLES = ("-", "--", "-.", ":")  # a second way to tell lines apart


def curves(outcomes: Dict[str, Outcome], kind: str) -> Any:
    """Success, precision or normalised precision over its threshold."""
    name, measure, thresholds, x_words, y_words = CURVES[kind]
    ranks = {tracker: outcome.mean(measure).mean for tracker, outcome in outcomes.items()}
    figure, axes = _figure()
    for tracker in sorted(ranks, key=lambda key: -np.nan_to_num(ranks[key])):
        place = list(outcomes).index(tracker)
        axes.plot(
            thresholds,
            outcomes[tracker].curve(name),
            color=_colour(place),
            linestyle=STYLES[place % len(STYLES)],
            linewidth=2,
            label=f"[{ranks[tracker]:.3f}] {tracker}",
        )
    if measure != "auc":  # where the legend's figures are read off
        axes.axvline(thresholds[20], color="grey", linewidth=0.8, linestyle=":")
    n_sequences = len(next(iter(outcomes.values())).scores)
    axes.set(xlabel=x_words, ylabel=y_words, ylim=(0, 1), xlim=(0, thresholds[-1]))
    axes.set_title(f"One-pass evaluation, {n_sequences} sequences")
    axes.legend()
    return figure


def speed_accuracy(outcomes: Dict[str, Outcome], words: str = "") -> Any:
    """Success AUC over speed, with 95 % intervals of the AUC."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = _figure()
    for place, (tracker, outcome) in enumerate(outcomes.items()):
        auc, speed = outcome.mean("auc"), outcome.mean("frames_per_second").mean
        axes.errorbar(
            [speed],
            [auc.mean],
            yerr=_whiskers([auc]),
            marker="o",
            markersize=9,
            capsize=3,
            elinewidth=1,
            color=_colour(place),
        )
        axes.annotate(
            tracker, (speed, auc.mean), xytext=(9, 5), textcoords="offset points", fontsize=11
        )
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=f"frames per second{', ' if words else ''}{words}", ylabel="success AUC")
    axes.set_title("Speed and accuracy (bars: 95 % over sequences)")
    return figure


def by_time(
    groups: Dict[str, List[Interval]], labels: Sequence[str], n_sequences: Sequence[int]
) -> Any:
    """Success rate by frames since the template, with 95 % intervals."""
    figure, axes = _figure(width=8.5)
    x = np.arange(len(labels))
    for place, (tracker, values) in enumerate(groups.items()):
        side = 0.08 * (place - (len(groups) - 1) / 2)  # so that bars can be told apart
        axes.errorbar(
            x + side,
            [value.mean for value in values],
            yerr=_whiskers(values),
            marker="o",
            markersize=4,
            capsize=3,
            elinewidth=1,
            color=_colour(place),
            label=tracker,
        )
    ticks = [f"{label}\n{count} seq." for label, count in zip(labels, n_sequences)]
    axes.set_xticks(x, ticks, fontsize=9)
    axes.set(xlabel="frames since the template", ylabel="success rate (IoU > 0.5)", ylim=(0, 1.02))
    axes.set_title("Success by time since the template (bars: 95 % over sequences)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _figure(width: float = 7.0) -> Tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _colour(place: int) -> str:
    return f"C{place % 10}"


def _whiskers(values: Sequence[Interval]) -> Any:
    lower = [value.mean - value.low for value in values]
    upper = [value.high - value.mean for value in values]
    return np.clip(np.nan_to_num([lower, upper]), 0.0, None)
