"""Curriculum over gloo processes: the same numbers at any world size, errors in all at once."""

import itertools
import json
from functools import partial

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed")

from . import jobs  # noqa: E402
from .conftest import SAMPLES, iou_of, loader_of, make_curriculum, row_of, train  # noqa: E402
from .processes import start  # noqa: E402


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
def alone(source):
    """The run of a single process."""
    curriculum = make_curriculum()
    return jobs.finished(curriculum, train(curriculum, loader_of(curriculum)))


def pairs_of(*results):
    return sorted(map(tuple, itertools.chain(*(result["consumed"] for result in results))))


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_any_world_size_gives_the_same_run(alone, world_size, tmp_path):
    results = start(jobs.whole, world_size, tmp_path)
    assert pairs_of(*results) == sorted(alone["consumed"])
    assert [result["history"] for result in results] == [alone["history"]] * world_size


def test_processes_interrupted_run_goes_on_at_another_world_size(alone, tmp_path):
    first = start(jobs.interrupted, 2, tmp_path)
    assert first[0]["state"] == first[1]["state"]
    assert ["synchronize() must be called" in result["alone"] for result in first] == [True] * 2
    second = start(jobs.resumed, 3, tmp_path)
    assert pairs_of(*first, *second) == sorted(alone["consumed"])
    sizes = [len(result["consumed"]) for result in second]
    assert len(set(sizes)) == 2  # the rest does not divide: 76 of the epoch over 3
    assert [result["history"] for result in second] == [alone["history"]] * 3
    curriculum = make_curriculum()
    curriculum.load_state_dict(json.loads((tmp_path / "checkpoint.json").read_text("utf-8")))
    third = {"consumed": train(curriculum, loader_of(curriculum))}
    assert pairs_of(*first, third) == sorted(alone["consumed"])
    assert jobs.finished(curriculum, [])["history"] == alone["history"]


@pytest.mark.parametrize(("left", "sizes"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (4, [2, 1, 1])])
def test_processes_share_a_small_remainder_and_record_empty_batches(alone, left, sizes, tmp_path):
    (tmp_path / "left.json").write_text(json.dumps(state_with(left)), encoding="utf-8")
    results = start(partial(jobs.remainder, left), 3, tmp_path)
    assert [len(result["consumed"]) for result in results] == sizes
    assert pairs_of(*results) == sorted(alone["consumed"][SAMPLES - left : SAMPLES])
    assert [result["history"] for result in results] == [alone["history"][:1]] * 3


def test_processes_invalid_iou_raises_in_all_and_can_be_discarded(tmp_path):
    first, second = start(jobs.invalid, 2, tmp_path)
    assert first == second
    for message in first["messages"]:
        assert "rank 1: nan" in message and "in batch 1, bin 2" in message
    (record,) = first["history"]
    assert (first["discarded"], record["n_invalid"], sum(record["count"])) == (1, 1, SAMPLES - 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "{'seed': [0, 1]}"),
        ("order", "{'order': [2.0, 3.0]}"),
        ("data", "'data'"),
        ("on_invalid", "{'on_invalid': ['raise', 'drop']}"),
    ],
)
def test_processes_that_disagree_raise_in_all_and_name_what(name, text, tmp_path):
    for message in start(partial(jobs.disagreeing, name), 2, tmp_path):
        assert text in message


def test_processes_that_recorded_unevenly_raise_in_all(tmp_path):
    for synchronize, step in start(jobs.uneven, 2, tmp_path):
        assert "got [48, 20]" in synchronize
        assert "got 68" in step


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("partial", "{'partial': [False, True]}"),
        ("warning", "rank 1: RuntimeWarning: dropped invalid IoUs: nan in batch 1, bin 0"),
        ("bin", "rank 1: ValueError: bins must be in [0, 4); got 99 at index"),
        ("place", "rank 1: ValueError: rank and world_size must be (1, 2)"),
        ("resumed", "{'samples collected from all processes': [0, 1]}"),
    ],
)
def test_processes_what_one_does_wrong_raises_in_all(name, text, tmp_path):
    for message in start(partial(jobs.misused, name), 2, tmp_path):
        assert text in message


def test_processes_state_loaded_by_one_between_epochs_goes_on(alone, tmp_path):
    for result in start(jobs.loaded_alone, 2, tmp_path):
        assert result["history"] == alone["history"][:2]


def test_processes_state_after_the_group_has_ended_still_needs_synchronize(tmp_path):
    for message in start(jobs.destroyed, 2, tmp_path):
        assert "synchronize() must be called" in message
