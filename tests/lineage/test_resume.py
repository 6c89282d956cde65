"""Interrupted and resumed: the rest is that of the run that was not interrupted."""

import re
import shutil

import pytest
import torch

from .checkouts import checkpoints, load, schedule, seen
from .conftest import SIZES

# Without random numbers of the network and the crops, which no checkout saves.
PLAIN = ("--epochs", 3, "--set", "DATA.JITTER=0", "MODEL.DROPOUT=0")


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run from the first epoch to the last."""
    folder = tmp_path_factory.mktemp("whole")
    done = train(folder, *PLAIN)
    assert done.returncode == 0, done.err
    return folder


def cut_short(whole, folder):
    """As a run of the same options leaves its folder that was killed in the second epoch."""
    shutil.copytree(whole, folder)
    for path in checkpoints(folder)[1:]:
        path.unlink()
    for name in ("seen-0.jsonl", "schedule.png"):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def resumed(whole, train, tmp_path_factory):
    """Folder and output of the rest of the run."""
    folder = cut_short(whole, tmp_path_factory.mktemp("resumed") / "cut")
    done = train(folder, *PLAIN, "--resume")
    assert done.returncode == 0, done.err
    return folder, done


def test_the_schedule_the_pairs_and_the_weights_are_those_of_the_whole_run(whole, resumed):
    folder, _ = resumed
    ours, theirs = (load(checkpoints(path)[-1]) for path in (folder, whole))
    assert ours["epoch"] == theirs["epoch"] == 3
    assert ours["net_info"] == theirs["net_info"]
    for name, weight in theirs["net"].items():
        assert torch.equal(ours["net"][name], weight), name
    rest = [row for row in seen(whole, "train") if row["epoch"] > 1]
    assert seen(folder, "train") == rest


def test_the_log_goes_on_and_the_picture_is_drawn_of_all_epochs(whole, resumed):
    folder, done = resumed
    assert [epoch for epoch in (1, 2, 3) if f"[schedule: {epoch}]" in done.out] == [2, 3]
    assert (folder / "schedule.png").read_bytes() == (whole / "schedule.png").read_bytes()


def test_each_checkpoint_holds_the_schedule_up_to_its_epoch(whole):
    histories = [schedule(path)["scheduler"]["history"] for path in checkpoints(whole)]
    for n, history in enumerate(histories, 1):
        assert history == histories[-1][:n]
        assert len(history) == n


def test_a_folder_of_an_earlier_run_is_refused_without_resume(whole, train, says):
    before = sorted(path.stat().st_mtime_ns for path in checkpoints(whole))
    done = train(whole, *PLAIN)
    assert done.returncode == 1
    assert re.search(says("error:", "--resume", "TINY_ep0003.pth.tar", whole), done.err)
    assert "Traceback" not in done.err
    assert sorted(path.stat().st_mtime_ns for path in checkpoints(whole)) == before


@pytest.mark.parametrize(
    "changed, words",
    [
        (("--sampler", "upstream"), ("with a schedule", "--sampler")),
        (("--seed", 6), ("seed",)),
        (("--epochs", 5), ("epochs",)),
    ],
)
def test_other_options_than_the_run_began_with_are_refused(whole, train, tmp_path, changed, words):
    cut = cut_short(whole, tmp_path / "cut")
    done = train(cut, *PLAIN, "--resume", *changed)
    assert done.returncode == 1
    assert "Finished training!" not in done.out
    message = done.err.splitlines()[-1]
    assert message.startswith("error: ") and str(cut) in message
    assert any(word in message for word in words)


def test_a_schedule_is_not_begun_in_the_middle_of_a_run_without_one(upstream, train):
    done = train(upstream, *SIZES, "--resume")
    assert done.returncode == 1
    assert "error: " in done.err and "without a schedule" in done.err
