"""Plots of an evaluation, as the field draws them."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np

from .measures import OVERLAPS, PIXELS, SHARES, TENTHS
from .summary import Outcomes, ranked

CURVES = {  # thresholds and their words; in `Scores` a curve's name ends in "_curve"
    "success": (OVERLAPS, "overlap threshold"),
    "precision": (PIXELS, "location error threshold, pixels"),
    "normalised_precision": (SHARES, "location error threshold, share of the target's size"),
}
STYLES = ("-", "--", "-.", ":")  # a second way to tell lines apart
BARS: Dict[str, Any] = {"marker": "o", "capsize": 3, "elinewidth": 1}


def curves(outcomes: Outcomes, kind: str) -> Any:
    """Success, precision or normalised precision over its threshold."""
    thresholds, words = CURVES[kind]
    measure = "auc" if kind == "success" else kind  # which the legend ranks by
    n_sequences = len(next(iter(outcomes.values())).scores)
    figure, axes = _axes(f"One-pass evaluation, {n_sequences} sequences")
    for tracker in ranked(outcomes, measure):
        outcome, style = outcomes[tracker], _style(list(outcomes).index(tracker))
        label = f"[{outcome.mean(measure).mean:.3f}] {tracker}"
        axes.plot(thresholds, outcome.curve(f"{kind}_curve"), label=label, **style)
    if measure != "auc":  # where the legend's figures are read off
        axes.axvline(thresholds[20], color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel=words, ylabel=kind.replace("_", " "), ylim=(0, 1), xlim=(0, thresholds[-1]))
    axes.legend()
    return figure


def speed_accuracy(outcomes: Outcomes, words: str = "") -> Any:
    from matplotlib.ticker import LogLocator

    figure, axes = _axes("Speed and accuracy (bars: 95 % over sequences)")
    for place, (tracker, outcome) in enumerate(outcomes.items()):
        auc, speed = outcome.mean("auc"), outcome.mean("frames_per_second").mean
        bars = _whiskers([auc])
        axes.errorbar([speed], [auc.mean], bars, markersize=9, **_style(place), **BARS)
        corner = {"xytext": (9, 5), "textcoords": "offset points"}
        axes.annotate(tracker, (speed, auc.mean), fontsize=11, **corner)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set(xlabel=f"frames per second{', ' if words else ''}{words}", ylabel="success AUC")
    return figure


def calibration(outcomes: Outcomes) -> Any:
    """Share of frames on target by the tracker's own score; a calibrated score is on the line."""
    figure, axes = _axes("Calibration (bars: 95 % over sequences)")
    middles = (TENTHS[:-1] + TENTHS[1:]) / 2
    axes.plot(middles * 10 - 0.5, middles, color="grey", linewidth=0.8, label="calibrated")
    labels = [f"{low:.1f}-{low + 0.1:.1f}" for low in TENTHS[:-1]]
    points_by_group(axes, labels, {name: part.calibration for name, part in outcomes.items()})
    axes.set(xlabel="score of the tracker", ylabel="share on target (IoU > 0.5)", ylim=(0, 1.02))
    axes.tick_params(axis="x", labelsize=8)
    axes.legend()
    return figure


def by_time(success: Mapping[str, Any], labels: Sequence[str], n_sequences: Sequence[int]) -> Any:
    title = "Success by time since the template (bars: 95 % over sequences)"
    figure, axes = _axes(title, width=8.5)
    ticks = [f"{label}\n{count} seq." for label, count in zip(labels, n_sequences)]
    points_by_group(axes, ticks, success)
    axes.set(xlabel="frames since the template", ylabel="success rate (IoU > 0.5)", ylim=(0, 1.02))
    axes.tick_params(axis="x", labelsize=9)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def points_by_group(axes: Any, labels: Sequence[str], series: Mapping[str, Any]) -> None:
    """Means with their intervals, (n_groups, 3), the series side by side in each group."""
    for place, (name, intervals) in enumerate(series.items()):
        x = np.arange(len(labels)) + 0.1 * (place - (len(series) - 1) / 2)
        means, bars = np.array(intervals)[:, 0], _whiskers(intervals)
        axes.errorbar(x, means, bars, markersize=4, label=name, **_style(place), **BARS)
    axes.set_xticks(np.arange(len(labels)), list(labels))


def _axes(title: str, width: float = 7.0) -> Tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True, alpha=0.3)
    axes.set_title(title)
    return figure, axes


def _style(place: int) -> Dict[str, str]:
    return {"color": f"C{place % 10}", "linestyle": STYLES[place % len(STYLES)]}


def _whiskers(intervals: Any) -> Any:
    """Lengths of the bars below and above the means; 0 where there is no interval."""
    mean, low, high = np.array(intervals, dtype=np.float64).T
    return np.clip(np.nan_to_num([mean - low, high - mean]), 0.0, None)
