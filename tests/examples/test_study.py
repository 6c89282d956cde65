"""The study: rows that stop, go on and are compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.tracker import study
from examples.tracker.data.frames import FrameStore
from examples.tracker.evaluation.evidence import ROW, Row, collect
from examples.tracker.evaluation.pairs import HeldOutPairs
from examples.tracker.training.config import MODES, TrainConfig
from examples.tracker.training.trainer import Trainer
from sstrack_sched import IntervalBins

from .conftest import moving_square, run_module

SETTINGS = [
    *("--epochs", "2", "--samples-per-epoch", "8", "--batch-size", "4"),
    *("--max-interval", "20", "--spacing", "10"),
]


@pytest.fixture(autouse=True)
def few_videos(monkeypatch):
    """A few squares in place of rendered videos."""

    def squares(_config, **_videos):
        return [moving_square(f"s-{i}", 30, seed=i) for i in range(3)], [moving_square("t", 30)] * 2

    monkeypatch.setattr(study, "load_videos", squares)


def run(out, *arguments):
    return study.main(["--out", str(out), "--pairs-per-bin", "4", *SETTINGS, *arguments])


def test_study_rows_are_done_once_and_compared(tmp_path, capsys, monkeypatch):
    assert run(tmp_path, "--modes", "random", "weighted", "--seeds", "2") == 0
    printed = capsys.readouterr().out
    assert printed.index("success of the shipped tracker") < printed.index("random-0: ")
    assert printed.index("success while training") < printed.index("held-out pairs")
    assert "seeds 0, 1; tables" in printed
    names = {path.name for path in tmp_path.iterdir()}
    rows = {"random-0", "random-1", "weighted-0", "weighted-1"}
    assert names == rows | {"results.json", "schedule.png"}
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["held_out"]["real sequences"]["success"]) == {"random", "weighted"}
    assert list(results["held_out"]["real sequences"]["less"]) == ["weighted - random"]
    files = {"checkpoint.pt", "evaluation.npz", "history.json", "schedule.png", "weights.pt"}
    assert {path.name for path in (tmp_path / "random-1").iterdir()} == files

    def refuse(*_arguments, **_options):
        raise AssertionError("trained again")

    monkeypatch.setattr(study, "train", refuse)
    assert run(tmp_path, "--modes", "random", "--first-seed", "1") == 0
    assert "random-1: done before" in capsys.readouterr().out
    monkeypatch.setattr(study, "load_videos", refuse)
    assert run(tmp_path, "--compare") == 0
    again = json.loads((tmp_path / "results.json").read_text())
    del again["made_with"]["command"], results["made_with"]["command"]
    assert again == results


def test_study_row_that_stopped_goes_on_to_the_same_end(tmp_path, monkeypatch):
    assert run(tmp_path / "whole", "--modes", "weighted") == 0
    whole_run = Trainer.run
    monkeypatch.setattr(Trainer, "run", lambda self, *a, **k: whole_run(self, *a, max_steps=3, **k))
    assert run(tmp_path / "cut", "--modes", "weighted") == 130
    assert not (tmp_path / "cut" / "weighted-0" / ROW).exists()
    monkeypatch.setattr(Trainer, "run", whole_run)
    steps, whole_step = [], Trainer._step
    monkeypatch.setattr(
        Trainer, "_step", lambda self, batch: steps.append(1) or whole_step(self, batch)
    )
    assert run(tmp_path / "cut", "--modes", "weighted") == 0
    assert len(steps) == 1  # of four
    first, second = (Row.load(tmp_path / name / "weighted-0") for name in ("whole", "cut"))
    np.testing.assert_array_equal(first.iou, second.iou)


def make_study(out):
    config = TrainConfig(
        epochs=2, samples_per_epoch=8, batch_size=4, max_interval=20, spacing=10, pretrained=""
    )
    return study.Study(config, out, n_test_clips=0, pairs_per_bin=4)


def test_study_rows_differ_in_nothing_but_what_their_name_says(tmp_path):
    rows = make_study(tmp_path)
    assert rows.train("scheduled", 3)
    configs = {mode: rows.row(mode, 3) for mode in MODES}
    trainers = {mode: Trainer(config, rows.store) for mode, config in configs.items()}
    first = trainers["random"]
    for mode, trainer in trainers.items():
        different = set(configs[mode].differences(configs["random"])) - {"mode", "distribution"}
        assert not different
        for name, value in first.model.state_dict().items():
            assert torch.equal(value, trainer.model.state_dict()[name])
        assert str(trainer.optimiser.state_dict()) == str(first.optimiser.state_dict())
        assert len(trainer.curriculum.sampler) == 8
        assert trainer.curriculum.source.identity == first.curriculum.source.identity
    # Those that start from the random sampler's distribution see the same pairs in epoch 0.
    seen = {mode: list(trainer.curriculum.sampler) for mode, trainer in trainers.items()}
    assert seen["random"] == seen["scheduled"] == seen["weighted"]
    assert [pair.number for pair in seen["uniform"]] == [pair.number for pair in seen["random"]]
    np.testing.assert_array_equal(trainers["uniform"].curriculum.distribution, [0.5, 0.5])


def test_study_kept_distributions_are_never_moved(tmp_path):
    rows = make_study(tmp_path)
    for mode in ("scheduled", "random", "uniform", "static"):
        assert rows.train(mode, 0)
    histories = {
        mode: json.loads((tmp_path / f"{mode}-0" / "history.json").read_text())
        for mode in ("scheduled", "random", "uniform", "static")
    }
    used = {m: np.array([record["distribution"] for record in h]) for m, h in histories.items()}
    for mode in ("random", "uniform", "static"):
        assert (used[mode] == used[mode][0]).all()
        assert all(weight == 1 for r in histories[mode] for weight in r["loss_weights"])
    # The first epoch draws as the random sampler does, the second by the first one's record.
    expected = (used["random"][0] + used["scheduled"][0]) / 2
    np.testing.assert_allclose(used["static"][0], expected)


def test_study_static_row_needs_the_scheduled_one(tmp_path, capsys):
    assert run(tmp_path, "--modes", "static") == 1
    assert "a static row needs scheduled-0, which is not done" in capsys.readouterr().err


def test_study_row_of_a_fresh_process_is_the_same_to_the_last_digit(tmp_path):
    arguments = ("--modes", "weighted", "--n-videos", "3", "--pairs-per-bin", "4", *SETTINGS)
    rows = []
    for name in ("first", "second"):
        status, _, error = run_module("study", "--out", tmp_path / name, *arguments)
        assert status == 0, error
        rows.append(Row.load(tmp_path / name / "weighted-0"))
    np.testing.assert_array_equal(rows[0].iou, rows[1].iou)


def test_study_rows_of_other_settings_are_refused(tmp_path, capsys):
    assert run(tmp_path, "--modes", "random") == 0
    assert run(tmp_path, "--modes", "random", "--learning-rate", "0.5") == 1
    words = "rows of one study must differ in mode and seed only; got learning_rate 0.001 and 0.5"
    assert words in capsys.readouterr().err
    assert run(tmp_path, "--modes", "weighted", "--learning-rate", "0.5") == 1
    assert "differ in mode and seed only" in capsys.readouterr().err


def make_row(squares, config):
    pairs = HeldOutPairs(FrameStore(squares), IntervalBins(30, 10), config.crops)
    middle = pairs.middle()
    return Row(config, pairs.labels, pairs.names, pairs.bin, pairs.video, middle, middle)


def test_study_seeds_that_not_all_modes_have_are_left_out(tmp_path, squares, tiny_config):
    row = make_row(squares, tiny_config)
    for mode, seed in (("random", 0), ("random", 1), ("weighted", 1), ("weighted", 2)):
        folder = tmp_path / f"{mode}-{seed}"
        folder.mkdir()
        replace(row, config=replace(tiny_config, mode=mode, seed=seed)).save(folder)
    rows, n_spare = collect(tmp_path)
    assert {mode: [row.config.seed for row in part] for mode, part in rows.items()} == {
        "random": [1],
        "weighted": [1],
    }
    assert n_spare == 2
    shutil.rmtree(tmp_path / "random-1")
    with pytest.raises(ValueError, match=r"no seed is done in all modes: .*'random': \[0\]"):
        collect(tmp_path)


def test_study_bad_rows_are_named(tmp_path, squares, tiny_config):
    with pytest.raises(ValueError, match="no row of a study is done in"):
        collect(tmp_path)
    row = make_row(squares, tiny_config)
    for seed, middle in ((0, row.middle), (1, row.middle + 1)):
        (tmp_path / f"{seed}").mkdir()
        other = replace(row, config=replace(tiny_config, seed=seed), middle=middle)
        other.save(tmp_path / f"{seed}")
    with pytest.raises(ValueError, match="were tested on different pairs"):
        collect(tmp_path)
    (tmp_path / "1" / ROW).write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"evaluation\.npz is no row of a study"):
        collect(tmp_path)
