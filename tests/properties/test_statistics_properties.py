"""Properties of the success statistics: order and split leave no trace."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sstrack_sched import SuccessStatistics
from tests import reference
from tests.properties.strategies import recordings

N_BINS = 3


def filled(ious, bins):
    statistics = SuccessStatistics(N_BINS)
    statistics.add(ious, bins)
    return statistics


def view(statistics, thresholds):
    rates = [statistics.success_rate(t) for t in [*thresholds, statistics.mean_iou]]
    return (
        statistics.count.tolist(),
        float(statistics.mean_iou).hex(),
        [[x.hex() for x in rate.tolist()] for rate in rates],
    )


@given(recordings(N_BINS, 20), st.lists(st.floats(0, 1), max_size=3), st.randoms())
def test_order_and_split_are_irrelevant(samples, thresholds, random):
    ious, bins = samples
    expected = view(filled(ious, bins), thresholds)
    order = list(range(len(ious)))
    random.shuffle(order)
    total = SuccessStatistics(N_BINS)
    rank = SuccessStatistics(N_BINS)
    for index in order:
        rank.add([ious[index]], [bins[index]])
        if random.random() < 0.3:
            total.merge(rank)
            rank = SuccessStatistics(N_BINS)
    rank.merge(total)
    assert view(rank, thresholds) == expected


@given(recordings(N_BINS, 20), st.floats(0, 1))
def test_statistics_equal_keeping_every_sample(samples, threshold):
    statistics = filled(*samples)
    model = reference.SuccessModel(N_BINS)
    model.add(*samples)
    assert statistics.count.tolist() == model.count
    for got, level in (
        (statistics.success_rate(threshold), reference.quantise(threshold)),
        (statistics.success_rate(statistics.mean_iou), model.mean_level()),
    ):
        expected = [np.nan if x is None else float(x) for x in model.success_rate(level)]
        np.testing.assert_array_equal(got, expected)


@given(recordings(N_BINS, 20))
def test_some_sample_is_never_above_the_mean(samples):
    """All samples above their own mean cannot be: at least one failure."""
    statistics = filled(*samples)
    rate = statistics.success_rate(statistics.mean_iou)
    assert np.nanmin(rate) < 1.0


@given(recordings(N_BINS, 20), st.floats(0, 1), st.floats(0, 1))
def test_success_rate_falls_as_the_threshold_rises(samples, one, other):
    statistics = filled(*samples)
    easy = statistics.success_rate(min(one, other))
    hard = statistics.success_rate(max(one, other))
    # The mean itself is compared exactly, other thresholds after quantising: stay clear.
    if statistics.mean_iou not in (one, other):
        assert (np.nan_to_num(hard) <= np.nan_to_num(easy)).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=10))
def test_no_float_is_above_itself(values):
    for dtype in (np.float32, np.float64):
        for value in np.array(values, dtype=dtype):
            statistics = filled(np.array([value]), [0])
            assert statistics.success_rate(value)[0] == 0.0
            assert statistics.success_rate(statistics.mean_iou)[0] == 0.0
