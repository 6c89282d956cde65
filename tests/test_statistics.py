"""SuccessStatistics: integer sums, so that no order and no split can be seen.

Random samples in any order and split are in `properties/test_statistics_properties.py`.
"""

from __future__ import annotations

import base64
import pickle

import numpy as np
import pytest

from sstrack_sched import SuccessStatistics
from tests import reference
from tests.reference import SCALE, SuccessModel

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in (np.float64, np.float32, np.float16)}


def filled(ious, bins, n_bins=4):
    statistics = SuccessStatistics(n_bins)
    statistics.add(ious, bins)
    return statistics


def view(statistics):
    """Everything that can be asked, to the last bit."""
    return (
        statistics.state_dict(),
        statistics.count.tolist(),
        float(statistics.mean_iou).hex(),
        statistics.success_rate(statistics.mean_iou).tobytes(),
        statistics.success_rate(0.5).tobytes(),
    )


def samples(seed, n=500, dtype=np.float64):
    rng = np.random.RandomState(seed)
    return rng.uniform(size=n).astype(dtype), rng.randint(0, 4, size=n)


# --------------------------------------------------------------------------------- values


def test_count_mean_and_success_rate_by_hand():
    statistics = filled([0.25, 0.75, 0.5, 1.0], [0, 0, 2, 3])
    assert statistics.count.tolist() == [2, 0, 1, 1]
    assert statistics.count.dtype == np.int64
    assert statistics.mean_iou == 0.625
    rate = statistics.success_rate(0.5)
    np.testing.assert_array_equal(rate, [0.5, np.nan, 0.0, 1.0])
    assert rate.dtype == np.float64


@pytest.mark.parametrize("dtype", EPS)
def test_statistics_equal_keeping_every_sample(dtype):
    ious, bins = samples(0, dtype=dtype)
    statistics, model = filled(ious, bins), SuccessModel(4)
    model.add(ious, bins)
    assert statistics.count.tolist() == model.count
    assert float(statistics.mean_iou) == pytest.approx(float(model.mean()), abs=2**-32)
    for threshold in (0.0, 0.1, 0.3, 0.5, 0.875, 1.0):
        expected = [float(x) for x in model.success_rate(reference.quantise(threshold))]
        assert statistics.success_rate(threshold).tolist() == expected


def test_inputs_of_other_kinds_are_taken_and_left_alone():
    ious, bins = np.array([0.25, 0.75, 1.0, 0.0]), np.array([1, 2, 0, 0])
    for array in (ious, bins):
        array.setflags(write=False)
    expected = view(filled(ious, bins))
    assert view(filled(ious.tolist(), tuple(bins))) == expected
    assert view(filled(ious.astype(np.float32), bins.astype(np.uint8))) == expected
    assert view(filled(ious[::-1], bins[::-1])) == expected
    assert view(filled(ious.reshape(2, 2), bins.reshape(2, 2))) == expected
    assert view(filled([0, 1], [0, 1])) == view(filled([0.0, 1.0], [0, 1]))


def test_add_no_samples_changes_nothing():
    assert np.isnan(SuccessStatistics(4).mean_iou)
    statistics = filled([0.5], [0])
    before = view(statistics)
    statistics.add(np.zeros(0), np.zeros(0, dtype=np.int64))
    statistics.add([], [])
    assert view(statistics) == before


def test_answers_are_not_the_statistics_own_memory():
    statistics = filled([0.5, 0.7], [0, 1])
    before = view(statistics)
    for answer in (statistics.count, statistics.success_rate(0.6)):
        answer[:] = 0
    assert view(statistics) == before


# --------------------------------------------------------------------- ties and the mean


@pytest.mark.parametrize("value", [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 1 / 3, 0.9, 0.1 + 0.2])
def test_tie_with_a_fixed_threshold_is_no_success(value):
    statistics = filled([value, value + 2.0**-31, value - 2.0**-31], [0, 1, 2])
    assert statistics.success_rate(value)[:3].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("n", [2, 3, 7, 10, 300_000])
def test_all_equal_samples_are_never_above_their_own_mean(value, n):
    """The mean is exact where sums of floats drift."""
    statistics = filled(np.full(n, value), np.zeros(n, dtype=np.int64))
    assert statistics.mean_iou == round(value * SCALE) / SCALE
    assert statistics.success_rate(statistics.mean_iou)[0] == 0.0


@pytest.mark.parametrize(
    "levels, above",
    [
        ([0, 1], 1),  # mean 1/2 of a step: sum // n = 0, so that 1 is above
        ([1, 2], 1),
        ([2, 3], 1),
        ([1, 1, 2], 1),
        ([1, 2, 2], 2),
        ([5, 5, 5, 6], 1),
        ([SCALE - 1, SCALE], 1),
        ([7, 7], 0),
    ],
)
def test_above_the_mean_is_the_exact_integer_rule(levels, above):
    """Success is k > (sum of k) // n, however close the samples are."""
    statistics = filled([k / SCALE for k in levels], [0] * len(levels))
    rate = statistics.success_rate(statistics.mean_iou)[0]
    assert rate == above / len(levels)


# ------------------------------------------------------------------------------- clipping


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("steps", [1, 4])
def test_rounding_outside_the_range_is_clipped(dtype, steps):
    ious = np.array([1 + steps * EPS[dtype], -steps * EPS[dtype]], dtype=dtype)
    assert ious[0] > 1 and ious[1] < 0
    assert view(filled(ious, [0, 1])) == view(filled([1.0, 0.0], [0, 1]))


# ------------------------------------------------------------------------------- merging


@pytest.mark.parametrize("n_ranks", [1, 3, 500])
def test_split_over_ranks_is_irrelevant(n_ranks):
    ious, bins = samples(1, dtype=np.float32)
    total = SuccessStatistics(4)  # without samples: changes nothing
    for rank in range(n_ranks):
        other = filled(ious[rank::n_ranks], bins[rank::n_ranks])
        other.n_invalid = 2
        before = view(other)
        total.merge(other)
        other.merge(SuccessStatistics(4))
        assert view(other) == before
    assert total.n_invalid == 2 * n_ranks
    total.n_invalid = 0
    assert view(total) == view(filled(ious, bins))


def test_merge_shares_nothing_with_the_other():
    one, other = filled(*samples(0)), filled(*samples(1))
    before = view(other)
    one.merge(other)
    one.add([0.5], [0])
    assert view(other) == before


def test_pickle_round_trip_keeps_every_bit():
    statistics = filled(*samples(4))
    again = pickle.loads(pickle.dumps(statistics))
    assert view(again) == view(statistics)
    again.add([0.5], [0])
    assert again.count.sum() == statistics.count.sum() + 1


# --------------------------------------------------------------------------------- errors


def refuses(match, call):
    """The call raises and the statistics stay as they were, to the last bit."""
    statistics = filled(*samples(5))
    before = view(statistics)
    with pytest.raises((TypeError, ValueError), match=match):
        call(statistics)
    assert view(statistics) == before


@pytest.mark.parametrize(
    "ious, bins, words",
    [
        *[([0.5, bad], [0, 1], ["ious", bad]) for bad in (1.25, np.nan, np.inf, -np.inf, 1e300)],
        *[([0.5, bad], [0, 1], ["ious", bad, "GIoU?"]) for bad in (-0.5, -1.0)],
        *[([bad], [0], ["ious", "real numbers"]) for bad in ("a", None, 1j)],
        ([[0.5], [0.5, 0.5]], [0, 1], ["ious must be an array of one shape"]),
        *[(np.array([0, 1 + 6 * eps], t), [0, 1], ["ious", 1]) for t, eps in EPS.items()],
        *[(np.array([0, -6 * eps], t), [0, 1], ["ious", "-"]) for t, eps in EPS.items()],
        (np.array([1 + 4 * EPS[np.float32]]), [0], ["ious", 1]),  # of another type
        *[([0.5, 0.5], [0, bad], ["bins", bad]) for bad in (-1, 4, 10**12)],
        *[([0.5], [bad], ["bins", bad]) for bad in (0.5, "a", np.nan, None, True)],
        ([0.5, 0.5], [0], ["ious", "(2,)", "bins", "(1,)"]),
        ([0.5], [0, 1], ["ious", "(1,)", "bins", "(2,)"]),
        ([[0.5, 0.5]], [0, 1], ["ious", "(1, 2)", "bins", "(2,)"]),
    ],
)
def test_error_add_names_what_it_got(ious, bins, words, says):
    refuses(says(*words), lambda s: s.add(ious, bins))


@pytest.mark.parametrize("bad", [1.25, np.nan])
def test_error_iou_that_is_not_negative_does_not_ask_for_giou(bad):
    refuses("^((?!GIoU).)*$", lambda s: s.add([bad], [0]))


def test_state_is_the_sorted_samples_in_base64():
    statistics = SuccessStatistics(3)
    statistics.add([1.0, 0.25], [2, 1])
    samples = np.frombuffer(base64.b64decode(statistics.state_dict()["samples"]), dtype="<i8")
    assert samples.tolist() == [1 << 33 | 2**30, 2 << 33 | 2**32]


@pytest.mark.parametrize(
    "samples", [[2**32 + 1], [3 << 33], [-1 << 33]], ids=["IoU above 1", "bin 3", "bin -1"]
)
def test_state_of_impossible_samples_is_refused(samples):
    state = SuccessStatistics(3).state_dict()
    state["samples"] = base64.b64encode(np.array(samples, dtype="<i8").tobytes()).decode()
    with pytest.raises(ValueError, match="state's samples must"):
        SuccessStatistics(3).load_state_dict(state)


def test_state_with_a_foreign_character_is_refused():
    statistics = SuccessStatistics(3)
    statistics.add([0.5], [1])
    state = statistics.state_dict()
    state["samples"] = "!" + state["samples"]  # which a lenient decoder skips
    with pytest.raises(ValueError, match="base64"):
        statistics.load_state_dict(state)


def test_error_more_samples_than_sums_can_hold_say_so(monkeypatch, says):
    monkeypatch.setattr("sstrack_sched.statistics.MAX_SAMPLES", 501)
    refuses(says("ious", 501, 502), lambda s: s.add([0.5, 0.5], [0, 1]))
    filled(*samples(5)).add([0.5], [0])


def test_samples_are_limited_to_two_to_the_31(says):
    """By the count: nobody wants to make so many."""
    statistics = filled([0.5], [0])
    statistics._count[:] = [2**31 - 2, 0, 0, 0]
    statistics.add([0.5], [0])
    statistics.merge(filled([0.5], [1]))
    assert statistics.count.sum() == 2**31
    for call in (lambda: statistics.add([0.5], [0]), lambda: statistics.merge(filled([0.5], [0]))):
        with pytest.raises(ValueError, match=says("ious", f"at most {2**31}", 2**31 + 1)):
            call()


@pytest.mark.parametrize("bad", [None, [0.5], {"count": [1]}, SuccessStatistics(3)])
def test_error_merge_of_something_else_raises(bad, says):
    words = (4, 3) if isinstance(bad, SuccessStatistics) else ("other", bad)
    refuses(says(*words), lambda s: s.merge(bad))


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, "median", None, [0.5]])
def test_error_threshold_names_it(bad, says):
    refuses(says("threshold", bad), lambda s: s.success_rate(bad))


@pytest.mark.parametrize("bad", [0, -1, 2.5, "4", None, 2**30 + 1])
def test_error_number_of_bins_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("n_bins", bad)):
        SuccessStatistics(bad)
