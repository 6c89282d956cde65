"""A Ctrl-C that lets the current step finish."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any


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

    def __exit__(self, *_: Any) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _ask(self, *_: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nstopping after this step; once more to quit at once", file=sys.stderr, flush=True)
