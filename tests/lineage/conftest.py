"""Parts that the tests of the plug-ins share: stand-in checkouts, a data tree, and runs on them."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from .checkouts import ROOT, make_checkout, make_data

collect_ignore = ["standin", "server.py", "plain.py"]  # programs


def pytest_ignore_collect(collection_path):
    """Leave this folder out where a package is missing that the plug-ins or their tests need."""
    import importlib.util

    needed = ("torch", "cv2", "tqdm", "matplotlib", "yaml")
    if collection_path.suffix == ".py":
        return any(importlib.util.find_spec(name) is None for name in needed) or None
    return None


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data tree, not to be changed."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def checkouts(tmp_path_factory):
    """Stand-ins by the name of the tracker, not to be changed."""
    folder = tmp_path_factory.mktemp("checkouts")
    return {name: make_checkout(folder / name, name) for name in ("ostrack", "avtrack", "hit")}


@pytest.fixture
def import_from(monkeypatch):
    """Import a module of a checkout into this process, for one test; leaves no compiled files."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(checkout, name):
        monkeypatch.syspath_prepend(str(checkout))
        return importlib.import_module(name)

    yield load
    for name in [name for name in sys.modules if name.split(".")[0] == "lib"]:
        del sys.modules[name]


class Done(NamedTuple):
    """A program that has come to its end."""

    returncode: int
    out: str
    err: str


def environment():
    """For programs: one thread, and compiled files wherever they are not forbidden."""
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "MPLBACKEND": "agg"}
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **threads}


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Run a program in a process of its own; ``start(program, *arguments)``."""
    folder, count = tmp_path_factory.mktemp("output"), itertools.count()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(program, *arguments):
        log = folder / str(next(count))
        order = {"program": str(program), "argv": [*map(str, arguments)], "log": str(log)}
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        returncode = int(server.stdout.readline())
        out, err = (Path(f"{log}.{name}").read_text() for name in ("out", "err"))
        return Done(returncode, out, err)

    yield run
    server.stdin.close()
    assert server.wait(timeout=60) == 0
    server.stdout.close()


@pytest.fixture(scope="session")
def options(data, tmp_path_factory):
    """Command line of a small run: ``options(checkout, save_dir, *more)``."""
    cache = tmp_path_factory.mktemp("cache")

    def command(checkout, save_dir, *more, tree=data, seed=5, from_scratch=True):
        folders = {f"--{name}": tree / name for name in ("lasot", "got10k", "coco")}
        return [
            *("--checkout", checkout, "--config", "tiny", "--save-dir", save_dir),
            *itertools.chain(*folders.items()),
            *("--cache", cache, "--max-interval", 60, "--spacing", 15),
            *(() if seed is None else ("--seed", seed)),
            *(("--from-scratch",) if from_scratch else ()),
            *more,
        ]

    return command


@pytest.fixture(scope="session")
def train(start, checkouts, options):
    """Run a tracker's train.py on its stand-in: ``train(save_dir, *more)``."""

    def run(save_dir, *more, tracker="ostrack", checkout=None, **changed):
        program = ROOT / "examples" / tracker / "train.py"
        return start(program, *options(checkout or checkouts[tracker], save_dir, *more, **changed))

    return run


SIZES = ("--epochs", 3, "--samples-per-epoch", 320, "--set", "TRAIN.NUM_WORKER=2")


@pytest.fixture(scope="session")
def finished(train, tmp_path_factory):
    """Folder and output of a run with scheduler and loss weights."""
    folder = tmp_path_factory.mktemp("finished")
    done = train(folder, *SIZES)
    assert done.returncode == 0, done.err
    return folder, done


@pytest.fixture(scope="session")
def upstream(train, tmp_path_factory):
    """Folder of a run of the same sizes with the checkout's own sampler."""
    folder = tmp_path_factory.mktemp("upstream")
    done = train(folder, *SIZES, "--sampler", "upstream")
    assert done.returncode == 0, done.err
    return folder
