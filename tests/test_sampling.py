"""IntervalSampler: the exact law of every bin, and draws that are a pure function.

Chi-square tests: seeds are fixed, so a run is deterministic; were the seeds drawn, each
test would fail a correct sampler with probability ``ALARM`` at most. What the words of the stream
are is in `test_stream.py`, what support, coverage and cuts are in `properties/`.
"""

from __future__ import annotations

import pickle
from itertools import chain

import numpy as np
import pytest

from sstrack_sched import IntervalBins, IntervalSampler, Pairs, VideoIndex
from tests import reference
from tests.reference import Data, bin_law, chi_square_p_value, outcomes

ALARM = 1e-6
DIRECTIONS = ["both", "forward"]


def as_index(data):
    return VideoIndex(data.lengths, data.visible, data.is_image, data.weight)


def fields(pairs):
    names = ("video", "template", "search", "bin", "number", "epoch")
    return [np.asarray(getattr(pairs, name)).tolist() for name in names]


# A set that shows every clause of the law: a video of one frame, holes in visibility,
# templates without partners, lengths from too short to long, a hidden and a shown image,
# unequal weights and one weight of zero.
RICH = Data(
    visible=[
        [1],
        [1, 1, 0, 1],
        [1, 0, 0, 0, 0, 1, 1, 0, 1, 1],
        [1] * 12,
        [1, 1],
        [0, 1],
        [1],
        [1] * 9,
        [0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 1],
    ],
    is_image=[0, 0, 0, 0, 1, 1, 1, 0, 0, 0],
    weight=[1.0, 2.0, 0.5, 1.0, 3.0, 2.0, 1.0, 0.0, 1.0, 0.25],
)
RICH_BINS = IntervalBins(10, 3, image_bin=True)
Q5 = np.array([0.2, 0.3, 0.1, 0.25, 0.15])


def rich_sampler(seed=7, **options):
    return IntervalSampler(as_index(RICH), RICH_BINS, seed=seed, **options)


# ------------------------------------------------------------------------- law of each bin


PARTS = [
    Data([[1, 1, 1, 0], [1, 1], [1]], [0, 0, 1], [1.0, 3.0, 2.0]),
    Data([[1] * 8, [1, 0, 1, 1, 0, 1]], weight=[1.0, 0.5]),
]
UNEQUAL = Data([[1] * 9, [1, 0, 1, 1, 1, 0, 1], [1, 1, 1]], weight=[1.0, 2.0, 4.0])
SETS = {
    "rich": (RICH, as_index(RICH), reference.equal_bins(10, 3, True)),
    # First a dataset, then a video.
    "mixture": (
        reference.mixture(PARTS, [2.0, 1.0]),
        VideoIndex.concatenate([as_index(data) for data in PARTS], [2.0, 1.0]),
        reference.equal_bins(6, 2, True),
    ),
    # Gaps between 0 and the first edge are out.
    "unequal edges": (UNEQUAL, as_index(UNEQUAL), reference.edges_to_bins([1, 2, 5, 9])),
}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", sorted(SETS))
def test_law_of_each_bin_follows_enumeration(name, direction):
    """Chi-square of 20,000 pairs of each bin, false alarm 1e-6."""
    data, videos, table = SETS[name]
    images = table[0][2]
    edges = [lower for lower, _, _ in table[images:]] + [table[-1][1]]
    bins = IntervalBins.from_edges(edges, image_bin=images)
    sampler = IntervalSampler(videos, bins, direction=direction, seed=11)
    for index, q in enumerate(np.eye(len(table))):
        pairs = sampler.sample(q, 0, 0, 20_000)
        assert set(pairs.bin.tolist()) == {index}
        law = bin_law(data, table[index], direction)
        drawn = outcomes(pairs)
        assert set(drawn) == set(law)  # every pair of the bin, and nothing else
        assert chi_square_p_value(drawn, law, 20_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("hidden", [0, 1])
@pytest.mark.parametrize("lower", [0, 1, 3, 4, 7, 11])
def test_law_whole_videos_of_every_length_follow_enumeration(lower, hidden, direction):
    """Lengths from none to both sides reachable, a gap of idle templates in between.

    Chi-square of 20,000 pairs, false alarm 1e-6; beside a hidden video, for the way with masks.
    """
    lengths = range(1, 14)
    data = Data([[1] * n for n in lengths] + [[0]] * hidden, weight=([1, 2] * 7)[: 13 + hidden])
    bins = IntervalBins.from_edges([lower, lower + 2])
    sampler = IntervalSampler(as_index(data), bins, direction=direction, seed=3)
    law = bin_law(data, (lower, lower + 2, False), direction)
    drawn = outcomes(sampler.sample([1.0], 0, 0, 20_000))
    assert chi_square_p_value(drawn, law, 20_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_law_random_sets_follow_enumeration(seed, images, direction):
    """Chi-square of bin and pair together, 20,000 pairs, false alarm 1e-6."""
    data = reference.random_data(seed, images)
    rng = np.random.RandomState(seed + 1000)
    spacing, top = int(rng.randint(1, 5)), int(rng.randint(2, 14))
    bins = IntervalBins(top, spacing, image_bin=images)
    sampler = IntervalSampler(as_index(data), bins, direction=direction, seed=seed)
    q = rng.uniform(0.1, 1.0, size=len(bins)) * sampler.feasible
    q /= q.sum()
    law = {
        (index, *outcome): float(probability) * q[index]
        for index, bin_ in enumerate(reference.equal_bins(top, spacing, images))
        for outcome, probability in bin_law(data, bin_, direction).items()
    }
    pairs = sampler.sample(q, 3, 0, 20_000)
    drawn = [(index, *outcome) for index, outcome in zip(pairs.bin.tolist(), outcomes(pairs))]
    assert chi_square_p_value(drawn, law, 20_000) > ALARM


def test_chi_square_other_laws_are_rejected():
    """The yardstick itself: near misses of the law do not pass at these sample sizes."""
    data = Data([[1] * 6, [1] * 12])
    law = bin_law(data, (0, 3, False))
    sampler = IntervalSampler(as_index(data), IntervalBins(3, 3), seed=1)
    drawn = outcomes(sampler.sample([1.0], 0, 0, 20_000))
    assert chi_square_p_value(drawn, law, 20_000) > ALARM
    by_pair = {outcome: 1.0 / len(law) for outcome in law}  # uniform over pairs
    assert chi_square_p_value(drawn, by_pair, 20_000) < ALARM
    # The template itself counted on both sides.
    twice = {(v, t, s): float(p) * (2 if s == t else 1) for (v, t, s), p in law.items()}
    twice = {outcome: p / sum(twice.values()) for outcome, p in twice.items()}
    assert chi_square_p_value(drawn, twice, 20_000) < ALARM
    with pytest.raises(AssertionError, match="outside the law"):
        chi_square_p_value([(0, 0, 5)], law, 1)


# ---------------------------------------------------------------------- exact constraints


@pytest.mark.parametrize("share", [0.5, 0.5 - 9e-7])  # a sum just below one
def test_support_bins_of_zero_share_are_never_drawn(share):
    sampler = IntervalSampler(VideoIndex([50]), IntervalBins(12, 3))
    pairs = sampler.sample([0.0, 0.5, share, 0.0], 0, 0, 300_000)
    assert set(pairs.bin.tolist()) == {1, 2}


@pytest.mark.parametrize("scale", [2.0**-1074, 2.0**-60, 2.0**60, 2.0**1022])
def test_support_scale_of_the_weights_is_irrelevant(scale):
    """From the smallest floats to some whose sum overflows."""
    weight = np.array([1.0, 3.0, 0.0, 1.0, 2.0])
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    expected = IntervalSampler(VideoIndex([9] * 5, weight=weight), bins)
    got = IntervalSampler(VideoIndex([9] * 5, weight=weight * scale), bins)
    assert fields(got.sample(q, 0, 0, 500)) == fields(expected.sample(q, 0, 0, 500))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_long_set_equals_bisection_over_positions(direction):
    """2.6 million frames, few of them visible, one video longer than any block."""
    rng = np.random.RandomState(5)
    lengths = np.append(rng.randint(1, 3000, size=700), [1_500_000, 64, 1])
    rng.shuffle(lengths)
    visible = rng.uniform(size=lengths.sum()) < 0.01
    bins = IntervalBins.from_edges([0, 1, 64, 200, 1000])
    videos = VideoIndex(lengths, visible=visible)
    sampler = IntervalSampler(videos, bins, direction=direction, seed=6)
    for i, (lower, upper) in enumerate(zip(bins.lower.tolist(), bins.upper.tolist())):
        video, _, count = reference.count_within(lengths, visible, lower, upper)
        if direction == "both":
            count = count + reference.count_within(lengths, visible, 1 - upper, 1 - lower)[2]
        assert sampler.coverage().templates[i] == (count > 0).sum()
        assert sampler.coverage().videos[i] == len(set(video[count > 0].tolist()))
    pairs = sampler.sample([0.25] * 4, 0, 0, 50_000)
    first = np.cumsum(lengths) - lengths
    for frame in (pairs.template, pairs.search):
        assert ((frame >= 0) & (frame < lengths[pairs.video])).all()
        assert visible[first[pairs.video] + frame].all()
    gap = pairs.search - pairs.template
    assert (gap < 0).any() == (direction == "both")
    np.testing.assert_array_equal(bins.assign(abs(gap)), pairs.bin)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_long_video_templates_are_uniform_along_it(share):
    """Chi-square over 100 stretches of a video with and without mask, 20,000, alarm 1e-6."""
    n = 1_500_000
    visible = np.random.RandomState(7).uniform(size=n) < share
    sampler = IntervalSampler(VideoIndex([n], visible=visible), IntervalBins(50, 50))
    pairs = sampler.sample([1.0], 0, 0, 20_000)
    shares = np.add.reduceat(visible, np.arange(0, n, n // 100)) / visible.sum()
    drawn = (pairs.template // (n // 100)).tolist()
    assert chi_square_p_value(drawn, dict(enumerate(shares.tolist())), 20_000) > ALARM


@pytest.mark.parametrize("direction, templates", [("both", [10, 10, 2]), ("forward", [10, 6, 1])])
def test_coverage_counts_templates_that_have_a_partner(direction, templates):
    bins = IntervalBins.from_edges([0, 4, 10, 20, 30])
    videos = VideoIndex([10, 30], visible=[[1] * 10, [0] * 5 + [1] + [0] * 9 + [1] + [0] * 14])
    sampler = IntervalSampler(videos, bins, direction=direction)
    coverage = sampler.coverage()
    assert coverage._fields == ("videos", "templates")
    assert [array.dtype for array in coverage] == [np.int64] * 2
    coverage.templates[:] = 0  # a copy
    assert sampler.coverage().videos.tolist() == [2, 1, 1, 0]
    assert sampler.coverage().templates.tolist() == [templates[0] + 2, *templates[1:], 0]
    assert sampler.feasible.tolist() == [True, True, True, False]
    assert not sampler.feasible.flags.writeable


# ------------------------------------------------------------------------- pure function


@pytest.mark.parametrize("step", [2, 7, 1000, 16_384, 16_385, 70_000])
@pytest.mark.parametrize("start", [0, 2**32 - 50])
def test_sample_with_a_step_is_a_slice_of_all(start, step):
    sampler, stop = rich_sampler(), start + 150_000
    every = sampler.sample(Q5, 4, start, stop)[::step]
    assert fields(sampler.sample(Q5, 4, start, stop, step)) == fields(every)


def test_sample_with_a_step_draws_no_pairs_between():
    """As a process of a thousand does: nothing of the size of the epoch is made."""
    pairs = rich_sampler().sample(Q5, 0, 5, 10**15, 10**14)
    assert pairs.number.tolist() == list(range(5, 10**15, 10**14))
    for pair in pairs:
        assert rich_sampler().sample(Q5, 0, pair.number, pair.number + 1)[0] == pair


def test_sample_large_blocks_equal_small_ones():
    """Blocks inside the implementation, if any, leave no seam."""
    start, n, size = 2**32 - 70_000, 150_001, 9_973
    whole = rich_sampler().sample(Q5, 3, start, start + n)
    parts = [
        rich_sampler().sample(Q5, 3, start + low, start + min(low + size, n))
        for low in range(0, n, size)
    ]
    joined = [list(chain.from_iterable(columns)) for columns in zip(*map(fields, parts))]
    assert joined == fields(whole)
    assert whole.number.tolist() == list(range(start, start + n))
    assert set(whole.epoch.tolist()) == {3}


def test_sample_of_another_seed_epoch_or_number_differs():
    """No counter wraps round at a power of two; seed and epoch do not add up."""
    places = {(7, 1, 0), (8, 0, 0), (1, 7, 0)}
    for value in [0, *(2**k for k in (16, 31, 32, 33, 48, 62))]:
        places |= {(value, 0, 0), (7, value, 0), (7, 0, value)}
    drawn = {
        tuple(outcomes(rich_sampler(seed).sample(Q5, epoch, start, start + 100)))
        for seed, epoch, start in places
    }
    assert len(drawn) == len(places)


def test_sampler_pickle_goes_on_alike():
    sampler = rich_sampler(direction="forward", scheme="symmetric")
    again = pickle.loads(pickle.dumps(sampler))
    assert again.identity == sampler.identity
    assert fields(again.sample(Q5, 4, 5, 105)) == fields(sampler.sample(Q5, 4, 5, 105))


def test_sample_takes_any_kind_of_distribution_and_of_integer():
    expected = fields(rich_sampler().sample(Q5, 4, 3, 9))
    frozen = Q5.copy()
    frozen.setflags(write=False)
    for q in (Q5.tolist(), tuple(Q5), frozen, Q5[::-1][::-1], Q5 * (1 + 5e-7), Q5 * (1 - 5e-7)):
        got = rich_sampler(seed=np.int64(7)).sample(q, np.int32(4), np.int64(3), np.uint8(9))
        assert fields(got) == expected


def test_sample_empty_range_gives_no_pairs():
    pairs = rich_sampler().sample(Q5, 0, 10, 10)
    assert list(pairs) == []
    assert pairs.interval.shape == (0,)


# --------------------------------------------------------------------------- saved tables


def saved(tmp_path, data=RICH):
    as_index(data).save(tmp_path / "index")
    return VideoIndex.load(tmp_path / "index")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tables_saved_beside_the_index_give_the_same_sampler(tmp_path, direction):
    options = dict(direction=direction, seed=7)
    fresh = IntervalSampler(saved(tmp_path), RICH_BINS, **options)
    expected = rich_sampler(**options)
    for _ in range(2):  # again: nothing to do
        fresh.save_tables()
    opened = IntervalSampler(VideoIndex.load(tmp_path / "index"), RICH_BINS, **options)
    for sampler in (fresh, opened, pickle.loads(pickle.dumps(opened))):
        assert fields(sampler.sample(Q5, 4, 0, 2000)) == fields(expected.sample(Q5, 4, 0, 2000))
        assert sampler.feasible.tolist() == expected.feasible.tolist()
        for got, wanted in zip(sampler.coverage(), expected.coverage()):
            assert got.tolist() == wanted.tolist()


def test_tables_of_other_bins_or_direction_are_not_mixed_up(tmp_path):
    videos = saved(tmp_path)
    IntervalSampler(videos, RICH_BINS).save_tables()
    IntervalSampler(videos, IntervalBins(10, 4, image_bin=True)).save_tables()
    for direction in DIRECTIONS:
        options = dict(direction=direction, seed=7)
        got = IntervalSampler(videos, RICH_BINS, **options).sample(Q5, 0, 0, 500)
        assert fields(got) == fields(rich_sampler(**options).sample(Q5, 0, 0, 500))


def test_tables_of_an_index_that_was_replaced_are_not_used(tmp_path):
    IntervalSampler(saved(tmp_path), RICH_BINS).save_tables()
    other = Data(RICH.visible[::-1], RICH.is_image[::-1], RICH.weight[::-1])
    sampler = IntervalSampler(saved(tmp_path, other), RICH_BINS, seed=7)
    direct = IntervalSampler(as_index(other), RICH_BINS, seed=7)
    assert fields(sampler.sample(Q5, 0, 0, 500)) == fields(direct.sample(Q5, 0, 0, 500))


def test_error_tables_of_an_index_in_memory_say_so(says):
    with pytest.raises(ValueError, match=says("videos", "saved")):
        rich_sampler().save_tables()


# ---------------------------------------------------------------------------------- Pairs


def test_pairs_iteration_yields_named_tuples_of_plain_ints():
    """NumPy scalars break the collate functions of the trackers (TRACKERS.md)."""
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    assert {column.dtype for column in (pairs.video, pairs.epoch, pairs.interval)} == {
        np.dtype(np.int64)
    }
    rows = list(pairs)
    assert len(rows) == len(pairs) == 20
    assert [tuple(row) for row in rows] == list(zip(*fields(pairs)))
    for row in [*rows, pairs[0]]:
        assert type(row).__name__ == "Pair"
        assert row._fields == ("video", "template", "search", "bin", "number", "epoch")
        assert all(type(value) is int for value in row)
    intervals = [abs(row.search - row.template) for row in rows]
    assert [row.interval for row in rows] == pairs.interval.tolist() == intervals
    assert any(row.search < row.template for row in rows)
    assert pairs[np.int64(-1)] == rows[-1]
    with pytest.raises(IndexError):
        pairs[20]
    assert pickle.loads(pickle.dumps(rows[0])) == rows[0]


@pytest.mark.parametrize(
    "cut", [slice(3, 7), slice(None), slice(-4, None), slice(None, None, 3), slice(9, 2, -2)]
)
def test_pairs_slices_and_pickles_are_pairs(cut):
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    for part in (pairs[cut], pickle.loads(pickle.dumps(pairs[cut]))):
        assert isinstance(part, Pairs)
        assert fields(part) == [column[cut] for column in fields(pairs)]
        assert part.interval.tolist() == pairs.interval.tolist()[cut]


def test_redraw_of_a_collated_pair_gives_the_same_plain_ints():
    sampler = rich_sampler()
    pair = sampler.sample(Q5, 4, 10, 11)[0]
    again = sampler.redraw(type(pair)(*map(np.int64, pair)), 3)
    assert again == sampler.redraw(pair, 3)
    assert type(again) is type(pair)
    assert all(type(value) is int for value in again)


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "changes, attempt, words",
    [
        *[(dict(), bad, ("attempt", bad)) for bad in (-1, 0, 0.5, None, "1", 2**64)],
        (dict(bin=5), 1, ("pair.bin", 5)),
        (dict(bin=3), 1, ("pair.bin", "feasible", 3)),
        (dict(number=-1), 1, ("pair.number", -1)),
        *[(dict(epoch=bad), 1, ("pair.epoch", bad)) for bad in (-1, 0.5)],
        (None, 1, ("pair", "(0, 0, 0)")),
    ],
)
def test_error_redraw_names_what_it_got(changes, attempt, words, says):
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(9, 2))
    pair = sampler.sample([1.0, 0, 0, 0, 0], 0, 0, 1)[0]
    bad = (0, 0, 0) if changes is None else pair._replace(**changes)
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        sampler.redraw(bad, attempt)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([0.2, 0.3, 0.1, 0.25, 0.1],), (0.95,)),
        (([0.2, 0.3, 0.1, 0.25, 0.15 + 1e-5],), (1.00001,)),
        (([0.5, 0.6, 0.1, -0.3, 0.1],), (-0.3,)),
        (([0.5, 0.5, np.nan, 0.0, 0.0],), ("nan",)),
        (([np.inf, 0.5, 0.0, 0.0, 0.0],), ("inf",)),
        (([0.0] * 5,), (0,)),
        (([0.5, 0.5],), ("(2,)",)),
        (([Q5],), ("(1, 5)",)),
        ((1.0,), ("()",)),
        (("half",), ("half",)),
        ((None,), (None,)),
        ((["a"] * 5,), ("a",)),
        *[((Q5, bad, 0, 5), ("epoch", bad)) for bad in (-1, 1.5, None, "0", 2**63)],
        *[((Q5, 0, bad, 5), ("start", bad)) for bad in (-1, 1.5, None, "0", 2**63)],
        *[((Q5, 0, 4, bad), ("stop", bad)) for bad in (3, 1.5, None, "0", 2**63)],
        *[((Q5, 0, 4, 9, bad), ("step", bad)) for bad in (0, -1, 1.5, None, "1", 2**63)],
    ],
)
def test_error_sample_names_what_it_got(arguments, words, says):
    if len(arguments) == 1:
        arguments, words = (*arguments, 0, 0, 5), ("distribution", *words)
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        rich_sampler().sample(*arguments)


def test_error_mass_on_an_infeasible_bin_names_the_bin(says):
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(9, 3))
    for little in (0.1, 1e-09):
        with pytest.raises(ValueError, match=says("distribution", little, "index 2")):
            sampler.sample([0.5, 0.5 - little, little], 0, 0, 5)


@pytest.mark.parametrize(
    "name, bad",
    [
        *[("direction", bad) for bad in ("backward", None, 1)],
        *[("scheme", bad) for bad in ("backward", None, 1)],
        *[("seed", bad) for bad in (-1, 2**64, 0.5, "0", None)],
        ("videos", [9, 9]),
        ("bins", 7),
        ("bins", IntervalBins(4, 2)),  # no bin for the image
    ],
)
def test_error_argument_names_it(name, bad, says):
    arguments = dict(videos=VideoIndex([9, 9], is_image=[False, True]), bins=RICH_BINS)
    arguments[name] = bad
    with pytest.raises((TypeError, ValueError), match=says(name, bad)):
        IntervalSampler(**arguments)


@pytest.mark.parametrize(
    "videos",
    [
        VideoIndex([3, 3]),
        VideoIndex([9], visible=[np.zeros(9, dtype=bool)]),
        VideoIndex([9], visible=[np.arange(9) == 4]),
        VideoIndex([9, 2], weight=[0.0, 1.0]),
    ],
    ids=["short", "hidden", "alone", "weightless"],
)
def test_error_no_feasible_bin_says_so(videos, says):
    with pytest.raises(ValueError, match=says("videos", "bin", "[3, 6]")):
        IntervalSampler(videos, IntervalBins.from_edges([3, 6]))


def test_options_are_keyword_only_and_have_defaults():
    sampler = IntervalSampler(VideoIndex([9]), IntervalBins(4, 2))
    assert (sampler.direction, sampler.scheme, sampler.seed) == ("both", "forward", 0)
    with pytest.raises(TypeError, match="positional"):
        IntervalSampler(VideoIndex([9]), IntervalBins(4, 2), "both")
