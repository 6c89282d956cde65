"""Curriculum in a user's loop: the core's numbers, resumable at any batch."""

import copy
import inspect
import io
import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from sstrack_sched import (  # noqa: E402
    IntervalBins,
    IntervalSampler,
    SuccessAwareScheduler,
    VideoIndex,
    random_sampler_distribution,
)
from sstrack_sched.torch import Curriculum  # noqa: E402

from .conftest import (  # noqa: E402
    EPOCHS,
    SAMPLES,
    expected_pairs,
    iou_of,
    loader_of,
    make_curriculum,
    train,
)


@pytest.fixture(scope="module")
def uninterrupted():
    curriculum = make_curriculum()
    consumed = train(curriculum, loader_of(curriculum))
    return consumed, curriculum.scheduler.history


def test_curriculum_defaults_are_the_exact_ones(curriculum):
    sampler = curriculum.source
    expected = random_sampler_distribution(sampler.videos, sampler.bins)
    assert np.array_equal(curriculum.scheduler.distribution, expected)
    assert np.array_equal(curriculum.scheduler.feasible, sampler.feasible)


@pytest.mark.parametrize("workers", [0, 2])
def test_curriculum_in_a_loop_equals_the_core(uninterrupted, workers):
    core = make_curriculum()  # only its scheduler and sampler are used
    scheduler = core.scheduler
    expected = []
    for _ in range(EPOCHS):
        pairs = torch.tensor(expected_pairs(core))
        expected += [tuple(pair.tolist()) for pair in pairs]
        scheduler.step(iou_of(pairs).numpy(), pairs[:, 3].numpy())
    curriculum = make_curriculum()
    consumed = train(curriculum, loader_of(curriculum, workers))
    assert consumed == expected == uninterrupted[0]
    assert curriculum.scheduler.history == scheduler.history


def through_json(state):
    return json.loads(json.dumps(state))


def through_torch(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    # torch 1.13 has the safe loader; 1.9, the floor, does not know the argument
    safe = "weights_only" in inspect.signature(torch.load).parameters
    return torch.load(file, **({"weights_only": True} if safe else {}))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cut", [0, 3, 9, 10, 17, 39])
@pytest.mark.parametrize("through", [through_json, through_torch])
def test_curriculum_resumed_at_any_batch_goes_on_as_if_never_stopped(
    uninterrupted, workers, cut, through
):
    first = make_curriculum()
    head = train(first, loader_of(first, workers), stop_at=cut)  # workers have prefetched more
    second = make_curriculum()
    second.load_state_dict(through(first.state_dict()))
    tail = train(second, loader_of(second, workers))
    assert head + tail == uninterrupted[0]
    assert second.scheduler.history == uninterrupted[1]


def test_curriculum_saved_before_the_step_resumes_into_the_step(uninterrupted):
    first = make_curriculum()
    for batch in loader_of(first):
        first.record(iou_of(batch["pair"]), batch["bin"])
    second = make_curriculum()
    second.load_state_dict(through_json(first.state_dict()))
    assert list(second.sampler) == []
    assert second.step().tolist() == uninterrupted[1][0].distribution.tolist()


def test_curriculum_drop_last_is_no_shortfall(curriculum):
    for batch in loader_of(curriculum, drop_last=True):
        curriculum.record(iou_of(batch["pair"]), batch["bin"])
    curriculum.step()
    assert curriculum.scheduler.history[0].count.sum() == 90


def record(curriculum, n):
    """The next n pairs of the epoch, in batches of 10; all are handed out, as by prefetching."""
    pairs = torch.tensor(list(curriculum.sampler))[:n]
    for part in pairs.split(10):
        curriculum.record(iou_of(part), part[:, 3])


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (0, "nothing was recorded in epoch 0: call record"),
        (80, "samples_per_epoch=96.*got 80.*sharded.*partial=True"),
    ],
)
def test_curriculum_shortfall_raises_and_loses_nothing(curriculum, n, message):
    record(curriculum, n)
    before = curriculum.state_dict()
    with pytest.raises(ValueError, match=message):
        curriculum.step()
    assert curriculum.state_dict() == before


def test_curriculum_shortfall_passes_as_partial(curriculum):
    record(curriculum, 80)
    curriculum.step(partial=np.bool_(True))  # a flag of NumPy is a flag
    assert curriculum.scheduler.history[0].count.sum() == 80


def test_curriculum_too_many_samples_raise(curriculum):
    record(curriculum, SAMPLES)
    curriculum.record([0.5] * 10, [0] * 10)
    with pytest.raises(ValueError, match=r"samples_per_epoch=96.*got 106: was a batch recorded tw"):
        curriculum.step()
    again = make_curriculum()
    again.load_state_dict(curriculum.state_dict())
    again.step(partial=True)
    assert again.history[0].count.sum() == 106


@pytest.mark.parametrize("workers", [0, 2])
def test_curriculum_loop_broken_off_goes_on_where_it_was(uninterrupted, workers):
    """Recorded samples count as consumed, whatever became of the iterator."""
    curriculum = make_curriculum()
    loader = loader_of(curriculum, workers)
    consumed = []
    for stop in (3, 2, 99):
        for number, batch in enumerate(loader):
            if number == stop:
                break
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
            consumed += [tuple(pair.tolist()) for pair in batch["pair"]]
    assert consumed == uninterrupted[0][:SAMPLES]
    curriculum.step()
    assert curriculum.scheduler.history[0] == uninterrupted[1][0]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_curriculum_copied_in_mid_epoch_goes_on_by_itself(uninterrupted, copied):
    first = make_curriculum()
    head = train(first, loader_of(first), stop_at=4)
    second = copied(first)
    assert head + train(second, loader_of(second)) == uninterrupted[0]
    assert first.n_consumed == 40
    assert second.scheduler.history == uninterrupted[1]


def test_curriculum_step_forgotten_raises(curriculum):
    record(curriculum, SAMPLES)
    with pytest.raises(RuntimeError, match=r"step\(\) must be called.* 96 of 96 samples recorded"):
        iter(curriculum.sampler)


def test_curriculum_step_forgotten_under_drop_last_raises(curriculum):
    """The 6 pairs that are left make no batch: all later epochs would be empty, in silence."""
    loader = loader_of(curriculum, drop_last=True)
    for batch in loader:
        curriculum.record(iou_of(batch["pair"]), batch["bin"])
    assert list(loader) == []  # a loop that was broken off would go on here
    with pytest.raises(RuntimeError, match=r"step\(\) must be called.* 90 of 96 samples"):
        list(loader)


@pytest.mark.parametrize("n", [90, SAMPLES])
def test_curriculum_resumed_near_the_end_of_an_epoch_may_start_several_iterators(curriculum, n):
    """As Lightning does; nothing was recorded in this process, so no step is missing."""
    record(curriculum, n)
    again = make_curriculum()
    again.load_state_dict(curriculum.state_dict())
    next(iter(again.sampler), None)
    assert len(list(again.sampler)) == SAMPLES - n


@pytest.mark.parametrize("epochs", [0, 2])
def test_curriculum_neither_recorded_nor_stepped_warns(curriculum, epochs):
    for _ in range(epochs):
        record(curriculum, SAMPLES)
        curriculum.step()
    assert len(list(curriculum.sampler)) == SAMPLES
    with pytest.warns(RuntimeWarning, match=f"96 samples of epoch {epochs} were drawn and 0"):
        assert len(list(curriculum.sampler)) == SAMPLES


@pytest.mark.parametrize("workers", [0, 2])
def test_curriculum_looked_at_before_training_does_not_warn(curriculum, workers):
    next(iter(loader_of(curriculum, workers)))
    assert len(train(curriculum, loader_of(curriculum))) == EPOCHS * SAMPLES


@pytest.mark.parametrize("kept", ["copied sampler", "iterator of the epoch before"])
def test_curriculum_samples_under_a_stale_distribution_raise_at_the_step(curriculum, kept):
    stale = copy.deepcopy(curriculum.sampler)
    old = iter(curriculum.sampler)
    record(curriculum, SAMPLES)
    curriculum.step()
    pairs = torch.tensor(list(stale if kept == "copied sampler" else old))
    curriculum.record(iou_of(pairs), pairs[:, 3])
    with pytest.raises(ValueError, match=r"none was started in epoch 1: .*has a framework copied"):
        curriculum.step()


def test_curriculum_taken_back_to_an_earlier_state_does_not_warn(curriculum):
    start = curriculum.state_dict()
    record(curriculum, SAMPLES)
    curriculum.load_state_dict(start)
    assert len(train(curriculum, loader_of(curriculum))) == EPOCHS * SAMPLES


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ([0, 4], r"bins must be in \[0, 4\); got 4 at index 1"),
        ([-1, 0], r"bins must be in \[0, 4\); got -1 at index 0"),
    ],
)
def test_curriculum_bad_bin_raises_at_once(curriculum, bins, message):
    record(curriculum, 20)
    before = curriculum.state_dict()
    with pytest.raises(ValueError, match=message):
        curriculum.record([0.5, 0.5], bins)
    assert curriculum.state_dict() == before


def test_curriculum_infeasible_bin_raises_at_once():
    curriculum = Curriculum(
        IntervalSampler(VideoIndex([20] * 3), IntervalBins(60, 15)), 4, 8, feasible=None
    )
    assert curriculum.scheduler.feasible.tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="bins must be feasible; got 2"):
        curriculum.record([0.5], [2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples_per_epoch": 0}, "samples_per_epoch must be at least 1; got 0"),
        ({"samples_per_epoch": 2.5}, "samples_per_epoch must be an integer; got 2.5"),
        ({"source": None}, "source must have n_bins"),
        ({"total_epochs": 0}, "total_epochs must be at least 1; got 0"),
        ({"on_invalid": "x"}, "on_invalid must be one of"),
        ({"feasible": [True] * 3}, "feasible must have shape"),
    ],
)
def test_curriculum_bad_argument_raises(options, message):
    arguments = {
        "source": make_curriculum().source,
        "total_epochs": EPOCHS,
        "samples_per_epoch": SAMPLES,
        **options,
    }
    with pytest.raises((TypeError, ValueError), match=message):
        Curriculum(**arguments)


def test_curriculum_flag_that_is_none_raises(curriculum):
    record(curriculum, 20)
    other = Curriculum(IntervalSampler(other_videos(), curriculum.source.bins), EPOCHS, SAMPLES)
    with pytest.raises(TypeError, match="partial must be True or False; got 'no'"):
        curriculum.step(partial="no")
    with pytest.raises(TypeError, match="strict must be True or False; got 'no'"):
        other.load_state_dict(curriculum.state_dict(), strict="no")


def test_curriculum_invalid_iou_raises_then_can_be_discarded(curriculum):
    record(curriculum, SAMPLES - 1)
    curriculum.record(torch.tensor([float("nan")]), torch.tensor([2]))
    before = curriculum.state_dict()
    with pytest.raises(ValueError, match="in batch 10, bin 2"):
        curriculum.step()
    assert curriculum.state_dict() == before
    assert curriculum.discard_invalid() == 1
    curriculum.step()
    assert curriculum.scheduler.history[0].n_invalid == 1


def test_curriculum_dropping_invalid_ious_counts_them():
    curriculum = make_curriculum(on_invalid="drop")
    record(curriculum, SAMPLES - 1)
    curriculum.record(torch.tensor([float("nan")]), torch.tensor([2]))
    with pytest.warns(RuntimeWarning, match="batch 10, bin 2"):
        curriculum.step()
    assert curriculum.scheduler.history[0].n_invalid == 1


def test_curriculum_control_run_keeps_the_random_distribution():
    curriculum = make_curriculum(update_epochs=())
    start = curriculum.scheduler.distribution.tolist()
    record(curriculum, SAMPLES)
    assert curriculum.step().tolist() == start
    assert curriculum.scheduler.loss_weights.tolist() == [1, 1, 1, 1]


def other_videos():
    return VideoIndex([50] * 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 3}, "seed=3; got 0"),
        ({"samples_per_epoch": 48}, "samples_per_epoch=48; got 96"),
        ({"direction": "forward"}, "direction='forward'; got 'both'"),
        ({"videos": other_videos()}, "data="),
        ({"bins": IntervalBins(48, 12)}, "edges="),
        ({"order": 3.0}, "order=3.0; got 2.0"),
        ({"total_epochs": 9}, "total_epochs=9; got 4"),
    ],
)
def test_curriculum_state_of_another_one_raises_and_changes_nothing(curriculum, change, message):
    record(curriculum, SAMPLES)
    curriculum.step()
    options = {
        "videos": curriculum.source.videos,
        "bins": curriculum.source.bins,
        "total_epochs": EPOCHS,
        "samples_per_epoch": SAMPLES,
        **change,
    }
    names = ("videos", "bins", "seed", "direction")
    source = IntervalSampler(**{name: options.pop(name) for name in names if name in options})
    other = Curriculum(source, **options)
    before = other.state_dict()
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(curriculum.state_dict())
    assert other.state_dict() == before


def test_curriculum_slightly_changed_videos_load_with_a_warning(curriculum):
    record(curriculum, SAMPLES)
    curriculum.step()
    sampler = curriculum.source
    lengths = sampler.videos.lengths.copy()
    lengths[0] += 1
    changed = Curriculum(IntervalSampler(VideoIndex(lengths), sampler.bins), EPOCHS, SAMPLES)
    with pytest.warns(RuntimeWarning, match="other data"):
        changed.load_state_dict(curriculum.state_dict(), strict=False)
    assert changed.scheduler.history == curriculum.scheduler.history
    own = random_sampler_distribution(VideoIndex(lengths), sampler.bins)
    assert np.array_equal(changed.scheduler.random_distribution, own)


@pytest.mark.parametrize("name", ["version", "config", "scheduler", "tally"])
def test_curriculum_damaged_state_raises_and_changes_nothing(curriculum, name):
    state = curriculum.state_dict()
    del state[name]
    before = curriculum.state_dict()
    with pytest.raises(ValueError, match=name):
        curriculum.load_state_dict(state)
    assert curriculum.state_dict() == before


def test_curriculum_saved_often_still_notices_missing_batches(curriculum):
    for _ in range(6):
        record(curriculum, 10)
        again = make_curriculum()
        again.load_state_dict(curriculum.state_dict())
        curriculum = again
    with pytest.raises(ValueError, match=r"got 60.*less than a batch \(10\)"):
        curriculum.step()


def test_curriculum_batches_are_numbered_from_the_epoch_s_start(curriculum):
    record(curriculum, 30)
    again = make_curriculum()
    again.load_state_dict(curriculum.state_dict())
    next(iter(again.sampler))
    again.record([float("nan")], [1])
    with pytest.raises(ValueError, match="in batch 3, bin 1"):
        again.step(partial=True)


def test_curriculum_world_size_without_a_process_group_raises():
    curriculum = make_curriculum(rank=0, world_size=2)
    with pytest.raises(ValueError, match=r"rank and world_size must be \(0, 1\).*got \(0, 2\)"):
        curriculum.step()


def test_curriculum_unknown_option_raises():
    with pytest.raises(TypeError, match="unexpected keyword argument 'ordre'"):
        make_curriculum(ordre=2.0)


def test_curriculum_scheduler_options_pass_through():
    curriculum = make_curriculum(max_weight=1.5, normalize=True, threshold=0.5)
    assert isinstance(curriculum.scheduler, SuccessAwareScheduler)
    assert curriculum.scheduler.threshold == 0.5
