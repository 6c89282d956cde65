"""Train in several modes on one budget, and write down how they compare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Dict, Optional, Sequence

from sstrack_sched.plotting import plot_schedule

from ..data.frames import FrameStore
from ..training.config import MODES, TrainConfig
from ..training.trainer import Trainer, train
from . import report
from .pairs import Evaluation, HeldOutPairs


def compare(
    config: TrainConfig,
    train_store: FrameStore,
    held_out: HeldOutPairs,
    out: Path,
    *,
    progress: bool = True,
) -> Optional[Dict[str, Evaluation]]:
    """Train in the three modes from the same initial weights; write a folder for each.

    Parameters
    ----------
    config : TrainConfig
        Settings; its mode is replaced.
    train_store : FrameStore
        Videos to train on.
    held_out : HeldOutPairs
        What to test on.
    out : Path
        Run folder.
    progress : bool, default=True
        Show progress bars.

    Returns
    -------
    dict of str to Evaluation, or None
        By mode; None if Ctrl-C stopped it.
    """
    evaluations: Dict[str, Evaluation] = {}
    for mode, meaning in MODES.items():
        print(f"{mode}: {meaning}", flush=True)
        trainer = train(replace(config, mode=mode), train_store, out=out / mode, progress=progress)
        if not trainer.finished:
            print(
                f"stopped; go on with: python -m examples.tracker.train --resume --out {out / mode}"
            )
            return None
        evaluations[mode] = held_out.evaluate(trainer.model)
        _draw(trainer, evaluations[mode], out / mode)
    return evaluations


def _draw(trainer: Trainer, evaluation: Evaluation, folder: Path) -> None:
    success = {"held-out videos": evaluation.by_bin(evaluation.success)}
    figure = plot_schedule(trainer.history, labels=trainer.bins.labels, success=success)
    figure.savefig(folder / "schedule.png", dpi=100)


def write_results(
    evaluations: Dict[str, Evaluation],
    config: TrainConfig,
    labels: Sequence[str],
    chance: Evaluation,
    out: Path,
) -> None:
    """Write ``results.json`` and the overview ``schedule.png`` of a comparison.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        By mode.
    config : TrainConfig
        Settings of the runs.
    labels : sequence of str
        Name of each bin.
    chance : Evaluation
        Of always answering the middle.
    out : Path
        Run folder.
    """
    results = {
        "settings": config.to_dict(),
        "bins": list(labels),
        "held_out": report.numbers({**evaluations, "middle": chance}),
        "against_random": report.differences(evaluations, "random"),
    }
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    title = "Success by interval, one training run each"
    report.overview(evaluations, labels, float(chance.success.mean()), title).savefig(
        out / "schedule.png", dpi=100
    )
