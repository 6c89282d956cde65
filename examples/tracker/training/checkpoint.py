"""Checkpoints that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import torch

FORMAT = 1


def save_checkpoint(path: Path, state: Dict[str, Any]) -> None:
    """Write tensors and plain values; an interrupted write never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> Dict[str, Any]:
    """Read a checkpoint; runs no code from the file."""
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several kinds for what is no file of its
        raise ValueError(f"{path} is no checkpoint: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise ValueError(f"{path} must be a checkpoint of format {FORMAT}; got {found!r}")
    if "config" not in state or "curriculum" not in state:
        raise ValueError(f"{path} must be a checkpoint of a run; got a file of {sorted(state)}")
    return state
