"""The comparison of three runs, and the numbers that it reports."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from examples.tracker.data.crops import CropConfig
from examples.tracker.data.frames import FrameStore
from examples.tracker.data.sequences import fit_bins
from examples.tracker.demo import main, report
from examples.tracker.evaluation.evidence import Row
from examples.tracker.evaluation.pairs import THRESHOLD, HeldOutPairs
from examples.tracker.models.conv_small import ConvSmall
from sstrack_sched import IntervalBins

from .conftest import ROOT, moving_square, run_module

MODES = ("random", "scheduled", "weighted")


def parse_table(text):
    """Rows of the printed table of success as a dict: label -> list of cells."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.count("|") == 5]
    assert rows[0] == ["interval", *MODES]
    return {row[0]: row[1:] for row in rows[2:]}


def check_run(folder, text, n_bins):
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "schedule.png").stat().st_size > 5000
    table = parse_table(text)
    found = results["held_out"]["held-out videos"]
    assert len(results["bins"]) == n_bins
    for k, mode in enumerate(MODES):
        history = json.loads((folder / mode / "history.json").read_text())
        assert len(history) == results["settings"]["epochs"]
        assert sum(history[0]["count"]) == results["settings"]["samples_per_epoch"]
        assert (folder / mode / "schedule.png").stat().st_size > 5000
        state = torch.load(folder / mode / "checkpoint.pt", weights_only=True)
        ConvSmall().load_state_dict(state["model"])
        for i, label in enumerate(results["bins"]):
            mean = 100 * found["success"][mode]["bins"][i][0]
            assert float(table[label][k].split()[0]) == pytest.approx(mean, abs=0.051)
    assert set(table) == {*results["bins"], "mean"}
    assert "| weighted less random |" in text and "mean IoU of" in text


def test_demo_quick_writes_all_files_and_the_table_parses(tmp_path):
    status, out, err = run_module("demo", "--quick", "--out", tmp_path)
    assert status == 0, err
    check_run(tmp_path, out, 7)
    again = tmp_path / "again"
    assert main(["--quick", "--out", str(again)]) == 0
    assert (again / "results.json").read_text() == (tmp_path / "results.json").read_text()


def test_demo_real_sequences_run(tmp_path):
    folder = ROOT.parent / "shared" / "data" / "sequences"
    if not folder.is_dir():
        pytest.skip("no shared data beside the repository")
    status, out, err = run_module("demo", "--quick", "--data", folder, "--out", tmp_path)
    assert status == 0, err
    assert "13 to train on, 8 to report on" in out
    check_run(tmp_path, out, 7)


def test_demo_folder_missing_exits_with_an_error(tmp_path):
    status, _, err = run_module(
        "demo", "--quick", "--data", tmp_path / "nowhere", "--out", tmp_path
    )
    assert status == 1
    assert "error: no folder" in err


def test_fit_bins_short_videos_give_shorter_intervals():
    def fitted(n_train, n_test, *asked):
        return fit_bins([moving_square("a", n_train)], [moving_square("b", n_test)], *asked)

    assert fitted(60, 70, 50, 10) == (50, 10)
    assert fitted(60, 25, 50, 10) == (25, 10)
    assert fitted(60, 8, 200, 30) == (8, 4)
    assert fitted(2, 8, 200, 30) == (2, 1)
    with pytest.raises(ValueError, match="at least two visible frames"):
        fitted(1, 8, 200, 30)


def test_fit_bins_all_bins_can_be_filled_in_both_splits():
    from examples.tracker.data.sequences import Sequence, video_index
    from sstrack_sched import IntervalSampler

    square = moving_square("gap", 60)
    visible = np.zeros(60, dtype=bool)
    visible[[0, 1, 2, 59]] = True  # nothing at 3 to 56 frames
    gap = Sequence("gap", square.frames, square.boxes, visible)
    found = fit_bins([square], [gap], 50, 10)
    assert IntervalSampler(
        video_index([gap]), IntervalBins(*found), direction="forward"
    ).feasible.all()


def test_held_out_pairs_are_equal_in_number_and_the_same_each_time(squares):
    bins = IntervalBins(30, 10)
    first, second = (HeldOutPairs(FrameStore(squares), bins, CropConfig(), 12) for _ in range(2))
    for name in ("template", "search", "box"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert np.bincount(first.bin).tolist() == [12, 12, 12]
    shift = (first.box[:, :2] - 0.5) * 4  # in target sizes: the crop is four of them wide
    assert shift.abs().max() <= 1.0
    assert shift.abs().max() > 0.8
    torch.testing.assert_close(first.box[:, 2:], torch.full((36, 2), 0.25))


def test_held_out_templates_are_cropped_as_in_training(squares):
    bins, crops = IntervalBins(30, 10), CropConfig(context=0.25, tint=0.5, flip=1.0)
    faded = HeldOutPairs(FrameStore(squares), bins, crops, 2)
    whole = HeldOutPairs(FrameStore(squares), bins, CropConfig(), 2)
    assert not torch.equal(faded.template, whole.template)
    assert torch.equal(faded.search, whole.search)  # changes for training are left out


def test_evaluate_perfect_and_hopeless_models_get_all_and_none(squares):
    held_out = HeldOutPairs(FrameStore(squares), IntervalBins(30, 10), CropConfig(), 5)

    class Oracle(torch.nn.Module):
        def __init__(self, boxes):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.boxes, self.seen = boxes, 0

        def forward(self, template, search):
            assert not self.training
            self.seen += len(template)
            return {"boxes": self.boxes[self.seen - len(template) : self.seen]}

    oracle = Oracle(held_out.box)
    iou = held_out.evaluate(oracle, batch_size=4)
    assert oracle.training
    np.testing.assert_allclose(iou, 1, rtol=1e-6)
    hopeless = held_out.evaluate(Oracle(held_out.box + 5), batch_size=4)
    assert len(hopeless) == 15 and not (hopeless > THRESHOLD).any()


def test_report_differences_are_paired(tmp_path, tiny_config, capsys):
    bins, videos = np.zeros(4, dtype=int), np.array([0, 0, 1, 1])
    random, better = np.array([0.9, 0.1, 0.9, 0.1]), np.array([0.9, 0.6, 0.9, 0.6])
    about = (tiny_config, ["[0, 5)", "[5, 9)"], ["a", "b"], bins, videos, random)
    rows = {mode: [Row(*about, random if mode == "random" else better)] for mode in MODES}
    report(rows, tmp_path)
    text = capsys.readouterr().out
    table = parse_table(text)
    assert table["[0, 5)"] == ["50.0 (50.0 to 50.0)"] + 2 * ["100.0 (100.0 to 100.0)"]
    assert table["[5, 9)"] == ["-", "-", "-"]
    assert "| weighted less random | +50.0 (+50.0 to +50.0) |" in text
    assert "mean IoU of 4 pairs, as many for each interval: random 0.500" in text


def test_held_out_pairs_bad_number_is_named(squares):
    with pytest.raises(ValueError, match="pairs_per_bin must be at least 1; got 0"):
        HeldOutPairs(FrameStore(squares), IntervalBins(30, 10), CropConfig(), 0)
