"""A crash is a crash, where the lineage says "Finished training!"."""

import shutil

import pytest


def is_a_crash(done, *words):
    """Exit status, traceback, and no success told."""
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.err
    assert "Finished training!" not in done.out
    for word in words:
        assert str(word) in done.err


@pytest.mark.parametrize("sampler", ["weighted", "upstream"])
def test_an_error_in_the_actor_ends_the_run(train, tmp_path, sampler):
    done = train(tmp_path, "--sampler", sampler, "--set", "TRAIN.LR=1.0e+30")
    is_a_crash(done, "Network outputs is NAN! Stop Training")
    assert not list(tmp_path.rglob("*.pth.tar"))


def test_an_error_in_the_step_of_the_schedule_ends_the_run(train, checkouts, tmp_path):
    """Here: a version of the actor that does not use the L1 loss, so that nothing is recorded."""
    other = tmp_path / "other"
    shutil.copytree(checkouts["ostrack"], other)
    actor = other / "lib/train/actors/base.py"
    text = actor.read_text()
    assert 'self.objective["l1"](predicted, target)' in text
    actor.write_text(text.replace('self.objective["l1"](predicted, target)', "giou"))
    is_a_crash(train(tmp_path / "run", checkout=other), "must be recorded by all", "nothing was")


@pytest.fixture
def tree(data, tmp_path):
    """The data tree with images of its own, all of them readable."""
    for name in ("lasot", "got10k"):
        (tmp_path / name).symlink_to(data / name)
    shutil.copytree(data / "coco", tmp_path / "coco")
    return tmp_path


def break_images(tree, n):
    """Make the first n images unreadable; returns the last one's path."""
    paths = sorted((tree / "coco").rglob("*.png"))[:n]
    for path in paths:
        path.write_bytes(b"not a picture")
    return paths[-1]


def test_a_bin_of_unreadable_files_ends_the_run_with_their_names(train, tree):
    """Upstream would try others for ever."""
    last = break_images(tree, 8)
    done = train(tree / "run", tree=tree)
    is_a_crash(done, "no usable pair of bin image in 101 tries", last)
    assert "cannot read image" in done.err


def test_some_unreadable_files_are_warned_of_and_the_run_goes_on(train, tree):
    last = break_images(tree, 1)
    done = train(tree / "run", "--epochs", 1, tree=tree)
    assert done.returncode == 0, done.err
    assert "pair redrawn" in done.err and str(last) in done.err
