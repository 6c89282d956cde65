"""Plots of an evaluation, as the field draws them."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from .measures import OVERLAPS, PIXELS, SHARES, TENTHS
from .summary import Interval, Outcome

# Thresholds of each curve, the measure that its legend ranks by, words of the axes. In `Scores` its
# name is followed by "_curve".
CURVES: Dict[str, Tuple[Any, str, str, str]] = {
    "success": (OVERLAPS, "auc", "overlap threshold", "success rate"),
    "precision": (PIXELS, "precision", "location error threshold, pixels", "precision"),
    "normalised_precision": (
        SHARES,
        "normalised_precision",
        "location error threshold, share of the target's size",
        "normalised precision",
    ),
}
STYLES = ("-", "--", "-.", ":")  # a second way to tell lines apart
BARS: Dict[str, Any] = {"marker": "o", "capsize": 3, "elinewidth": 1}


def curves(outcomes: Dict[str, Outcome], kind: str) -> Any:
    """Success, precision or normalised precision over its threshold."""
    thresholds, measure, x_words, y_words = CURVES[kind]
    ranks = {tracker: outcome.mean(measure).mean for tracker, outcome in outcomes.items()}
    figure, axes = _axes()
    for tracker in sorted(ranks, key=lambda key: -np.nan_to_num(ranks[key])):
        curve, label = outcomes[tracker].curve(f"{kind}_curve"), f"[{ranks[tracker]:.3f}] {tracker}"
        axes.plot(thresholds, curve, label=label, **_style(list(outcomes).index(tracker)))
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

    figure, axes = _axes()
    for place, (tracker, outcome) in enumerate(outcomes.items()):
        auc, speed = outcome.mean("auc"), outcome.mean("frames_per_second").mean
        bars = _whiskers([auc])
        axes.errorbar([speed], [auc.mean], bars, markersize=9, **_style(place), **BARS)
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


def calibration(outcomes: Dict[str, Outcome]) -> Any:
    """Share of frames on target by the tracker's own score; a calibrated score is on the line."""
    figure, axes = _axes()
    middles = (TENTHS[:-1] + TENTHS[1:]) / 2
    axes.plot(middles * 10 - 0.5, middles, color="grey", linewidth=0.8, label="calibrated")
    labels = [f"{low:.1f}-{low + 0.1:.1f}" for low in TENTHS[:-1]]
    points_by_group(axes, labels, {name: part.calibration for name, part in outcomes.items()})
    axes.set(xlabel="score of the tracker", ylabel="share on target (IoU > 0.5)", ylim=(0, 1.02))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title("Calibration (bars: 95 % over sequences)")
    axes.legend()
    return figure


def by_time(
    success: Dict[str, List[Interval]], labels: Sequence[str], n_sequences: Sequence[int]
) -> Any:
    """Success rate by frames since the template, with 95 % intervals."""
    figure, axes = _axes(width=8.5)
    ticks = [f"{label}\n{count} seq." for label, count in zip(labels, n_sequences)]
    points_by_group(axes, ticks, success)
    axes.tick_params(axis="x", labelsize=9)
    axes.set(xlabel="frames since the template", ylabel="success rate (IoU > 0.5)", ylim=(0, 1.02))
    axes.set_title("Success by time since the template (bars: 95 % over sequences)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def points_by_group(axes: Any, labels: Sequence[str], series: Mapping[str, Any]) -> None:
    """Means with their intervals, (n_groups, 3), the series side by side in each group."""
    for place, (name, intervals) in enumerate(series.items()):
        x = np.arange(len(labels)) + 0.1 * (place - (len(series) - 1) / 2)
        means, bars = np.array(intervals)[:, 0], _whiskers(intervals)
        axes.errorbar(x, means, bars, markersize=4, label=name, **_style(place), **BARS)
    axes.set_xticks(np.arange(len(labels)), list(labels))


def _axes(width: float = 7.0) -> Tuple[Any, Any]:
    """A figure and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _style(place: int) -> Dict[str, str]:
    return {"color": f"C{place % 10}", "linestyle": STYLES[place % len(STYLES)]}


def _whiskers(intervals: Any) -> Any:
    """Lengths of the bars below and above the means; 0 where there is no interval."""
    mean, low, high = np.array(intervals, dtype=np.float64).T
    return np.clip(np.nan_to_num([mean - low, high - mean]), 0.0, None)
