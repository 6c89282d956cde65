"""The controlled study: what its rows share, what its worlds promise, that it resumes."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("tqdm")

import torch

from examples.controlled_study import pictures, study, tables, training
from examples.controlled_study.model import back_propagate, embed, initial_weights, match
from examples.controlled_study.rows import (
    CONTROL_ROWS,
    FEW_ROWS,
    FIRST_ROWS,
    ROWS,
    mean_epoch,
    reversed_epochs,
)
from examples.controlled_study.settings import BINS, WORLDS, table_settings
from examples.controlled_study.statistics import Estimate, estimate, holm, significant
from examples.controlled_study.store import Store
from examples.controlled_study.world import make_world
from sstrack_sched import IntervalSampler

ROOT = Path(__file__).resolve().parents[2]
PAGE, STORED = ROOT / "docs" / "evidence.md", ROOT / "docs" / "evidence" / "controlled"
SHORT = dataclasses.replace(WORLDS[0], n_videos=12, epochs=6, steps=3, batch=16, rate=0.01)
FLOATS = "by_arena", "by_bin", "score", "mean_q", "first_success", "last_success"


@pytest.fixture(scope="module")
def short_runs():
    return {run["row"]: run for run in training.run_rows(SHORT, list(ROWS), seed=3)}


@pytest.fixture(scope="module")
def trained():
    """Per row: the epochs as drawn, and every call that a run makes for its inputs."""
    world = make_world(SHORT, 3)
    epochs = {}
    for name, row in ROWS.items():
        plan = row.replay(epochs[row.replayed]) if row.replayed else None
        epochs[name] = training.train(SHORT, row, 3, world, plan)[1]
    return epochs


# ---- each row differs from its control in nothing but what its name says ----


def test_rows_share_world_weights_rivals_and_budget(short_runs):
    assert len({run["inputs"] for run in short_runs.values()}) == 1
    (other,) = training.run_rows(SHORT, ["random"], seed=4)
    assert other["inputs"] != short_runs["random"]["inputs"]


def test_pairs_of_all_rows_show_the_same_videos(trained):
    sampler = IntervalSampler(make_world(SHORT, 3).videos, BINS, seed=3)
    for epoch in range(SHORT.epochs):
        drawn = [sampler.sample(epochs[epoch][0], epoch, 0, 48) for epochs in trained.values()]
        assert all((pairs.video == drawn[0].video).all() for pairs in drawn)
        assert any((pairs.bin != drawn[0].bin).any() for pairs in drawn[1:])


def test_scheduled_rows_begin_with_the_epoch_of_random(short_runs):
    for name, row in ROWS.items():
        if row.replayed is None and row.options.get("threshold") is None and name != "uniform":
            assert short_runs[name]["first_success"] == short_runs["random"]["first_success"], name


def test_rows_draw_and_weigh_as_their_names_say(trained):
    q_random = trained["random"][0][0]
    for name, row in ROWS.items():
        for q, weights in trained[name]:
            assert q.sum() == pytest.approx(1)
            assert row.weighted or (weights == 1).all()
    assert all((q == q_random).all() for q, _ in trained["random"])
    assert all(q == pytest.approx(1 / 7) for q, _ in trained["uniform"])
    assert all(q == pytest.approx(1 / 7) for q, _ in trained["d = 1, weighted"][1:])
    for q, weights in trained["normalised"]:
        assert (q * weights).sum() == pytest.approx(1)
    changes = [
        epoch
        for epoch in range(1, SHORT.epochs)
        if (trained["two updates"][epoch][0] != trained["two updates"][epoch - 1][0]).any()
    ]
    assert changes == [2, 3]  # after 33 % and 50 % of six epochs


def test_anti_runs_from_uniform_to_steep_and_the_schedule_the_other_way(trained):
    spread = {name: [np.ptp(q) for q, _ in trained[name][1:]] for name in ("scheduled", "anti")}
    assert spread["scheduled"][-1] < spread["scheduled"][0]
    assert spread["anti"][-1] > spread["anti"][0]


@pytest.mark.parametrize("name", ["scheduled", "weighted"])
def test_static_and_reversed_have_the_same_pairs_and_weight_per_bin(trained, name):
    suffix = ", weighted" if name == "weighted" else ""
    for replay in ("static" + suffix, "reversed" + suffix):
        for total in (lambda q, w: q, lambda q, w: q * w):
            sums = [sum(total(q, w) for q, w in trained[row]) for row in (name, replay)]
            assert sums[0] == pytest.approx(sums[1])
    assert mean_epoch(trained[name])[0][0] == pytest.approx(trained["static" + suffix][0][0])
    assert reversed_epochs(trained[name])[0][0] is trained[name][-1][0]


def test_weighted_without_its_weights_is_scheduled(short_runs):
    row = dataclasses.replace(ROWS["weighted"], weighted=False)
    result, _ = training.train(SHORT, row, 3, make_world(SHORT, 3))
    assert [result[f] for f in FLOATS] == [short_runs["scheduled"][f] for f in FLOATS]


# ---- the world ----


def test_success_falls_with_the_interval_where_appearance_drifts_only():
    fall = {}
    for world in WORLDS[:3]:
        setting = dataclasses.replace(world, epochs=5, steps=60, rate=0.01)
        (run,) = training.run_rows(setting, ["random"], seed=0)
        fall[world.name] = run["by_bin"][0] - run["by_bin"][-1]
    assert fall["steep"] > fall["drift"] > 0.1
    assert abs(fall["flat"]) < 0.03


def test_template_and_search_frame_of_interval_0_are_not_one_observation():
    world = make_world(SHORT, 0)
    one, other = world.frames[: world.videos.n_frames], world.frames[world.videos.n_frames :]
    assert 0.1 < np.std(one - other) < 0.2  # sqrt(2) times the noise
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8


# ---- the network ----


@pytest.mark.parametrize("width", [16, 32, 64])
def test_gradients_are_those_of_autograd(width):
    rng = np.random.default_rng(width)
    seen = torch.from_numpy(rng.normal(size=(2 * 64 + 15, 48)).astype(np.float32))
    same = torch.from_numpy(rng.random((64, 15)) < 0.05)
    loss_weight = torch.from_numpy(rng.uniform(0.5, 2, 64).astype(np.float32))
    weights = initial_weights(width, rng)
    losses = back_propagate(weights, seen, same, loss_weight)
    leaves = [w.clone().requires_grad_() for w in weights]
    expected = torch.nn.functional.cross_entropy(
        match(embed(leaves, seen), same), torch.zeros(64, dtype=torch.long), reduction="none"
    )
    (expected * loss_weight).mean().backward()
    torch.testing.assert_close(losses, expected.detach())
    for weight, leaf in zip(weights, leaves):
        torch.testing.assert_close(weight.grad, leaf.grad, rtol=1e-5, atol=1e-6)


# ---- repeatable and resumable ----


def test_a_fresh_process_reruns_a_cell_to_the_last_digit(short_runs):
    code = (
        "import json; from examples.controlled_study.settings import Setting;"
        "from examples.controlled_study.training import run_rows;"
        f"print(json.dumps(run_rows({SHORT!r}, ['reversed, weighted'], 3)[0]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == short_runs["reversed, weighted"]


def test_study_resumes_where_it_was_cut_off(tmp_path):
    tasks = [study.Task(SHORT, ["random", "uniform"], seed) for seed in range(3)]
    whole, cut = Store(tmp_path / "a.json", [SHORT]), Store(tmp_path / "b.json", [SHORT])
    study.run_missing(whole, tasks, 1, "whole")
    study.run_missing(cut, tasks[:1], 1, "cut")
    written = cut.path.stat().st_mtime_ns
    study.run_missing(Store(cut.path, [SHORT]), tasks[:1], 1, "nothing to do")
    assert cut.path.stat().st_mtime_ns == written
    study.run_missing(Store(cut.path, [SHORT]), tasks, 1, "rest")
    assert cut.path.read_bytes() == whole.path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_runs_of_other_settings_are_not_mixed(tmp_path):
    path = tmp_path / "a.json"
    run = {"setting": "x", "row": "random", "seed": 0}
    Store(path, [SHORT]).add([run])
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="other versions or settings"):
        Store(path, [dataclasses.replace(SHORT, rate=1.0)]).add([run])
    assert path.read_bytes() == before


# ---- statistics ----


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        draws = 1 + rng.normal(size=(8, 1)) + 0.1 * rng.normal(size=(8, 4))
        found = estimate(draws)
        covered += found.low <= 1 <= found.high
    assert 0.9 <= covered / 200 <= 0.99


def test_estimate_of_equal_rows_is_nothing():
    assert estimate(np.zeros((8, 4))) == Estimate(0, 0, 0, 1)


def test_holm_is_that_of_the_textbook_and_needs_the_interval_too():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    pair = [Estimate(1, 0.5, 1.5, 0.001), Estimate(1, -0.5, 2.5, 0.001)]
    assert significant(pair).tolist() == [True, False]


# ---- the page ----


def test_page_has_the_tables_of_the_stored_results():
    text = PAGE.read_text("utf-8")
    found = tables.all_tables(STORED)
    assert set(re.findall(r"<!-- table (\w+) -->", text)) == {*found, "gpu"}
    assert tables.with_tables(text, STORED) == text


def test_stored_results_are_complete_paired_and_small():
    settings = [s["name"] for s in Store(STORED / "tables.json").made_by["settings"]]
    store = Store(STORED / "tables.json")
    assert settings == [s.name for s in table_settings(dict.fromkeys((w.name for w in WORLDS), 1))]
    for name in settings:
        rows = {"drift": list(ROWS), "slower": [r.name for r in FIRST_ROWS]}.get(name, FEW_ROWS[:4])
        assert store.seeds(name, *rows) == list(range(study.SEEDS)), name
        for seed in range(study.SEEDS):
            assert len({store.runs[name, row, seed]["inputs"] for row in rows}) == 1
    assert sum(path.stat().st_size for path in STORED.glob("*.json")) < 1_500_000
    assert all(path.stat().st_size < 150_000 for path in STORED.glob("*.png"))


def test_pictures_are_drawn_from_the_files_alone(tmp_path):
    for path in STORED.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pictures.draw_all(tmp_path)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {path.name for path in STORED.glob("*.png")}


def test_every_row_is_in_a_table():
    assert set(ROWS) == {row.name for row in FIRST_ROWS + CONTROL_ROWS} | set(tables.PAPER)
    assert {name for _, *pair in tables.QUESTIONS for name in pair} <= set(ROWS)
