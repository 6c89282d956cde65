"""Rows of a study: one training run each, in a folder of its own, and what it answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ..training.config import TrainConfig
from .pairs import Evaluation, HeldOutPairs

ROW = "evaluation.npz"


@dataclass(frozen=True, eq=False)
class Row:
    """A run that is done.

    Parameters
    ----------
    config : TrainConfig
        Its settings.
    labels : list of str
        Name of each bin.
    evaluation, middle : Evaluation
        Of the trained tracker, and of always answering the middle.
    names : list of str
        Of the held-out sequences.
    """

    config: TrainConfig
    labels: List[str]
    evaluation: Evaluation
    middle: Evaluation
    names: List[str]

    @classmethod
    def of(cls, config: TrainConfig, evaluation: Evaluation, held_out: HeldOutPairs) -> Row:
        """A row of what was asked and answered."""
        labels = list(held_out.bins.labels)
        return cls(config, labels, evaluation, held_out.middle(), held_out.names)

    def save(self, folder: Path) -> None:
        """Write it into a folder, whole or not at all."""
        about = {
            "config": self.config.to_dict(),
            "labels": self.labels,
            "names": self.names,
            "threshold": self.evaluation.threshold,
        }
        partial = folder / f"{ROW}.partial"
        with partial.open("wb") as file:
            np.savez(
                file,
                about=np.array(json.dumps(about)),
                iou=self.evaluation.iou,
                middle=self.middle.iou,
                bin=self.evaluation.bin,
                video=self.evaluation.video,
            )
        partial.replace(folder / ROW)

    @classmethod
    def load(cls, folder: Path) -> Optional[Row]:
        """The row of a folder; None if it is not done."""
        path = folder / ROW
        if not path.is_file():
            return None
        try:
            with np.load(path) as arrays:
                about = json.loads(str(arrays["about"]))
                evaluation, middle = (
                    Evaluation(
                        arrays[name],
                        arrays["bin"],
                        arrays["video"],
                        len(about["labels"]),
                        about["threshold"],
                    )
                    for name in ("iou", "middle")
                )
            config = TrainConfig.from_dict(about["config"])
        except (KeyError, ValueError, EOFError) as error:
            raise ValueError(f"{path} is no row of a study: {error}") from None
        return cls(config, about["labels"], evaluation, middle, about["names"])

    def check(self, config: TrainConfig) -> None:
        """Refuse to be compared with a run of other settings than mode and seed."""
        differences = self.config.differences(
            replace(
                config,
                mode=self.config.mode,
                distribution=self.config.distribution,
                seed=self.config.seed,
            )
        )
        if differences:
            words = ", ".join(f"{name} {a!r} and {b!r}" for name, (a, b) in differences.items())
            raise ValueError(f"rows of one study must differ in mode and seed only; got {words}")


def collect(out: Path) -> Tuple[List[Row], Dict[str, Evaluation], List[int]]:
    """All rows of a study that can be compared."""
    found = [Row.load(path.parent) for path in sorted(out.glob(f"*/{ROW}"))]
    rows = [row for row in found if row is not None]
    if not rows:
        raise ValueError(f"no row of a study is done in {out}")
    by_mode: Dict[str, Dict[int, Row]] = {}
    for row in rows:
        row.check(rows[0].config)
        if not _same_pairs(row, rows[0]):
            raise ValueError(f"rows in {out} were tested on different pairs: evaluate them anew")
        by_mode.setdefault(row.config.mode, {})[row.config.seed] = row
    seeds = sorted(set.intersection(*(set(of_mode) for of_mode in by_mode.values())))
    if not seeds:
        done = {mode: sorted(of_mode) for mode, of_mode in by_mode.items()}
        raise ValueError(f"no seed is done in all modes: {done}")
    evaluations = {
        mode: _stack([of_mode[seed].evaluation for seed in seeds])
        for mode, of_mode in by_mode.items()
    }
    return rows, evaluations, seeds


def _same_pairs(first: Row, second: Row) -> bool:
    names = ("bin", "video")
    same: List[Any] = [
        np.array_equal(getattr(first.evaluation, name), getattr(second.evaluation, name))
        for name in names
    ]
    return all(same) and np.array_equal(first.middle.iou, second.middle.iou)


def _stack(runs: List[Evaluation]) -> Evaluation:
    return replace(runs[0], iou=np.stack([run.iou for run in runs]))
