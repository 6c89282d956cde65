"""Special features of each tracker: its own stand-in trains, and the options of its train.py."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from examples.avtrack.train import AVTRACK
from examples.hit.train import HIT
from examples.lineage import launcher
from examples.ostrack.train import OSTRACK

from .checkouts import checkpoints, load, samples, schedule, seen

SMALL = ("--epochs", 1, "--samples-per-epoch", 32)


@pytest.mark.parametrize("tracker, focal", [("avtrack", True), ("hit", False)])
def test_the_stand_in_trains_validates_and_saves(train, tmp_path, tracker, focal):
    """OSTrack's does in the other tests."""
    options = dict(tracker=tracker, from_scratch=tracker != "avtrack", seed=None)
    done = train(tmp_path, "--epochs", 2, "--samples-per-epoch", 64, **options)
    assert done.returncode == 0, done.err
    assert "Finished training!" in done.out
    history = schedule(checkpoints(tmp_path)[-1])["scheduler"]["history"]
    assert [sum(record["count"]) for record in history] == [64, 64]
    assert len(list(samples(seen(tmp_path, "train")))) == 128
    assert len(seen(tmp_path, "val")) == 4
    assert ("Loss/location" in seen(tmp_path, "train")[0]) == focal
    if tracker == "hit":  # it has no seed; ours is 0 then
        again = train(tmp_path / "seed", *SMALL, tracker=tracker, seed=0)
        assert again.returncode == 0, again.err
        pairs = [list(samples(seen(folder, "train"))) for folder in (tmp_path, tmp_path / "seed")]
        assert pairs[0][:32] == pairs[1]


@pytest.mark.parametrize("tracker, seed", [(OSTRACK, 42), (AVTRACK, 3407), (HIT, None)])
def test_the_seed_is_the_checkouts_own_unless_told_otherwise(options, tmp_path, tracker, seed):
    given = [*map(str, options(tmp_path, tmp_path, seed=None))]
    assert launcher.parse(tracker, given).seed == seed
    assert launcher.parse(tracker, [*given, "--seed", "7"]).seed == 7


def test_without_from_scratch_hit_loads_what_it_always_loads(train, tmp_path):
    done = train(tmp_path, *SMALL, tracker="hit", from_scratch=False)
    assert done.returncode == 1
    message = done.err.splitlines()[-1]
    assert message.startswith("error: ")
    assert "nobody is there" in message and "--from-scratch trains without" in message


def test_avtrack_from_scratch_replaces_the_download_of_timm(monkeypatch):
    builder = ModuleType("timm.models._builder")
    models = SimpleNamespace(_builder=builder)
    for name, module in {
        "timm": SimpleNamespace(models=models),
        "timm.models": models,
        "timm.models._builder": builder,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    AVTRACK.from_scratch()
    assert builder.load_pretrained("model", strict=True) is None


def test_ostrack_takes_a_file_of_weights_for_the_backbone_of_the_config(
    train, tmp_path, checkouts, import_from
):
    """The stand-in loads whatever file it is told to."""
    net = import_from(checkouts["ostrack"], "lib.models.tiny").TINY(0.0)
    torch.save({"model": net.state_dict()}, tmp_path / "weights.pth")
    weights = ("--pretrained", tmp_path / "weights.pth", "--sampler", "random")
    still = ("--set", "TRAIN.LR=0")
    done = train(tmp_path / "run", *SMALL, *weights, *still, from_scratch=False)
    assert done.returncode == 0, done.err
    trained = load(checkpoints(tmp_path / "run")[-1])["net"]
    for name, weight in net.state_dict().items():
        assert torch.equal(trained[name], weight), name


def test_with_lmdb_the_checkout_is_told_so_and_finds_the_folders(train, tmp_path):
    """The stand-in reads the same files, under the other names of its settings."""
    done = train(tmp_path, *SMALL, "--lmdb")
    assert done.returncode == 0, done.err


def test_a_checkpoint_each_epoch_where_the_checkout_saves_the_last_five(train, tmp_path):
    sizes = ("--epochs", 6, "--samples-per-epoch", 16, "--set", "TRAIN.VAL_EPOCH_INTERVAL=6")
    done = train(tmp_path, *sizes, "--save-every-epoch")
    assert done.returncode == 0, done.err
    assert [path.name[-11:-8] for path in checkpoints(tmp_path)] == [
        f"{epoch:03d}" for epoch in range(1, 7)
    ]


def test_what_the_import_of_a_checkout_sets_for_good_is_set_back(start, checkouts, tmp_path):
    """Warnings, and AVTrack's choice of a GPU."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, warnings\n"
        "from pathlib import Path\n"
        "from examples.avtrack.train import AVTRACK\n"
        "from examples.lineage import checkout, modern\n"
        "os.environ['CUDA_VISIBLE_DEVICES'] = '3'\n"
        "before = list(warnings.filters)\n"
        "modern.apply_before_import()\n"
        "checkout.open_checkout(Path(sys.argv[1]))\n"
        "checkout.import_checkout(AVTRACK)\n"
        "assert warnings.filters == before\n"
        "print(os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    done = start(program, checkouts["avtrack"])
    assert done.returncode == 0, done.err
    assert done.out.split()[-1] == "3"
