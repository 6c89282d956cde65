"""MMEngine at 1 and 2 processes, with the hook of the page: the pairs of a plain loop, restarts."""

import itertools
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("mmengine", reason="MMEngine is not here")

from torch.multiprocessing.spawn import ProcessException  # noqa: E402

from tests.torch.conftest import SAMPLES  # noqa: E402

from . import mmengine_jobs as jobs  # noqa: E402
from .processes import launch, n_recorded, start  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MMEngine's advice
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
BOTH = pytest.mark.parametrize("world_size", [1, 2])


@pytest.fixture(scope="module", params=[1, 2])
def run(request, tmp_path_factory):
    """A whole run, with its checkpoints after each epoch."""
    folder = tmp_path_factory.mktemp("run")
    return request.param, folder, launch(jobs.whole, request.param, folder)


def position_of(path):
    """Pairs consumed when a checkpoint was written, by all processes."""
    state = torch.load(path, weights_only=False)["curriculum"]
    return len(state["scheduler"]["history"]) * SAMPLES + n_recorded(state)


def check_resumed(folder, world_size, check_run):
    by_rank = launch(jobs.resumed, world_size, folder)
    for name in by_rank[0]:
        check_run([results[name] for results in by_rank], position_of(folder / f"{name}.pth"))
    return set(by_rank[0])


def test_mmengine_run_is_that_of_a_plain_loop(run, check_run):
    check_run(run[2])


@BOTH
def test_mmengine_run_goes_on_exactly_between_epochs_at_any_world_size(run, world_size, check_run):
    names = check_resumed(run[1], world_size, check_run)
    assert names == {f"epoch_{n}" for n in (1, 2, 3, 4)}


@BOTH
def test_mmengine_run_goes_on_exactly_in_the_middle_of_an_epoch(world_size, tmp_path, check_run):
    check_run(launch(jobs.saved_by_iteration, world_size, tmp_path))
    names = check_resumed(tmp_path, world_size, check_run)
    assert names >= {"iter_3", "iter_15", {1: "iter_40", 2: "iter_20"}[world_size]}


@BOTH
def test_mmengine_run_killed_in_mid_epoch_goes_on_from_its_last_checkpoint(
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


def test_mmengine_weights_loaded_for_another_training_start_a_new_curriculum(run, check_run):
    world_size, folder, _ = run
    check_run(launch(jobs.loaded, world_size, folder))


@BOTH
def test_mmengine_copy_of_the_sampler_is_refused(world_size, tmp_path):
    for message in launch(jobs.copied, world_size, tmp_path):
        assert "must be of samples from an iterator of curriculum.sampler" in message


@BOTH
def test_mmengine_snippet_of_the_page_runs_and_draws_every_pair(world_size, tmp_path):
    results = launch(jobs.page, world_size, tmp_path)
    consumed = [tuple(pair) for result in results for pair in result["consumed"]]
    numbers = sorted((epoch, number) for *_, number, epoch in consumed)
    assert numbers == [(epoch, number) for epoch in range(3) for number in range(200)]
