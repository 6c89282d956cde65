"""Training: it learns, stops, goes on, and its result depends on nothing that it should not."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace

import pytest
import torch

from examples.tracker.data.frames import FrameStore
from examples.tracker.models.weights import (
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from examples.tracker.train import main, parse, settings
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.interrupt import Interrupt
from examples.tracker.training.losses import absence_loss
from examples.tracker.training.trainer import CHECKPOINT, EVENTS, HISTORY, WEIGHTS, Trainer, train

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
    """Three steps per epoch, the last of 4 pairs: cuts in, at the end of and after an epoch."""
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


@pytest.mark.parametrize("average", [0.0, 0.8])
def test_train_weights_are_those_to_ship(tmp_path, squares, tiny_config, average):
    trainer = Trainer(replace(tiny_config, average=average), FrameStore(squares))
    assert trainer.run(tmp_path, progress=False)
    shipped = load_weights(tmp_path / WEIGHTS).state_dict()
    expected = (trainer.averaged.module if average else trainer.model).state_dict()
    other = (trainer.model if average else trainer.averaged.module).state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(shipped[name], value.half().float(), rtol=0, atol=0)
    assert (average == 0) == all(torch.equal(other[k], v) for k, v in expected.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_train_on_cuda_in_float16_learns_and_resumes(tmp_path, squares, tiny_config, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: False)  # as older GPUs
    config, store = replace(tiny_config, amp=True, device="cuda", epochs=6), FrameStore(squares)
    trainer = Trainer(config, store)
    assert trainer.autocast.fast_dtype == torch.float16 and trainer.scaler.is_enabled()
    assert not trainer.run(tmp_path, progress=False, max_steps=4)
    resumed = train(config, store, out=tmp_path, resume=True, progress=False)
    assert resumed.finished and 1 < resumed.scaler.get_scale() < float("inf")
    assert resumed.history[-1].mean_iou > resumed.history[0].mean_iou


def test_train_mixed_precision_learns_and_resumes_exactly(tmp_path, squares, tiny_config):
    config, store = replace(tiny_config, amp=True), FrameStore(squares)
    whole = Trainer(config, store)
    assert whole.run(progress=False)
    assert next(whole.model.parameters()).dtype == torch.float32
    Trainer(config, store).run(tmp_path, progress=False, max_steps=4)
    resumed = train(config, store, out=tmp_path, resume=True, progress=False)
    assert same_weights(resumed, whole)
    plain = Trainer(tiny_config, store)
    assert plain.run(progress=False)
    assert not same_weights(plain, whole)
    assert plain.history[-1].mean_iou == pytest.approx(whole.history[-1].mean_iou, abs=0.1)


def all_gradients(model):
    return torch.cat([value.grad.flatten() for value in model.parameters()])


def test_train_half_precision_scales_losses_and_steps_alike(squares, tiny_config):
    """A GPU without bfloat16 is not at hand: the same code with float16 on the CPU."""
    plain, half, again = (Trainer(tiny_config, FrameStore(squares)) for _ in range(3))
    half.autocast = torch.autocast("cpu", torch.float16)
    half.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    again.scaler = torch.amp.GradScaler("cpu")
    batch = next(iter(plain._loader()))
    batch = {name: values[:2] for name, values in batch.items()}
    before = [value.clone() for value in half.model.parameters()]
    for trainer in (plain, half):
        trainer._step(batch)
    with torch.no_grad(), half.autocast:
        outputs = half.network(batch["template"], batch["search"])
    assert {values.dtype for values in outputs.values()} == {torch.float32}
    expected = all_gradients(plain.model)
    error = torch.linalg.vector_norm(all_gradients(half.model) - expected)
    assert 0 < error < 0.05 * torch.linalg.vector_norm(expected)
    assert any(not torch.equal(a, b) for a, b in zip(before, half.model.parameters()))
    again.load_state_dict(half.state_dict())
    assert again.scaler.get_scale() == 2.0**8


@pytest.mark.parametrize("amp", [False, True])
def test_train_strangers_add_their_term_to_the_loss_and_nothing_else(squares, tiny_config, amp):
    losses, means = [], []
    for strangers in (0.0, 0.5):
        config = replace(tiny_config, amp=amp, strangers=strangers)
        trainer = Trainer(config, FrameStore(squares))
        batch = next(iter(trainer._loader()))
        pair, scale = (batch["template"], batch["search"]), trainer.scaler.scale
        with torch.no_grad(), trainer.autocast:
            outputs = trainer.model(*pair, strangers=True)
        trainer.scaler.scale = lambda loss, scale=scale: losses.append(loss.item()) or scale(loss)
        means.append(trainer._step(batch))
    assert outputs["stranger_map"].dtype == torch.float32
    absent = absence_loss(outputs["stranger_map"], batch["video"]).mean().item()
    assert absent > 0 and means[0] == means[1]
    assert losses[1] - losses[0] == pytest.approx(0.5 * absent, rel=1e-3)


def test_train_tensorboard_holds_loss_rate_and_schedule(tmp_path, squares, tiny_config):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Trainer(tiny_config, FrameStore(squares))
    trainer.run(tmp_path, progress=False, tensorboard=True, max_steps=4)
    train(
        tiny_config,
        FrameStore(squares),
        out=tmp_path,
        resume=True,
        progress=False,
        tensorboard=True,
    )
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    for name in ("step/loss", "step/iou", "step/learning_rate"):
        assert [event.step for event in events.Scalars(name)] == list(range(9))
    assert [event.step for event in events.Scalars("schedule/threshold")] == [0, 1, 2]
    with pytest.raises(ValueError, match="tensorboard needs a folder"):
        trainer.run(progress=False, tensorboard=True)


def test_train_tensorboard_missing_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main(["--out", str(tmp_path), "--tensorboard", *map(str, QUICK)]) == 1
    assert "pip install tensorboard" in capsys.readouterr().err


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
    other = replace(tiny_config, batch_size=4, num_workers=1, memory=0.5, cache="elsewhere")
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


def test_checkpoint_that_is_none_or_does_not_fit_is_named(tmp_path, squares, tiny_config):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pt"):
        load_checkpoint(tmp_path / "none.pt")
    trainer = Trainer(tiny_config, FrameStore(squares))
    save_weights(tmp_path / WEIGHTS, trainer.model, "conv_small", {})
    torch.save({"config": 1, "curriculum": 1}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("hello")
    for name in (WEIGHTS, "other.pt", "text.pt"):
        with pytest.raises(ValueError, match=rf"{name} must be the checkpoint of a run"):
            load_checkpoint(tmp_path / name)
    state = trainer.state_dict()
    name = next(iter(state["model"]))
    state["model"] = {**state["model"], name: torch.zeros(2, 2)}
    with pytest.raises(ValueError, match="the checkpoint does not fit conv_small"):
        trainer.load_state_dict(state)


def test_checkpoint_of_an_earlier_version_goes_on(squares, tiny_config):
    state = Trainer(tiny_config, FrameStore(squares)).state_dict()
    del state["precision"]
    for name in ("amp", "held_out", "memory", "cache"):
        del state["config"][name]
    state["config"]["data"] = ""
    Trainer(tiny_config, FrameStore(squares)).load_state_dict(state)
    state["config"]["magic"] = 1
    with pytest.raises(ValueError, match=r"unknown to this version: \['magic'\]"):
        Trainer(tiny_config, FrameStore(squares)).load_state_dict(state)


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
        (
            {"mode": "hard"},
            "mode must be one of random, scheduled, weighted, uniform, static; got 'hard'",
        ),
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"num_workers": -1}, "num_workers must not be negative"),
        ({"look_alikes": 1.5}, r"look_alikes must be in \[0, 1\]; got 1.5"),
        ({"look_alikes": -0.1}, r"look_alikes must be in \[0, 1\]; got -0.1"),
        ({"strangers": -0.1}, "strangers must not be negative"),
        ({"memory": -1.0}, "memory must not be negative"),
        ({"held_out": 1.0}, r"held_out must be in \[0, 1\); got 1.0"),
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


def test_train_options_become_settings(tmp_path, capsys):
    words = [*("--out", str(tmp_path), "--data", "a=2", "--data", "b", "--amp", "--held-out", "0")]
    words += ["--crops", '{"tint": 0.1}', "--model-options", '{"width": 48}']
    config = settings(parse(words))
    assert config.data == ("a=2", "b")
    assert (config.amp, config.held_out, config.crops.tint) == (True, 0.0, 0.1)
    assert config.model_options == {"width": 48}
    assert settings(parse(words[:2])) == TrainConfig()
    assert TrainConfig(data="a").data == ("a",)
    with pytest.raises(ValueError, match=r"crops has no settings \['tilt'\]"):
        settings(parse([*words[:2], "--crops", '{"tilt": 1}']))
    for text in ("[1]", "{"):
        with pytest.raises(SystemExit):
            parse([*words[:2], "--crops", text])
        assert f"must be such as '{{\"name\": 1}}'; got {text}" in capsys.readouterr().err


def test_train_run_folder_holds_weights_and_picture(tmp_path):
    assert main(["--out", str(tmp_path), *map(str, QUICK[:6]), "--epochs", "1"]) == 0
    assert (tmp_path / "schedule.png").stat().st_size > 5000
    load_weights(tmp_path / WEIGHTS)


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


def test_train_folder_that_cannot_be_made_is_told_before_the_first_step(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("examples.tracker.train.train", lambda *_, **__: pytest.fail("trained"))
    words = ["--out", str(tmp_path / "file" / "run"), "--n-videos", "2"]
    assert main(words) == 1
    assert "error:" in capsys.readouterr().err
