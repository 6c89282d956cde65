"""Results in one JSON file, with their origin and one line per run; safe to interrupt."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

import numpy as np
import torch

import sstrack_sched

from .settings import Setting

DIGITS = 4
Key = Tuple[str, str, int]  # setting, row, seed


class Store:
    """Runs by setting, row and seed.

    Runs of other versions or settings are never mixed with new ones: `add` refuses.
    """

    def __init__(self, path: Path, settings: Iterable[Setting] = ()) -> None:
        self.path = path
        self.made_by = json.loads(json.dumps(made_by(settings)))
        self.runs: Dict[Key, Dict[str, Any]] = {}
        self.foreign = False
        if path.exists():
            content = json.loads(path.read_text("utf-8"))
            self.foreign = content["made_by"] != self.made_by
            self.runs = {key_of(run): run for run in content["runs"]}
            if self.foreign:
                self.made_by = content["made_by"]

    def add(self, runs: List[Dict[str, Any]]) -> None:
        if self.foreign:
            raise SystemExit(
                f"{self.path} was made by other versions or settings, and is not complete; "
                "remove it, or choose another --out"
            )
        self.runs.update((key_of(run), rounded(run)) for run in runs)
        self.save()

    def save(self) -> None:
        """Replace the file atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(self.runs[key], separators=(",", ":")) for key in sorted(self.runs))
        draft = self.path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(
            f'{{"made_by": {json.dumps(self.made_by)},\n"runs": [\n' + ",\n".join(lines) + "\n]}\n",
            encoding="utf-8",
        )
        draft.replace(self.path)

    def seeds(self, setting: str, *rows: str) -> List[int]:
        """Return the seeds that all given rows have."""
        have = [{k[2] for k in self.runs if k[:2] == (setting, row)} for row in rows]
        return sorted(set.intersection(*have))

    def array(self, setting: str, row: str, field: str, seeds: Iterable[int]) -> np.ndarray:
        """Return one field of a row's runs, with the seeds as first axis."""
        return np.array([self.runs[setting, row, seed][field] for seed in seeds])


def key_of(run: Dict[str, Any]) -> Key:
    return run["setting"], run["row"], run["seed"]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, list):
        return [rounded(x) for x in value]
    if isinstance(value, dict):
        return {name: rounded(x) for name, x in value.items()}
    return value


def made_by(settings: Iterable[Setting]) -> Dict[str, Any]:
    return {
        "command": "python -m examples.controlled_study",
        "sstrack_sched": sstrack_sched.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "settings": [dataclasses.asdict(setting) for setting in settings],
    }
