"""Results of a study: one JSON file with its settings, and tables drawn from that file alone.

Intervals are over runs and sequences together (`bootstrap_crossed`). Differences are between runs
of the same seed on the same pairs.
"""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..training.config import MODES
from ..training.trainer import HISTORY
from .confidence import Interval, bootstrap_crossed
from .pairs import Evaluation
from .rows import Row

GROUPS: Dict[str, Callable[[str], bool]] = {
    "composited clips": lambda name: name.startswith("test-clip-"),
    "real sequences": lambda name: not name.startswith("test-clip-"),
}
COMPARED = (
    ("scheduled", "random"),
    ("weighted", "random"),
    ("uniform", "random"),
    ("static", "random"),
    ("scheduled", "uniform"),
    ("scheduled", "static"),
    ("weighted", "static"),
)


def made_with(rows: List[Row], command: str) -> Dict[str, Any]:
    """All that the numbers depend on beside the videos."""
    return {
        "command": command,
        "settings": {**rows[0].config.to_dict(), "mode": None, "seed": None, "distribution": None},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "processor": platform.machine(),
        "sequences": sorted({name for name in rows[0].names if not name.startswith("test-clip-")}),
        "test_clips": sum(name.startswith("test-clip-") for name in rows[0].names),
    }


def training(out: Path, mode: str, seeds: List[int]) -> Dict[str, Any]:
    """Values that the runs of a mode recorded in training: means over seeds."""
    histories = [json.loads((out / f"{mode}-{seed}" / HISTORY).read_text()) for seed in seeds]
    last = [history[-1] for history in histories]
    counts = np.array([[record["count"] for record in history] for history in histories])
    drawn = counts.sum(axis=(0, 1))
    return {
        "success": np.mean([record["success_rate"] for record in last], axis=0).tolist(),
        "threshold": float(np.mean([record["threshold"] for record in last])),
        "drawn": (drawn / drawn.sum()).tolist(),
    }


def results(
    rows: List[Row], evaluations: Dict[str, Evaluation], seeds: List[int], out: Path, command: str
) -> Dict[str, Any]:
    """Everything that a study found."""
    names = np.array(rows[0].names)
    evaluations = {mode: evaluations[mode] for mode in MODES if mode in evaluations}
    found: Dict[str, Any] = {
        "made_with": made_with(rows, command),
        "seeds": seeds,
        "bins": rows[0].labels,
        "training": {mode: training(out, mode, seeds) for mode in evaluations},
        "held_out": {},
    }
    for group, belongs in GROUPS.items():
        chosen = np.array([belongs(name) for name in names])[rows[0].evaluation.video]
        if chosen.any():
            part = {mode: _only(e, chosen) for mode, e in evaluations.items()}
            found["held_out"][group] = _group(part, _only(rows[0].middle, chosen))
    return found


def _only(evaluation: Evaluation, chosen: NDArray[np.bool_]) -> Evaluation:
    return replace(
        evaluation,
        iou=evaluation.iou[..., chosen],
        bin=evaluation.bin[chosen],
        video=evaluation.video[chosen],
    )


def _group(evaluations: Dict[str, Evaluation], middle: Evaluation) -> Dict[str, Any]:
    first = next(iter(evaluations.values()))
    pairs = [(a, b) for a, b in COMPARED if a in evaluations and b in evaluations]
    return {
        "n_sequences": len(np.unique(first.video)),
        "pairs": [int((first.bin == i).sum()) for i in range(first.n_bins)],
        "middle": float(middle.success.mean()),
        "success": {mode: _by_bin(e, e.success) for mode, e in evaluations.items()},
        "by_seed": {mode: e.success.mean(axis=1).tolist() for mode, e in evaluations.items()},
        "less": {
            f"{a} - {b}": _by_bin(first, evaluations[a].success - evaluations[b].success)
            for a, b in pairs
        },
    }


def _by_bin(evaluation: Evaluation, values: NDArray[np.float64]) -> Dict[str, Any]:
    """Intervals of the mean of each bin and of all pairs."""
    bins = [_interval(evaluation, values, evaluation.bin == i) for i in range(evaluation.n_bins)]
    return {"bins": bins, "mean": _interval(evaluation, values, np.ones(len(evaluation.bin), bool))}


def _interval(
    evaluation: Evaluation, values: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> List[float]:
    videos = evaluation.video[chosen]
    size = int(evaluation.video.max()) + 1
    sums = np.stack([np.bincount(videos, run[chosen], size) for run in np.atleast_2d(values)])
    counts = np.bincount(videos, minlength=size).astype(np.float64)
    return list(bootstrap_crossed(sums.astype(np.float64), counts))


def fall_table(found: Dict[str, Any]) -> str:
    """Success while training, by bin, in the last epoch of each mode's runs; Markdown."""
    lines = [["last epoch", "IoU above", *found["bins"]]]
    for mode, part in found["training"].items():
        cells = [f"{value:.2f}" for value in part["success"]]
        lines.append([mode, f"{part['threshold']:.2f}", *cells])
    return _table(lines)


def success_table(found: Dict[str, Any], group: str) -> str:
    """Success on held-out pairs by interval, one column a row of the study; Markdown."""
    success = found["held_out"][group]["success"]
    lines = [["interval", *success]]
    for i, label in enumerate(found["bins"]):
        lines.append([label, *(_percent(part["bins"][i]) for part in success.values())])
    lines.append(["mean", *(_percent(part["mean"]) for part in success.values())])
    return _table(lines)


def difference_table(found: Dict[str, Any]) -> str:
    """Differences of the mean success in points, one column a group of sequences; Markdown."""
    groups = found["held_out"]
    names = list(next(iter(groups.values()))["less"])
    lines = [["difference", *(f"{group} ({groups[group]['n_sequences']})" for group in groups)]]
    for name in names:
        cells = [_percent(groups[group]["less"][name]["mean"], sign="+") for group in groups]
        lines.append([name.replace(" - ", " less "), *cells])
    return _table(lines)


def _percent(values: List[float], sign: str = "") -> str:
    mean, low, high = Interval(*values)
    return f"{100 * mean:{sign}.1f} ({100 * low:{sign}.1f} to {100 * high:{sign}.1f})"


def _table(lines: List[List[str]]) -> str:
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def tables(found: Dict[str, Any]) -> Dict[str, str]:
    """All tables of a study by heading, the fall of success first."""
    names = list(found["held_out"])
    return {
        "success while training": fall_table(found),
        **{f"success on held-out pairs, {name}, %": success_table(found, name) for name in names},
        "differences of mean success, points": difference_table(found),
    }


def picture(found: Dict[str, Any]) -> Any:
    """Success by interval of each mode with its intervals, a panel for each group of sequences."""
    from matplotlib.figure import Figure

    groups = found["held_out"]
    figure = Figure(figsize=(5.5 * len(groups), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(groups), sharey=True))
    x = np.arange(len(found["bins"]))
    for axes, (group, part) in zip(panels, groups.items()):
        for k, (mode, success) in enumerate(part["success"].items()):
            mean, low, high = 100 * np.array(success["bins"]).T
            place = x + 0.13 * (k - (len(part["success"]) - 1) / 2)  # bars side by side
            bars = np.stack([mean - low, high - mean])
            axes.errorbar(place, mean, yerr=bars, fmt="o", markersize=4, capsize=2, label=mode)
        axes.set_xticks(x, found["bins"], rotation=30)
        axes.set_xlabel("frames between template and search")
        axes.set_title(f"{part['n_sequences']} {group}, {len(found['seeds'])} runs of each row")
    panels[0].set_ylabel("success on held-out pairs, % (95 % interval)")
    panels[0].legend()
    return figure
