"""SuccessStatistics: integer sums, so that no order and no split can be seen."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from sstrack_sched import SuccessStatistics
from tests import reference
from tests.reference import SCALE, SuccessModel

EPS32 = float(np.finfo(np.float32).eps)
EPS64 = float(np.finfo(np.float64).eps)


def filled(ious, bins, n_bins=4):
    statistics = SuccessStatistics(n_bins)
    statistics.add(ious, bins)
    return statistics


def view(statistics):
    """Everything that can be asked, to the last bit."""
    thresholds = [0.0, 0.25, 0.5, statistics.mean_iou, 0.9]
    return (
        statistics.count.tolist(),
        float(statistics.mean_iou).hex(),
        [[x.hex() for x in statistics.success_rate(t).tolist()] for t in thresholds],
    )


def samples(seed, n=500, n_bins=4, dtype=np.float64):
    rng = np.random.RandomState(seed)
    return rng.uniform(size=n).astype(dtype), rng.randint(0, n_bins, size=n)


def merged(one, other):
    result = one.merge(other)
    return one if result is None else result


# --------------------------------------------------------------------------------- values


def test_count_mean_and_success_rate_by_hand():
    statistics = filled([0.25, 0.75, 0.5, 1.0], [0, 0, 2, 3])
    assert statistics.count.tolist() == [2, 0, 1, 1]
    assert np.issubdtype(statistics.count.dtype, np.integer)
    assert statistics.mean_iou == 0.625
    rate = statistics.success_rate(0.5)
    np.testing.assert_array_equal(rate, [0.5, np.nan, 0.0, 1.0])
    assert rate.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("seed", range(3))
def test_statistics_equal_keeping_every_sample(seed, dtype):
    ious, bins = samples(seed, dtype=dtype)
    statistics, model = filled(ious, bins), SuccessModel(4)
    model.add(ious, bins)
    assert statistics.count.tolist() == model.count
    assert float(statistics.mean_iou) == pytest.approx(float(model.mean()), abs=2**-32)
    for threshold in (0.0, 0.1, 0.3, 0.5, 0.875, 1.0):
        level = reference.quantise(threshold)
        expected = [float(x) for x in model.success_rate(level)]
        assert statistics.success_rate(threshold).tolist() == expected
    expected = [float(x) for x in model.success_rate(model.mean_level())]
    assert statistics.success_rate(statistics.mean_iou).tolist() == expected


def test_bins_without_samples_are_nan_and_others_are_not():
    rate = filled([0.5], [1]).success_rate(0.2)
    assert np.isnan(rate).tolist() == [True, False, True, True]


def test_inputs_lists_scalars_of_any_kind_and_read_only_arrays():
    ious, bins = np.array([0.25, 0.75]), np.array([1, 2])
    expected = view(filled(ious, bins))
    ious.setflags(write=False)
    bins.setflags(write=False)
    assert view(filled(ious, bins)) == expected
    assert view(filled([0.25, 0.75], (1, 2))) == expected
    assert view(filled(ious.astype(np.float32), bins.astype(np.uint8))) == expected
    assert view(filled(ious[::-1], bins[::-1])) == expected
    assert ious.tolist() == [0.25, 0.75]


def test_inputs_integer_ious_of_zero_and_one_are_taken():
    assert view(filled([0, 1], [0, 1])) == view(filled([0.0, 1.0], [0, 1]))


def test_inputs_matrix_of_samples_equals_its_rows():
    ious, bins = samples(0, 60)
    got = filled(ious.reshape(6, 10), bins.reshape(6, 10))
    assert view(got) == view(filled(ious, bins))


def test_add_no_samples_changes_nothing():
    statistics = filled([0.5], [0])
    before = view(statistics)
    statistics.add(np.zeros(0), np.zeros(0, dtype=np.int64))
    statistics.add([], [])
    assert view(statistics) == before


def test_answers_are_not_the_statistics_own_memory():
    statistics = filled([0.5, 0.7], [0, 1])
    before = view(statistics)
    for answer in (statistics.count, statistics.success_rate(0.6)):
        try:
            answer[:] = 0
        except ValueError:
            pass  # read-only is as good
    assert view(statistics) == before


# --------------------------------------------------------------------- ties and the mean


@pytest.mark.parametrize("value", [0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 1 / 3, 0.9, 1.0, 0.1 + 0.2])
def test_tie_with_a_fixed_threshold_is_no_success(value):
    assert filled([value], [0]).success_rate(value)[0] == 0.0


@pytest.mark.parametrize("value", [0.1, 0.3, 0.5, 0.7, 1 / 3])
def test_just_above_a_fixed_threshold_is_success(value):
    statistics = filled([value + 2.0**-31, value - 2.0**-31], [0, 1])
    assert statistics.success_rate(value)[:2].tolist() == [1.0, 0.0]


def test_tie_of_a_float32_with_its_own_value_is_no_success():
    value = np.float32(0.3)
    statistics = filled(np.array([value], dtype=np.float32), [0])
    assert statistics.success_rate(float(value))[0] == 0.0
    assert statistics.success_rate(value)[0] == 0.0


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 1000])
def test_all_equal_samples_are_never_above_their_own_mean(value, n):
    statistics = filled([value] * n, [0] * n)
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


def test_mean_of_many_samples_is_exact_where_float_sums_drift():
    n = 300_000
    ious = np.full(n, 0.1)
    statistics = filled(ious, np.zeros(n, dtype=np.int64))
    assert statistics.mean_iou == round(0.1 * SCALE) / SCALE
    assert statistics.success_rate(statistics.mean_iou)[0] == 0.0


# ------------------------------------------------------------------------------- clipping


@pytest.mark.parametrize(
    "dtype, eps", [(np.float64, EPS64), (np.float32, EPS32), (np.float16, 2.0**-10)]
)
@pytest.mark.parametrize("steps", [1, 4])
def test_rounding_outside_the_range_is_clipped(dtype, eps, steps):
    ious = np.array([1 + steps * eps, -steps * eps], dtype=dtype)
    assert ious[0] > 1 and ious[1] < 0
    assert view(filled(ious, [0, 1])) == view(filled([1.0, 0.0], [0, 1]))


@pytest.mark.parametrize(
    "dtype, eps", [(np.float64, EPS64), (np.float32, EPS32), (np.float16, 2.0**-10)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_more_than_rounding_outside_the_range_raises(dtype, eps, sign, says):
    value = 1 + 6 * eps if sign > 0 else -6 * eps
    statistics = filled([0.5], [0])
    before = view(statistics)
    with pytest.raises(ValueError, match=says("ious")):
        statistics.add(np.array([0.5, value], dtype=dtype), [0, 1])
    assert view(statistics) == before


def test_a_float32_excess_given_as_float64_raises(says):
    with pytest.raises(ValueError, match=says("ious")):
        filled(np.array([1 + 4 * EPS32]), [0])


# ------------------------------------------------------------------------ order and split


@pytest.mark.parametrize("seed", range(4))
def test_order_of_the_samples_is_irrelevant(seed):
    ious, bins = samples(seed)
    expected = view(filled(ious, bins))
    order = np.random.RandomState(seed + 100).permutation(len(ious))
    assert view(filled(ious[order], bins[order])) == expected


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 7, 500])
def test_split_over_ranks_is_irrelevant(n_ranks):
    ious, bins = samples(1)
    expected = view(filled(ious, bins))
    ranks = [filled(ious[rank::n_ranks], bins[rank::n_ranks]) for rank in range(n_ranks)]
    total = ranks[0]
    for rank in ranks[1:]:
        total = merged(total, rank)
    assert view(total) == expected


def test_merge_in_any_order_and_grouping_gives_the_same():
    parts = [samples(seed, 40) for seed in range(3)]
    views = set()
    for order in itertools.permutations(range(3)):
        a, b, c = (filled(*parts[i]) for i in order)
        views.add(repr(view(merged(merged(a, b), c))))
        a, b, c = (filled(*parts[i]) for i in order)
        views.add(repr(view(merged(a, merged(b, c)))))
    assert len(views) == 1


def test_merge_leaves_the_other_alone():
    one, other = filled(*samples(0)), filled(*samples(1))
    before = view(other)
    total = merged(one, other)
    assert view(other) == before
    total.add([0.5], [0])
    assert view(other) == before


def test_merge_with_statistics_without_samples_changes_nothing():
    expected = view(filled(*samples(0)))
    assert view(merged(filled(*samples(0)), SuccessStatistics(4))) == expected
    assert view(merged(SuccessStatistics(4), filled(*samples(0)))) == expected


def test_merge_adds_the_numbers_of_invalid_samples():
    one, other = filled(*samples(0)), filled(*samples(1))
    assert one.n_invalid == 0
    one.n_invalid, other.n_invalid = 2, 3
    assert merged(one, other).n_invalid == 5
    assert other.n_invalid == 3


def test_pieces_of_one_and_float32_batches_equal_one_call():
    ious, bins = samples(2, 90, dtype=np.float32)
    expected = view(filled(ious, bins))
    one_by_one = SuccessStatistics(4)
    for iou, bin_ in zip(ious, bins):
        one_by_one.add(np.array([iou]), np.array([bin_]))
    assert view(one_by_one) == expected


def test_asking_between_additions_changes_nothing():
    ious, bins = samples(3)
    asked = SuccessStatistics(4)
    for start in range(0, 500, 100):
        asked.add(ious[start : start + 100], bins[start : start + 100])
        view(asked)
    assert view(asked) == view(filled(ious, bins))


def test_pickle_round_trip_keeps_every_bit():
    statistics = filled(*samples(4))
    again = pickle.loads(pickle.dumps(statistics))
    assert view(again) == view(statistics)
    again.add([0.5], [0])
    assert again.count.sum() == statistics.count.sum() + 1


# --------------------------------------------------------------------------------- errors


def refuses(exception, match, call):
    """The call raises and the statistics stay as they were, to the last bit."""
    statistics = filled(*samples(5))
    before = view(statistics)
    with pytest.raises(exception, match=match):
        call(statistics)
    assert view(statistics) == before


@pytest.mark.parametrize("bad", [1.25, np.nan, np.inf, -np.inf, 1e300])
def test_error_iou_out_of_range_names_it(bad, says):
    refuses(ValueError, says("ious", bad), lambda s: s.add([0.5, 0.5, bad], [0, 1, 2]))


@pytest.mark.parametrize("bad", [-0.5, -1.0])
def test_error_negative_iou_asks_for_giou(bad, says):
    refuses(ValueError, says("ious", bad, "GIoU?"), lambda s: s.add([0.5, bad], [0, 1]))


@pytest.mark.parametrize("bad", [1.25, np.nan])
def test_error_iou_that_is_not_negative_does_not_ask_for_giou(bad):
    with pytest.raises(ValueError, match="ious") as caught:
        filled([bad], [0])
    assert "giou" not in str(caught.value).lower()


@pytest.mark.parametrize("bad", [-1, 4, 10**12])
def test_error_bin_out_of_range_names_it(bad, says):
    refuses(ValueError, says("bins", bad), lambda s: s.add([0.5, 0.5], [0, bad]))


@pytest.mark.parametrize("bad", [[0.5], ["a"], [np.nan], [None], [True]])
def test_error_bins_that_are_no_integers_name_it(bad, says):
    refuses((TypeError, ValueError), says("bins"), lambda s: s.add([0.5], bad))


@pytest.mark.parametrize("bad", [["a"], [None], [1j]])
def test_error_ious_that_are_no_numbers_name_it(bad, says):
    refuses((TypeError, ValueError), says("ious"), lambda s: s.add(bad, [0]))


@pytest.mark.parametrize("ious, bins", [([0.5, 0.5], [0]), ([0.5], [0, 1]), ([[0.5, 0.5]], [0, 1])])
def test_error_shapes_that_do_not_match_name_both(ious, bins, says):
    refuses(ValueError, says("ious", "bins"), lambda s: s.add(ious, bins))


def test_error_merge_of_another_number_of_bins_names_both(says):
    refuses(ValueError, says(4, 3), lambda s: s.merge(SuccessStatistics(3)))


@pytest.mark.parametrize("bad", [None, [0.5], {"count": [1]}])
def test_error_merge_of_something_else_raises(bad, says):
    refuses(TypeError, says("other"), lambda s: s.merge(bad))


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_error_threshold_out_of_range_names_it(bad, says):
    refuses(ValueError, says("threshold", bad), lambda s: s.success_rate(bad))


@pytest.mark.parametrize("bad", ["median", None, [0.5]])
def test_error_threshold_that_is_no_number_names_it(bad, says):
    refuses((TypeError, ValueError), says("threshold"), lambda s: s.success_rate(bad))


@pytest.mark.parametrize("bad", [0, -1, 2.5, "4", None])
def test_error_number_of_bins_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("n_bins", bad)):
        SuccessStatistics(bad)
