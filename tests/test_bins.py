"""IntervalBins: what a bin is."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from sstrack_sched import IntervalBins
from tests import reference


def table(bins):
    return list(zip(bins.lower.tolist(), bins.upper.tolist()))


# ----------------------------------------------------------------------------- bounds


def test_bins_paper_setting_gives_seven_bins():
    bins = IntervalBins(200, 30)
    assert len(bins) == 7
    assert table(bins) == [
        (0, 30),
        (30, 60),
        (60, 90),
        (90, 120),
        (120, 150),
        (150, 180),
        (180, 200),
    ]


def test_bins_paper_setting_with_images_gives_eight_bins():
    bins = IntervalBins(200, 30, image_bin=True)
    assert len(bins) == 8
    assert table(bins)[0] == (0, 1)
    assert table(bins)[1:] == table(IntervalBins(200, 30))


@pytest.mark.parametrize("max_interval", [1, 2, 29, 30, 31, 59, 60, 61, 200])
@pytest.mark.parametrize("spacing", [1, 2, 7, 30, 300])
@pytest.mark.parametrize("image_bin", [False, True])
def test_bins_equal_spacing_follows_the_formula(max_interval, spacing, image_bin):
    bins = IntervalBins(max_interval, spacing, image_bin=image_bin)
    expected = reference.equal_bins(max_interval, spacing, image_bin)
    assert table(bins) == [(lower, upper) for lower, upper, _ in expected]
    assert len(bins) == len(expected)


def test_bins_bounds_are_int64_of_shape_r():
    bins = IntervalBins(200, 30)
    for bound in (bins.lower, bins.upper):
        assert bound.dtype == np.int64
        assert bound.shape == (7,)


def test_bins_numpy_scalars_are_taken_as_integers():
    assert IntervalBins(np.int32(200), np.uint8(30)) == IntervalBins(200, 30)


def test_bins_from_edges_gives_unequal_bins():
    bins = IntervalBins.from_edges([0, 1, 5, 25, 200])
    assert table(bins) == [(0, 1), (1, 5), (5, 25), (25, 200)]


def test_bins_from_edges_with_images_puts_them_first():
    bins = IntervalBins.from_edges([3, 5, 9], image_bin=True)
    assert table(bins) == [(0, 1), (3, 5), (5, 9)]


@pytest.mark.parametrize("edges", [(0, 4, 9), np.array([0, 4, 9]), [0, 4, np.int16(9)]])
def test_bins_from_edges_takes_any_sequence(edges):
    assert IntervalBins.from_edges(edges) == IntervalBins.from_edges([0, 4, 9])


def test_bins_from_edges_does_not_hold_on_to_the_callers_array():
    edges = np.array([0, 4, 9])
    bins = IntervalBins.from_edges(edges)
    before = hash(bins)
    edges[:] = 1
    assert table(bins) == [(0, 4), (4, 9)]
    assert hash(bins) == before


# ----------------------------------------------------------------------------- labels


def test_bins_labels_are_distinct_strings_one_per_bin():
    bins = IntervalBins(200, 30, image_bin=True)
    assert len(bins.labels) == 8
    assert all(isinstance(label, str) for label in bins.labels)
    assert len(set(bins.labels)) == 8


def test_bins_labels_of_video_bins_hold_a_bound():
    bins = IntervalBins.from_edges([11, 23, 57])
    assert "11" in bins.labels[0]
    assert "23" in bins.labels[1]


# ----------------------------------------------------------------------------- assign


@pytest.mark.parametrize("image_bin", [False, True])
def test_assign_every_interval_lands_in_the_bin_that_holds_it(image_bin):
    bins = IntervalBins(200, 30, image_bin=image_bin)
    got = bins.assign(np.arange(200))
    shift = int(image_bin)
    assert np.issubdtype(got.dtype, np.integer)
    for interval, index in enumerate(got.tolist()):
        assert bins.lower[index] <= interval < bins.upper[index]
        assert index == interval // 30 + shift


def test_assign_unequal_edges_lands_in_the_bin_that_holds_it():
    bins = IntervalBins.from_edges([2, 3, 7, 40])
    expected = [0] + [1] * 4 + [2] * 33
    assert bins.assign(np.arange(2, 40)).tolist() == expected


def test_assign_scalar_gives_a_scalar_index():
    bins = IntervalBins(200, 30, image_bin=True)
    assert int(bins.assign(29)) == 1
    assert int(bins.assign(30)) == 2
    assert int(bins.assign(0, is_image=True)) == 0
    assert np.ndim(bins.assign(30)) == 0


def test_assign_keeps_the_shape():
    intervals = np.array([[0, 30, 60], [199, 180, 179]])
    got = IntervalBins(200, 30).assign(intervals)
    assert got.tolist() == [[0, 1, 2], [6, 6, 5]]


def test_assign_mixed_flags_send_images_to_the_image_bin():
    bins = IntervalBins(200, 30, image_bin=True)
    got = bins.assign([0, 0, 199], [True, False, False])
    assert got.tolist() == [0, 1, 7]


def test_assign_one_flag_serves_all_intervals():
    bins = IntervalBins(200, 30, image_bin=True)
    assert bins.assign([0, 0], is_image=True).tolist() == [0, 0]


def test_assign_empty_array_gives_an_empty_array():
    got = IntervalBins(200, 30).assign(np.zeros(0, dtype=np.int64))
    assert got.shape == (0,)


def test_assign_leaves_its_input_alone():
    intervals = np.array([3, 40])
    intervals.setflags(write=False)
    IntervalBins(200, 30).assign(intervals)
    assert intervals.tolist() == [3, 40]


@pytest.mark.parametrize("outside", [-1, 200, 10**12])
def test_assign_interval_outside_every_bin_raises(outside, says):
    bins = IntervalBins(200, 30)
    with pytest.raises(ValueError, match=says("interval", outside)):
        bins.assign([0, outside, 5])


def test_assign_interval_below_the_first_edge_raises(says):
    with pytest.raises(ValueError, match=says("interval", 2)):
        IntervalBins.from_edges([3, 7]).assign(2)


def test_assign_interval_below_the_first_edge_raises_beside_an_image_bin(says):
    with pytest.raises(ValueError, match=says("interval", 0)):
        IntervalBins.from_edges([3, 7], image_bin=True).assign(0)


def test_assign_image_without_an_image_bin_raises(says):
    with pytest.raises(ValueError, match=says("image")):
        IntervalBins(200, 30).assign(0, is_image=True)


def test_assign_image_with_an_interval_raises(says):
    with pytest.raises(ValueError, match=says("image", 3)):
        IntervalBins(200, 30, image_bin=True).assign([0, 3], is_image=True)


@pytest.mark.parametrize("interval", [[0.5], [np.nan], ["3"], [None]])
def test_assign_interval_that_is_no_integer_raises(interval, says):
    with pytest.raises((TypeError, ValueError), match=says("interval")):
        IntervalBins(200, 30).assign(interval)


@pytest.mark.parametrize("bad", ["yes", 0.5, [2], None])
def test_assign_is_image_that_is_not_boolean_raises(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("is_image")):
        IntervalBins(200, 30, image_bin=True).assign([0], is_image=bad)


def test_assign_shapes_that_do_not_match_raise(says):
    with pytest.raises(ValueError, match=says("is_image")):
        IntervalBins(200, 30, image_bin=True).assign([0, 1, 2], [False, False])


# ------------------------------------------------------------------ immutable, comparable


def test_bins_bounds_cannot_be_written():
    bins = IntervalBins(200, 30)
    for bound in (bins.lower, bins.upper):
        with pytest.raises(ValueError, match="read-only"):
            bound[0] = 7
    assert table(bins)[0] == (0, 30)


@pytest.mark.parametrize("name", ["lower", "upper", "labels", "image_bin", "anything"])
def test_bins_attributes_cannot_be_set(name):
    bins = IntervalBins(200, 30)
    with pytest.raises((AttributeError, TypeError)):
        setattr(bins, name, 3)
    assert bins == IntervalBins(200, 30)


def test_bins_same_bins_are_equal_and_hash_alike():
    one, other = IntervalBins(200, 30, True), IntervalBins(200, 30, image_bin=True)
    assert one == other
    assert not (one != other)  # noqa: SIM202 (asks the other operator)
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    "other",
    [
        IntervalBins(200, 30, image_bin=True),
        IntervalBins(201, 30),
        IntervalBins(200, 29),
        IntervalBins.from_edges([0, 1, 30, 60, 90, 120, 150, 180]),
        None,
        7,
        "bins",
    ],
)
def test_bins_other_bins_are_unequal(other):
    assert IntervalBins(200, 30) != other
    assert not (IntervalBins(200, 30) == other)  # noqa: SIM201 (asks the other operator)


def test_bins_an_image_bin_differs_from_a_video_bin_of_the_same_bounds():
    assert IntervalBins.from_edges([1, 5], image_bin=True) != IntervalBins.from_edges([0, 1, 5])


def test_bins_same_edges_are_equal_however_they_were_given():
    edges = [0, 30, 60, 90, 120, 150, 180, 200]
    assert IntervalBins.from_edges(edges) == IntervalBins(200, 30)
    assert hash(IntervalBins.from_edges(edges)) == hash(IntervalBins(200, 30))


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))]
)
def test_bins_copies_and_pickles_are_equal(again):
    bins = IntervalBins(200, 30, image_bin=True)
    assert again(bins) == bins
    assert hash(again(bins)) == hash(bins)
    assert not again(bins).lower.flags.writeable


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("bad", [0, -1])
def test_bins_bad_max_interval_raises(bad, says):
    with pytest.raises(ValueError, match=says("max_interval", bad)):
        IntervalBins(bad, 30)


@pytest.mark.parametrize("bad", [0, -5])
def test_bins_bad_spacing_raises(bad, says):
    with pytest.raises(ValueError, match=says("spacing", bad)):
        IntervalBins(200, bad)


@pytest.mark.parametrize("bad", [2.5, "30", None, float("nan")])
def test_bins_arguments_that_are_no_integers_raise(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("max_interval", bad)):
        IntervalBins(bad, 30)
    with pytest.raises((TypeError, ValueError), match=says("spacing", bad)):
        IntervalBins(200, bad)


def test_from_edges_that_do_not_increase_raise(says):
    with pytest.raises(ValueError, match=says("edges", 4, 7)):
        IntervalBins.from_edges([0, 7, 4])


def test_from_edges_that_repeat_raise(says):
    with pytest.raises(ValueError, match=says("edges", 7)):
        IntervalBins.from_edges([0, 7, 7])


def test_from_edges_negative_edge_raises(says):
    with pytest.raises(ValueError, match=says("edges", -3)):
        IntervalBins.from_edges([-3, 7])


@pytest.mark.parametrize("edges", [[], [3], [[0, 1], [2, 3]], 5])
def test_from_edges_that_make_no_bin_raise(edges, says):
    with pytest.raises((TypeError, ValueError), match=says("edges")):
        IntervalBins.from_edges(edges)


@pytest.mark.parametrize("edges", [[0, 1.5], ["a", "b"], [0, float("nan")]])
def test_from_edges_that_are_no_integers_raise(edges, says):
    with pytest.raises((TypeError, ValueError), match=says("edges")):
        IntervalBins.from_edges(edges)
