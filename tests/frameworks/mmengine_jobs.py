"""Jobs of each process of test_mmengine.py; the hook is the page's."""

import os
import signal
import warnings
from functools import partial
from uuid import uuid4

import pytest

pytest.importorskip("torch")
pytest.importorskip("mmengine", reason="MMEngine is not here")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of functions that MMEngine uses and PyTorch is about to drop
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

from tests.torch.conftest import EPOCHS, make_curriculum
from tests.torch.jobs import finished, message_of

from .processes import Tracker, loader_of, snippets

INTRODUCTION, HOOK, RUN = snippets("MMEngine")

# Several processes on the CPU: by default each asks for a device of its own.
CPU = {
    "cfg": {"model_wrapper_cfg": {"type": "MMDistributedDataParallel", "device_ids": None}},
}

# MMEngine 0.10 reads its own checkpoints like this only, since PyTorch 2.6.
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"


class Model(BaseModel):
    def __init__(self, curriculum, path):
        super().__init__()
        self.curriculum = curriculum
        self.tracker = Tracker(path)

    def forward(self, pair, bin, mode):  # noqa: A002 (the batch's name)
        losses, ious = self.tracker(pair, bin)
        self.curriculum.record(ious, bin)
        return {"loss": self.curriculum.weigh(losses, bin).mean()}


class Kill(Hook):
    """Kills the process before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def page_hook(curriculum, interval=0):
    names = {}
    exec(HOOK, names)
    return names["CurriculumHook"](curriculum, interval)


def run(curriculum, world_size, folder, *, path=None, hooks=(), loader=None, **options):
    """Train; all that the curriculum knows in the end, and the pairs."""
    runner = Runner(
        model=Model(curriculum, path),
        work_dir=str(folder),
        train_dataloader=loader or loader_of(curriculum),
        train_cfg={"by_epoch": True, "max_epochs": EPOCHS},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=list(hooks),
        launcher="pytorch" if world_size > 1 else "none",
        log_level="ERROR",
        experiment_name=uuid4().hex,
        **CPU,
        **options,
    )
    runner.train()
    model = getattr(runner.model, "module", runner.model)
    return finished(curriculum, model.tracker.consumed)


def saving(**settings):
    return {"default_hooks": {"checkpoint": {"type": "CheckpointHook", **settings}}}


def whole(rank, world_size, folder):
    curriculum = make_curriculum()
    return run(curriculum, world_size, folder, hooks=[page_hook(curriculum)])


def saved_by_iteration(rank, world_size, folder):
    """In the middle of epochs, right after the last batch of one, and at the very end."""
    curriculum = make_curriculum()
    options = saving(interval=3, by_epoch=False)
    return run(curriculum, world_size, folder, hooks=[page_hook(curriculum, 3)], **options)


def resumed(rank, world_size, folder):
    """A new run from every checkpoint."""
    results = {}
    for path in sorted(folder.glob("*.pth")):
        curriculum = make_curriculum()
        again = {"resume": True, "load_from": str(path), **saving(interval=99)}
        hooks = [page_hook(curriculum)]
        results[path.stem] = run(curriculum, world_size, folder / "again", hooks=hooks, **again)
    return results


def killed(rank, world_size, folder):
    """In the middle of the second epoch, two batches after a checkpoint."""
    curriculum = make_curriculum()
    hooks = [page_hook(curriculum, 3), Kill({1: 17, 2: 8}[world_size])]
    options = saving(interval=3, by_epoch=False)
    run(curriculum, world_size, folder, path=folder / f"pairs-{rank}", hooks=hooks, **options)


def restarted(rank, world_size, folder):
    """From the last checkpoint in the folder, which MMEngine finds."""
    last = (folder / "last_checkpoint").read_text("utf-8")
    curriculum = make_curriculum()
    result = run(curriculum, world_size, folder, hooks=[page_hook(curriculum)], resume=True)
    return {"batches": int(last.split("iter_")[1].split(".")[0]), **result}


def loaded(rank, world_size, folder):
    """Weights alone, for another training."""
    curriculum = make_curriculum()
    path = str(folder / "epoch_2.pth")
    return run(
        curriculum, world_size, folder / "loaded", hooks=[page_hook(curriculum)], load_from=path
    )


def copied(rank, world_size, folder):
    """A loader that MMEngine builds."""
    curriculum = make_curriculum()
    loader = {
        "dataset": loader_of(curriculum).dataset,
        "sampler": curriculum.sampler,
        "batch_size": 10,
        "num_workers": 0,
        "collate_fn": {"type": "default_collate"},
    }
    hooks = [page_hook(curriculum)]
    return message_of(
        ValueError, lambda: run(curriculum, world_size, folder, hooks=hooks, loader=loader)
    )


def page(rank, world_size, folder):
    """The page's own run, with a tracker that counts."""
    names = {}
    exec(INTRODUCTION + HOOK, names)
    names["Tracker"] = Tracker
    launcher = "pytorch" if world_size > 1 else "none"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("mmengine.runner.Runner", partial(Runner, launcher=launcher, **CPU))
        exec(RUN, names)
    model = getattr(names["runner"].model, "module", names["runner"].model)
    return finished(names["curriculum"], model.tracker.consumed)
