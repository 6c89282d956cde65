"""Jobs of each process of test_accelerate.py."""

import itertools
import os
import signal
from functools import partial

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate", reason="Accelerate is not here")

from accelerate import Accelerator, skip_first_batches  # noqa: E402
from accelerate.data_loader import prepare_data_loader  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402
from accelerate.utils import DataLoaderConfiguration  # noqa: E402
from torch.distributed.algorithms import Join  # noqa: E402

from tests.torch.conftest import EPOCHS, make_curriculum  # noqa: E402
from tests.torch.jobs import finished, message_of  # noqa: E402

from .processes import Tracker, loader_of, snippets  # noqa: E402


def accelerator_of(**options):
    """A new one, as if no other had been in this process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(**options))


def prepare(accelerator, curriculum, loader):
    """As on the page."""
    accelerator.register_for_checkpointing(curriculum)
    accelerator.register_save_state_pre_hook(lambda *_: curriculum.synchronize())
    return prepare_data_loader(
        loader, accelerator.device, num_processes=1, process_index=0, put_on_device=True
    )


class Run:
    """A curriculum in Accelerate's hands."""

    def __init__(self, path=None, loader_options=(), **options):
        self.accelerator, self.n_batches = accelerator_of(**options), 0
        self.curriculum = make_curriculum()
        self.prepare_loader(loader_of(self.curriculum, **dict(loader_options)))
        self.tracker = Tracker(path)
        optimizer = torch.optim.SGD(self.tracker.parameters(), lr=0.1)
        self.model, self.optimizer = self.accelerator.prepare(self.tracker, optimizer)

    def prepare_loader(self, loader):
        self.loader = prepare(self.accelerator, self.curriculum, loader)

    def train(self, after_batch=lambda n: None):
        """To the end, with a call after the n-th batch of all; all that is known then."""
        while self.curriculum.scheduler.epoch < EPOCHS:
            self.train_on(self.loader, after_batch)
            self.curriculum.step()
        return finished(self.curriculum, self.tracker.consumed)

    def train_on(self, loader, after_batch=lambda n: None):
        for batch in loader:
            losses, ious = self.model(**batch)
            self.accelerator.backward(self.curriculum.weigh(losses, batch["bin"]).mean())
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.curriculum.record(ious, batch["bin"])
            self.n_batches += 1
            after_batch(self.n_batches)


class OwnSharding(Run):
    """Accelerate shards once more."""

    def prepare_loader(self, loader):
        self.loader = self.accelerator.prepare(loader)


class ShardedByAccelerate(Run):
    """By hand: the sampler hands out all pairs in each process, and Accelerate shards batches."""

    def prepare_loader(self, loader):
        self.curriculum = make_curriculum(rank=0, world_size=1)
        self.loader = self.accelerator.prepare(loader_of(self.curriculum))
        self.accelerator.register_for_checkpointing(self.curriculum)


def whole(rank, world_size, folder):
    """Saves after every third batch, and between epochs."""
    run = Run()

    def save(n):
        if n % 3 == 0:
            run.accelerator.save_state(folder / f"batch={n}")

    return run.train(save)


def resumed(rank, world_size, folder):
    """A new run from every state saved."""
    results = {}
    for path in sorted(folder.glob("batch=*")):
        run = Run()
        run.accelerator.load_state(path)
        results[path.name] = run.train()
    return results


def uneven(rank, world_size, folder):
    """From a state whose rest leaves the first process a batch more: 91 pairs, by fives."""
    run = Run(loader_options={"batch_size": 5})
    run.accelerator.load_state(folder / "batch=1")
    with Join([run.model]):
        run.train_on(run.loader)
    run.curriculum.step()
    return run.train()


def one_batch(rank, world_size, folder):
    run = Run(loader_options={"batch_size": 5})
    run.train_on(itertools.islice(run.loader, 1))
    run.accelerator.save_state(folder / "batch=1")


def with_workers(rank, world_size, folder):
    workers = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "fork"}
    return Run(loader_options=workers).train()


def killed(rank, world_size, folder):
    """In the middle of the second epoch, two batches after a save."""
    run = Run(folder / f"pairs-{rank}")
    last = {1: 17, 2: 8}[world_size]

    def save_or_die(n):
        if n == last:
            os.kill(os.getpid(), signal.SIGKILL)
        if n % 3 == 0:
            run.accelerator.save_state(folder / f"batch={n}")

    run.train(save_or_die)


def restarted(rank, world_size, folder):
    last = max(folder.glob("batch=*"), key=batch_of)
    run = Run()
    run.accelerator.load_state(last)
    return {"batches": batch_of(last), **run.train()}


def batch_of(path):
    return int(path.name.split("=")[1])


def sharded_again(rank, world_size, folder):
    run = OwnSharding(loader_options={"batch_size": 12})  # divides; else batches are filled up too
    return {"error": message_of(ValueError, run.train), "consumed": run.tracker.consumed}


def by_hand(rank, world_size, folder):
    """With a save in the middle of the second epoch, and a run that goes on from it."""
    run = ShardedByAccelerate(even_batches=False)

    def save(n):
        if n == 7:
            run.curriculum.synchronize()
            run.accelerator.save_state(folder / "batch=7")

    whole = run.train(save)
    run = ShardedByAccelerate(even_batches=False)
    run.accelerator.load_state(folder / "batch=7")
    return {"whole": whole, "resumed": run.train()}


def by_hand_evened(rank, world_size, folder):
    run = ShardedByAccelerate()
    return {"error": message_of(ValueError, run.train), "consumed": run.tracker.consumed}


def skipped_twice(rank, world_size, folder):
    run = Run()
    run.accelerator.load_state(folder / "batch=3")
    run.train_on(skip_first_batches(run.loader, 3))
    return message_of(ValueError, run.curriculum.step)


def accumulated(rank, world_size, folder):
    """Optimizer steps of an epoch with gradients of three batches each."""
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    curriculum = make_curriculum()
    loader = prepare(accelerator, curriculum, loader_of(curriculum))
    syncs = []
    for _ in loader:
        with accelerator.accumulate():
            syncs.append(accelerator.sync_gradients)
    return syncs


def page(rank, world_size, folder):
    """The page's own snippet, with a tracker that counts; what it leaves in `folder`."""
    AcceleratorState._reset_state(reset_partial_state=True)
    introduction, snippet = snippets("Accelerate")
    names = {}
    exec(introduction, names)
    names["Tracker"] = Tracker
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("accelerate.Accelerator", partial(Accelerator, cpu=True))
        exec(snippet, names)
    tracker = names["accelerator"].unwrap_model(names["tracker"])
    return finished(names["curriculum"], tracker.consumed)
