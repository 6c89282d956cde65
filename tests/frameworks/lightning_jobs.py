"""Jobs of each process of test_lightning.py."""

import logging
import os
import signal
from functools import partial

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning", reason="Lightning is not here")

from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402

from sstrack_sched.lightning import CurriculumCallback  # noqa: E402
from tests.torch.conftest import EPOCHS, make_curriculum  # noqa: E402
from tests.torch.jobs import finished, message_of  # noqa: E402

from .processes import Tracker, loader_of, snippets  # noqa: E402

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Module(LightningModule):
    def __init__(self, curriculum, path):
        super().__init__()
        self.curriculum = curriculum
        self.tracker = Tracker(path)

    def training_step(self, batch, batch_idx):
        losses, ious = self.tracker(**batch)
        self.curriculum.record(ious, batch["bin"])
        return self.curriculum.weigh(losses, batch["bin"]).mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StepAtEpochEnd(Callback):
    """A first attempt, as a newcomer would write it."""

    def __init__(self, curriculum):
        self.curriculum = curriculum

    def on_train_epoch_end(self, trainer, pl_module):
        self.curriculum.step()


class PlainSampler(torch.utils.data.Sampler):
    """The same pairs, from a sampler that is no DistributedSampler."""

    def __init__(self, sampler):
        self.sampler = sampler

    def __len__(self):
        return len(self.sampler)

    def __iter__(self):
        return iter(self.sampler)


class Kill(Callback):
    """Kills the process before a batch."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def trainer_of(curriculum, world_size, folder, callbacks=(), **options):
    callbacks = [CurriculumCallback(curriculum), *callbacks]
    return bare_trainer(world_size, folder, callbacks, **options)


def bare_trainer(world_size, folder, callbacks, **options):
    saves = any(isinstance(callback, ModelCheckpoint) for callback in callbacks)
    settings = {
        "accelerator": "cpu",
        "devices": world_size,
        "strategy": "ddp" if world_size > 1 else "auto",
        "max_epochs": EPOCHS,
        "logger": False,
        "enable_checkpointing": saves,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(callbacks=callbacks, default_root_dir=folder, **{**settings, **options})


def fit(curriculum, trainer, loader=None, ckpt_path=None, path=None):
    """Train; all that the curriculum knows in the end, and the pairs."""
    module = Module(curriculum, path)
    validation = torch.utils.data.DataLoader([0, 1])
    trainer.fit(module, loader or loader_of(curriculum), validation, ckpt_path=ckpt_path)
    return finished(curriculum, module.tracker.consumed)


def at_steps(folder):
    """Checkpoints in the middle of epochs, and one right after the last batch of one."""
    return ModelCheckpoint(folder, "steps-{step}", save_top_k=-1, every_n_train_steps=3)


def at_validation_end(folder):
    return ModelCheckpoint(
        folder, "validation-{step}", save_top_k=-1, every_n_epochs=1, save_on_train_epoch_end=False
    )


def at_epoch_end(folder):
    return ModelCheckpoint(
        folder, "epoch-{step}", save_top_k=-1, every_n_epochs=2, save_on_train_epoch_end=True
    )


def whole(rank, world_size, folder):
    curriculum = make_curriculum()
    savers = [at_steps(folder), at_validation_end(folder), at_epoch_end(folder)]
    return fit(curriculum, trainer_of(curriculum, world_size, folder, savers))


def resumed(rank, world_size, folder, **loader_options):
    """A new run from every checkpoint."""
    results = {}
    for path in sorted(folder.glob("*.ckpt")):
        curriculum = make_curriculum()
        loader = loader_of(curriculum, **loader_options)
        trainer = trainer_of(curriculum, world_size, folder)
        results[path.stem] = fit(curriculum, trainer, loader, path)
    return results


def with_workers(rank, world_size, folder):
    curriculum = make_curriculum()
    loader = loader_of(
        curriculum, num_workers=2, persistent_workers=True, multiprocessing_context="fork"
    )
    return fit(curriculum, trainer_of(curriculum, world_size, folder), loader)


def killed(rank, world_size, folder):
    """In the middle of the second epoch, two batches after a checkpoint in the middle of it."""
    curriculum = make_curriculum()
    kill = Kill(step={1: 17, 2: 8}[world_size])
    trainer = trainer_of(curriculum, world_size, folder, [at_steps(folder), kill])
    fit(curriculum, trainer, path=folder / f"pairs-{rank}")


def restarted(rank, world_size, folder):
    curriculum = make_curriculum()
    last = max(folder.glob("*.ckpt"), key=step_of)
    trainer = trainer_of(curriculum, world_size, folder)
    return {"batches": step_of(last), **fit(curriculum, trainer, ckpt_path=last)}


def step_of(path):
    return int(path.stem.split("=")[1])


def plain_sampler(rank, world_size, folder):
    """Lightning shards it once more."""
    curriculum = make_curriculum()
    loader = loader_of(curriculum, sampler=PlainSampler(curriculum.sampler))
    trainer = trainer_of(curriculum, world_size, folder)
    error = message_of(ValueError, lambda: fit(curriculum, trainer, loader))
    return {"error": error, "consumed": trainer.lightning_module.tracker.consumed}


def step_at_epoch_end(rank, world_size, folder):
    """Places of the two callbacks' curricula in checkpoints written at validation's end."""
    epochs = {}
    for callback in (StepAtEpochEnd, CurriculumCallback):
        curriculum = make_curriculum()
        seen = epochs[callback.__name__] = []

        class Saver(Callback):
            def on_validation_end(self, trainer, pl_module, seen=seen, curriculum=curriculum):
                if not trainer.sanity_checking:
                    seen.append((trainer.current_epoch, curriculum.scheduler.epoch))

        trainer = bare_trainer(world_size, folder, [callback(curriculum), Saver()])
        fit(curriculum, trainer)
    return epochs


def shortened(rank, world_size, folder):
    """Epochs that the trainer cuts short."""
    results = {}
    for name, options in {
        "two batches": {"limit_train_batches": 2},
        "half": {"limit_train_batches": 0.5},
        "one": {"limit_train_batches": 1},
        "fast_dev_run": {"fast_dev_run": True},
    }.items():
        curriculum = make_curriculum()
        results[name] = fit(curriculum, trainer_of(curriculum, world_size, folder, **options))
    return results


def stateful(rank, world_size, folder):
    """With torchdata's loader, whose state Lightning saves in the first process for all."""
    from torchdata.stateful_dataloader import StatefulDataLoader

    curriculum = make_curriculum()
    trainer = trainer_of(curriculum, world_size, folder, [at_steps(folder)])
    fit(curriculum, trainer, loader_of(curriculum, kind=StatefulDataLoader))
    return resumed(rank, world_size, folder, kind=StatefulDataLoader)


def page(rank, world_size, folder):
    """The page's own snippet, with a tracker that counts, told where and on what to run."""
    introduction, snippet = snippets("Lightning")
    place = {"accelerator": "cpu", "devices": world_size, "default_root_dir": folder}
    names = {}
    exec(introduction, names)
    names["Tracker"] = Tracker
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightning, "Trainer", partial(Trainer, **place))
        exec(snippet, names)
    return finished(names["curriculum"], names["trainer"].lightning_module.tracker.consumed)
