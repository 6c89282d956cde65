"""Size of ViT-Tiny as a tracker, ours and OSTrack's, as `benchmarks/model_size.py` counts it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks" / "model_size.py"
CHECKOUT = os.environ.get("OSTRACK_ROOT")

if not SCRIPT.is_file():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)
for needed in ("torch", "tqdm", "yaml"):  # what the examples import
    pytest.importorskip(needed)


MISSING = [name for name in ("thop", "timm", "easydict") if importlib.util.find_spec(name) is None]
needs_thop = pytest.mark.skipif("thop" in MISSING, reason="not installed: thop")
needs_checkout = pytest.mark.skipif(
    CHECKOUT is None or bool(MISSING),
    reason=f"not installed: {MISSING}" if CHECKOUT else "OSTRACK_ROOT names no checkout of OSTrack",
)


def run(*arguments, python=()):
    """The script in a process of its own: it changes torch for the checkout's sake."""
    command = [sys.executable, *(python or [str(SCRIPT)]), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_thop
def test_model_size_of_our_vit_tiny_is_the_papers(tmp_path):
    figures = tmp_path / "figures.json"
    ended = run("--json", figures)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[1][-8:] == ["7.98", "M", "2.39", "G", "8.04", "M", "2.85", "G"]
    assert lines[2][-8:] == ["7.98", "M", "1.92", "G", "8.04", "M", "2.20", "G"]
    assert lines[3][:6] == ["the", "paper", "8.0", "M", "1.9", "G"]

    rows = json.loads(figures.read_text("utf-8"))["rows"]
    assert [row["parameters"] for row in rows] == [7_979_205] * 2
    # What thop does not see: positions of 64 cells of the template and 256 of the search crop.
    assert [row["all_parameters"] - row["parameters"] for row in rows] == [192 * (64 + 256)] * 2


def test_model_size_of_another_folder_names_the_files_looked_for(tmp_path):
    ended = run("--checkout", tmp_path)
    assert ended.returncode == 1 and ended.stdout == ""
    assert f"{tmp_path} has no lib/train/run_training.py" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_model_size_without_thop_says_how_to_install_it():
    run_path = f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    ended = run(python=["-c", f"import runpy, sys; sys.modules['thop'] = None; {run_path}"])
    assert ended.returncode == 1 and ended.stdout == ""
    assert "thop" in ended.stderr and "pip install thop" in ended.stderr
    assert "Traceback" not in ended.stderr


@needs_checkout
def test_model_size_of_ostrack_with_vit_tiny_is_the_papers(tmp_path):
    figures = tmp_path / "figures.json"
    ended = run("--checkout", CHECKOUT, "--json", figures)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[3][:7] == ["OSTrack,", "all", "candidates", "7.98", "M", "2.39", "G"]
    assert lines[4][:7] == ["OSTrack,", "candidate", "elimination", "7.98", "M", "1.92", "G"]
    assert lines[5][:6] == ["the", "paper", "8.0", "M", "1.9", "G"]

    written = json.loads(figures.read_text("utf-8"))
    plain, eliminating = written["rows"][2:]
    assert [row["parameters"] for row in (plain, eliminating)] == [7_979_205] * 2
    assert round(eliminating["parameters"] / 1e6, 1) == written["paper"]["parameters"] / 1e6
    assert round(eliminating["macs"] / 1e9, 1) == written["paper"]["macs"] / 1e9
    # What thop does not see: position embeddings (197 pretrained tokens, 64 of the template, 256 of
    # the search image) and the class token.
    assert plain["all_parameters"] - plain["parameters"] == 192 * (197 + 64 + 256 + 1)
    # Ours leaves out the template's last norm, which nobody reads: 4 a value, as thop counts.
    ours = written["rows"][:2]
    for mine, theirs in zip(ours, (plain, eliminating)):
        assert theirs["macs"] - mine["macs"] == 4 * 192 * 64
