"""Accelerate at 1 and 2 processes: the pairs of a plain loop, restarts, and what goes wrong."""

import itertools
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate", reason="Accelerate is not here")

from torch.multiprocessing.spawn import ProcessException  # noqa: E402

from tests.torch.conftest import SAMPLES  # noqa: E402

from . import accelerate_jobs as jobs  # noqa: E402
from .processes import launch, n_recorded, start  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Accelerate's advice
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
BOTH = pytest.mark.parametrize("world_size", [1, 2])


@pytest.fixture(scope="module", params=[1, 2])
def run(request, tmp_path_factory):
    """A whole run with its saved states."""
    folder = tmp_path_factory.mktemp("run")
    return request.param, folder, launch(jobs.whole, request.param, folder)


def position_of(path):
    """Pairs consumed when a state was saved, by all processes."""
    state = torch.load(path / "custom_checkpoint_0.pkl", weights_only=True)
    return len(state["scheduler"]["history"]) * SAMPLES + n_recorded(state)


def test_accelerate_run_is_that_of_a_plain_loop(run, check_run):
    check_run(run[2])


@BOTH
def test_accelerate_run_with_workers_is_that_of_a_plain_loop(world_size, tmp_path, check_run):
    check_run(launch(jobs.with_workers, world_size, tmp_path))


@BOTH
def test_accelerate_run_goes_on_exactly_from_any_state_at_any_world_size(
    run, world_size, check_run
):
    folder = run[1]
    by_rank = launch(jobs.resumed, world_size, folder)
    assert len(by_rank[0]) == {1: 13, 2: 6}[run[0]]
    for name in by_rank[0]:
        check_run([results[name] for results in by_rank], position_of(folder / name))


def test_accelerate_run_goes_on_where_the_rest_does_not_divide(tmp_path, check_run):
    launch(jobs.one_batch, 1, tmp_path)
    results = launch(jobs.uneven, 2, tmp_path)
    check_run(results, position_of(tmp_path / "batch=1"))
    assert len(results[0]["consumed"]) == len(results[1]["consumed"]) + 1


@BOTH
def test_accelerate_run_killed_in_mid_epoch_goes_on_from_its_last_state(
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
    assert n_lost  # trained on after the save, and again after the restart
    check_run(results)


def test_accelerate_loses_half_of_an_epoch_sharded_twice_and_it_is_said(tmp_path):
    results = launch(jobs.sharded_again, 2, tmp_path)
    assert sum(len(result["consumed"]) for result in results) == SAMPLES // 2
    for result in results:
        assert "got 48: were batches not recorded" in result["error"]


def test_accelerate_that_shards_by_itself_gives_the_same_run(tmp_path, check_run):
    results = launch(jobs.by_hand, 2, tmp_path)
    check_run([result["whole"] for result in results])
    check_run([result["resumed"] for result in results], position_of(tmp_path / "batch=7"))


def test_accelerate_that_evens_batches_draws_pairs_twice_and_it_is_said(tmp_path):
    results = launch(jobs.by_hand_evened, 2, tmp_path)
    assert sum(len(result["consumed"]) for result in results) > SAMPLES
    for result in results:
        assert "has a framework repeated samples" in result["error"]


@BOTH
def test_accelerate_skipping_what_the_sampler_has_skipped_is_said(run, world_size):
    for message in launch(jobs.skipped_twice, world_size, run[1]):
        assert "were batches not recorded" in message


@BOTH
def test_accelerate_gradients_are_accumulated_to_the_end_of_the_epoch(world_size, tmp_path):
    for syncs in launch(jobs.accumulated, world_size, tmp_path):
        n = len(syncs)
        assert syncs == [(i + 1) % 3 == 0 or i == n - 1 for i in range(n)]


@BOTH
def test_accelerate_snippet_of_the_page_runs_and_draws_every_pair(world_size, tmp_path):
    results = launch(jobs.page, world_size, tmp_path)
    consumed = [tuple(pair) for result in results for pair in result["consumed"]]
    numbers = sorted((epoch, number) for *_, number, epoch in consumed)
    assert numbers == [(epoch, number) for epoch in range(3) for number in range(200)]
    state = torch.load(tmp_path / "checkpoint" / "custom_checkpoint_0.pkl", weights_only=True)
    assert len(state["scheduler"]["history"]) == 3
