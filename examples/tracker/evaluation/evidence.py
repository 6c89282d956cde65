"""A study: its rows, one JSON file of their results, and tables drawn from that file alone.

Intervals are over runs and sequences together (`bootstrap_crossed`). Differences are between runs
of the same seed on the same pairs.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np
import torch

from ..training.config import MODES, TrainConfig
from ..training.trainer import HISTORY
from .pairs import THRESHOLD, Floats, Integers
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
    """A training run that is done, and the overlaps of its tracker on the held-out pairs."""

    config: TrainConfig
    labels: List[str]  # name of each bin
    names: List[str]  # of the held-out sequences
    bin: Integers  # (n_pairs,): interval bin
    video: Integers  # (n_pairs,): place in ``names``
    middle: Floats  # (n_pairs,): overlap of always answering the middle
    iou: Floats  # (n_pairs,)

    def save(self, folder: Path) -> None:
        """Write it into a folder, whole or not at all."""
        about = {"config": self.config.to_dict(), "labels": self.labels, "names": self.names}
        arrays = {name: getattr(self, name) for name in ("bin", "video", "middle", "iou")}
        save_arrays(folder / ROW, about=json.dumps(about), **arrays)

    @classmethod
    def load(cls, folder: Path) -> Row:
        path = folder / ROW
        try:
            with np.load(path) as stored:
                arrays = dict(stored)
            about = json.loads(str(arrays.pop("about")))
            config = TrainConfig.from_dict(about.pop("config"))
            return cls(config, **about, **arrays)
        except (KeyError, TypeError, ValueError, EOFError) as error:
            raise ValueError(f"{path} is no row of a study: {error}") from None

    def check(self, config: TrainConfig) -> None:
        """Refuse to be compared with a run of other settings than mode and seed."""
        differences = self.config.differences(config)
        found = [f"{n} {a!r} and {b!r}" for n, (a, b) in differences.items() if n not in FREE]
        if found:
            words = "rows of one study must differ in mode and seed only"
            raise ValueError(f"{words}; got {', '.join(found)}")


def collect(out: Path) -> Tuple[Dict[str, List[Row]], int]:
    """Rows of a study by mode, of the seeds that all modes have; and how many others there are."""
    found = [Row.load(path.parent) for path in sorted(out.glob(f"*/{ROW}"))]
    if not found:
        raise ValueError(f"no row of a study is done in {out}")
    first = found[0]
    by_mode: Dict[str, Dict[int, Row]] = {}
    for row in found:
        row.check(first.config)
        pairs = ((row.bin, first.bin), (row.video, first.video), (row.middle, first.middle))
        if not all(np.array_equal(its, of_first) for its, of_first in pairs):
            raise ValueError(f"rows in {out} were tested on different pairs: evaluate them anew")
        by_mode.setdefault(row.config.mode, {})[row.config.seed] = row
    seeds = sorted(set.intersection(*map(set, by_mode.values())))
    if not seeds:
        done = {mode: sorted(of_mode) for mode, of_mode in by_mode.items()}
        raise ValueError(f"no seed is done in all modes: {done}")
    rows = {mode: [by_mode[mode][seed] for seed in seeds] for mode in MODES if mode in by_mode}
    return rows, len(found) - len(seeds) * len(rows)


def results(rows: Dict[str, List[Row]], out: Path, command: str) -> Results:
    of_mode = next(iter(rows.values()))
    first, seeds = of_mode[0], [row.config.seed for row in of_mode]
    names = np.array(first.names)
    is_clip = np.char.startswith(names, CLIPS)
    of_clip = is_clip[first.video]
    chosen = {"composited clips": of_clip, "real sequences": ~of_clip}
    versions = {"torch": torch.__version__, "numpy": np.__version__, "opencv": cv2.__version__}
    versions["python"] = platform.python_version()
    made_with = {
        "command": command,
        "settings": {**first.config.to_dict(), **dict.fromkeys(FREE)},
        "versions": versions,
        "processor": platform.machine(),
        "sequences": sorted(set(names[~is_clip].tolist())),
        "test_clips": int(is_clip.sum()),
    }
    return {
        "made_with": made_with,
        "seeds": seeds,
        "bins": first.labels,
        "training": {mode: _training(out, mode, seeds) for mode in rows},
        "held_out": {group: held_out(rows, of) for group, of in chosen.items() if of.any()},
    }


def _training(out: Path, mode: str, seeds: List[int]) -> Results:
    """Values that the runs of a mode recorded in training: means over seeds."""
    histories = [json.loads((out / f"{mode}-{seed}" / HISTORY).read_text()) for seed in seeds]
    last = [history[-1] for history in histories]
    drawn = np.sum([record["count"] for history in histories for record in history], axis=0)
    return {
        "success": np.mean([record["success_rate"] for record in last], axis=0).tolist(),
        "threshold": float(np.mean([record["threshold"] for record in last])),
        "drawn": (drawn / drawn.sum()).tolist(),
    }


def held_out(rows: Dict[str, List[Row]], chosen: Any = slice(None)) -> Results:
    """Success of each mode's runs on the chosen pairs, and differences between modes."""
    first, *_ = next(iter(rows.values()))
    bins, videos = first.bin[chosen], first.video[chosen]
    success = {
        mode: np.array([row.iou[chosen] > THRESHOLD for row in part], dtype=np.float64)
        for mode, part in rows.items()
    }

    def interval(values: Floats, where: Any) -> List[float]:
        counts = np.bincount(videos[where], minlength=len(first.names))
        sums = [np.bincount(videos[where], run[where], len(counts)) for run in values]
        return list(bootstrap_crossed(np.array(sums), counts))

    def by_bin(values: Floats) -> Results:
        each = [interval(values, bins == i) for i in range(len(first.labels))]
        return {"bins": each, "mean": interval(values, slice(None))}

    compared = [(a, b) for b in BASES for a in BASES[b] if a in success and b in success]
    return {
        "n_sequences": len(np.unique(videos)),
        "pairs": np.bincount(bins, minlength=len(first.labels)).tolist(),
        "middle": float((first.middle[chosen] > THRESHOLD).mean()),
        "success": {mode: by_bin(values) for mode, values in success.items()},
        "by_seed": {mode: values.mean(axis=1).tolist() for mode, values in success.items()},
        "less": {f"{a} - {b}": by_bin(success[a] - success[b]) for a, b in compared},
    }


def publish(found: Results, out: Path) -> None:
    """Write ``results.json`` and ``schedule.png``, and print the tables."""
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    picture(found).savefig(out / "schedule.png", dpi=100)
    for heading, table in tables(found).items():
        print(f"\n{heading}:\n\n{table}")


def tables(found: Results) -> Dict[str, str]:
    """All tables by heading, in Markdown."""
    shown = {}
    if "training" in found:  # which the demo leaves out
        shown["success while training"] = fall_table(found)
    for name, part in found["held_out"].items():
        heading = f"success on held-out pairs, {name}, %"
        shown[heading] = success_table(found["bins"], part["success"])
    return {**shown, "differences of mean success, points": difference_table(found)}


def fall_table(found: Results) -> str:
    """Success while training, by bin, in the last epoch of each mode's runs."""
    lines = [["last epoch", "IoU above", *found["bins"]]]
    for mode, part in found["training"].items():
        lines.append([mode, *(f"{value:.2f}" for value in (part["threshold"], *part["success"]))])
    return markdown(lines)


def success_table(labels: List[str], success: Results) -> str:
    """Success on held-out pairs by interval, a column for each mode."""
    lines = [["interval", *success]]
    for i, label in enumerate(labels):
        lines.append([label, *(_percent(part["bins"][i]) for part in success.values())])
    lines.append(["mean", *(_percent(part["mean"]) for part in success.values())])
    return markdown(lines)


def difference_table(found: Results) -> str:
    """Differences of the mean success in points, a column for each group of sequences."""
    groups = found["held_out"]
    lines = [["difference", *(f"{name} ({part['n_sequences']})" for name, part in groups.items())]]
    for name in next(iter(groups.values()))["less"]:
        cells = [_percent(part["less"][name]["mean"], sign="+") for part in groups.values()]
        lines.append([name.replace(" - ", " less "), *cells])
    return markdown(lines)


def _percent(interval: List[float], sign: str = "") -> str:
    if np.isnan(interval[0]):
        return "-"
    mean, low, high = (f"{100 * value:{sign}.1f}" for value in interval)
    return mean if np.isnan(interval[1]) else f"{mean} ({low} to {high})"


def markdown(lines: List[List[str]]) -> str:
    title, *rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([title, "|" + "---|" * len(lines[0]), *rows])


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
