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
    expected = [(0, 30), (30, 60), (60, 90), (90, 120), (120, 150), (150, 180), (180, 200)]
    assert table(bins) == expected
    assert table(IntervalBins(200, 30, image_bin=True)) == [(0, 1), *expected]
    for bound in (bins.lower, bins.upper):
        assert bound.dtype == np.int64


@pytest.mark.parametrize("max_interval", [1, 2, 29, 30, 31, 59, 60, 61, 200])
@pytest.mark.parametrize("spacing", [1, 2, 7, 30, 300])
@pytest.mark.parametrize("image_bin", [False, True])
def test_bins_equal_spacing_follows_the_formula(max_interval, spacing, image_bin):
    bins = IntervalBins(np.int32(max_interval), np.int16(spacing), image_bin=image_bin)
    expected = reference.equal_bins(max_interval, spacing, image_bin)
    assert table(bins) == [(lower, upper) for lower, upper, _ in expected]
    assert len(bins) == len(expected)


@pytest.mark.parametrize("edges", [(3, 5, 9), np.array([3, 5, 9]), [3, 5, np.int16(9)]])
def test_bins_from_edges_of_any_kind_are_unequal_with_images_first(edges):
    given = copy.copy(edges)
    bins = IntervalBins.from_edges(given, image_bin=True)
    np.asarray(given)[:] = 1  # the caller's array is not held on to
    assert table(bins) == [(0, 1), (3, 5), (5, 9)]
    assert table(IntervalBins.from_edges([3, 5, 9])) == [(3, 5), (5, 9)]


def test_bins_labels_hold_the_bounds():
    assert IntervalBins.from_edges([11, 23, 57]).labels == ["[11, 23)", "[23, 57)"]
    assert IntervalBins(4, 2, image_bin=True).labels == ["image", "[0, 2)", "[2, 4)"]


def test_bins_reach_the_longest_interval():
    longest = 2**31 - 1
    for bins in (IntervalBins(longest, longest), IntervalBins.from_edges([0, longest])):
        assert table(bins) == [(0, longest)]
        assert bins.assign([longest - 1]).tolist() == [0]


# ----------------------------------------------------------------------------- assign


@pytest.mark.parametrize(
    "interval, is_image, expected",
    [
        (29, False, 1),
        (30, False, 2),
        (0, True, 0),
        ([[0, 30, 60], [199, 180, 179]], False, [[1, 2, 3], [7, 7, 6]]),
        ([0, 0, 199], [True, False, False], [0, 1, 7]),
        ([0, 0], True, [0, 0]),
        (0, [[True], [False]], [[0], [1]]),
        (np.zeros((0, 2), dtype=np.int64), False, np.zeros((0, 2)).tolist()),
    ],
)
def test_assign_gives_bins_of_the_broadcast_shape(interval, is_image, expected):
    """Every interval and unequal edges: `properties/test_sampling_properties.py`."""
    interval = np.array(interval)
    interval.setflags(write=False)
    got = IntervalBins(200, 30, image_bin=True).assign(interval, is_image)
    assert got.dtype == np.int64
    assert got.tolist() == expected
    if not np.any(is_image):
        without = IntervalBins(200, 30).assign(interval, is_image)
        assert without.tolist() == (got - 1).tolist()


# ------------------------------------------------------------------ immutable, comparable


@pytest.mark.parametrize("name", ["lower", "upper", "labels", "image_bin", "anything"])
def test_bins_cannot_be_changed(name):
    bins = IntervalBins(200, 30)
    with pytest.raises(AttributeError, match=name):
        setattr(bins, name, 3)
    with pytest.raises(AttributeError, match=name):
        delattr(bins, name)
    for bound in (bins.lower, bins.upper, bins.edges):
        assert not bound.flags.writeable


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


@pytest.mark.parametrize(
    "again",
    [
        lambda bins: IntervalBins(200, 30, True),
        lambda bins: IntervalBins.from_edges([0, 30, 60, 90, 120, 150, 180, 200], True),
        copy.copy,
        copy.deepcopy,
        lambda bins: pickle.loads(pickle.dumps(bins)),
    ],
)
def test_bins_same_bins_are_equal_and_hash_alike(again):
    bins = IntervalBins(200, 30, image_bin=True)
    assert again(bins) == bins
    assert not (again(bins) != bins)  # noqa: SIM202 (asks the other operator)
    assert len({again(bins), bins}) == 1
    assert not again(bins).lower.flags.writeable


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("name", ["max_interval", "spacing"])
@pytest.mark.parametrize("bad", [0, -1, 2.5, "30", None, float("nan"), 2**31])
def test_error_argument_names_it(name, bad, says):
    with pytest.raises((TypeError, ValueError), match=says(name, bad)):
        IntervalBins(**dict(dict(max_interval=200, spacing=30), **{name: bad}))


@pytest.mark.parametrize(
    "edges, words",
    [
        ([0, 7, 4], ["increase; got 4 at index 2"]),
        ([0, 7, 7], ["increase; got 7 at index 2"]),
        ([-3, 7], [-3]),
        ([0, 2**31], [2**31]),
        ([], ["(0,)"]),
        ([3], ["(1,)"]),
        ([[0, 1], [2, 3]], ["(2, 2)"]),
        (5, ["()"]),
        ([0, 1.5], [1.5]),
        (["a", "b"], ["a"]),
        ([0, float("nan")], ["nan"]),
    ],
)
def test_error_edges_name_it(edges, words, says):
    with pytest.raises((TypeError, ValueError), match=says("edges", *words)):
        IntervalBins.from_edges(edges)


def test_error_image_bin_that_is_no_boolean_names_it(says):
    with pytest.raises(TypeError, match=says("image_bin", 1)):
        IntervalBins(200, 30, image_bin=1)


@pytest.mark.parametrize(
    "bins, interval, is_image, words",
    [
        *[(IntervalBins(200, 30), [0, x, 5], False, ["interval", x]) for x in (-1, 200, 10**12)],
        *[(IntervalBins(200, 30), [x], False, ["interval"]) for x in (0.5, np.nan, "3", None)],
        (IntervalBins.from_edges([3, 7]), 2, False, ["interval", 2]),
        (IntervalBins.from_edges([3, 7], image_bin=True), 0, False, ["interval", 0]),
        (IntervalBins(200, 30, image_bin=True), [0, 3], True, ["interval", 3, "image"]),
        (IntervalBins(200, 30), 0, True, ["is_image", "no image bin"]),
        *[
            (IntervalBins(200, 30, image_bin=True), [0], x, ["is_image"])
            for x in ("yes", 0.5, [2], None)
        ],
        (IntervalBins(200, 30, image_bin=True), [0, 1, 2], [False, False], ["is_image", "(2,)"]),
    ],
)
def test_error_assign_names_what_it_got(bins, interval, is_image, words, says):
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        bins.assign(interval, is_image)
