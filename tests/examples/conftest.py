"""Fixtures that the tests of the example tracker share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "epochs": 3,
    "samples_per_epoch": 20,
    "batch_size": 8,
    "warmup_steps": 1,
    "max_interval": 30,
    "spacing": 10,
    "seed": 7,
}


def pytest_ignore_collect(collection_path):
    """Leave this folder out where torch, OpenCV or scikit-image is missing."""
    import importlib.util

    needed = ("torch", "cv2", "skimage", "tqdm", "matplotlib")
    if collection_path.name.startswith("test_"):
        return any(importlib.util.find_spec(name) is None for name in needed) or None
    return None


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks gain nothing from threads, which on a busy machine wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_engine(monkeypatch, request):
    """The tests' own process computes with PyTorch; those that need OpenVINO run apart.

    On virtual machines a process that has used OpenVINO has died as soon as it started a program or
    a signal reached it, in whatever test it was then (`OPENVINO_TESTS` in the Makefile).
    """
    from examples.tracker.inference.engines import ENGINES, OpenVinoEngine

    monkeypatch.setattr(OpenVinoEngine, "best_precision", classmethod(lambda cls: "float32"))
    if request.path.stem not in ("test_inference", "test_still"):
        monkeypatch.delitem(ENGINES, "openvino")


def start_module(module, *arguments, **options):
    """Start ``python -m examples.tracker.<module>`` as a user would; returns the process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", f"examples.tracker.{module}", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def run_module(module, *arguments, timeout=120):
    """Run it to its end; returns the exit status and both outputs."""
    process = start_module(module, *arguments)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def textured(rng, height=90, width=120):
    """An image with something to see at every scale."""
    import cv2

    coarse = rng.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def moving_square(name, n_frames=40, seed=0, size=(90, 120)):
    """A sequence held in memory: a bright square of 20 pixels crosses a textured image."""
    from examples.tracker.data.sequences import Sequence

    scene = textured(np.random.default_rng(seed), *size)
    frames = np.repeat(scene[None], n_frames, axis=0)
    boxes = np.empty((n_frames, 4))
    for i in range(n_frames):
        left, top = 10 + i, 30 + seed % 5
        frames[i, top : top + 20, left : left + 20] = (250, 240, 30 * (seed % 8))
        boxes[i] = left, top, 20, 20
    return Sequence(name, frames, boxes, np.ones(n_frames, dtype=bool))


@pytest.fixture
def squares():
    """Three short sequences."""
    return [moving_square(f"square-{i}", seed=i) for i in range(3)]


@pytest.fixture
def tiny_config():
    """Settings of a run of seconds."""
    from examples.tracker.training.config import TrainConfig

    return TrainConfig(**TINY)
