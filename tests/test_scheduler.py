"""SuccessAwareScheduler: whole runs against the model, and what the state machine cannot see.

`properties/test_scheduler_machine.py` mixes recording, steps, saves, loads and bad samples.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from sstrack_sched import (
    EpochRecord,
    SuccessAwareScheduler,
    SuccessStatistics,
    redetection_probability,
    sampling_distribution,
)
from tests.reference import SchedulerModel

Q_RANDOM = [0.5, 0.25, 0.125, 0.125]


def epoch_samples(seed, n=200, only=(0, 1, 2, 3)):
    """IoUs that fall with the bin, as they do in tracking."""
    rng = np.random.RandomState(seed)
    bins = rng.choice(only, size=n)
    return np.clip(rng.normal(0.8 - 0.15 * bins, 0.2), 0, 1), bins


def view(scheduler):
    """Everything that a caller can see, to the last bit."""
    arrays = scheduler.distribution, scheduler.loss_weights, scheduler.success_rate
    seen = [scheduler.state_dict(), scheduler.epoch, [array.tolist() for array in arrays]]
    return json.dumps(seen, sort_keys=True)


def idle():
    """A scheduler with a history and nothing recorded."""
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    scheduler.step(*epoch_samples(0))
    return scheduler


def busy():
    """A scheduler with a history and half an epoch recorded."""
    scheduler = idle()
    scheduler.record(*epoch_samples(1))
    return scheduler


# ----------------------------------------------------------------------- before any step


@pytest.mark.parametrize(
    "options, expected",
    [
        (dict(), [0.25] * 4),
        (dict(feasible=[True, False, True, False]), [0.5, 0.0, 0.5, 0.0]),
        (dict(random_distribution=Q_RANDOM), Q_RANDOM),
    ],
)
def test_start_distribution_is_the_random_one_or_uniform(options, expected):
    scheduler = SuccessAwareScheduler(4, 10, **options)
    assert scheduler.distribution.tolist() == expected
    assert scheduler.loss_weights.tolist() == [1.0] * 4
    assert (scheduler.epoch, scheduler.history, scheduler.redetection) == (0, [], 0.0)
    for array in (scheduler.distribution, scheduler.loss_weights, scheduler.success_rate):
        assert not array.flags.writeable


def test_start_does_not_hold_on_to_the_callers_arrays():
    q, feasible = np.array(Q_RANDOM), np.array([True] * 4)
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=q, feasible=feasible)
    q[:] = 0
    feasible[:] = False
    assert scheduler.distribution.tolist() == Q_RANDOM
    scheduler.step(*epoch_samples(0))
    assert view(scheduler) == view(idle())


def test_answers_are_not_the_schedulers_own_memory():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    returned = scheduler.step(*epoch_samples(0))
    before = view(scheduler)
    for array in (returned, scheduler.loss_weights, scheduler.success_rate):
        assert not array.flags.writeable
    scheduler.history.clear()
    scheduler.state_dict()["config"].clear()
    assert view(scheduler) == before


# ---------------------------------------------------------------------------- whole runs


OPTIONS = {
    "plain": dict(),
    "order": dict(order=0.5),
    "fixed threshold": dict(threshold=0.5),
    "threshold zero": dict(threshold=0.0),
    "random distribution": dict(random_distribution=Q_RANDOM),
    "random shares of zero": dict(random_distribution=[0.0, 0.5, 0.5, 0.0]),
    "infeasible": dict(
        feasible=[False, True, False, True], random_distribution=[0.0, 0.75, 0.0, 0.25]
    ),
    "capped": dict(random_distribution=Q_RANDOM, max_weight=1.125),
    "normalised": dict(random_distribution=Q_RANDOM, normalize=True),
    "both": dict(random_distribution=Q_RANDOM, max_weight=1.25, normalize=True),
    "some epochs": dict(random_distribution=Q_RANDOM, update_epochs=(1, 4)),
    "no epoch": dict(random_distribution=Q_RANDOM, update_epochs=()),
}


def assert_follows(scheduler, model):
    assert scheduler.epoch == model.epoch
    np.testing.assert_allclose(scheduler.distribution, model.distribution, rtol=1e-12)
    np.testing.assert_allclose(scheduler.loss_weights, model.loss_weights, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_run_follows_the_model(name):
    """Eight epochs of a planned six, the first with bins that have no sample."""
    scheduler = SuccessAwareScheduler(4, 6, **OPTIONS[name])
    model = SchedulerModel(4, 6, **OPTIONS[name])
    feasible = np.flatnonzero(scheduler.feasible)
    for seed, n in enumerate([1, 1, 2, 3, 10, 200, 200, 200]):
        assert_follows(scheduler, model)
        for one in (scheduler, model):
            one.record(*epoch_samples(seed, n, feasible))
        returned = scheduler.step()
        model.step()
        np.testing.assert_array_equal(returned, scheduler.distribution)
        assert scheduler.redetection == pytest.approx(model.redetection, rel=1e-14)
        assert scheduler.expected_success == pytest.approx(float(model.expected_success), rel=1e-12)
        for i in feasible:
            assert scheduler.success_rate[i] == float(model.success_rate[i])
    assert_follows(scheduler, model)


def test_run_of_one_bin_stays_certain():
    scheduler = SuccessAwareScheduler(1, 2)
    for _ in range(3):
        assert scheduler.step([0.5, 0.75], [0, 0]).tolist() == [1.0]
        assert scheduler.loss_weights.tolist() == [1.0]


@pytest.mark.parametrize(
    "rule, threshold, rates",
    [
        ("mean", 0.5, [0.0, 0.5, 1.0]),  # of the latest epoch only
        (0.25, 0.25, [0.5, 1.0, 1.0]),  # strict
        (1.0, 1.0, [0.0, 0.0, 0.0]),
    ],
)
def test_threshold_is_the_mean_of_the_epoch_or_stays(rule, threshold, rates):
    scheduler = SuccessAwareScheduler(3, 10, threshold=rule)
    scheduler.step([1.0, 1.0, 1.0], [0, 0, 1])
    scheduler.step([0.25, 0.5, 0.375, 0.625, 0.75], [0, 0, 1, 1, 2])
    assert scheduler.threshold == scheduler.history[-1].threshold == threshold
    assert scheduler.success_rate.tolist() == rates


@pytest.mark.parametrize(
    "epochs, rates",
    [
        # One list of IoUs per bin and epoch; never measured: as the nearest lower bin, ...
        ([[[0.9, 0.1], [0.9, 0.1, 0.1, 0.9], [], []]], [0.5, 0.5, 0.5, 0.5]),
        ([[[0.9], [0.9, 0.1], [], [0.1, 0.1]]], [1.0, 0.5, 0.5, 0.0]),
        # ... else the nearest higher one.
        ([[[], [], [0.9, 0.1], [0.1]]], [0.5, 0.5, 0.5, 0.0]),
        # Measured before: the last rate.
        ([[[0.9], [0.9, 0.1], [0.1], [0.1]], [[0.1], [], [], [0.9]]], [0.0, 0.5, 0.0, 1.0]),
        # A borrowed rate is no measurement: it follows its lender.
        ([[[0.9], [], [], []], [[0.1], [], [], []]], [0.0] * 4),
        ([[[0.9], [], [], []], [[], [0.9, 0.1], [], []]], [1.0, 0.5, 0.5, 0.5]),
    ],
)
def test_missing_bin_keeps_or_borrows_its_rate(epochs, rates):
    scheduler = SuccessAwareScheduler(4, 10, threshold=0.5)
    for epoch in epochs:
        scheduler.step(epoch)
    assert scheduler.success_rate.tolist() == rates


@pytest.mark.parametrize("kind", [tuple, list, set, iter, np.array, lambda x: range(1, 4, 2)])
def test_update_epochs_change_only_distribution_and_weights(kind):
    """0-based: 1 and 3 are ``.epoch`` before the step."""
    options = dict(random_distribution=Q_RANDOM)
    chosen = SuccessAwareScheduler(4, 10, update_epochs=kind([1, 3]), **options)
    free = SuccessAwareScheduler(4, 10, **options)
    q, weights = Q_RANDOM, [1.0] * 4
    for epoch in range(5):
        for scheduler in (chosen, free):
            scheduler.step(*epoch_samples(epoch))
        if epoch in (1, 3):
            q, weights = free.distribution.tolist(), free.loss_weights.tolist()
        expected = dict(free.history[-1].to_dict(), distribution=q, loss_weights=weights)
        assert chosen.history[-1].to_dict() == expected
        assert chosen.distribution.tolist() == q


# --------------------------------------------------------------------- ways to hand IoUs in


@pytest.mark.parametrize(
    "arguments",
    [
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]),
        (([0.9, 0.8], np.array([0.2, 0.1])),),
        (np.array([[0.9, 0.8], [0.2, 0.1]]),),  # read as bins, not as samples
    ],
)
def test_step_adds_to_what_was_recorded(arguments):
    scheduler = SuccessAwareScheduler(2, 10, threshold=0.5)
    scheduler.record([0.1], [0])
    scheduler.step(*arguments)
    assert scheduler.success_rate.tolist() == [2 / 3, 0.0]
    assert scheduler.history[0].count.tolist() == [3, 2]


class Reduced:
    """Statistics that an adapter hands in: sums that were reduced over ranks."""

    def __init__(self, count=(3, 0, 1, 4), mean_iou=0.375, rate=(0.75, np.nan, 0.5, 0.25)):
        self.count = np.array(count)
        self.mean_iou = mean_iou
        self.rate = np.array(rate)
        self.n_invalid = 2
        self.asked = set()

    def success_rate(self, threshold):
        self.asked.add(threshold)
        return self.rate


@pytest.mark.parametrize("rule, threshold", [("mean", 0.375), (0.5, 0.5)])
def test_step_object_gives_its_sums(rule, threshold):
    reduced = Reduced()
    scheduler = SuccessAwareScheduler(4, 10, threshold=rule)
    q = scheduler.step(reduced)
    assert reduced.asked == {threshold}
    assert scheduler.threshold == threshold
    assert scheduler.success_rate.tolist() == [0.75, 0.75, 0.5, 0.25]
    d = redetection_probability(1, 10)
    np.testing.assert_allclose(q, sampling_distribution([0.75, 0.75, 0.5, 0.25], d), rtol=1e-14)
    record = scheduler.history[0]
    assert record.count.tolist() == [3, 0, 1, 4]
    assert (record.mean_iou, record.n_invalid) == (0.375, 2)


def test_step_statistics_stay_as_they_are():
    statistics = SuccessStatistics(2)
    statistics.add([0.5, 0.25], [0, 1])
    statistics.n_invalid = 3
    before = statistics.state_dict()
    scheduler = SuccessAwareScheduler(2, 10)
    scheduler.step(statistics)
    scheduler.record([0.5], [0])
    assert scheduler.history[0].n_invalid == 3
    assert statistics.state_dict() == before


# -------------------------------------------------------------------------------- history


def test_history_holds_one_record_an_epoch():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    for seed in range(3):
        ious, bins = epoch_samples(seed)
        scheduler.step(ious, bins)
        assert len(scheduler.history) == seed + 1
        expected = dict(
            epoch=seed,  # 0-based, the epoch that was measured
            threshold=scheduler.threshold,
            redetection=redetection_probability(seed + 1, 10),
            success_rate=scheduler.success_rate.tolist(),
            count=np.bincount(bins, minlength=4).tolist(),
            mean_iou=pytest.approx(ious.mean(), abs=1e-9),
            n_invalid=0,
            distribution=scheduler.distribution.tolist(),
            loss_weights=scheduler.loss_weights.tolist(),
            expected_success=scheduler.expected_success,
        )
        assert scheduler.history[-1].to_dict() == expected
    assert [field.name for field in dataclasses.fields(EpochRecord)] == list(expected)


def test_history_restored_is_the_one_saved():
    state, scheduler = (
        busy().state_dict(),
        SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM),
    )
    assert state["version"] == 2
    scheduler.load_state_dict(json.loads(json.dumps(state)))
    assert scheduler.history == busy().history
    assert scheduler.history[0] != state["history"][0]


# ---------------------------------------------------------------------------------- state


def assert_plain(value):
    """Plain Python all the way down: no NumPy scalar, no tuple-keyed dict, no NaN."""
    if isinstance(value, dict):
        assert {type(key) for key in value} == {str}
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            assert_plain(part)
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)
        assert value == value


NUMPY_OPTIONS = dict(
    order=np.float32(2),
    threshold=np.float64(0.5),
    random_distribution=np.array(Q_RANDOM),
    feasible=np.array([True] * 4),
    update_epochs=np.array([0, 2]),
    max_weight=np.float32(4),
    normalize=np.bool_(True),
)


@pytest.mark.parametrize("options", [*OPTIONS.values(), NUMPY_OPTIONS], ids=[*OPTIONS, "numpy"])
def test_state_is_plain_python(options):
    scheduler = SuccessAwareScheduler(np.int64(4), np.int32(6), **options)
    assert_plain(scheduler.state_dict())
    scheduler.step(*epoch_samples(0, only=[1]))
    scheduler.step(Reduced((0, 1, 0, 0), rate=[np.nan, 0.5, np.nan, np.nan]))
    scheduler.record(*epoch_samples(9, only=[1]))
    assert_plain(scheduler.state_dict())


def test_state_is_shared_with_no_scheduler():
    one, other = busy(), idle()
    state = one.state_dict()
    text = json.dumps(state, sort_keys=True)
    other.load_state_dict(state)
    for scheduler in (one, other):
        scheduler.record(*epoch_samples(2))
        scheduler.step()
        scheduler.record(*epoch_samples(3))
    assert json.dumps(state, sort_keys=True) == text


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "name, bad, got",
    [
        ("n_bins", 0, 0),
        ("n_bins", 2.5, 2.5),
        ("n_bins", "4", "4"),
        ("total_epochs", -3, -3),
        ("total_epochs", 2.5, 2.5),
        ("total_epochs", None, None),
        ("order", 0.0, 0),
        ("order", -1.5, -1.5),
        ("order", float("nan"), "nan"),
        ("order", "2", "2"),
        ("threshold", "median", "median"),
        ("threshold", -0.1, -0.1),
        ("threshold", 1.1, 1.1),
        ("threshold", float("nan"), "nan"),
        ("threshold", None, None),
        ("random_distribution", [0.5, 0.5], "(2,)"),
        ("random_distribution", [0.5, 0.25, 0.125, 0.25], 1.125),
        ("random_distribution", [0.5, 0.75, -0.25, 0.0], -0.25),
        ("random_distribution", [0.5, 0.5, float("nan"), 0.0], "nan"),
        ("random_distribution", "uniform", "uniform"),
        ("feasible", [True, False], "(2,)"),
        ("feasible", [False] * 4, "True"),
        ("feasible", [0.5, 1.0, 1.0, 1.0], 0.5),
        ("update_epochs", [1, -7], -7),
        ("update_epochs", [0.5], 0.5),
        ("update_epochs", "a", "a"),
        ("update_epochs", 3, 3),
        ("max_weight", 0.5, 0.5),
        ("max_weight", float("nan"), "nan"),
        ("max_weight", "3", "3"),
        ("normalize", "yes", "yes"),
        ("temperature", 1.0, ""),
    ],
)
def test_error_argument_names_it(name, bad, got, says):
    arguments = dict({"n_bins": 4, "total_epochs": 10}, **{name: bad})
    with pytest.raises((TypeError, ValueError), match=says(name, got)):
        SuccessAwareScheduler(**arguments)


def test_error_options_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        SuccessAwareScheduler(4, 10, 2.0)


def test_error_random_mass_on_an_infeasible_bin_names_it(says):
    feasible = [True, False, True, True]
    with pytest.raises(ValueError, match=says("random_distribution", "feasible", 0.25, 1)):
        SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM, feasible=feasible)


def refuses(match, call, make=idle):
    """The call raises, and the scheduler is and goes on as if it had not been made."""
    scheduler, shadow = make(), make()
    before = view(scheduler)
    with pytest.raises((TypeError, ValueError), match=match):
        call(scheduler)
    assert view(scheduler) == before
    for other in (scheduler, shadow):
        other.record(*epoch_samples(2))
        other.step()
    assert view(scheduler) == view(shadow)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), ("recorded", "no IoU")),
        (([], []), ("recorded",)),
        (([[], [], [], []],), ("recorded",)),
        (([[0.5], [0.5], [0.5]],), ("ious", 3, 4)),
        (([[0.5], [0.5], [0.5], [0.5, -0.5]],), ("iou", -0.5, "GIoU?")),
        ((np.array([0.5, 0.25, 0.5, 0.25]),), ("bins", 0.5)),
        ((7,), ("iou", 7)),
        (("ious",), ("iou", 4)),
        (({"count": [1]},), ("iou", 1)),
        ((None, [0, 1]), ("ious", None, "bins")),
        ((Reduced(), [0]), ("bins", "statistics")),
        ((Reduced((1, 1), rate=(0.5, 0.5)),), (2, 4)),
        ((Reduced((0, 0, 0, 0), np.nan),), ("recorded", "2 invalid")),
        ((Reduced((3, -1, 1, 4)),), ("count", -1)),
        ((Reduced(mean_iou=np.nan),), ("mean_iou", "nan")),
        ((Reduced(mean_iou=1.5),), ("mean_iou", 1.5)),
        ((Reduced(mean_iou=-0.5),), ("mean_iou", -0.5)),
        ((Reduced(rate=[0.5, np.nan, 1.5, 0.5]),), ("success_rate", 1.5)),
        ((Reduced(rate=[0.5, np.nan, np.nan, 0.5]),), ("success_rate", "nan")),  # has samples
        ((Reduced(rate=[0.5]),), ("success_rate", "(1,)")),
        ((Reduced(rate=0.5),), ("success_rate", "()")),
    ],
)
def test_error_step_names_what_it_got(arguments, words, says):
    refuses(says(*words), lambda s: s.step(*arguments))


def test_error_step_with_statistics_beside_recorded_samples_says_so(says):
    refuses(says("statistics", "recorded before; got ["), lambda s: s.step(Reduced()), busy)


def test_error_sample_of_an_infeasible_bin_names_it(says):
    def make():
        return SuccessAwareScheduler(5, 10, feasible=[True] * 4 + [False])

    refuses(says("bins", "feasible", 4), lambda s: s.record([0.5, 0.5], [0, 4]), make)


@pytest.mark.parametrize(
    "name, changes",
    [
        ("n_bins", dict(n_bins=5, random_distribution=[*Q_RANDOM, 0.0])),
        ("total_epochs", dict(total_epochs=11)),
        ("order", dict(order=3.0)),
        ("threshold", dict(threshold=0.5)),
        ("random_distribution", dict(random_distribution=Q_RANDOM[::-1])),
        ("random_distribution", dict(random_distribution=None)),
        ("feasible", dict(random_distribution=[0.5, 0.5, 0.0, 0.0], feasible=[1, 1, 1, 0])),
        ("update_epochs", dict(update_epochs=[1])),
        ("update_epochs", dict(update_epochs=())),
        ("max_weight", dict(max_weight=2.0)),
        ("normalize", dict(normalize=True)),
    ],
)
def test_error_state_of_another_configuration_names_it(name, changes, says):
    options = dict(n_bins=4, total_epochs=10, random_distribution=Q_RANDOM)
    if name == "feasible":
        options["random_distribution"] = changes["random_distribution"]
    own = SuccessAwareScheduler(**options)
    state = SuccessAwareScheduler(**dict(options, **changes)).state_dict()
    refuses(says("state", name), lambda s: s.load_state_dict(state), lambda: own)


MISSING = object()


@pytest.mark.parametrize(
    "path, value",
    [
        *[((name,), MISSING) for name in busy().state_dict()],
        *[(("config", name), MISSING) for name in busy().state_dict()["config"]],
        *[(("recorded", name), MISSING) for name in busy().state_dict()["recorded"]],
        *[((name,), None) for name in busy().state_dict()],
        (("config", "random_distribution"), [None] * 4),
        (("history", 0), 3),
        *[(("history", 0, name), MISSING) for name in busy().state_dict()["history"][0]],
        (("history", 0, "unknown"), 3),
        (("history", 0, "distribution"), None),
        (("recorded", "n_bins"), 5),
        (("recorded", "samples"), "AAA"),
        (("version",), 99),
        (("unknown",), 3),
    ],
    ids=str,
)
def test_error_state_that_is_damaged_raises(path, value):
    state = inner = json.loads(json.dumps(busy().state_dict()))
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    if value is MISSING:
        del inner[path[-1]]
    match = "version.*99" if value == 99 else "(?i)state"
    refuses(match, lambda s: s.load_state_dict(state), busy)


@pytest.mark.parametrize("bad", [None, [], {}, "state", 3])
def test_error_state_that_is_none_raises(bad):
    refuses("(?i)state", lambda s: s.load_state_dict(bad))
