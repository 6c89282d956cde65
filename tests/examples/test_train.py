"""Training: it learns, stops, goes on, and its result depends on nothing that it should not."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import pytest
import torch

from examples.tracker.data.frames import FrameStore
from examples.tracker.train import main
from examples.tracker.training.checkpoint import Interrupt, load_checkpoint, save_checkpoint
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.trainer import CHECKPOINT, HISTORY, Trainer, train

from .conftest import run_module, start_module


class Watched(Trainer):
    """A trainer that remembers the pairs it was given."""

    def __init__(self, *arguments):
        self.pairs = []
        super().__init__(*arguments)

    def _step(self, batch):
        loss = super()._step(batch)
        epoch = self.curriculum.scheduler.epoch
        self.pairs += [
            (epoch, number, found)
            for number, found in zip(batch["number"].tolist(), batch["bin"].tolist())
        ]
        return loss


def same_weights(first, second):
    pairs = zip(first.model.state_dict().values(), second.model.state_dict().values())
    return all(torch.equal(a, b) for a, b in pairs)


def test_train_few_epochs_lower_the_loss(squares, tiny_config):
    config = replace(tiny_config, epochs=6, samples_per_epoch=64)
    losses = []

    class Noted(Trainer):
        def _step(self, batch):
            losses.append(super()._step(batch))
            return losses[-1]

    trainer = Noted(config, FrameStore(squares))
    assert trainer.run(progress=False)
    assert trainer.finished
    assert len(losses) == 48
    assert sum(losses[-8:]) < 0.6 * sum(losses[:8])
    assert trainer.history[-1].mean_iou > trainer.history[0].mean_iou


@pytest.mark.parametrize("cut", [1, 3, 4, 8])
def test_train_resumed_run_equals_the_uninterrupted(tmp_path, squares, tiny_config, cut):
    """Three steps an epoch, the last of 4 pairs: cuts inside, at the end of, and after an epoch."""
    store = FrameStore(squares)
    whole = Watched(tiny_config, store)
    assert whole.run(progress=False)
    first = Watched(tiny_config, store)
    assert not first.run(tmp_path, progress=False, max_steps=cut)
    second = Watched(tiny_config, store)
    second.load_state_dict(load_checkpoint(tmp_path / CHECKPOINT))
    assert second.run(tmp_path, progress=False)
    assert first.pairs + second.pairs == whole.pairs
    assert same_weights(second, whole)
    records = [[record.to_dict() for record in trainer.history] for trainer in (second, whole)]
    assert records[0] == records[1]


def test_train_stopped_when_all_steps_are_done_resumes_into_the_last_epoch_end(
    tmp_path, squares, tiny_config
):
    trainer = Trainer(tiny_config, FrameStore(squares))
    assert not trainer.run(tmp_path, progress=False, max_steps=9)
    again = train(tiny_config, FrameStore(squares), out=tmp_path, resume=True, progress=False)
    assert again.finished
    assert len(again.history) == 3


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # fork, on Python 3.12 and 3.13
def test_train_workers_change_nothing(squares, tiny_config):
    alone = Trainer(tiny_config, FrameStore(squares))
    helped = Trainer(replace(tiny_config, num_workers=2), FrameStore(squares))
    assert alone.run(progress=False)
    assert helped.run(progress=False)
    assert same_weights(alone, helped)


def test_train_modes_start_alike_and_differ_in_what_they_say(squares, tiny_config):
    store = FrameStore(squares)
    trainers = {
        mode: Trainer(replace(tiny_config, mode=mode), store)
        for mode in ("random", "scheduled", "weighted")
    }
    assert same_weights(trainers["random"], trainers["weighted"])
    for trainer in trainers.values():
        assert trainer.run(progress=False)
    schedulers = {mode: trainer.curriculum.scheduler for mode, trainer in trainers.items()}
    random = schedulers["random"]
    assert all(
        (record.distribution == random.random_distribution).all() for record in random.history
    )
    assert not (schedulers["scheduled"].distribution == random.distribution).all()
    assert not same_weights(trainers["scheduled"], trainers["weighted"])


def test_train_checkpoint_of_other_settings_is_refused(tmp_path, squares, tiny_config):
    Trainer(tiny_config, FrameStore(squares)).run(tmp_path, progress=False, max_steps=1)
    other = replace(tiny_config, batch_size=4, num_workers=1)
    with pytest.raises(ValueError, match=r"of a run with batch_size 8 \(now 4\)$"):
        train(other, FrameStore(squares), out=tmp_path, resume=True, progress=False)


def test_train_loss_not_finite_raises(squares, tiny_config):
    trainer = Trainer(tiny_config, FrameStore(squares))
    with torch.no_grad():
        trainer.model.score[-1].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="loss is nan at step 0"):
        trainer.run(progress=False)


def test_checkpoint_loads_with_weights_only_and_is_replaced_whole(tmp_path, squares, tiny_config):
    trainer = Trainer(tiny_config, FrameStore(squares))
    trainer.run(tmp_path, progress=False, max_steps=2)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert TrainConfig.from_dict(state["config"]) == tiny_config

    class Unsaveable:
        def __reduce__(self):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        save_checkpoint(tmp_path / CHECKPOINT, {"model": Unsaveable()})
    assert load_checkpoint(tmp_path / CHECKPOINT)["rates"] == state["rates"]


def test_checkpoint_missing_or_foreign_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        load_checkpoint(tmp_path / "none.pt")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt must be a checkpoint of format 1; got None"):
        load_checkpoint(tmp_path / "other.pt")


def test_interrupt_first_asks_second_raises():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:  # noqa: PT012 (it is the block)
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "hard"}, "mode must be one of random, scheduled, weighted; got 'hard'"),
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"num_workers": -1}, "num_workers must not be negative"),
    ],
)
def test_train_config_bad_value_is_named(values, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**values)


QUICK = (
    "--n-videos",
    3,
    "--batch-size",
    8,
    "--samples-per-epoch",
    64,
    "--epochs",
    3,
    "--warmup-steps",
    1,
)


@pytest.mark.skipif(os.name != "posix", reason="process groups")
@pytest.mark.parametrize("workers", [0, 2])
def test_train_ctrl_c_leaves_a_checkpoint_that_resumes(tmp_path, workers):
    """The signal goes to the whole process group, workers too, as from a terminal."""
    options = ("--out", tmp_path, *QUICK, "--num-workers", workers)
    process = start_module("train", *options, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / HISTORY).is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "go on with --resume" in out
    assert "Traceback" not in err
    steps = load_checkpoint(tmp_path / CHECKPOINT)["rates"]["last_epoch"]
    done = len(json.loads((tmp_path / HISTORY).read_text()))
    assert 1 <= done == steps // 8 < 3
    assert main(["--out", str(tmp_path), "--resume"]) == 0
    assert load_checkpoint(tmp_path / CHECKPOINT)["rates"]["last_epoch"] == 24


def test_train_failure_exits_with_an_error(tmp_path):
    status, _, err = run_module("train", "--out", tmp_path, "--data", tmp_path / "nowhere")
    assert status == 1
    assert "error: no folder" in err


def test_train_folder_of_another_run_is_left_alone(tmp_path, capsys):
    (tmp_path / CHECKPOINT).write_bytes(b"precious")
    assert main(["--out", str(tmp_path)]) == 1
    assert "is there already: give --resume or another --out" in capsys.readouterr().err
    assert (tmp_path / CHECKPOINT).read_bytes() == b"precious"
    assert main(["--out", str(tmp_path / "none"), "--resume"]) == 1
    assert "no checkpoint" in capsys.readouterr().err
