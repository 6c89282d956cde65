"""The benchmark of training times all ways; no figure is checked: clocks differ."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from .conftest import ROOT, moving_square

SCRIPT = ROOT / "benchmarks" / "training_speed.py"

if not SCRIPT.is_file():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))  # the script adds a folder
    spec = importlib.util.spec_from_file_location("training_speed", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    videos = [moving_square(f"v-{i}", 30, seed=i) for i in range(2)]
    thin = [replace(video, visible=np.arange(30) % 10 == 0) for video in videos]
    monkeypatch.setattr(script, "load_videos", lambda config: (thin, []))
    return script


def test_all_ways_are_timed_and_the_threads_are_left(script, tmp_path, capsys):
    words = ["--batch-size", "2", "--steps", "1", "--max-interval", "21", "--spacing", "20"]
    threads = torch.get_num_threads()
    assert script.main([*words, "--rounds", "1", "--json", str(tmp_path / "speed.json")]) == 0
    assert torch.get_num_threads() == threads
    found = json.loads((tmp_path / "speed.json").read_text())
    rates = found["pairs_per_minute_of_processor"]
    assert set(rates) == set(script.WAYS) and min(rates.values()) > 0
    assert found["frames"] == 6
    assert capsys.readouterr().out.count("pairs per minute") == 3


def test_a_backbone_that_learns_is_refused(script, capsys):
    assert script.main(["--frozen-stages", "0"]) == 1
    assert "keep_features needs a backbone that is frozen" in capsys.readouterr().err
