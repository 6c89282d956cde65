"""Lightning at 1 and 2 processes: the pairs of a plain loop, and restarts."""

import itertools
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning", reason="Lightning is not here")

from torch.multiprocessing.spawn import ProcessException  # noqa: E402

from tests.torch.conftest import SAMPLES, make_curriculum  # noqa: E402

from . import lightning_jobs as jobs  # noqa: E402
from .processes import launch, loader_of, n_recorded, start  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Lightning's advice
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
BOTH = pytest.mark.parametrize("world_size", [1, 2])


@pytest.fixture(scope="module", params=[1, 2])
def run(request, tmp_path_factory):
    """A whole run with its checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    return request.param, folder, launch(jobs.whole, request.param, folder)


@pytest.fixture(scope="module")
def run_of_two(tmp_path_factory):
    """Checkpoints of a run in two processes."""
    folder = tmp_path_factory.mktemp("two")
    launch(jobs.whole, 2, folder)
    return folder


def test_lightning_run_is_that_of_a_plain_loop(run, check_run):
    check_run(run[2])


@BOTH
def test_lightning_run_with_workers_is_that_of_a_plain_loop(world_size, tmp_path, check_run):
    check_run(launch(jobs.with_workers, world_size, tmp_path))


def test_lightning_run_goes_on_exactly_from_any_checkpoint(run, check_run):
    world_size, folder, _ = run
    by_rank = launch(jobs.resumed, world_size, folder)
    names = set(by_rank[0])
    assert {name.split("-")[0] for name in names} == {"steps", "validation", "epoch"}
    for name in names:
        check_run([results[name] for results in by_rank], position_of(folder / f"{name}.ckpt"))


def position_of(path):
    """Pairs consumed when a checkpoint was written, by all processes."""
    state = torch.load(path, weights_only=True)["sstrack_sched"]["curriculum"]
    return len(state["scheduler"]["history"]) * SAMPLES + n_recorded(state)


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [("epoch-step=10", 10), ("validation-step=5", 20), ("steps-step=3", 20), ("steps-step=15", 20)],
)
def test_lightning_checkpoint_of_two_processes_goes_on_in_one(
    run_of_two, name, batch_size, tmp_path, check_run
):
    path = run_of_two / f"{name}.ckpt"
    curriculum = make_curriculum()
    loader = loader_of(curriculum, batch_size=batch_size)
    result = jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path), loader, path)
    check_run([result], position_of(path))


@pytest.mark.parametrize("name", ["validation-step=5", "steps-step=3", "steps-step=15"])
def test_lightning_checkpoint_in_an_epoch_refuses_another_number_of_batches(
    run_of_two, name, tmp_path
):
    curriculum = make_curriculum()
    trainer = jobs.trainer_of(curriculum, 1, tmp_path)
    with pytest.raises(ValueError, match=r"as many batches per epoch, 5, .* got 10"):
        jobs.fit(curriculum, trainer, ckpt_path=run_of_two / f"{name}.ckpt")


def test_lightning_checkpoint_right_after_a_resume_in_an_epoch_is_still_in_it(run_of_two, tmp_path):
    class Save(jobs.Callback):
        def on_train_start(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / "again.ckpt")

    def resume(path, batch_size, savers=()):
        curriculum = make_curriculum()
        trainer = jobs.trainer_of(curriculum, 1, tmp_path, savers)
        jobs.fit(curriculum, trainer, loader_of(curriculum, batch_size=batch_size), path)

    resume(run_of_two / "steps-step=3.ckpt", 20, [Save()])
    with pytest.raises(ValueError, match=r"as many batches per epoch, 5, .* got 10"):
        resume(tmp_path / "again.ckpt", 10)


@BOTH
def test_lightning_run_killed_in_mid_epoch_goes_on_from_its_last_checkpoint(
    world_size, tmp_path, check_run
):
    with pytest.raises(ProcessException):  # killed, or in vain waiting for the one that was
        start(jobs.killed, world_size, tmp_path)
    results = start(jobs.restarted, world_size, tmp_path)
    n_lost = 0
    for rank, result in enumerate(results):
        batches = (tmp_path / f"pairs-{rank}").read_text("utf-8").splitlines()
        before = map(json.loads, batches[: result["batches"]])
        result["consumed"] += itertools.chain.from_iterable(before)
        n_lost += len(batches) - result["batches"]
    assert n_lost  # trained on after the checkpoint, and again after the restart
    check_run(results)


def test_lightning_validation_of_a_checkpoint_leaves_the_curriculum_alone(run_of_two, tmp_path):
    curriculum = make_curriculum()
    trainer = jobs.trainer_of(curriculum, 1, tmp_path)
    jobs.fit(curriculum, trainer)
    state = curriculum.state_dict()
    loader, path = torch.utils.data.DataLoader([0]), run_of_two / "epoch-step=10.ckpt"
    trainer.validate(trainer.lightning_module, loader, ckpt_path=path)
    assert curriculum.state_dict() == state


@BOTH
def test_lightning_stateful_loader_skips_once(world_size, tmp_path, check_run):
    pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not here")
    by_rank = launch(jobs.stateful, world_size, tmp_path)
    for name in by_rank[0]:
        check_run([results[name] for results in by_rank], position_of(tmp_path / f"{name}.ckpt"))


@BOTH
def test_lightning_snippet_of_the_page_runs_and_draws_every_pair(world_size, tmp_path):
    results = launch(jobs.page, world_size, tmp_path)
    consumed = [tuple(pair) for result in results for pair in result["consumed"]]
    numbers = sorted((epoch, number) for *_, number, epoch in consumed)
    assert numbers == [(epoch, number) for epoch in range(3) for number in range(200)]
