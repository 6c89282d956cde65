"""A whole run on the stand-in: what the actor was given, what was logged, drawn and saved."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from examples.lineage.report import report
from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex
from sstrack_sched.torch import Curriculum

from .checkouts import (
    HARDLY_VISIBLE,
    NO_BOX,
    OUTSIDE,
    SHORT,
    checkpoints,
    files_of,
    make_checkout,
    samples,
    schedule,
    seen,
    visible_of,
)

BINS = IntervalBins(60, 15, image_bin=True)


@pytest.fixture(scope="module")
def history(finished):
    return schedule(checkpoints(finished[0])[-1])["scheduler"]["history"]


def of_epoch(folder, epoch):
    return list(samples([row for row in seen(folder, "train") if row["epoch"] == epoch]))


def distribution_of(finished, history, epoch):
    """Q that an epoch was drawn with: q^R as the table shows it at first, then what was stepped."""
    if epoch > 1:
        return np.array(history[epoch - 2]["distribution"])
    rows = finished[1].out.splitlines()
    start = next(i for i, row in enumerate(rows) if "q^R" in row)
    q = np.array([float(row.split()[-3]) for row in rows[start + 1 : start + 1 + len(BINS)]])
    return q / q.sum()


def test_the_run_ends_well_and_without_warnings(finished):
    _, done = finished
    assert "Finished training!" in done.out
    assert "Traceback" not in done.err and "Warning" not in done.err


def test_every_sample_has_the_interval_of_its_bin(finished):
    drawn = list(samples(seen(finished[0], "train")))
    assert len(drawn) == 3 * 320
    for dataset, _, template, search, bin_id in drawn:
        is_image = dataset == "coco"
        assert bin_id == BINS.assign(0 if is_image else abs(search - template), is_image)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_realised_bins_follow_q(finished, history, epoch):
    count = np.bincount([sample[-1] for sample in of_epoch(finished[0], epoch)], minlength=5)
    q = distribution_of(finished, history, epoch)
    used = q > 0
    assert count[~used].sum() == 0
    # false alarm: one in 10,000 seeds, and the seed is fixed
    assert stats.chisquare(count[used], q[used] * 320).pvalue > 1e-4


def test_the_first_epoch_is_drawn_at_q_random_and_later_ones_are_not(finished, history):
    first = distribution_of(finished, history, 1)
    assert first[0] == pytest.approx(0.25)  # the images' share in the config
    assert first[4] == 0  # beyond the config's MAX_SAMPLE_INTERVAL
    assert distribution_of(finished, history, 3)[4] > 0.1


def test_only_visible_frames_of_videos_that_upstream_would_take_are_drawn(finished):
    videos = set()
    for dataset, video, template, search, _ in samples(seen(finished[0], "train")):
        if dataset == "lasot":
            videos.add(video)
            assert visible_of(video)[[template, search]].all()
    assert videos == set(range(7)) - {SHORT, HARDLY_VISIBLE}


def test_images_fill_the_image_bin_and_one_without_a_box_is_redrawn(finished):
    images = [s for s in samples(seen(finished[0], "train")) if s[-1] == 0]
    assert {dataset for dataset, *_ in images} == {"coco"}
    assert {video for _, video, *_ in images} == set(range(8)) - {NO_BOX}


def test_the_crops_that_processing_rejects_do_not_reach_the_actor(finished):
    frames = [
        max(template, search)
        for dataset, video, template, search, _ in samples(seen(finished[0], "train"))
        if (dataset, video) == ("lasot", OUTSIDE)
    ]
    assert frames and max(frames) < 35  # from there on the box lies outside the picture


def test_validation_runs_on_their_own_sampler(finished):
    rows = seen(finished[0], "val")
    assert [row["epoch"] for row in rows] == [1, 1, 2, 2, 3, 3]
    assert {row["bin"] for row in rows} == {None}


def test_the_schedule_travels_in_each_checkpoint(finished, history):
    folder, _ = finished
    assert [path.name for path in checkpoints(folder)] == [
        f"TINY_ep{epoch:04d}.pth.tar" for epoch in (1, 2, 3)
    ]
    for epoch, path in enumerate(checkpoints(folder), 1):
        state = schedule(path)["scheduler"]
        assert state["history"] == history[:epoch]
        assert sum(state["history"][-1]["count"]) == 320


def test_what_is_recorded_is_the_iou_of_the_training_batches(finished, history):
    for record in history:
        rows = [row for row in seen(finished[0], "train") if row["epoch"] == record["epoch"] + 1]
        theirs = np.mean([row["IoU"] for row in rows])
        assert record["threshold"] == pytest.approx(theirs, abs=1e-5)  # tau is the mean


def test_the_log_and_the_terminal_say_the_schedule_of_every_epoch(finished, history):
    folder, done = finished
    log = (folder / "logs" / "ostrack-tiny.log").read_text()
    lines = re.findall(r"^\[schedule: .*$", log, re.M)
    assert lines == re.findall(r"^\[schedule: .*$", done.out, re.M)
    assert len(lines) == len(history)
    for epoch, (line, record) in enumerate(zip(lines, history), 1):
        number = r"([0-9. ]+?)"
        found = re.fullmatch(
            rf"\[schedule: {epoch}\] tau: {number}  d: {number}  S: {number}  Q: {number}"
            rf"  weights: {number}",
            line,
        )
        tau, d, s, q, weights = ([*map(float, part.split())] for part in found.groups())
        assert tau == pytest.approx([record["threshold"]], abs=1e-4)
        assert d == pytest.approx([record["redetection"]], abs=1e-4)
        assert s == pytest.approx([record["expected_success"]], abs=1e-4)
        assert q == pytest.approx(record["distribution"], abs=1e-3)
        assert weights == pytest.approx(record["loss_weights"], abs=1e-2)


def test_tensorboard_gets_the_schedule_of_every_epoch(finished, history):
    path = finished[0] / "tensorboard/train/ostrack/tiny/train/scalars.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = {(name, step): value for name, value, step in rows}
    for epoch, record in enumerate(history, 1):
        assert found["schedule/threshold", epoch] == record["threshold"]
        assert found["schedule/redetection", epoch] == record["redetection"]
        assert found["schedule/expected_success", epoch] == record["expected_success"]
        for i, name in enumerate(["image", "0-15", "15-30", "30-45", "45-60"]):
            assert found[f"distribution/{name}", epoch] == record["distribution"][i]
            assert found[f"loss_weights/{name}", epoch] == record["loss_weights"][i]
    assert {step for _, step in found} == {1, 2, 3}


def test_the_picture_is_of_all_epochs_and_drawn_anew_after_each(tmp_path):
    curriculum = Curriculum(IntervalSampler(VideoIndex([100] * 4), IntervalBins(60, 15)), 3, 8)
    settings = SimpleNamespace(save_dir=tmp_path, log_file=tmp_path / "log", project_path="tiny")
    writer = SimpleNamespace(add_scalar=lambda *_: None)
    pictures = set()
    for _ in range(3):
        for pair in curriculum.sampler:
            curriculum.record([1 - pair.interval / 60], [pair.bin])
        curriculum.step()
        report(curriculum, settings, writer)
        pictures.add((tmp_path / "schedule.png").read_bytes())
    assert len(pictures) == 3
    assert len((tmp_path / "log").read_text().splitlines()) == 3


def test_the_schedule_is_drawn_and_no_half_picture_is_left(finished):
    folder, _ = finished
    assert (folder / "schedule.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob(".*"))


def test_no_file_of_the_checkout_changes_or_appears(finished, checkouts, tmp_path):
    """Compiled files neither; the stand-in has no .gitignore that would hide them."""
    assert files_of(checkouts["ostrack"]) == files_of(make_checkout(tmp_path / "fresh"))
