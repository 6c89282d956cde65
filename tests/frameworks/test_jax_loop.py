"""examples/jax_loop.py: trains, schedules and resumes without PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sstrack_sched import IntervalBins

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "jax_loop.py"
N_BINS = len(IntervalBins(200, 30))
RUN = """
import runpy, sys
sys.argv[0] = {path!r}
{before}
runpy.run_path({path!r}, run_name="__main__")
print("torch" in sys.modules, file=sys.stderr)
"""

if not EXAMPLE.is_file():
    pytest.skip("no examples beside the tests", allow_module_level=True)


def run(*options, before=""):
    """Run the example in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", RUN.format(path=str(EXAMPLE), before=before), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(done):
    """Numbers that the example printed, one row per epoch."""
    assert done.returncode == 0, done.stderr
    return np.array([line.split() for line in done.stdout.splitlines()[1:]], float)


def test_example_without_jax_says_how_to_get_it():
    done = run(before="sys.modules['jax'] = None")
    assert done.returncode == 1
    assert "pip install jax" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run, and the state that it left."""
    pytest.importorskip("jax", reason="JAX is not installed")
    path = tmp_path_factory.mktemp("jax") / "state.json"
    done = run("--state", str(path))
    assert done.returncode == 0, done.stderr
    return done, json.loads(path.read_text("utf-8"))


def test_example_never_imports_torch(whole):
    assert whole[0].stderr.splitlines()[-1] == "False", whole[0].stderr


def test_example_learns_and_goes_from_easier_to_harder(whole):
    epoch, tau, d, success, q = np.split(rows(whole[0]), [1, 2, 3, 4], axis=1)
    assert epoch.ravel().tolist() == list(range(1, 9))
    assert tau[-1] > tau[0] + 0.1
    assert success[-1] > success[0]
    np.testing.assert_allclose(d.ravel(), np.sqrt(np.arange(1, 9) / 8), atol=0.006)
    np.testing.assert_allclose(q.sum(axis=1), 100, atol=0.005 * N_BINS)
    assert (np.diff(q @ np.arange(N_BINS)) > 0).all()
    np.testing.assert_allclose(q[-1], 100 / N_BINS, atol=0.006)


def test_example_longer_intervals_are_harder(whole):
    rates = whole[1]["scheduler"]["history"][0]["success_rate"]
    assert rates == sorted(rates, reverse=True)


def test_example_resumed_gives_the_same_numbers(whole, tmp_path):
    path = tmp_path / "state.json"
    first = rows(run("--state", str(path), "--stop-after", "3"))
    second = rows(run("--state", str(path)))
    assert first[:, 0].tolist() == [1, 2, 3]
    assert np.concatenate([first, second]).tolist() == rows(whole[0]).tolist()
    assert json.loads(path.read_text("utf-8")) == whole[1]
