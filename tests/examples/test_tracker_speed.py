"""The speed benchmark runs and prints its rows; no figure is checked: clocks differ."""

from __future__ import annotations

import importlib.util
import json
import sys

import cv2
import pytest

from examples.tracker.evaluation import trackers as peers
from examples.tracker.models import build_model
from examples.tracker.models.weights import save_weights

from .conftest import ROOT, moving_square

SCRIPT = ROOT / "benchmarks" / "tracker_speed.py"

if not SCRIPT.is_file():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the script on a short video with torch alone, which needs no export."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # the script adds a folder
    monkeypatch.setattr(peers, "_bgr", peers._bgr)  # the script replaces it
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    n_threads = cv2.getNumThreads()
    spec = importlib.util.spec_from_file_location("tracker_speed", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    square = moving_square("square", n_frames=12)
    frames = list(square.frames)
    monkeypatch.setattr(
        script, "load_videos", lambda _: ([], [("square", frames, square.boxes[0])])
    )
    monkeypatch.setattr(script, "BIG", {"1280 x 720": (720, 1280)})
    monkeypatch.setattr(peers, "NAMES", ("nano",))
    save_weights(tmp_path / "w.pt", build_model("conv_small"), "conv_small", {})

    def run(*options):
        figures = tmp_path / "figures.json"
        arguments = ["--weights", tmp_path / "w.pt", "--quick", "--json", figures, *options]
        monkeypatch.setattr(sys, "argv", ["tracker_speed.py", *map(str, arguments)])
        monkeypatch.setattr(script, "calibrated", lambda *_: None)
        script.main()
        return json.loads(figures.read_text())

    yield run
    cv2.setNumThreads(n_threads)


def test_speed_benchmark_prints_a_row_for_each_tracker_and_number_of_threads(run, capsys):
    figures = run("--threads", "1", "2")
    printed = capsys.readouterr().out
    rows = {(row["tracker"], row["threads"]): row for row in figures["rows"]}
    for threads in (1, 2):
        assert rows["torch float32", threads]["ratio"] == 1.0
        assert rows["torch float32", threads]["iou_same_previous"] == 1.0
        assert rows["torch float32", threads]["iou_free_running"] == pytest.approx(1.0)
        assert rows["torch bfloat16", threads]["milliseconds"] > 0
    assert "skipped: nano: " in printed and "crop of 1280 x 720" in printed


def test_speed_benchmark_prints_memory(run, capsys):
    figures = run("--memory")
    assert len(figures["memory_mb"]) == 10
    assert "200 frames" in capsys.readouterr().out
