"""examples/quickstart.py and the table of real IoUs that it draws from."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from sstrack_sched import IntervalBins

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "quickstart.py"
TABLE = ROOT / "examples" / "quickstart_ious.csv"
MAKER = ROOT / "examples" / "make_quickstart_table.py"
SOURCE = ROOT.parent / "shared" / "data" / "annotations"
BINS = IntervalBins(max_interval=200, spacing=30)


@pytest.fixture(scope="module")
def header():
    """The numbers in the table's comments, by name."""
    lines = [
        line[2:].split(",") for line in TABLE.read_text("utf-8").splitlines() if line[0] == "#"
    ]
    names = ("frames", "runs", "mean_iou", "success_at_0.5")
    return {name: np.array(row, float) for name, *row in lines if name in names}


def quantiles():
    table = np.loadtxt(TABLE, delimiter=",")
    return table[:, 0], table[:, 1:].T


def test_example_is_a_loop_of_under_40_lines():
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 40


def test_example_prints_distributions_that_go_from_easier_to_harder(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    epoch, tau, d, success, q = np.split(np.array(rows, float), [1, 2, 3, 4], axis=1)
    assert epoch.ravel().tolist() == list(range(10))
    assert q.shape == (10, len(BINS))
    np.testing.assert_allclose(q.sum(axis=1), 100, atol=0.05 * len(BINS))
    np.testing.assert_allclose(d.ravel(), np.sqrt(np.arange(1, 11) / 10), atol=0.005)
    mean_interval = q @ np.arange(len(BINS))
    assert (np.diff(mean_interval) > 0).all()
    np.testing.assert_allclose(q[-1], 100 / len(BINS), atol=0.05)
    assert ((tau > 0.5) & (tau < 0.8)).all()
    assert ((success > 0) & (success < 1)).all()


def test_table_holds_quantiles_that_reproduce_its_own_summary(header):
    levels, values = quantiles()
    assert values.shape == (len(BINS), 101)
    assert (np.diff(values, axis=1) >= 0).all()
    assert values.min() >= 0
    assert values.max() <= 1
    for row, mean, success in zip(values, header["mean_iou"], header["success_at_0.5"]):
        draws = np.interp(np.linspace(0, 1, 100_001), levels, row)
        assert draws.mean() == pytest.approx(mean, abs=0.005)
        assert (draws > 0.5).mean() == pytest.approx(success, abs=0.01)


def test_table_longer_intervals_are_harder(header):
    assert (np.diff(header["mean_iou"]) < 0).all()
    assert (np.diff(header["success_at_0.5"]) < 0).all()


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the tracker's raw results are not at hand")
def test_table_equals_what_the_raw_results_give():
    make = runpy.run_path(str(MAKER))["quantile_table"]
    assert make(SOURCE, BINS) == TABLE.read_text("utf-8").splitlines()


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the tracker's raw results are not at hand")
def test_table_each_run_begins_on_its_template():
    first = [ious[0] for ious in runpy.run_path(str(MAKER))["runs"](SOURCE)]
    assert len(first) == 2000
    assert min(first) > 0.5
