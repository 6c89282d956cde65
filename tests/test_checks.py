"""What no float, no 64-bit integer and no plain array holds is refused by name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import sstrack_sched as s

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


def test_pairs_indexed_by_an_array_of_no_dimension_give_a_pair():
    source = s.IntervalSampler(s.VideoIndex([50]), s.IntervalBins(20, 10))
    pairs = source.sample([0.5, 0.5], 0, 0, 10)
    assert pairs[np.array(3)] == pairs[3] == list(pairs)[3]
    assert len(source.sample([1, 0], 0, 0, 3 * 2**60 + 1, 2**60)) == 4
