"""Checkpoints that are whole or not there."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Dict

import cv2
import torch

from .interrupt import Interrupt

__all__ = ["Interrupt", "load_checkpoint", "save_checkpoint", "start_worker"]

FORMAT = 1


def save_checkpoint(path: Path, state: Dict[str, Any]) -> None:
    """Write a checkpoint so that an interrupted write never leaves half a file.

    Parameters
    ----------
    path : Path
        Replaced if it exists; its folder is made if it does not.
    state : dict
        Tensors and plain Python values only, so that ``weights_only`` loading works.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> Dict[str, Any]:
    """Read a checkpoint; runs no code from the file.

    Parameters
    ----------
    path : Path
        What `save_checkpoint` wrote.

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is not of this format.
    """
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


def start_worker(_worker: int) -> None:
    """Set up a DataLoader worker.

    Parameters
    ----------
    _worker : int
        Its number, unused.

    Notes
    -----
    Ctrl-C reaches every process of the terminal: a worker ignores it, for the main process ends it.
    A worker is one of several, so OpenCV's own threads would only be in the way.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
