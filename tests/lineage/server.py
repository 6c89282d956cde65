"""Runs programs one after the other, each in a process of its own that starts with torch imported.

What a run replaces in torch and elsewhere stays in its process. Starting Python, importing torch
and taking it all down again for each would need most of the tests' time.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

import matplotlib.pyplot as plt  # noqa: F401 (loaded before forks)
import torch

import examples.lineage.launcher  # noqa: F401 (with all that it imports)

torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)  # imports half of torch, once


def serve() -> None:
    """Read orders, a line of JSON each; answer with the exit status."""
    gc.freeze()  # the processes share what is there already
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(run(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1, flush=True)


def run(program: str, argv: list, log: str) -> int:
    """Do what ``python PROGRAM ARGV...`` does, output into files; returns the exit status."""
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{log}.{name}", os.O_CREAT | os.O_WRONLY), descriptor)
    torch.set_num_threads(1)
    sys.argv = [program, *argv]
    status = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 (as the interpreter does it)
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve()
