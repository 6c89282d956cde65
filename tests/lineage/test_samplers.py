"""The four values of ``--sampler``: what each changes, and what none of them does."""

from types import SimpleNamespace

import numpy as np
import pytest

from examples.lineage.schedule import make_curriculum
from sstrack_sched import VideoIndex

from .checkouts import checkpoints, load, samples, schedule, seen

SMALL = ("--epochs", 2, "--samples-per-epoch", 96)


@pytest.fixture(scope="module", params=["random", "scheduled"])
def small(request, train, tmp_path_factory):
    """A run at one of the rows that have no loss weights: its name, its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    done = train(folder, "--sampler", request.param, *SMALL)
    assert done.returncode == 0, done.err
    return request.param, folder


def test_upstream_trains_as_the_checkout_does_without_the_launcher(
    upstream, start, checkouts, data, tmp_path
):
    program = __file__.replace("test_samplers", "plain")
    done = start(program, checkouts["ostrack"], tmp_path, data, 3, 320, 2)
    assert done.returncode == 0, done.err
    for loader in ("train", "val"):
        assert seen(upstream, loader) == seen(tmp_path, loader)
    assert len(seen(upstream, "train")) == 3 * 20


def test_upstream_keeps_nothing_of_a_schedule(upstream):
    assert {row["bin"] for row in seen(upstream, "train")} == {None}
    assert load(checkpoints(upstream)[-1])["net_info"] is None
    assert not (upstream / "schedule.png").exists()
    assert "schedule" not in next(upstream.glob("logs/*.log")).read_text()


def test_validation_sees_the_samples_of_upstream_at_the_same_seed(upstream, finished):
    ours, theirs = seen(finished[0], "val"), seen(upstream, "val")
    assert len(ours) == len(theirs) == 6
    for mine, other in zip(ours, theirs):
        for field in ("epoch", "dataset", "template_anno", "search_anno", "light", "bin"):
            assert mine[field] == other[field], field


def test_training_sees_other_samples_than_upstream(upstream, finished):
    ours, theirs = (list(samples(seen(folder, "train"))) for folder in (finished[0], upstream))
    assert [s[:4] for s in ours] != [s[:4] for s in theirs]


def test_without_the_weighted_row_every_loss_weight_is_1(small):
    _, folder = small
    for record in schedule(checkpoints(folder)[-1])["scheduler"]["history"]:
        assert record["loss_weights"] == [1.0] * 5


def test_the_weighted_row_has_loss_weights(finished):
    history = schedule(checkpoints(finished[0])[-1])["scheduler"]["history"]
    assert all(max(record["loss_weights"]) > 1 for record in history)


def test_random_stays_at_q_random_and_scheduled_leaves_it(small):
    name, folder = small
    state = schedule(checkpoints(folder)[-1])["scheduler"]
    q_random = state["config"]["random_distribution"]
    for record in state["history"]:
        distance = np.abs(np.subtract(record["distribution"], q_random)).max()
        assert (distance < 1e-12) == (name == "random")


def test_all_rows_draw_the_same_pairs_before_the_first_step(small, finished):
    """So that they differ by the schedule alone."""
    first = [row for row in seen(small[1], "train") if row["epoch"] == 1]
    assert list(samples(first)) == list(samples(seen(finished[0], "train")))[:96]


def test_the_options_and_the_config_reach_the_schedule():
    args = SimpleNamespace(
        sampler="weighted", max_interval=45, spacing=10, order=3.0, threshold=0.25
    )
    train = SimpleNamespace(SAMPLE_PER_EPOCH=64)
    cfg = SimpleNamespace(
        TRAIN=SimpleNamespace(EPOCH=7), DATA=SimpleNamespace(TRAIN=train, MAX_SAMPLE_INTERVAL=30)
    )
    curriculum = make_curriculum(args, cfg, VideoIndex([100] * 3), seed=9)
    state = curriculum.state_dict()
    assert state["config"]["edges"] == [0, 10, 20, 30, 40, 45]
    assert (state["config"]["seed"], state["config"]["samples_per_epoch"]) == (9, 64)
    config = state["scheduler"]["config"]
    assert (config["order"], config["threshold"], config["total_epochs"]) == (3.0, 0.25, 7)
    assert config["random_distribution"][3:] == [0, 0]
