"""Train in several modes on one budget, and write down how they compare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional
from typing import Sequence as Names

from sstrack_sched.plotting import plot_schedule

from ..data.frames import FrameStore
from ..data.sequences import Sequence, fit_bins
from ..training.config import MODES, TrainConfig
from ..training.features import KeptFeatures
from ..training.trainer import train
from . import report
from .pairs import Evaluation, HeldOutPairs


def fit(
    config: TrainConfig, train_videos: List[Sequence], test_videos: List[Sequence]
) -> TrainConfig:
    """Settings with intervals that the videos can fill; says so where they change."""
    asked = (config.max_interval, config.spacing)
    found = fit_bins(train_videos, test_videos, *asked)
    if found != asked:
        print(f"the videos are short: M = {found[0]} in bins of m = {found[1]} frames")
    return replace(config, max_interval=found[0], spacing=found[1])


def run_row(
    config: TrainConfig,
    train_store: FrameStore,
    held_out: HeldOutPairs,
    folder: Path,
    *,
    kept: Optional[KeptFeatures] = None,
    resume: bool = False,
    progress: bool = True,
) -> Optional[Evaluation]:
    """Train once and test."""
    trainer = train(config, train_store, kept=kept, out=folder, resume=resume, progress=progress)
    if not trainer.finished:
        return None
    evaluation = held_out.evaluate(trainer.trained)
    figure = plot_schedule(trainer.history, labels=trainer.bins.labels)
    figure.savefig(folder / "schedule.png", dpi=100)
    return evaluation


def compare(
    config: TrainConfig,
    train_store: FrameStore,
    held_out: HeldOutPairs,
    out: Path,
    *,
    progress: bool = True,
) -> Optional[Dict[str, Evaluation]]:
    """Train in the demo's three modes from the same initial weights; write a folder for each."""
    evaluations: Dict[str, Evaluation] = {}
    for mode in ("random", "scheduled", "weighted"):
        print(f"{mode}: {MODES[mode]}", flush=True)
        evaluation = run_row(
            replace(config, mode=mode), train_store, held_out, out / mode, progress=progress
        )
        if evaluation is None:
            print(
                f"stopped; go on with: python -m examples.tracker.train --resume --out {out / mode}"
            )
            return None
        evaluations[mode] = evaluation
    return evaluations


def write_results(
    evaluations: Dict[str, Evaluation],
    config: TrainConfig,
    labels: Names[str],
    chance: Evaluation,
    out: Path,
) -> None:
    """Write ``results.json`` and the overview ``schedule.png`` of a comparison."""
    results = {
        "settings": config.to_dict(),
        "bins": list(labels),
        "held_out": report.numbers({**evaluations, "middle": chance}),
    }
    if "random" in evaluations:
        results["against_random"] = report.differences(evaluations, "random")
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    n_runs = next(iter(evaluations.values())).n_runs
    runs = "one training run each" if n_runs == 1 else f"{n_runs} training runs each"
    title = f"Success by interval, {runs}"
    report.overview(evaluations, labels, float(chance.success.mean()), title).savefig(
        out / "schedule.png", dpi=100
    )
