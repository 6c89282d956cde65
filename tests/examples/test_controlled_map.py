"""The map of the controlled study: what its table counts, and what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("torch")
pytest.importorskip("tqdm")

from examples.controlled_study import study, tables
from examples.controlled_study.results import mean_gain, read_map
from examples.controlled_study.rows import MAP_ROWS
from examples.controlled_study.settings import map_cells
from examples.controlled_study.statistics import correlation
from examples.controlled_study.store import Store

STORED = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "controlled"


@pytest.fixture
def made_up_map(tmp_path):
    """`weighted` gains 2 points where drift is 0.5 and loses 1 elsewhere; `uniform` is `random`."""
    rng = np.random.default_rng(0)
    store = Store(tmp_path / "map.json", map_cells())
    for cell in map_cells():
        for seed in range(6 if cell.drift < 4 else 5):
            base = rng.uniform(0.4, 0.6, 8)
            for row in MAP_ROWS:
                gain = (0.02 if cell.drift == 0.5 else -0.01) if row == "weighted" else 0
                noise = 1e-4 * rng.normal(size=8)
                run = {"setting": cell.name, "row": row, "seed": seed}
                run["by_arena"] = (base + gain + noise).tolist()
                run["first_success"] = (0.5 - 0.05 * cell.drift * np.arange(7)).tolist()
                store.runs[cell.name, row, seed] = run
    store.save()
    return read_map(tmp_path)


def test_map_counts_the_cells_that_gain_and_that_lose(made_up_map):
    lines = tables.map_cells(made_up_map).splitlines()[2:]
    counts = [line.split(" | ")[2:] for line in lines]
    assert counts[0] == counts[1] == counts[3] == ["18 (18) of 72", "54 (54) of 72 |"]
    mean = (18 * 2 - 54) / 72
    assert mean_gain(made_up_map, ("weighted", "random")).mean == pytest.approx(mean, abs=0.02)


def test_map_takes_the_seeds_that_every_cell_has(made_up_map):
    assert {len(cell.differences["weighted", "random"]) for cell in made_up_map} == {5}


def test_slope_is_in_points_per_100_frames(made_up_map):
    for cell in made_up_map:
        assert cell.slope == pytest.approx(-5 * cell.setting.drift * 100 / 30, rel=0.1)


def test_correlation_is_that_of_ranks_as_scipy_has_it():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40))
    found = correlation(x, np.exp(x + y))
    expected = stats.spearmanr(x, x + y)
    assert (found.mean, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert 0 < found.low < found.mean < found.high < 1
    assert not correlation(x, y).excludes_zero


def test_correlation_within_groups_leaves_out_what_the_groups_differ_in():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 20)
    noise = rng.normal(size=(2, 60))
    assert correlation(groups + 0.1 * noise[0], groups + 0.1 * noise[1]).low > 0.7
    assert not correlation(groups + 0.1 * noise[0], groups + 0.1 * noise[1], groups).excludes_zero
    assert correlation(noise[0] - 5 * groups, noise[0] + 5 * groups, groups).mean == pytest.approx(
        1
    )


def test_stored_map_is_complete_and_paired():
    store = Store(STORED / "map.json")
    assert [s["name"] for s in store.made_by["settings"]] == [cell.name for cell in map_cells()]
    for cell in map_cells():
        assert store.seeds(cell.name, *MAP_ROWS) == list(range(study.MAP_SEEDS)), cell.name
        for seed in range(study.MAP_SEEDS):
            assert len({store.runs[cell.name, row, seed]["inputs"] for row in MAP_ROWS}) == 1
