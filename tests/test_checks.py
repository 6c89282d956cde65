"""Values that no float, 64-bit integer or plain array holds are refused by name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import sstrack_sched as s
from sstrack_sched.source import checked_source

HUGE = [10**400, Fraction(10**400), np.longdouble("1e4000"), Decimal("sNaN"), np.complex128(1), 1j]


@pytest.mark.parametrize("bad", HUGE, ids=repr)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: s.expected_success([x, 0.5], 0.5), "success_rate"),
        (lambda x: s.expected_success([0.5], x), "redetection"),
        (lambda x: s.sampling_distribution([x, 0.5], 0.5), "success_rate"),
        (lambda x: s.loss_weights([x, 0.5], [0.5, 0.5]), "q_random"),
        (lambda x: s.loss_weights([0.5, 0.5], [0.5, 0.5], max_weight=x), "max_weight"),
        (lambda x: s.redetection_probability(x, 3), "epoch"),
        (lambda x: s.redetection_probability(1, x), "total_epochs"),
        (lambda x: s.SuccessAwareScheduler(2, 3, order=x), "order"),
        (lambda x: s.SuccessAwareScheduler(2, 3, threshold=x), "threshold"),
        (lambda x: s.SuccessAwareScheduler(2, 3).step([x, 0.5], [0, 1]), "ious"),
        (lambda x: s.SuccessStatistics(2).add([x], [0]), "ious"),
        (lambda x: s.SuccessStatistics(2).success_rate(x), "threshold"),
        (lambda x: s.VideoIndex([5], weight=[x]), "weight"),
        (lambda x: s.BinnedSampler([0], weight=[x]), "weight"),
        (lambda x: s.BinnedSampler([0]).sample([x], 0, 0, 1), "distribution"),
        (lambda x: s.IntervalBins(x, 1), "max_interval"),
        (lambda x: s.IntervalBins.from_edges([0, x]), "edges"),
        (lambda x: s.VideoIndex([x]), "lengths"),
        (lambda x: s.BinnedSampler([x]), "bins"),
    ],
)
def test_number_that_does_not_fit_is_refused_by_name(call, name, bad):
    with pytest.raises((TypeError, ValueError), match=name):
        call(bad)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: s.SuccessStatistics(2).add(x, [0, 1]), "ious"),
        (lambda x: s.expected_success(x, 0.5), "success_rate"),
        (lambda x: s.loss_weights(x, [0.5, 0.5]), "q_random"),
        (lambda x: s.VideoIndex([5, 5], weight=x), "weight"),
        (lambda x: s.BinnedSampler([0, 1], weight=x), "weight"),
        (lambda x: s.VideoIndex([2, 1], [x > 0, [True]]), r"visible\[0\]"),
        (lambda x: s.expected_success([x], 0.5), "success_rate"),
    ],
)
def test_masked_values_are_refused_and_a_mask_of_nothing_is_not(call, name):
    call(np.ma.array([0.5, 0.5], mask=[False, False]))
    with pytest.raises(ValueError, match=f"{name} must have no masked values"):
        call(np.ma.array([0.5, 0.5], mask=[False, True]))


@pytest.mark.parametrize("bad", [True, np.True_, np.ma.masked_array(3, True), 3.0])
def test_integer_of_another_kind_is_refused_by_name(bad):
    with pytest.raises(TypeError, match="n_bins must be an integer"):
        s.SuccessStatistics(bad)


def test_integers_beyond_64_bits_are_refused_not_wrapped():
    with pytest.raises(ValueError, match=r"lengths must be below 2\*\*63"):
        s.VideoIndex(np.array([2**63 + 5], dtype=np.uint64))
    with pytest.raises(TypeError, match="lengths must hold integers of 64 bits"):
        s.VideoIndex([10**30])


def test_mathematics_works_where_floating_point_errors_raise():
    with np.errstate(all="raise"):
        assert s.expected_success([1e-300, 1e-300], 1e-300) >= 0
        assert (s.expected_success_gradient([1e-300, 1e-300, 1e-20], 1e-300) >= 0).all()
        q = s.sampling_distribution([1e-300] * 4, 1e-300)
        assert q.sum() == pytest.approx(1)
        assert (s.loss_weights([0.25] * 4, q, normalize=True) > 0).all()
        assert np.isfinite(s.loss_weights([0.5, 0.5], [1e-320, 1.0])).all()
        assert s.scaling_ratio([1e-320, 1.0], [0.5, 0.5]).tolist() == [-np.inf, 0.5]
        assert len(s.BinnedSampler([0, 1, 2, 3]).sample(q, 0, 0, 10)) == 10
        scheduler = s.SuccessAwareScheduler(4, 3)
        scheduler.step([[1e-300, 0.5], [1e-200], [0.1], [0.0]])


def test_weights_far_apart_have_a_random_distribution():
    """The heaviest video has no pair; the others must not vanish beside it."""
    videos = s.VideoIndex([1, 30, 30], weight=[1e308, 1e-300, 3e-300])
    bins = s.IntervalBins.from_edges([1, 10, 20])
    plain = s.VideoIndex([30, 30], weight=[1, 3])
    expected = s.random_sampler_distribution(plain, bins)
    np.testing.assert_allclose(s.random_sampler_distribution(videos, bins), expected, rtol=1e-12)
    assert set(s.IntervalSampler(videos, bins).sample(expected, 0, 0, 200).video) == {1, 2}


def test_weights_whose_sum_no_float_holds_have_a_random_distribution():
    bins = s.IntervalBins(20, 10)
    huge = s.random_sampler_distribution(s.VideoIndex([30] * 3, weight=[1e308] * 3), bins)
    np.testing.assert_allclose(huge, s.random_sampler_distribution(s.VideoIndex([30]), bins))


def damaged(**changes):
    scheduler = s.SuccessAwareScheduler(2, 3, feasible=[True, False])
    scheduler.step([0.5, 0.7], [0, 0])
    state = scheduler.state_dict()
    state["history"][-1].update(changes)
    return scheduler, state


@pytest.mark.parametrize(
    "changes",
    [
        {"loss_weights": [-1, None]},
        {"loss_weights": [1.0]},
        {"loss_weights": "11"},
        {"redetection": "x"},
        {"redetection": 1.5},
        {"threshold": -7},
        {"threshold": None},
        {"expected_success": {}},
        {"mean_iou": 2},
        {"n_invalid": -3},
        {"distribution": [0.5, 0.5]},
        {"distribution": [2.0, -1.0]},
        {"count": [10**30, 0]},
        {"count": [2**31 + 1, 0]},
        {"count": [2, 1]},
        {"count": [-2, 0]},
        {"success_rate": [0.5, 0.5]},
        {"success_rate": [None, None]},
        {"epoch": 1},
    ],
    ids=repr,
)
def test_state_with_a_damaged_last_record_is_refused_and_changes_nothing(changes):
    scheduler, state = damaged(**changes)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="state must be whole; got a damaged one"):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


def test_state_with_the_largest_count_is_taken():
    scheduler, state = damaged(count=[2**31, 0])
    scheduler.load_state_dict(state)
    assert scheduler.history[-1].count.tolist() == [2**31, 0]


def test_pairs_indexed_by_an_array_of_no_dimension_give_a_pair():
    source = s.IntervalSampler(s.VideoIndex([50]), s.IntervalBins(20, 10))
    pairs = source.sample([0.5, 0.5], 0, 0, 10)
    assert pairs[np.array(3)] == pairs[3] == list(pairs)[3]
    assert len(source.sample([1, 0], 0, 0, 3 * 2**60 + 1, 2**60)) == 4


def test_what_is_handed_out_without_a_copy_is_read_only():
    videos = s.VideoIndex([30, 20], weight=[1, 2])
    source = s.IntervalSampler(videos, s.IntervalBins(20, 10))
    items = s.BinnedSampler([0, 1])
    scheduler = s.SuccessAwareScheduler(2, 3)
    scheduler.step([0.5, 0.7], [0, 1])
    record = scheduler.history[0]
    owners = {
        videos: ("lengths", "is_image", "weight", "offsets"),
        source.bins: ("edges", "lower", "upper"),
        source: ("feasible", "random_distribution"),
        items: ("bins", "feasible", "random_distribution"),
        scheduler: ("feasible", "random_distribution", "distribution", "loss_weights"),
        s.SuccessAwareScheduler(2, 3): ("loss_weights", "success_rate"),
    }
    arrays = [(name, getattr(owner, name)) for owner, names in owners.items() for name in names]
    fields = ("success_rate", "count", "distribution", "loss_weights")
    loaded = s.EpochRecord.from_dict(record.to_dict())
    arrays += [(name, getattr(each, name)) for each in (record, loaded) for name in fields]
    assert [name for name, array in arrays if array.flags.writeable] == []
    assert loaded.count.dtype == np.int64
    with pytest.raises(AttributeError):
        record.epoch = 3


def test_visible_gives_the_masks_back_from_the_first_frame():
    masks = [[False, True, True], [True, False]]
    assert s.VideoIndex([3, 2], visible=masks).visible.tolist() == sum(masks, [])


def test_redraw_takes_every_number_and_epoch_that_sample_takes():
    source = s.IntervalSampler(s.VideoIndex([50]), s.IntervalBins(20, 10))
    (last,) = source.sample([1, 0], 2**63 - 1, 2**63 - 2, 2**63 - 1)
    assert source.redraw(last, 1)[3:] == last[3:]
    last = last._replace(number=2**63 - 1)
    assert source.redraw(last, 2**64 - 1)[3:] == last[3:]
    for name in ("number", "epoch"):
        with pytest.raises(ValueError, match=f"pair.{name} must be in"):
            source.redraw(last._replace(**{name: 2**63}), 1)
    with pytest.raises(TypeError, match="pair must be of type Pair"):
        source.redraw(tuple(last), 1)


def test_items_of_more_bins_than_16_bits_number_are_drawn_from_their_bin():
    n_bins = 2**16 + 10
    source = s.BinnedSampler(np.arange(n_bins))
    q = np.zeros(n_bins)
    q[[3, 2**16 + 3]] = 0.5
    assert set(source.sample(q, 0, 0, 50)) == {3, 2**16 + 3}
    assert checked_source(s.BinnedSampler([0])).n_bins == 1


def test_scheduler_before_its_first_step_has_the_settings_of_epoch_0():
    assert np.isnan(s.SuccessAwareScheduler(1, 1).threshold)
    assert s.SuccessAwareScheduler(1, 1, threshold=0.25).threshold == 0.25
    assert s.SuccessAwareScheduler(1, 1, order=0.3).redetection == 0


def test_step_with_statistics_of_infeasible_bins_only_is_refused():
    scheduler = s.SuccessAwareScheduler(2, 3, feasible=[True, False])
    statistics = s.SuccessStatistics(2)
    statistics.add([0.5], [1])
    with pytest.raises(ValueError, match="must not be 0 in all feasible bins"):
        scheduler.step(statistics)


def test_state_of_statistics_with_another_key_is_refused():
    statistics = s.SuccessStatistics(2)
    state = statistics.state_dict()
    with pytest.raises(ValueError, match="state of statistics must have the keys"):
        statistics.load_state_dict({**state, "more": 1})
    del state["samples"]
    with pytest.raises(ValueError, match="state of statistics must have the keys"):
        statistics.load_state_dict(state)


@pytest.mark.parametrize("history", [{}, "", ()], ids=repr)
def test_state_whose_history_is_no_list_is_refused(history):
    scheduler = s.SuccessAwareScheduler(2, 3)
    with pytest.raises(ValueError, match="history must be of type list"):
        scheduler.load_state_dict({**scheduler.state_dict(), "history": history})


def test_limits_are_taken_and_what_is_past_them_refused():
    last = 2**63 - 1
    assert len(s.BinnedSampler([0]).sample([1], 0, last, last, last)) == 0
    with pytest.raises(ValueError, match=r"lengths must be in \[1, 2147483647\]"):
        s.VideoIndex(np.array([2**63 - 1], dtype=np.uint64))
    with pytest.raises(ValueError, match="order must be above 0; got 0"):
        s.SuccessAwareScheduler(2, 3, order=0)
    with pytest.raises(TypeError, match="ious must hold real numbers"):
        s.SuccessStatistics(1).add([Fraction(1, 2)], [0])


def test_record_of_an_impossible_value_is_refused_and_equal_ones_are_equal():
    scheduler = s.SuccessAwareScheduler(2, 3)
    scheduler.step([0.5, 0.7], [0, 1])
    record = scheduler.history[0]
    values = record.to_dict()
    assert (s.EpochRecord.from_dict(values) == record) is True
    assert (record == s.EpochRecord.from_dict({**values, "n_invalid": 1})) is False
    for changes in (
        {"epoch": -1},
        {"loss_weights": [np.inf, 1.0]},
        {"loss_weights": (1.0, 1.0)},
        {"loss_weights": [0.0, 1.0]},
        {"distribution": [0.7, 0.7]},
    ):
        with pytest.raises((TypeError, ValueError), match=next(iter(changes))):
            s.EpochRecord.from_dict({**values, **changes})


def test_state_with_recorded_samples_of_an_infeasible_bin_is_refused():
    scheduler = s.SuccessAwareScheduler(2, 3, feasible=[True, False])
    other = s.SuccessStatistics(2)
    other.add([0.5], [1])
    with pytest.raises(ValueError, match="recorded bins must be feasible; got 1"):
        scheduler.load_state_dict({**scheduler.state_dict(), "recorded": other.state_dict()})
