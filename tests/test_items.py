"""BinnedSampler against the definition of its draws, and its bins against counting."""

import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

from sstrack_sched import BinnedSampler, Items
from tests.test_stream import philox

BINS = [2, 0, 0, 1, 2, 2, 0, 2]
Q = [0.25, 0.5, 0.25]


def item_of(weight, seed, epoch, number):
    """Index and bin of one sample, from the definition alone, in exact fractions."""
    words = philox((seed, epoch), (number + 1, 0, 0, 0))
    u = [Fraction(word >> 11, 2**53) for word in words]
    index = sum(u[0] >= Fraction(c) for c in np.cumsum(Q)[:-1].tolist())
    members = [i for i, b in enumerate(BINS) if b == index and weight[i]]
    target, below = u[1] * sum(weight[i] for i in members), 0
    for i in members:
        below += weight[i]
        if target < below:
            return i, index
    raise AssertionError


# Sums of powers of two: the draw in floating point is exact, too.
@pytest.mark.parametrize("weight", [None, [1, 2, 1, 1, 2, 1, 1, 1], [4, 0, 1, 1, 0, 2, 3, 2]])
@pytest.mark.parametrize(("seed", "epoch", "start"), [(0, 0, 0), (2**64 - 1, 7, 2**62)])
def test_items_follow_the_definition(weight, seed, epoch, start):
    source = BinnedSampler(BINS, weight=weight, seed=seed)
    items = source.sample(Q, epoch, start, start + 200)
    exact = [item_of(weight or [1] * 8, seed, epoch, start + k) for k in range(200)]
    assert list(zip(items.index.tolist(), items.bin.tolist())) == exact
    assert source.bins[items.index].tolist() == items.bin.tolist()


def test_items_any_slice_gives_the_same():
    source = BinnedSampler(BINS, seed=5)
    whole = source.sample(Q, 3, 0, 40_000)
    for start, stop, step in [(0, 40_000, 7), (16_380, 16_390, 1), (39_999, 40_000, 3), (5, 5, 1)]:
        part = source.sample(Q, 3, start, stop, step)
        assert list(part) == list(whole)[start:stop:step]
        assert part.number.tolist() == list(range(start, stop, step))
        assert set(part.epoch.tolist()) <= {3}


def test_items_numbers_near_the_end_are_those_of_range():
    items = BinnedSampler([0]).sample([1], 0, 0, 3 * 2**60 + 1, 2**60)
    assert items.number.tolist() == list(range(0, 3 * 2**60 + 1, 2**60))


def test_items_are_a_sequence_of_plain_ints():
    items = BinnedSampler(BINS).sample(Q, 0, 0, 10)
    assert isinstance(items, Items)
    assert all(type(item) is int for item in items)
    assert len(items) == 10
    assert items[np.array(3)] == items[3] == list(items)[3]
    assert items[-1] == list(items)[-1]
    assert list(items[2:5]) == list(items)[2:5]
    assert list(items[np.array([4, 1])]) == [items[4], items[1]]


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(None, [3 / 8, 1 / 8, 1 / 2]), ([0, 1, 1, 2, 0, 1, 1, 2], [0.375, 0.25, 0.375])],
)
def test_random_distribution_is_the_share_of_each_bin(weight, expected):
    assert BinnedSampler(BINS, weight=weight).random_distribution.tolist() == expected


def test_weights_of_zero_are_never_drawn_and_may_leave_a_bin_infeasible():
    source = BinnedSampler(BINS, weight=[1, 1, 0, 0, 1, 1, 1, 1], n_bins=4)
    assert source.feasible.tolist() == [True, False, True, False]
    assert 2 not in set(source.sample([1, 0, 0, 0], 0, 0, 2000))
    with pytest.raises(ValueError, match="distribution must be 0 in bins that are not feasible"):
        source.sample([0.5, 0.5, 0, 0], 0, 0, 1)


def test_weights_hundreds_of_decades_apart_are_drawn():
    source = BinnedSampler([0, 0, 1], weight=[1e308, 1e-308, 1e-308])
    assert set(source.sample([0.5, 0.5], 0, 0, 100)) == {0, 2}
    assert source.random_distribution[0] == 1


@pytest.mark.parametrize("n_bins", [1, 3, 7, 50])
def test_from_scores_makes_bins_of_nearly_equal_size_in_order(n_bins):
    scores = np.random.default_rng(0).permutation(100) / 7 - 3
    bins = BinnedSampler.from_scores(scores, n_bins).bins
    sizes = np.bincount(bins, minlength=n_bins)
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(bins[np.argsort(scores)].astype(int)) >= 0).all()


def test_from_scores_never_splits_equal_scores():
    source = BinnedSampler.from_scores([1, 1, 1, 1, 1, 1, 2, 3], 4)
    assert len(set(source.bins[:6].tolist())) == 1
    assert len(source) == 8
    assert source.n_bins == 4


@pytest.mark.parametrize(
    ("n_bins", "dtype"),
    [(2**8, np.uint8), (2**8 + 1, np.int16), (2**15, np.int16), (2**15 + 1, np.int32)],
)
def test_bins_are_kept_small_and_read_only(n_bins, dtype):
    bins = BinnedSampler([n_bins - 1, 0]).bins
    assert bins.dtype == dtype
    assert bins.tolist() == [n_bins - 1, 0]
    with pytest.raises(ValueError, match="read-only"):
        bins[0] = 0


@pytest.mark.parametrize(
    "change", [{"bins": BINS[::-1]}, {"weight": [1] * 8}, {"n_bins": 4}, {"seed": 1}]
)
def test_identity_names_all_that_the_items_depend_on(change):
    one, other = BinnedSampler(BINS), BinnedSampler(**{"bins": BINS, **change})
    assert json.loads(json.dumps(one.identity)) == BinnedSampler(BINS).identity
    assert one.identity != other.identity
    assert (one.seed, one.stream_version) == (0, 1)


def test_pickled_sampler_draws_the_same():
    source = BinnedSampler(BINS, weight=range(1, 9), seed=2)
    again = pickle.loads(pickle.dumps(source))
    assert list(again.sample(Q, 1, 0, 50)) == list(source.sample(Q, 1, 0, 50))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": []}, "bins must be one per item, at least one"),
        ({"bins": [[0]]}, "bins must be one per item"),
        ({"bins": [0.5]}, "bins must hold integers"),
        ({"bins": [-1, 0]}, r"bins must be in \[0, 1\); got -1 at index 0"),
        ({"bins": [0, 3], "n_bins": 3}, r"bins must be in \[0, 3\); got 3 at index 1"),
        ({"bins": [0], "n_bins": 0}, r"n_bins must be in \[1, 1073741824\]; got 0"),
        ({"bins": [0], "n_bins": 2.5}, "n_bins must be an integer; got 2.5"),
        ({"bins": [0], "weight": [1, 2]}, r"weight must have shape \(1,\)"),
        ({"bins": [0], "weight": [-1]}, "weight must be finite and not negative"),
        ({"bins": [0], "weight": [0]}, "weight must be above 0 somewhere"),
        *[({"bins": [0], "seed": bad}, f"seed must be in .*; got {bad}") for bad in (-1, 2**64)],
        ({"bins": [0], "n_bins": 2**30 + 1}, f"n_bins must be in .*; got {2**30 + 1}"),
        ({"bins": np.ma.array([0, 1], mask=[0, 1])}, "bins must have no masked values"),
    ],
)
def test_bad_argument_raises(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        BinnedSampler(**arguments)


@pytest.mark.parametrize("scores", [[], [[1.0]], [np.nan], [np.inf], ["a"]])
def test_from_scores_bad_scores_raise(scores):
    with pytest.raises((TypeError, ValueError), match="scores must"):
        BinnedSampler.from_scores(scores, 2)
