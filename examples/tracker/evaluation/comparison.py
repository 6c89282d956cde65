"""Train in several modes on one budget, and tell how they compare."""

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
from . import evidence
from .pairs import Evaluation, HeldOutPairs

Evaluations = Dict[str, Evaluation]  # by mode


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
) -> Optional[Evaluation]:
    """Train once and test; None if Ctrl-C stopped it."""
    trainer = train(config, train_store, kept=kept, out=folder, resume=resume)
    if not trainer.finished:
        return None
    evaluation = held_out.evaluate(trainer.trained)
    figure = plot_schedule(trainer.history, labels=trainer.bins.labels)
    figure.savefig(folder / "schedule.png", dpi=100)
    return evaluation


def compare(
    config: TrainConfig, train_store: FrameStore, held_out: HeldOutPairs, out: Path
) -> Optional[Evaluations]:
    """Train in the demo's three modes from the same initial weights; write a folder for each."""
    evaluations: Evaluations = {}
    for mode in ("random", "scheduled", "weighted"):
        print(f"{mode}: {MODES[mode]}", flush=True)
        evaluation = run_row(replace(config, mode=mode), train_store, held_out, out / mode)
        if evaluation is None:
            print(f"stopped; python -m examples.tracker.train --resume --out {out / mode} goes on")
            return None
        evaluations[mode] = evaluation
    return evaluations


def write_results(
    evaluations: Evaluations, config: TrainConfig, labels: Names[str], middle: Evaluation, out: Path
) -> None:
    """Write ``results.json`` and the overview ``schedule.png`` of a comparison."""
    found = {"settings": config.to_dict(), "seeds": [config.seed]}
    found.update(_found(evaluations, labels, middle))
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    evidence.picture(found).savefig(out / "schedule.png", dpi=100)


def summary(evaluations: Evaluations, labels: Names[str], middle: Evaluation) -> str:
    """Result of a comparison, in words that claim no more than it shows."""
    tables = evidence.held_out_tables(_found(evaluations, labels, middle))
    ious = ", ".join(f"{mode} {e.iou.mean():.3f}" for mode, e in evaluations.items())
    lines = [
        *(f"\n{heading}:\n\n{table}" for heading, table in tables.items()),
        f"\nmean IoU of {len(middle.bin)} pairs, as many for each interval: {ious}",
        f"success of always answering the middle of the crop: {100 * middle.success.mean():.1f}",
        "One short run each: the 95 % intervals leave out how much another seed would change.",
    ]
    return "\n".join(lines)


def _found(evaluations: Evaluations, labels: Names[str], middle: Evaluation) -> evidence.Results:
    held_out = {"held-out videos": evidence.held_out(evaluations, middle)}
    return {"bins": list(labels), "held_out": held_out}
