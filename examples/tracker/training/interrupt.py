"""How programs end: a Ctrl-C that lets the current step finish, and the exit status."""

from __future__ import annotations

import signal
import sys
from typing import Any, Callable


class Interrupt:
    """While entered, the first Ctrl-C sets ``requested``; the second raises KeyboardInterrupt."""

    requested = False

    def __enter__(self) -> Interrupt:
        self._previous = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _ask(self, *_: Any) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print("\nstopping after this step; once more to quit at once", file=sys.stderr, flush=True)


def exit_status(work: Callable[[], bool]) -> int:
    """Of a program: 0 done, 1 settings or data cannot be used, 130 Ctrl-C, or ``work`` is False."""
    try:
        return 0 if work() else 130
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
