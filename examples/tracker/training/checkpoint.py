"""Checkpoints that are whole or not there, and a Ctrl-C that lets the current step finish."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Dict, Optional, Type

import cv2
import torch

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


class Interrupt:
    """While entered, the first Ctrl-C sets ``requested``; the second raises KeyboardInterrupt.

    In a thread other than the main one, where Python allows no signal handler, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _ask(self, _number: int, _frame: Optional[FrameType]) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nstopping after this step; once more to quit at once", file=sys.stderr, flush=True)


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
