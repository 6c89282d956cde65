"""CurriculumSampler against the core: its own share of the epoch's pairs, nothing else."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

from sstrack_sched import Pair  # noqa: E402
from sstrack_sched.torch import CurriculumSampler  # noqa: E402

from .conftest import SAMPLES, PairDataset, expected_pairs, loader_of, make_curriculum  # noqa: E402


def sampler_of(curriculum, num_samples=SAMPLES, **place):
    return CurriculumSampler(curriculum.source, curriculum.scheduler, num_samples, **place)


def step(curriculum):
    curriculum.scheduler.step([0.9, 0.7, 0.4, 0.1], [0, 1, 2, 3])


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_sampler_in_a_data_loader_follows_the_scheduler(curriculum, workers, persistent):
    loader = DataLoader(
        PairDataset(),
        batch_size=10,
        sampler=curriculum.sampler,
        num_workers=workers,
        persistent_workers=persistent,
    )
    seen = []
    for _ in range(3):
        expected = expected_pairs(curriculum)
        got = [tuple(pair.tolist()) for batch in loader for pair in batch["pair"]]
        assert got == expected
        seen.append(curriculum.scheduler.distribution.tolist())
        step(curriculum)
    assert seen[0] != seen[1] != seen[2]  # or following them would prove nothing


def test_sampler_yields_pairs(curriculum):
    first = next(iter(curriculum.sampler))
    assert type(first) is Pair
    assert first == expected_pairs(curriculum)[0]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_sampler_any_world_size_splits_the_same_pairs(curriculum, world_size):
    shares = [
        list(sampler_of(curriculum, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert {len(share) for share in shares} == {SAMPLES // world_size}
    assert [tuple(p) for p in itertools.chain(*zip(*shares))] == expected_pairs(curriculum)
    assert len(sampler_of(curriculum, rank=0, world_size=world_size)) == SAMPLES // world_size


def test_sampler_blocks_and_epochs_join_without_seams(curriculum, monkeypatch):
    monkeypatch.setattr("sstrack_sched.torch.sampler._BLOCK", 7)
    for rank in range(3):
        share = list(sampler_of(curriculum, rank=rank, world_size=3))
        assert [tuple(p) for p in share] == expected_pairs(curriculum)[rank::3]


@pytest.mark.parametrize("consumed", [1, 50, 95, 96])
@pytest.mark.parametrize("world_size", [1, 2, 4, 5])
def test_sampler_resumed_splits_the_rest_to_within_one(curriculum, consumed, world_size):
    shares = []
    for rank in range(world_size):
        sampler = sampler_of(curriculum, rank=rank, world_size=world_size)
        sampler.ledger.tally.statistics.n_invalid = consumed
        shares.append([tuple(pair) for pair in sampler])
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    rest = sorted(itertools.chain(*shares), key=lambda pair: pair[4])
    assert rest == expected_pairs(curriculum, consumed)


def test_sampler_resumed_starts_afresh_after_a_step(curriculum):
    pairs = list(curriculum.sampler)[:90]
    curriculum.record([0.5] * 90, [pair.bin for pair in pairs])
    assert len(list(curriculum.sampler)) == 6
    curriculum.step(partial=True)
    assert [tuple(pair) for pair in curriculum.sampler] == expected_pairs(curriculum)


def test_sampler_started_iterator_keeps_its_distribution(curriculum):
    expected = expected_pairs(curriculum)
    iterator = iter(curriculum.sampler)
    head = [next(iterator) for _ in range(5)]
    step(curriculum)
    assert [tuple(pair) for pair in head + list(iterator)] == expected


def test_sampler_iterator_state_goes_to_an_absolute_position(curriculum):
    iterator = iter(curriculum.sampler)
    for _ in range(13):
        next(iterator)
    state = iterator.state_dict()
    curriculum.sampler.ledger.tally.statistics.n_invalid = (
        13  # both were restored: skip once, not twice
    )
    again = iter(curriculum.sampler)
    again.load_state_dict(state)
    assert [tuple(pair) for pair in again] == expected_pairs(curriculum, 13)


def test_sampler_iterator_state_of_an_ended_epoch_starts_the_next(curriculum):
    """A stateful loader saved after the step still holds the iterator that it ended."""
    iterator = iter(curriculum.sampler)
    for _ in range(90):  # as with drop_last
        next(iterator)
    state = iterator.state_dict()
    step(curriculum)
    again = iter(curriculum.sampler)
    again.load_state_dict(state)
    assert [tuple(pair) for pair in again] == expected_pairs(curriculum)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"epoch": 1, "next": 0}, r"epoch must be in \[0, 0\]; got 1"),
        ({"epoch": 0}, "next"),
        ({"epoch": 0, "next": -1}, "next must be at least 0; got -1"),
        (None, "state must be of type dict"),
    ],
)
def test_sampler_iterator_state_that_does_not_fit_raises(curriculum, state, message):
    iterator = iter(curriculum.sampler)
    with pytest.raises((TypeError, ValueError), match=message):
        iterator.load_state_dict(state)
    assert [tuple(pair) for pair in iterator] == expected_pairs(curriculum)


def test_sampler_set_epoch_changes_nothing(curriculum):
    curriculum.sampler.set_epoch(7)
    assert [tuple(pair) for pair in curriculum.sampler] == expected_pairs(curriculum)
    assert isinstance(curriculum.sampler, DistributedSampler)


def test_sampler_world_size_that_does_not_divide_names_both_neighbours(curriculum):
    sampler = sampler_of(curriculum, rank=0, world_size=7)
    with pytest.raises(ValueError, match=r"num_samples.* 7.* 91 or 98; got 96"):
        iter(sampler)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 0}, "num_samples must be at least 1; got 0"),
        ({"num_samples": 2.5}, "num_samples must be an integer; got 2.5"),
        ({"rank": 2, "world_size": 2}, r"rank must be in \[0, 1\]; got 2"),
        ({"rank": 0}, "rank and world_size must be given together"),
        ({"rank": 0, "world_size": 0}, "world_size must be at least 1; got 0"),
    ],
)
def test_sampler_bad_argument_raises(curriculum, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        sampler_of(curriculum, **{"num_samples": SAMPLES, **options})


def test_sampler_scheduler_of_other_bins_raises(curriculum):
    from sstrack_sched import SuccessAwareScheduler

    with pytest.raises(
        ValueError, match=r"scheduler must have the source's bins.*got \[True, True, True\]"
    ):
        CurriculumSampler(curriculum.source, SuccessAwareScheduler(3, 2), 10)


def test_sampler_scheduler_of_wider_feasible_bins_raises():
    from sstrack_sched import IntervalBins, IntervalSampler, SuccessAwareScheduler, VideoIndex

    sampler = IntervalSampler(VideoIndex([20] * 3), IntervalBins(60, 15))
    with pytest.raises(ValueError, match="be feasible only among"):
        CurriculumSampler(sampler, SuccessAwareScheduler(4, 2), 10)


@pytest.mark.parametrize("swap", [False, True])
def test_sampler_of_something_else_raises(curriculum, swap):
    parts = (curriculum.scheduler, curriculum.source) if swap else (None, None)
    with pytest.raises(
        TypeError,
        match=r"source must have \w+, see",
    ):
        CurriculumSampler(*parts, 10)


def test_sampler_seed_changes_the_pairs():
    assert list(make_curriculum(seed=1).sampler) != list(make_curriculum(seed=2).sampler)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("persistent", [False, True])
def test_sampler_under_workers_of_any_start_method_gives_the_same_pairs(
    curriculum, method, persistent
):
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform has no {method}")
    loader = loader_of(
        curriculum,
        workers=2,
        persistent_workers=persistent,
        multiprocessing_context=method,
        prefetch_factor=4,
    )
    for _ in range(2):
        expected = expected_pairs(curriculum)
        got = [tuple(pair.tolist()) for batch in loader for pair in batch["pair"]]
        assert got == expected
        curriculum.scheduler.step([0.9, 0.7, 0.4, 0.1], [0, 1, 2, 3])
