"""Curriculum over gloo processes: the same numbers at any world size, errors in all at once."""

import itertools
import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed")

from torch.multiprocessing import spawn  # noqa: E402

from . import jobs  # noqa: E402
from .conftest import SAMPLES, iou_of, loader_of, make_curriculum, row_of, train  # noqa: E402


def results_of(folder, world_size, name):
    paths = [folder / f"{name}-{world_size}-{rank}.json" for rank in range(world_size)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def state_with(left):
    """Of a single process that has so many pairs of the first epoch left."""
    curriculum = make_curriculum()
    pairs = torch.tensor([row_of(s) for s in curriculum.sampler])[: SAMPLES - left]
    curriculum.record(iou_of(pairs), pairs[:, 3])
    return curriculum.state_dict()


@pytest.fixture(scope="module", autouse=True, params=["pairs", "items"])
def source(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE", request.param)
        yield request.param


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    """Results of all jobs, at 2 and then at 3 processes; the second go on from the first's save."""
    path = tmp_path_factory.mktemp("processes")
    plan = {
        2: [
            "whole",
            "interrupted",
            "invalid",
            "disagreeing",
            "uneven",
            "misused",
            "loaded_alone",
            "destroyed",
        ],
        3: ["whole", "resumed", "remainder"],
    }
    for left in (1, 2, 4):
        (path / f"left-{left}.json").write_text(json.dumps(state_with(left)), encoding="utf-8")
    for world_size, names in plan.items():
        spawn(jobs.run, args=(world_size, str(path), names), nprocs=world_size)
    return path


@pytest.fixture(scope="module")
def alone(source):
    """The run of a single process."""
    curriculum = make_curriculum()
    return jobs.finished(curriculum, train(curriculum, loader_of(curriculum)))


def pairs_of(results):
    return sorted(map(tuple, itertools.chain(*(result["consumed"] for result in results))))


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_any_world_size_gives_the_same_run(folder, alone, world_size):
    results = results_of(folder, world_size, "whole")
    assert pairs_of(results) == sorted(alone["consumed"])
    assert all(result["history"] == alone["history"] for result in results)


def test_processes_interrupted_run_goes_on_at_another_world_size(folder, alone):
    first, second = results_of(folder, 2, "interrupted"), results_of(folder, 3, "resumed")
    assert pairs_of([*first, *second]) == sorted(alone["consumed"])
    sizes = [len(result["consumed"]) for result in second]
    assert len(set(sizes)) == 2  # the rest does not divide: 76 of the epoch over 3
    assert all(result["history"] == alone["history"] for result in second)


def test_processes_interrupted_run_goes_on_in_a_single_process(folder, alone):
    first = results_of(folder, 2, "interrupted")
    curriculum = make_curriculum()
    curriculum.load_state_dict(json.loads((folder / "checkpoint.json").read_text("utf-8")))
    consumed = train(curriculum, loader_of(curriculum))
    assert pairs_of([*first, {"consumed": consumed}]) == sorted(alone["consumed"])
    assert jobs.finished(curriculum, [])["history"] == alone["history"]


@pytest.mark.parametrize(("left", "sizes"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (4, [2, 1, 1])])
def test_processes_share_a_small_remainder_and_record_empty_batches(folder, alone, left, sizes):
    results = [result[str(left)] for result in results_of(folder, 3, "remainder")]
    assert [len(result["consumed"]) for result in results] == sizes
    assert pairs_of(results) == sorted(alone["consumed"][SAMPLES - left : SAMPLES])
    assert all(result["history"] == alone["history"][:1] for result in results)


def test_processes_state_in_mid_epoch_needs_synchronize(folder):
    results = results_of(folder, 2, "interrupted")
    assert all("synchronize() must be called" in result["alone"] for result in results)
    assert results[0]["state"] == results[1]["state"]


def test_processes_invalid_iou_raises_in_all_and_can_be_discarded(folder):
    results = results_of(folder, 2, "invalid")
    assert all(
        "rank 1: nan" in m and "in batch 1, bin 2" in m for r in results for m in r["messages"]
    )
    assert [result["discarded"] for result in results] == [1, 1]
    assert results[0]["history"] == results[1]["history"]
    assert results[0]["history"][0]["n_invalid"] == 1
    assert sum(results[0]["history"][0]["count"]) == SAMPLES - 1


def test_processes_that_disagree_raise_in_all_and_name_what(folder):
    for messages in results_of(folder, 2, "disagreeing"):
        assert "{'seed': [0, 1]}" in messages[0]
        assert "{'order': [2.0, 3.0]}" in messages[1]
        assert "{'on_invalid': ['raise', 'drop']}" in messages[3]
        assert "'data'" in messages[2]


def test_processes_that_recorded_unevenly_raise_in_all(folder):
    for synchronize, step in results_of(folder, 2, "uneven"):
        assert "[48, 20] samples recorded" in synchronize
        assert "got 68" in step


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("partial", "{'partial': [False, True]}"),
        ("warning", "rank 1: RuntimeWarning: left out invalid IoUs: nan in batch 1, bin 0"),
        ("bin", "rank 1: ValueError: bins must be in [0, 4); got 99 at index"),
        ("place", "rank 1: ValueError: rank and world_size must be (1, 2)"),
        ("seed", "{'seed': [0, 1]}"),
        ("resumed", "{'gathered': [0, 1]}"),
    ],
)
def test_processes_what_one_does_wrong_raises_in_all(folder, name, text):
    for found in results_of(folder, 2, "misused"):
        assert text in found[name]


def test_processes_state_loaded_by_one_between_epochs_goes_on(folder, alone):
    for result in results_of(folder, 2, "loaded_alone"):
        assert result["history"] == alone["history"][:2]


def test_processes_state_after_the_group_has_ended_still_needs_synchronize(folder):
    for message in results_of(folder, 2, "destroyed"):
        assert "synchronize() must be called" in message
