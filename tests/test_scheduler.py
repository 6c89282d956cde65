"""SuccessAwareScheduler: every bullet of its contract."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from sstrack_sched import (
    SuccessAwareScheduler,
    SuccessStatistics,
    expected_success,
    loss_weights,
    redetection_probability,
    sampling_distribution,
)
from tests.reference import SchedulerModel

Q_RANDOM = [0.5, 0.25, 0.125, 0.125]


def epoch_samples(seed, n=200, n_bins=4, only=None):
    """IoUs that fall with the bin, as they do in tracking."""
    rng = np.random.RandomState(seed)
    bins = rng.randint(0, n_bins, size=n) if only is None else rng.choice(only, size=n)
    return np.clip(rng.normal(0.8 - 0.15 * bins, 0.2), 0, 1), bins


def through_json(state):
    return json.loads(json.dumps(state))


def view(scheduler):
    """Everything that a caller can see, to the last bit."""
    return json.dumps(
        [
            scheduler.state_dict(),
            scheduler.epoch,
            [x.hex() for x in scheduler.distribution.tolist()],
            [x.hex() for x in scheduler.loss_weights.tolist()],
            repr(scheduler.history),
        ],
        sort_keys=True,
    )


def assert_follows(scheduler, model):
    assert scheduler.epoch == model.epoch
    np.testing.assert_allclose(scheduler.distribution, model.distribution, rtol=1e-12)
    np.testing.assert_allclose(scheduler.loss_weights, model.loss_weights, rtol=1e-12)


def run_both(options, epochs):
    scheduler = SuccessAwareScheduler(**options)
    model = SchedulerModel(**options)
    assert_follows(scheduler, model)
    for ious, bins in epochs:
        scheduler.record(ious, bins)
        model.record(ious, bins)
        returned = scheduler.step()
        model.step()
        assert_follows(scheduler, model)
        np.testing.assert_array_equal(returned, scheduler.distribution)
        assert scheduler.redetection == pytest.approx(model.redetection, rel=1e-14)
        assert scheduler.expected_success == pytest.approx(float(model.expected_success), rel=1e-12)
        for i in range(model.n_bins):
            if model.feasible[i]:
                assert scheduler.success_rate[i] == float(model.success_rate[i])
    return scheduler, model


# ----------------------------------------------------------------------- before any step


def test_start_distribution_is_uniform():
    scheduler = SuccessAwareScheduler(4, 10)
    assert scheduler.distribution.tolist() == [0.25] * 4
    assert scheduler.loss_weights.tolist() == [1.0] * 4
    assert scheduler.epoch == 0
    assert len(scheduler.history) == 0


def test_start_distribution_is_uniform_over_feasible_bins():
    scheduler = SuccessAwareScheduler(4, 10, feasible=[True, False, True, False])
    assert scheduler.distribution.tolist() == [0.5, 0.0, 0.5, 0.0]
    assert scheduler.loss_weights.tolist() == [1.0] * 4


def test_start_distribution_is_the_random_one():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    assert scheduler.distribution.tolist() == Q_RANDOM
    assert scheduler.loss_weights.tolist() == [1.0] * 4


def test_start_options_are_keyword_only():
    with pytest.raises(TypeError):
        SuccessAwareScheduler(4, 10, 2.0)


def test_start_does_not_hold_on_to_the_callers_arrays():
    q, feasible = np.array(Q_RANDOM), np.array([True] * 4)
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=q, feasible=feasible)
    q[:] = 0
    feasible[:] = False
    assert scheduler.distribution.tolist() == Q_RANDOM
    scheduler.step(*epoch_samples(0))
    expected = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    expected.step(*epoch_samples(0))
    assert scheduler.loss_weights.tolist() == expected.loss_weights.tolist()


def test_answers_are_not_the_schedulers_own_memory():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    returned = scheduler.step(*epoch_samples(0))
    before = view(scheduler)
    for array in (
        returned,
        scheduler.distribution,
        scheduler.loss_weights,
        scheduler.success_rate,
    ):
        try:
            array[:] = 0.125
        except ValueError:
            pass  # read-only is as good
    try:
        scheduler.history.clear()
    except AttributeError:
        pass  # a tuple is as good
    scheduler.state_dict().clear()
    assert view(scheduler) == before
    assert len(scheduler.history) == 1


# ---------------------------------------------------------------------------- whole runs


OPTIONS = {
    "plain": dict(),
    "order": dict(order=0.5),
    "fixed threshold": dict(threshold=0.5),
    "threshold zero": dict(threshold=0.0),
    "random distribution": dict(random_distribution=Q_RANDOM),
    "capped": dict(random_distribution=Q_RANDOM, max_weight=1.125),
    "normalised": dict(random_distribution=Q_RANDOM, normalize=True),
    "both": dict(random_distribution=Q_RANDOM, max_weight=1.25, normalize=True),
    "some epochs": dict(random_distribution=Q_RANDOM, update_epochs=(1, 4)),
    "no epoch": dict(random_distribution=Q_RANDOM, update_epochs=()),
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_run_follows_the_model(name):
    """Eight epochs of a planned six: every option, checked after every step."""
    options = dict(OPTIONS[name], n_bins=4, total_epochs=6)
    run_both(options, [epoch_samples(seed) for seed in range(8)])


def test_run_with_infeasible_bins_follows_the_model():
    options = dict(
        n_bins=4,
        total_epochs=6,
        feasible=[True, False, True, True],
        random_distribution=[0.6, 0.0, 0.3, 0.1],
    )
    scheduler, _ = run_both(options, [epoch_samples(seed, only=[0, 2, 3]) for seed in range(6)])
    assert scheduler.distribution[1] == 0.0
    assert scheduler.loss_weights[1] == 1.0


def test_run_with_random_share_zero_follows_the_model():
    options = dict(n_bins=4, total_epochs=6, random_distribution=[0.0, 0.5, 0.5, 0.0])
    scheduler, _ = run_both(options, [epoch_samples(seed) for seed in range(3)])
    assert scheduler.loss_weights[0] == scheduler.loss_weights[3] == 1.0
    assert scheduler.distribution[0] > 0


def test_run_of_one_bin_stays_certain():
    scheduler, _ = run_both(dict(n_bins=1, total_epochs=2), [([0.5, 0.75], [0, 0])] * 3)
    assert scheduler.distribution.tolist() == [1.0]
    assert scheduler.loss_weights.tolist() == [1.0]


def test_step_is_built_from_the_public_functions():
    ious, bins = epoch_samples(0)
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    q = scheduler.step(ious, bins)
    statistics = SuccessStatistics(4)
    statistics.add(ious, bins)
    p = statistics.success_rate(statistics.mean_iou)
    d = redetection_probability(1, 10, 2.0)
    np.testing.assert_array_equal(scheduler.success_rate, p)
    assert scheduler.threshold == statistics.mean_iou
    assert scheduler.redetection == d
    np.testing.assert_allclose(q, sampling_distribution(p, d), rtol=1e-14)
    assert scheduler.expected_success == pytest.approx(float(expected_success(p, d)))
    np.testing.assert_allclose(scheduler.loss_weights, loss_weights(Q_RANDOM, q))


def test_redetection_is_that_of_the_epoch_that_follows():
    scheduler = SuccessAwareScheduler(4, 4)
    seen = []
    for seed in range(6):
        scheduler.step(*epoch_samples(seed))
        seen.append(scheduler.redetection)
    expected = [0.25**0.5, 0.5**0.5, 0.75**0.5, 1.0, 1.0, 1.0]
    assert seen == pytest.approx(expected, rel=1e-15)


def test_past_the_end_the_distribution_is_uniform():
    scheduler = SuccessAwareScheduler(4, 2)
    for seed in range(4):
        scheduler.step(*epoch_samples(seed))
        if seed >= 1:
            np.testing.assert_allclose(scheduler.distribution, 0.25, rtol=1e-14)


def test_threshold_mean_is_that_of_the_latest_epoch_only():
    scheduler = SuccessAwareScheduler(2, 10)
    scheduler.step([1.0, 1.0, 1.0], [0, 0, 1])
    scheduler.step([0.25, 0.5, 0.75], [0, 0, 1])
    assert scheduler.threshold == 0.5
    assert scheduler.success_rate.tolist() == [0.0, 1.0]


def test_threshold_fixed_stays_and_is_strict():
    scheduler = SuccessAwareScheduler(3, 10, threshold=0.3)
    scheduler.step([0.3, 0.31, 0.29, 0.3], [0, 1, 2, 1])
    assert scheduler.threshold == 0.3
    assert scheduler.success_rate.tolist() == [0.0, 0.5, 0.0]


def test_threshold_fixed_one_means_no_success():
    scheduler = SuccessAwareScheduler(2, 10, threshold=np.float32(1.0))
    scheduler.step([1.0, 0.5], [0, 1])
    assert scheduler.success_rate.tolist() == [0.0, 0.0]


# ----------------------------------------------------------------- bins without samples


def test_missing_bin_never_measured_takes_the_nearest_lower_one():
    scheduler = SuccessAwareScheduler(4, 10, threshold=0.5)
    scheduler.step([0.9, 0.1, 0.9, 0.1, 0.1, 0.9], [0, 0, 1, 1, 1, 1])
    assert scheduler.success_rate.tolist() == [0.5, 0.5, 0.5, 0.5]
    scheduler = SuccessAwareScheduler(4, 10, threshold=0.5)
    scheduler.step([0.9, 0.9, 0.1, 0.1, 0.1], [0, 1, 1, 3, 3])
    assert scheduler.success_rate.tolist() == [1.0, 0.5, 0.5, 0.0]


def test_missing_bin_with_nothing_below_takes_the_nearest_higher_one():
    scheduler = SuccessAwareScheduler(4, 10, threshold=0.5)
    scheduler.step([0.9, 0.1, 0.1], [2, 2, 3])
    assert scheduler.success_rate.tolist() == [0.5, 0.5, 0.5, 0.0]


def test_missing_bin_measured_before_keeps_its_last_rate():
    scheduler = SuccessAwareScheduler(3, 10, threshold=0.5)
    scheduler.step([0.9, 0.9, 0.1], [0, 1, 1])
    scheduler.step([0.1], [0])
    assert scheduler.success_rate.tolist() == [0.0, 0.5, 0.5]
    scheduler.step([0.9], [2])
    assert scheduler.success_rate.tolist() == [0.0, 0.5, 1.0]


def test_missing_bin_borrowed_rate_follows_its_lender():
    """A borrowed rate is no measurement: it is borrowed anew every epoch."""
    scheduler = SuccessAwareScheduler(3, 10, threshold=0.5)
    scheduler.step([0.9], [0])
    assert scheduler.success_rate.tolist() == [1.0, 1.0, 1.0]
    scheduler.step([0.1], [0])
    assert scheduler.success_rate.tolist() == [0.0, 0.0, 0.0]
    scheduler.step([0.9, 0.1], [1, 1])
    assert scheduler.success_rate.tolist() == [0.0, 0.5, 0.5]


def test_missing_bin_borrowed_rate_survives_a_save():
    one = SuccessAwareScheduler(3, 10, threshold=0.5)
    one.step([0.9], [0])
    other = SuccessAwareScheduler(3, 10, threshold=0.5)
    other.load_state_dict(through_json(one.state_dict()))
    other.step([0.1], [0])
    assert other.success_rate.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("seed", range(6))
def test_missing_bins_of_random_runs_follow_the_model(seed):
    rng = np.random.RandomState(seed)
    epochs = []
    for _ in range(6):
        only = rng.choice(6, size=rng.randint(1, 4), replace=False)
        epochs.append(epoch_samples(rng.randint(10**6), 30, only=only))
    run_both(dict(n_bins=6, total_epochs=6), epochs)


def test_missing_bins_between_infeasible_ones_follow_the_model():
    options = dict(n_bins=5, total_epochs=6, feasible=[False, True, True, False, True])
    epochs = [([0.9, 0.1], [2, 2]), ([0.9, 0.1, 0.1], [4, 4, 2]), ([0.3, 0.9], [1, 2])]
    run_both(options, epochs)


# --------------------------------------------------------------------------- update_epochs


def test_update_epochs_none_changes_every_epoch():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    seen = [scheduler.distribution.tolist()]
    for seed in range(4):
        seen.append(scheduler.step(*epoch_samples(seed)).tolist())
    assert len({tuple(q) for q in seen}) == 5


@pytest.mark.parametrize("kind", [tuple, list, set, frozenset, np.array, lambda x: range(1, 4, 2)])
def test_update_epochs_changes_only_after_those(kind):
    """0-based: 1 and 3 are ``.epoch`` before the step."""
    chosen = [1, 3]
    scheduler = SuccessAwareScheduler(
        4, 10, random_distribution=Q_RANDOM, update_epochs=kind(chosen)
    )
    free = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    q, weights = Q_RANDOM, [1.0] * 4
    for epoch in range(6):
        assert scheduler.epoch == epoch
        scheduler.step(*epoch_samples(epoch))
        free.step(*epoch_samples(epoch))
        if epoch in chosen:
            q, weights = free.distribution.tolist(), free.loss_weights.tolist()
        assert scheduler.distribution.tolist() == q
        assert scheduler.loss_weights.tolist() == weights
        assert scheduler.redetection == free.redetection
        assert scheduler.threshold == free.threshold
        assert scheduler.success_rate.tolist() == free.success_rate.tolist()
        assert scheduler.expected_success == free.expected_success
    assert len(scheduler.history) == 6


def test_update_epochs_empty_never_changes():
    scheduler = SuccessAwareScheduler(4, 3, random_distribution=Q_RANDOM, update_epochs=())
    for epoch in range(5):
        assert scheduler.step(*epoch_samples(epoch)).tolist() == Q_RANDOM
        assert scheduler.loss_weights.tolist() == [1.0] * 4
    assert scheduler.epoch == 5
    assert scheduler.redetection == 1.0
    for record in scheduler.history:
        assert list(record.distribution) == Q_RANDOM
        assert list(record.loss_weights) == [1.0] * 4


def test_update_epochs_state_remembers_the_distribution_in_force():
    options = dict(random_distribution=Q_RANDOM, update_epochs=[0])
    one = SuccessAwareScheduler(4, 10, **options)
    one.step(*epoch_samples(0))
    one.step(*epoch_samples(1))
    other = SuccessAwareScheduler(4, 10, **options)
    other.load_state_dict(through_json(one.state_dict()))
    assert other.distribution.tolist() == one.distribution.tolist() != Q_RANDOM
    assert other.loss_weights.tolist() == one.loss_weights.tolist()


# ------------------------------------------------------------------------------- weights


def test_weights_without_a_random_distribution_compare_with_uniform():
    scheduler = SuccessAwareScheduler(4, 10)
    q = scheduler.step(*epoch_samples(0))
    np.testing.assert_allclose(scheduler.loss_weights * q, np.maximum(q, 0.25), rtol=1e-14)


def test_weights_normalised_have_mean_one():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM, normalize=True)
    q = scheduler.step(*epoch_samples(0))
    assert (q * scheduler.loss_weights).sum() == pytest.approx(1.0, rel=1e-14)


def test_weights_capped_stay_under_the_cap():
    plain = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM[::-1])
    capped = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM[::-1], max_weight=1.5)
    plain.step(*epoch_samples(0))
    capped.step(*epoch_samples(0))
    assert plain.loss_weights.max() > 1.5
    assert capped.loss_weights.tolist() == np.minimum(plain.loss_weights, 1.5).tolist()


# --------------------------------------------------------------------- ways to hand IoUs in


def test_step_forms_all_give_the_same():
    ious, bins = epoch_samples(0)
    recorded = SuccessAwareScheduler(4, 10)
    for start in range(0, 200, 32):
        recorded.record(ious[start : start + 32], bins[start : start + 32])
    recorded.step()
    direct = SuccessAwareScheduler(4, 10)
    direct.step(ious, bins)
    by_bin = SuccessAwareScheduler(4, 10)
    by_bin.step([ious[bins == i] for i in range(4)])
    as_tuple = SuccessAwareScheduler(4, 10)
    as_tuple.step(tuple(ious[bins == i].tolist() for i in range(4)))
    statistics = SuccessStatistics(4)
    statistics.add(ious, bins)
    handed = SuccessAwareScheduler(4, 10)
    handed.step(statistics)
    expected = recorded.distribution.tolist()
    for other in (direct, by_bin, as_tuple, handed):
        assert other.distribution.tolist() == expected
        assert other.loss_weights.tolist() == recorded.loss_weights.tolist()
        assert other.threshold == recorded.threshold
        assert other.epoch == 1


def test_step_sequence_with_empty_bins_equals_bins_without_samples():
    by_bin = SuccessAwareScheduler(4, 10)
    by_bin.step([[0.9, 0.2], [], np.zeros(0), [0.1]])
    direct = SuccessAwareScheduler(4, 10)
    direct.step([0.9, 0.2, 0.1], [0, 0, 3])
    assert by_bin.distribution.tolist() == direct.distribution.tolist()
    assert list(by_bin.history[0].count) == [2, 0, 0, 1]


def test_step_sequence_of_as_many_samples_as_bins_is_read_as_bins():
    square = np.array([[0.9, 0.8], [0.2, 0.1]])
    by_bin = SuccessAwareScheduler(2, 10, threshold=0.5)
    by_bin.step(list(square))
    assert by_bin.success_rate.tolist() == [1.0, 0.0]


class Reduced:
    """What an adapter hands in: sums that were reduced over ranks."""

    def __init__(self, count=(3, 0, 1, 4), n_invalid=2):
        self.count = np.array(count)
        self.mean_iou = 0.375
        self.n_invalid = n_invalid
        self.asked = []

    def success_rate(self, threshold):
        self.asked.append(threshold)
        return np.where(self.count > 0, [0.75, np.nan, 0.5, 0.25], np.nan)


def test_step_object_gives_its_sums():
    reduced = Reduced()
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    q = scheduler.step(reduced)
    assert reduced.asked and set(reduced.asked) == {0.375}
    assert scheduler.threshold == 0.375
    assert scheduler.success_rate.tolist() == [0.75, 0.75, 0.5, 0.25]
    d = redetection_probability(1, 10)
    np.testing.assert_allclose(q, sampling_distribution([0.75, 0.75, 0.5, 0.25], d), rtol=1e-14)
    record = scheduler.history[0]
    assert list(record.count) == [3, 0, 1, 4]
    assert record.mean_iou == 0.375
    assert record.n_invalid == 2
    json.dumps(scheduler.state_dict())


def test_step_statistics_bring_their_number_of_invalid_samples():
    statistics = SuccessStatistics(2)
    statistics.add([0.5, 0.25], [0, 1])
    statistics.n_invalid = 3
    scheduler = SuccessAwareScheduler(2, 10)
    scheduler.step(statistics)
    assert scheduler.history[0].n_invalid == 3
    assert statistics.n_invalid == 3  # the caller's object stays his
    assert statistics.count.tolist() == [1, 1]


def test_step_object_with_a_fixed_threshold_is_asked_for_that():
    reduced = Reduced()
    scheduler = SuccessAwareScheduler(4, 10, threshold=0.5)
    scheduler.step(reduced)
    assert set(reduced.asked) == {0.5}
    assert scheduler.threshold == 0.5
    assert scheduler.history[0].mean_iou == 0.375


def test_step_clears_the_statistics():
    scheduler = SuccessAwareScheduler(2, 10, threshold=0.5)
    scheduler.record([0.9, 0.9], [0, 1])
    scheduler.step()
    scheduler.record([0.1], [0])
    scheduler.step()
    assert list(scheduler.history[1].count) == [1, 0]
    assert scheduler.success_rate.tolist() == [0.0, 1.0]


def test_record_order_and_batches_are_irrelevant():
    ious, bins = epoch_samples(3)
    one = SuccessAwareScheduler(4, 10)
    one.record(ious, bins)
    other = SuccessAwareScheduler(4, 10)
    for index in np.random.RandomState(0).permutation(200):
        other.record(ious[index : index + 1], bins[index : index + 1])
    one.step()
    other.step()
    assert view(one) == view(other)


# -------------------------------------------------------------------------------- history


def test_history_holds_one_record_an_epoch():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    for seed in range(3):
        ious, bins = epoch_samples(seed)
        q = scheduler.step(ious, bins)
        record = scheduler.history[-1]
        assert len(scheduler.history) == seed + 1
        assert record.epoch == seed  # 0-based, the epoch that was measured
        assert record.threshold == scheduler.threshold
        assert record.redetection == scheduler.redetection
        assert record.redetection == redetection_probability(seed + 1, 10)
        assert list(record.count) == np.bincount(bins, minlength=4).tolist()
        assert record.mean_iou == pytest.approx(ious.mean(), abs=1e-9)
        assert record.n_invalid == 0
        assert list(record.distribution) == q.tolist()
        assert list(record.loss_weights) == scheduler.loss_weights.tolist()
        assert list(record.success_rate) == scheduler.success_rate.tolist()
        assert record.expected_success == scheduler.expected_success


def test_history_record_has_the_fields_of_the_contract():
    scheduler = SuccessAwareScheduler(4, 10)
    scheduler.step(*epoch_samples(0))
    record = scheduler.history[0]
    for name in (
        "epoch",
        "threshold",
        "redetection",
        "success_rate",
        "count",
        "mean_iou",
        "n_invalid",
        "distribution",
        "loss_weights",
        "expected_success",
    ):
        assert hasattr(record, name)
    assert type(record).__name__ == "EpochRecord"


def test_history_infeasible_bin_is_none_in_json():
    scheduler = SuccessAwareScheduler(3, 10, feasible=[True, False, True])
    scheduler.step([0.9, 0.1], [0, 2])
    text = json.dumps(scheduler.state_dict(), allow_nan=False)
    other = SuccessAwareScheduler(3, 10, feasible=[True, False, True])
    other.load_state_dict(json.loads(text))
    assert repr(other.history) == repr(scheduler.history)


# ---------------------------------------------------------------------------------- state


def assert_plain(value):
    """Plain Python all the way down: no NumPy scalar, no tuple-keyed dict, no NaN."""
    if isinstance(value, dict):
        for key, part in value.items():
            assert type(key) is str
            assert_plain(part)
    elif isinstance(value, list):
        for part in value:
            assert_plain(part)
    else:
        assert value is None or type(value) in (str, int, float, bool), type(value)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_state_is_plain_python_and_json_able(name):
    scheduler = SuccessAwareScheduler(4, 6, **OPTIONS[name])
    for seed in range(3):
        assert_plain(scheduler.state_dict())
        json.dumps(scheduler.state_dict(), allow_nan=False)
        scheduler.step(*epoch_samples(seed, only=[0, 2]))
    scheduler.record(*epoch_samples(9))
    assert_plain(scheduler.state_dict())
    json.dumps(scheduler.state_dict(), allow_nan=False)


def test_state_from_numpy_options_is_plain_too():
    scheduler = SuccessAwareScheduler(
        np.int64(4),
        np.int32(6),
        order=np.float32(2),
        threshold=np.float64(0.5),
        random_distribution=np.array(Q_RANDOM),
        feasible=np.array([True] * 4),
        update_epochs=np.array([0, 2]),
        max_weight=np.float32(4),
        normalize=np.bool_(True),
    )
    scheduler.step(Reduced())
    assert_plain(scheduler.state_dict())


@pytest.mark.parametrize("cut", range(0, 61, 6))
def test_state_resume_from_any_cut_equals_the_uninterrupted_run(cut):
    """Three epochs of 20 batches; saved and loaded after ``cut`` of the 60 batches."""
    options = dict(random_distribution=Q_RANDOM, max_weight=3.0)
    batches = [epoch_samples(seed, 8) for seed in range(60)]

    def play(scheduler, first, last):
        for number in range(first, last):
            scheduler.record(*batches[number])
            if number % 20 == 19:
                scheduler.step()

    whole = SuccessAwareScheduler(4, 3, **options)
    play(whole, 0, 60)
    before = SuccessAwareScheduler(4, 3, **options)
    play(before, 0, cut)
    after = SuccessAwareScheduler(4, 3, **options)
    after.load_state_dict(through_json(before.state_dict()))
    assert view(after) == view(before)
    play(after, cut, 60)
    assert view(after) == view(whole)


def test_state_saved_is_a_snapshot():
    scheduler = SuccessAwareScheduler(4, 10)
    scheduler.record(*epoch_samples(0))
    state = scheduler.state_dict()
    text = json.dumps(state, sort_keys=True)
    scheduler.record(*epoch_samples(1))
    scheduler.step()
    scheduler.record(*epoch_samples(2))
    assert json.dumps(state, sort_keys=True) == text


def test_state_loaded_is_not_shared():
    scheduler = SuccessAwareScheduler(4, 10)
    scheduler.step(*epoch_samples(0))
    scheduler.record(*epoch_samples(1))
    state = scheduler.state_dict()
    text = json.dumps(state, sort_keys=True)
    other = SuccessAwareScheduler(4, 10)
    other.load_state_dict(state)
    other.record(*epoch_samples(2))
    other.step()
    assert json.dumps(state, sort_keys=True) == text


def test_state_load_replaces_what_was_there():
    one, other = SuccessAwareScheduler(4, 10), SuccessAwareScheduler(4, 10)
    one.step(*epoch_samples(0))
    for seed in range(3):
        other.step(*epoch_samples(seed + 5))
    other.record(*epoch_samples(9))
    other.load_state_dict(one.state_dict())
    assert view(other) == view(one)


def test_state_of_a_fresh_scheduler_can_be_loaded():
    one, other = SuccessAwareScheduler(4, 10), SuccessAwareScheduler(4, 10)
    other.step(*epoch_samples(0))
    other.load_state_dict(through_json(one.state_dict()))
    assert view(other) == view(one)


def test_state_asking_for_it_changes_nothing():
    asked, quiet = SuccessAwareScheduler(4, 10), SuccessAwareScheduler(4, 10)
    for seed in range(3):
        for scheduler in (asked, quiet):
            scheduler.record(*epoch_samples(seed))
        view(asked)
        for scheduler in (asked, quiet):
            scheduler.step()
    assert view(asked) == view(quiet)


def test_pickle_round_trip_goes_on_alike():
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    scheduler.step(*epoch_samples(0))
    scheduler.record(*epoch_samples(1))
    again = pickle.loads(pickle.dumps(scheduler))
    assert view(again) == view(scheduler)
    scheduler.step()
    again.step()
    assert view(again) == view(scheduler)


# ---------------------------------------------------------------------- errors: arguments


@pytest.mark.parametrize(
    "name, bad",
    [
        ("n_bins", 0),
        ("n_bins", 2.5),
        ("n_bins", "4"),
        ("total_epochs", 0),
        ("total_epochs", -3),
        ("total_epochs", 2.5),
        ("total_epochs", None),
        ("order", 0.0),
        ("order", -1),
        ("order", float("nan")),
        ("order", "2"),
        ("threshold", "median"),
        ("threshold", -0.1),
        ("threshold", 1.1),
        ("threshold", float("nan")),
        ("threshold", None),
        ("random_distribution", [0.5, 0.5]),
        ("random_distribution", [0.5, 0.25, 0.125, 0.25]),
        ("random_distribution", [0.5, 0.75, -0.25, 0.0]),
        ("random_distribution", [0.5, 0.5, float("nan"), 0.0]),
        ("random_distribution", "uniform"),
        ("feasible", [True, False]),
        ("feasible", [False] * 4),
        ("feasible", [0.5, 1.0, 1.0, 1.0]),
        ("update_epochs", [-1]),
        ("update_epochs", [0.5]),
        ("update_epochs", ["a"]),
        ("update_epochs", 3),
        ("max_weight", 0.5),
        ("max_weight", float("nan")),
        ("max_weight", "3"),
        ("normalize", "yes"),
    ],
)
def test_error_argument_names_it(name, bad, says):
    arguments = {"n_bins": 4, "total_epochs": 10}
    arguments[name] = bad
    with pytest.raises((TypeError, ValueError), match=says(name)):
        SuccessAwareScheduler(**arguments)


@pytest.mark.parametrize(
    "name, bad, word",
    [
        ("total_epochs", -3, -3),
        ("order", -1.5, -1.5),
        ("threshold", 1.1, 1.1),
        ("threshold", "median", "median"),
        ("random_distribution", [0.5, 0.25, 0.125, 0.25], 1.125),
        ("random_distribution", [0.5, 0.75, -0.25, 0.0], -0.25),
        ("update_epochs", [1, -7], -7),
        ("max_weight", 0.5, 0.5),
    ],
)
def test_error_argument_gives_the_value(name, bad, word, says):
    arguments = {"n_bins": 4, "total_epochs": 10}
    arguments[name] = bad
    with pytest.raises((TypeError, ValueError), match=says(name, word)):
        SuccessAwareScheduler(**arguments)


def test_error_unknown_option_raises():
    with pytest.raises(TypeError, match="temperature"):
        SuccessAwareScheduler(4, 10, temperature=1.0)


def test_error_random_mass_on_an_infeasible_bin_names_it(says):
    with pytest.raises(ValueError, match=says("random_distribution", "feasible", 1)):
        SuccessAwareScheduler(
            4, 10, random_distribution=Q_RANDOM, feasible=[True, False, True, True]
        )


# ------------------------------------------------------------------------ errors: calls


def busy():
    """A scheduler with a history and half an epoch recorded."""
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    scheduler.step(*epoch_samples(0))
    scheduler.record(*epoch_samples(1))
    return scheduler


def refuses(exception, match, call, make=busy):
    """The call raises, and the scheduler is and goes on as if it had not been made."""
    scheduler, shadow = make(), make()
    before = view(scheduler)
    with pytest.raises(exception, match=match):
        call(scheduler)
    assert view(scheduler) == before
    for other in (scheduler, shadow):
        other.record(*epoch_samples(2))
        other.step()
    assert view(scheduler) == view(shadow)


def idle():
    """A scheduler with a history and nothing recorded."""
    scheduler = SuccessAwareScheduler(4, 10, random_distribution=Q_RANDOM)
    scheduler.step(*epoch_samples(0))
    return scheduler


@pytest.mark.parametrize("method", ["record", "step"])
@pytest.mark.parametrize("bad", [1.5, float("nan"), float("inf")])
def test_error_iou_out_of_range_names_it(method, bad, says):
    refuses(
        ValueError,
        says("iou", bad),
        lambda s: getattr(s, method)([0.5, 0.5, bad], [0, 1, 2]),
        idle,
    )


@pytest.mark.parametrize("method", ["record", "step"])
def test_error_negative_iou_asks_for_giou(method, says):
    refuses(
        ValueError,
        says("iou", -0.75, "GIoU?"),
        lambda s: getattr(s, method)([0.5, -0.75], [0, 1]),
        idle,
    )


@pytest.mark.parametrize("method", ["record", "step"])
@pytest.mark.parametrize("bad", [-1, 4])
def test_error_bin_out_of_range_names_it(method, bad, says):
    refuses(
        ValueError,
        says("bins", bad),
        lambda s: getattr(s, method)([0.5, 0.5], [0, bad]),
        idle,
    )


@pytest.mark.parametrize("method", ["record", "step"])
def test_error_shapes_that_do_not_match_name_both(method, says):
    refuses(
        ValueError,
        says("ious", "bins"),
        lambda s: getattr(s, method)([0.5, 0.5], [0]),
        idle,
    )


def test_error_record_in_the_middle_of_an_epoch_keeps_what_was_there(says):
    refuses(ValueError, says("iou", 1.5), lambda s: s.record([0.5, 1.5], [0, 1]), busy)


def test_error_step_without_any_iou_says_so(says):
    refuses(ValueError, says("recorded"), lambda s: s.step(), idle)
    refuses(ValueError, says("recorded"), lambda s: s.step(), lambda: SuccessAwareScheduler(4, 9))


def test_error_step_with_no_samples_says_so(says):
    refuses(ValueError, says("iou"), lambda s: s.step([], []), idle)
    refuses(ValueError, says("iou"), lambda s: s.step([[], [], [], []]), idle)


def test_error_step_with_another_number_of_arrays_names_both(says):
    refuses(ValueError, says("ious", 3, 4), lambda s: s.step([[0.5], [0.5], [0.5]]), idle)


def test_error_step_with_a_bad_iou_in_the_last_array_names_it(says):
    refuses(
        ValueError,
        says("iou", -0.5, "GIoU?"),
        lambda s: s.step([[0.5], [0.5], [0.5], [0.5, -0.5]]),
        idle,
    )


def test_error_step_with_flat_ious_and_no_bins_says_what_it_takes(says):
    refuses(
        (TypeError, ValueError),
        says("bins"),
        lambda s: s.step(np.array([0.5, 0.25, 0.5, 0.25])),
        idle,
    )


@pytest.mark.parametrize("bad", [7, "ious", {"count": [1]}])
def test_error_step_with_something_else_raises(bad):
    refuses((TypeError, ValueError), "(?i)iou|count", lambda s: s.step(bad), idle)


def test_error_step_object_of_another_number_of_bins_raises(says):
    class Narrow(Reduced):
        def success_rate(self, threshold):
            return np.array([0.5, 0.5])

    refuses(ValueError, says(2, 4), lambda s: s.step(Narrow(count=(1, 1))), idle)


def test_error_step_object_without_samples_says_so(says):
    empty = Reduced(count=(0, 0, 0, 0))
    empty.mean_iou = float("nan")
    refuses(ValueError, says("iou"), lambda s: s.step(empty), idle)


def test_error_step_object_with_a_rate_out_of_range_raises(says):
    class Wild(Reduced):
        def success_rate(self, threshold):
            return np.array([0.5, np.nan, 1.5, 0.5])

    refuses(ValueError, says("success_rate", 1.5), lambda s: s.step(Wild()), idle)


@pytest.mark.parametrize(
    "rate",
    [
        [0.5, np.nan, np.nan, 0.5],  # samples, and no rate
        [np.nan] * 4,
        [0.5],
        0.5,
        [0.5] * 5,
    ],
)
def test_error_step_object_whose_rates_do_not_fit_its_counts_raises(rate, says):
    class Wild(Reduced):
        def success_rate(self, threshold):
            return np.array(rate)

    refuses(ValueError, says("success_rate"), lambda s: s.step(Wild()), idle)


@pytest.mark.parametrize("bad", [float("nan"), 1.5, -0.5])
def test_error_step_object_whose_mean_is_out_of_range_raises(bad, says):
    wild = Reduced()
    wild.mean_iou = bad
    refuses(ValueError, says("mean_iou", bad), lambda s: s.step(wild), idle)


def test_error_step_object_with_a_negative_count_raises(says):
    wild = Reduced(count=(3, -1, 1, 4))
    refuses(ValueError, says("count", -1), lambda s: s.step(wild), idle)


# ------------------------------------------------------------------------- errors: state


@pytest.mark.parametrize(
    "changes",
    [
        dict(n_bins=5),
        dict(total_epochs=11),
        dict(order=3.0),
        dict(threshold=0.5),
        dict(random_distribution=Q_RANDOM[::-1]),
        dict(random_distribution=None),
        dict(random_distribution=None, feasible=[True, True, True, False]),
        dict(update_epochs=[1]),
        dict(update_epochs=()),
        dict(max_weight=2.0),
        dict(normalize=True),
    ],
    ids=lambda changes: "-".join(sorted(changes)) + repr(sorted(changes.items()))[-9:],
)
def test_error_state_of_another_configuration_names_it(changes, says):
    options = dict(n_bins=4, total_epochs=10, random_distribution=Q_RANDOM)
    if changes.get("n_bins") == 5:
        changes = dict(changes, random_distribution=Q_RANDOM[:3] + [0.0625] * 2)
    options.update(changes)
    other = SuccessAwareScheduler(**options)
    state = through_json(other.state_dict())
    name = "n_bins" if "n_bins" in changes else sorted(changes)[-1]
    refuses(ValueError, says(name), lambda s: s.load_state_dict(state), busy)


def keys_of(value, path=()):
    """Every path to a dict entry that says something, so that each can be taken away."""
    if isinstance(value, dict):
        for key, part in value.items():
            if part is not None:
                yield (*path, key)
            yield from keys_of(part, (*path, key))


def without(state, path):
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return state


@pytest.mark.parametrize("path", sorted(keys_of(busy().state_dict())), ids=".".join)
def test_error_state_with_a_missing_entry_raises(path):
    state = without(through_json(busy().state_dict()), path)
    refuses((ValueError, TypeError), "(?is)state", lambda s: s.load_state_dict(state))


def put(state, path, value):
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return state


@pytest.mark.parametrize(
    "path, value",
    [
        (("measured",), None),
        (("measured",), [0.5]),
        (("measured",), [0.5, 0.5, 0.5, 7.0]),
        (("measured",), "rates"),
        (("config",), None),
        (("config", "random_distribution"), [None] * 4),
        (("history",), None),
        (("history", 0), 3),
        (("history", 0, "epoch"), 7),
        (("history", 0, "distribution"), None),
        (("history", 0, "distribution"), [0.5, 0.5]),
        (("history", 0, "loss_weights"), [1.0]),
        (("history", 0, "success_rate"), [1.0]),
        (("history", 0, "count"), [1]),
        (("recorded",), None),
        (("recorded", "n_bins"), 5),
        (("version",), None),
        (("unknown",), 3),
    ],
    ids=str,
)
def test_error_state_that_is_damaged_raises(path, value):
    state = put(through_json(busy().state_dict()), path, value)
    refuses((ValueError, TypeError), "(?is)state", lambda s: s.load_state_dict(state))


@pytest.mark.parametrize("bad", [None, [], {}, "state", 3, {"epoch": 3}])
def test_error_state_that_is_none_raises(bad):
    refuses((ValueError, TypeError), "(?is)state", lambda s: s.load_state_dict(bad))


def test_error_state_of_a_later_format_names_the_version():
    state = through_json(busy().state_dict())
    (name,) = [key for key in state if "version" in key]
    state[name] += 1
    refuses(ValueError, "(?i)version", lambda s: s.load_state_dict(state))
