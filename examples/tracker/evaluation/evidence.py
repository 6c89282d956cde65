"""A study: its rows, one JSON file of their results, and tables drawn from that file alone.

A row is one training run in a folder of its own, and what it answered. Intervals are over runs and
sequences together (`bootstrap_crossed`). Differences are between runs of the same seed on the same
pairs.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..training.config import MODES, TrainConfig
from ..training.trainer import HISTORY
from .pairs import Evaluation, HeldOutPairs
from .plots import points_by_group
from .runs import save_arrays
from .summary import bootstrap_crossed

ROW = "evaluation.npz"
FREE = ("mode", "seed", "distribution")  # settings in which the rows of a study may differ
Results = Dict[str, Any]  # what `results` finds and the tables are drawn from
CLIPS = "test-clip-"  # the names of composited clips start with it
BASES = {  # modes and those that are compared with them
    "random": ("scheduled", "weighted", "uniform", "static"),
    "uniform": ("scheduled",),
    "static": ("scheduled", "weighted"),
}


@dataclass(frozen=True, eq=False)
class Row:
    """A run that is done."""

    config: TrainConfig
    labels: List[str]  # name of each bin
    evaluation: Evaluation  # of the trained tracker
    middle: Evaluation  # of always answering the middle
    names: List[str]  # of the held-out sequences

    @classmethod
    def of(cls, config: TrainConfig, evaluation: Evaluation, held_out: HeldOutPairs) -> Row:
        """A row of what was asked and answered."""
        labels = list(held_out.bins.labels)
        return cls(config, labels, evaluation, held_out.middle(), held_out.names)

    def save(self, folder: Path) -> None:
        """Write it into a folder, whole or not at all."""
        about = {"config": self.config.to_dict(), "labels": self.labels, "names": self.names}
        save_arrays(
            folder / ROW,
            about=json.dumps(about),
            iou=self.evaluation.iou,
            middle=self.middle.iou,
            bin=self.evaluation.bin,
            video=self.evaluation.video,
        )

    @classmethod
    def load(cls, folder: Path) -> Optional[Row]:
        """The row of a folder; None if it is not done."""
        path = folder / ROW
        if not path.is_file():
            return None
        try:
            with np.load(path) as stored:
                arrays = dict(stored)
            about = json.loads(str(arrays["about"]))
            labels, config = about["labels"], TrainConfig.from_dict(about["config"])
            pairs = (arrays["bin"], arrays["video"], len(labels))
            evaluation, middle = (Evaluation(arrays[name], *pairs) for name in ("iou", "middle"))
            return cls(config, labels, evaluation, middle, about["names"])
        except (KeyError, ValueError, EOFError) as error:
            raise ValueError(f"{path} is no row of a study: {error}") from None

    def check(self, config: TrainConfig) -> None:
        """Refuse to be compared with a run of other settings than mode and seed."""
        differences = self.config.differences(config)
        words = [f"{n} {a!r} and {b!r}" for n, (a, b) in differences.items() if n not in FREE]
        if words:
            raise ValueError(
                f"rows of one study must differ in mode and seed only; got {', '.join(words)}"
            )

    @property
    def pairs(self) -> Tuple[NDArray[Any], ...]:
        """Bins, videos and middle overlaps: equal in rows with the same pairs."""
        return self.evaluation.bin, self.evaluation.video, self.middle.iou


def collect(out: Path) -> Tuple[List[Row], Dict[str, Evaluation], List[int]]:
    """All rows of a study, the evaluation of each mode's runs together, and the seeds of these."""
    found = [Row.load(path.parent) for path in sorted(out.glob(f"*/{ROW}"))]
    rows = [row for row in found if row is not None]
    if not rows:
        raise ValueError(f"no row of a study is done in {out}")
    by_mode: Dict[str, Dict[int, Evaluation]] = {}
    for row in rows:
        row.check(rows[0].config)
        if not all(map(np.array_equal, row.pairs, rows[0].pairs)):
            raise ValueError(f"rows in {out} were tested on different pairs: evaluate them anew")
        by_mode.setdefault(row.config.mode, {})[row.config.seed] = row.evaluation
    seeds = sorted(set.intersection(*map(set, by_mode.values())))
    if not seeds:
        done = {mode: sorted(of_mode) for mode, of_mode in by_mode.items()}
        raise ValueError(f"no seed is done in all modes: {done}")
    evaluations = {
        mode: replace(of_mode[seeds[0]], iou=np.stack([of_mode[seed].iou for seed in seeds]))
        for mode, of_mode in by_mode.items()
    }
    return rows, evaluations, seeds


def results(
    rows: List[Row], evaluations: Dict[str, Evaluation], seeds: List[int], out: Path, command: str
) -> Results:
    """Everything that a study found."""
    first, names = rows[0], np.array(rows[0].names)
    evaluations = {mode: evaluations[mode] for mode in MODES if mode in evaluations}
    is_clip = np.char.startswith(names, CLIPS)
    groups = {"composited clips": is_clip, "real sequences": ~is_clip}
    return {
        "made_with": {
            "command": command,
            "settings": {**first.config.to_dict(), **dict.fromkeys(FREE)},
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "opencv": cv2.__version__,
            },
            "processor": platform.machine(),
            "sequences": sorted(set(names[~is_clip].tolist())),
            "test_clips": int(is_clip.sum()),
        },
        "seeds": seeds,
        "bins": first.labels,
        "training": {mode: _training(out, mode, seeds) for mode in evaluations},
        "held_out": {
            group: held_out(evaluations, first.middle, belongs[first.middle.video])
            for group, belongs in groups.items()
            if belongs[first.middle.video].any()
        },
    }


def _training(out: Path, mode: str, seeds: List[int]) -> Results:
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


def held_out(
    evaluations: Dict[str, Evaluation], middle: Evaluation, chosen: Any = slice(None)
) -> Results:
    """Success on the chosen pairs, and differences between modes."""
    pairs = replace(
        middle, iou=middle.iou[chosen], bin=middle.bin[chosen], video=middle.video[chosen]
    )
    success = {mode: np.atleast_2d(e.success)[:, chosen] for mode, e in evaluations.items()}
    compared = [(a, b) for b in BASES for a in BASES[b] if a in success and b in success]
    return {
        "n_sequences": len(np.unique(pairs.video)),
        "pairs": np.bincount(pairs.bin, minlength=pairs.n_bins).tolist(),
        "middle": float(pairs.success.mean()),
        "success": {mode: _by_bin(pairs, values) for mode, values in success.items()},
        "by_seed": {mode: values.mean(axis=1).tolist() for mode, values in success.items()},
        "less": {f"{a} - {b}": _by_bin(pairs, success[a] - success[b]) for a, b in compared},
    }


def _by_bin(pairs: Evaluation, values: NDArray[np.float64]) -> Results:
    """Intervals of the mean of each bin and of all pairs."""

    def interval(chosen: NDArray[np.bool_]) -> List[float]:
        videos, size = pairs.video[chosen], int(pairs.video.max()) + 1
        sums = np.stack([np.bincount(videos, run[chosen], size) for run in values])
        return list(bootstrap_crossed(sums, np.bincount(videos, minlength=size)))

    return {
        "bins": [interval(pairs.bin == i) for i in range(pairs.n_bins)],
        "mean": interval(np.ones(len(pairs.bin), dtype=bool)),
    }


def fall_table(found: Results) -> str:
    """Success while training, by bin, in the last epoch of each mode's runs; Markdown."""
    lines = [["last epoch", "IoU above", *found["bins"]]]
    for mode, part in found["training"].items():
        lines.append([mode, *(f"{value:.2f}" for value in (part["threshold"], *part["success"]))])
    return _table(lines)


def success_table(found: Results, group: str) -> str:
    """Success on held-out pairs by interval, one column per row of the study; Markdown."""
    success = found["held_out"][group]["success"]
    lines = [["interval", *success]]
    for i, label in enumerate(found["bins"]):
        lines.append([label, *(_percent(part["bins"][i]) for part in success.values())])
    lines.append(["mean", *(_percent(part["mean"]) for part in success.values())])
    return _table(lines)


def difference_table(found: Results) -> str:
    """Differences of the mean success in points, one column per group of sequences; Markdown."""
    groups = found["held_out"]
    lines = [["difference", *(f"{group} ({groups[group]['n_sequences']})" for group in groups)]]
    for name in next(iter(groups.values()))["less"]:
        cells = [_percent(part["less"][name]["mean"], sign="+") for part in groups.values()]
        lines.append([name.replace(" - ", " less "), *cells])
    return _table(lines)


def _percent(interval: List[float], sign: str = "") -> str:
    if np.isnan(interval[0]):
        return "-"
    mean, low, high = (f"{100 * value:{sign}.1f}" for value in interval)
    return mean if np.isnan(interval[1]) else f"{mean} ({low} to {high})"


def _table(lines: List[List[str]]) -> str:
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def tables(found: Results) -> Dict[str, str]:
    """All tables of a study by heading, the fall of success first."""
    return {"success while training": fall_table(found), **held_out_tables(found)}


def held_out_tables(found: Results) -> Dict[str, str]:
    """Tables of success on held-out pairs, and of differences between modes."""
    groups = found["held_out"]
    return {
        **{f"success on held-out pairs, {name}, %": success_table(found, name) for name in groups},
        "differences of mean success, points": difference_table(found),
    }


def picture(found: Results) -> Any:
    """Success by interval of each mode with its intervals, a panel for each group of sequences."""
    from matplotlib.figure import Figure

    groups, n_runs = found["held_out"], len(found["seeds"])
    runs = f"{n_runs} run{'s' if n_runs > 1 else ''} of each row"
    figure = Figure(figsize=(5.5 * len(groups), 4.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(groups), sharey=True))
    for axes, (group, part) in zip(panels, groups.items()):
        series = {mode: 100 * np.array(of["bins"]) for mode, of in part["success"].items()}
        points_by_group(axes, found["bins"], series)
        axes.tick_params(axis="x", rotation=30)
        axes.set_xlabel("frames between template and search")
        axes.set_title(f"{part['n_sequences']} {group}, {runs}")
    panels[0].set_ylabel("success on held-out pairs, % (95 % interval)")
    panels[0].legend()
    return figure
