"""IntervalSampler: the exact law of every bin, and draws that are a pure function.

Chi-square tests: seeds are fixed, so a run is deterministic; were the seeds drawn, each
test would fail a correct sampler with probability ``ALARM`` at most.
"""

from __future__ import annotations

import pickle
from itertools import chain

import numpy as np
import pytest

from sstrack_sched import IntervalBins, IntervalSampler, Pairs, VideoIndex
from tests import reference
from tests.reference import Data, bin_law, chi_square_p_value, outcomes, servable

ALARM = 1e-6
DIRECTIONS = ["both", "forward"]


def as_index(data):
    return VideoIndex(
        data.lengths,
        visible=[np.array(mask, dtype=bool) for mask in data.visible],
        is_image=data.is_image,
        weight=[float(w) for w in data.weight],
    )


def one_hot(n_bins, index):
    q = np.zeros(n_bins)
    q[index] = 1.0
    return q


def fields(pairs):
    names = ("video", "template", "search", "bin", "number", "epoch")
    return [np.asarray(getattr(pairs, name)).tolist() for name in names]


def joined(parts):
    """Fields of several Pairs, laid end to end."""
    return [
        list(chain.from_iterable(columns)) for columns in zip(*[fields(part) for part in parts])
    ]


def plain(pair):
    return tuple(int(x) for x in pair)


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
RICH_TABLE = reference.equal_bins(10, 3, True)


# ------------------------------------------------------------------------- law of each bin


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("index", range(len(RICH_TABLE)))
def test_law_rich_set_follows_enumeration(index, direction):
    """Chi-square of 40,000 pairs of one bin, false alarm 1e-6."""
    law = bin_law(RICH, RICH_TABLE[index], direction)
    sampler = IntervalSampler(as_index(RICH), RICH_BINS, direction=direction, seed=11)
    pairs = sampler.sample(one_hot(5, index), 0, 0, 40_000)
    assert set(pairs.bin.tolist()) == {index}
    drawn = outcomes(pairs)
    assert set(drawn) == set(law)  # every pair of the bin, and nothing else
    assert chi_square_p_value(drawn, law, 40_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("lower", [0, 1, 3, 4, 7, 11])
def test_law_whole_videos_of_every_length_follow_enumeration(lower, masks, direction):
    """Lengths from none to both sides reachable, a gap of idle templates in between.

    Chi-square of 40,000 pairs, false alarm 1e-6; with masks of all frames and without.
    """
    lengths = list(range(1, 14))
    data = Data([[1] * n for n in lengths], weight=[1.0, 2.0] * 6 + [1.0])
    visible = [np.ones(n, bool) for n in lengths] if masks else None
    sampler = IntervalSampler(
        VideoIndex(lengths, visible=visible, weight=data.weight),
        IntervalBins.from_edges([lower, lower + 2]),
        direction=direction,
        seed=3,
    )
    law = bin_law(data, (lower, lower + 2, False), direction)
    table = servable(data, (lower, lower + 2, False), direction)
    assert sampler.coverage().videos.tolist() == [len(table)]
    assert sampler.coverage().templates.tolist() == [sum(map(len, table.values()))]
    drawn = outcomes(sampler.sample([1.0], 0, 0, 40_000))
    assert chi_square_p_value(drawn, law, 40_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_law_random_sets_follow_enumeration(seed, images, direction):
    """Chi-square of bin and pair together, 20,000 pairs, false alarm 1e-6."""
    data = reference.random_data(seed, images)
    rng = np.random.RandomState(seed + 1000)
    spacing, top = int(rng.randint(1, 5)), int(rng.randint(2, 14))
    table = reference.equal_bins(top, spacing, images)
    sampler = IntervalSampler(
        as_index(data),
        IntervalBins(top, spacing, image_bin=images),
        direction=direction,
        seed=seed,
    )
    laws = [bin_law(data, bin_, direction) for bin_ in table]
    assert sampler.feasible.tolist() == [bool(law) for law in laws]
    q = rng.uniform(0.1, 1.0, size=len(table)) * sampler.feasible
    q /= q.sum()
    pairs = sampler.sample(q, 3, 0, 20_000)
    law = {
        (index,) + outcome: float(probability) * q[index]
        for index, part in enumerate(laws)
        for outcome, probability in part.items()
    }
    drawn = [(index,) + outcome for index, outcome in zip(pairs.bin.tolist(), outcomes(pairs))]
    assert chi_square_p_value(drawn, law, 20_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_law_mixture_follows_enumeration(direction):
    """First a dataset, then a video; chi-square, 40,000 pairs per bin, false alarm 1e-6."""
    short = Data([[1, 1, 1, 0], [1, 1], [1]], [0, 0, 1], [1.0, 3.0, 2.0])
    long = Data([[1] * 8, [1, 0, 1, 1, 0, 1]], weight=[1.0, 0.5])
    mixed = reference.mixture([short, long], [2.0, 1.0])
    videos = VideoIndex.concatenate([as_index(short), as_index(long)], [2.0, 1.0])
    table = reference.equal_bins(6, 2, True)
    sampler = IntervalSampler(
        videos, IntervalBins(6, 2, image_bin=True), direction=direction, seed=5
    )
    for index, bin_ in enumerate(table):
        law = bin_law(mixed, bin_, direction)
        pairs = sampler.sample(one_hot(4, index), 0, 0, 40_000)
        assert chi_square_p_value(outcomes(pairs), law, 40_000) > ALARM


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_law_unequal_edges_follow_enumeration(direction):
    """Gaps between 0 and the first edge are out; chi-square, 40,000, false alarm 1e-6."""
    data = Data([[1] * 9, [1, 0, 1, 1, 1, 0, 1], [1, 1, 1]], weight=[1.0, 2.0, 4.0])
    edges = [1, 2, 5, 9]
    sampler = IntervalSampler(
        as_index(data), IntervalBins.from_edges(edges), direction=direction, seed=9
    )
    for index, bin_ in enumerate(reference.edges_to_bins(edges)):
        pairs = sampler.sample(one_hot(3, index), 0, 0, 40_000)
        law = bin_law(data, bin_, direction)
        assert chi_square_p_value(outcomes(pairs), law, 40_000) > ALARM


def test_law_video_given_bin_is_by_weight_among_eligible():
    """Chi-square of the video alone, 60,000 pairs, false alarm 1e-6."""
    sampler = IntervalSampler(as_index(RICH), RICH_BINS, seed=2)
    for index, bin_ in enumerate(RICH_TABLE):
        eligible = list(servable(RICH, bin_))
        total = sum(RICH.weight[v] for v in eligible)
        law = {v: RICH.weight[v] / total for v in eligible}
        pairs = sampler.sample(one_hot(5, index), 1, 0, 60_000)
        assert chi_square_p_value(pairs.video.tolist(), law, 60_000) > ALARM


def test_law_template_given_video_is_uniform_among_those_with_a_partner():
    """Chi-square of the template alone, 60,000 pairs, false alarm 1e-6."""
    sampler = IntervalSampler(as_index(RICH), RICH_BINS, seed=2)
    pairs = sampler.sample(one_hot(5, 2), 1, 0, 60_000)
    for video, rows in servable(RICH, RICH_TABLE[2]).items():
        chosen = pairs.template[pairs.video == video].tolist()
        law = {template: 1.0 / len(rows) for template in rows}
        assert chi_square_p_value(chosen, law, len(chosen)) > ALARM


def test_law_search_given_template_is_uniform_among_partners():
    """Chi-square of the search frame alone, 60,000 pairs, false alarm 1e-6."""
    sampler = IntervalSampler(as_index(RICH), RICH_BINS, seed=2)
    pairs = sampler.sample(one_hot(5, 2), 1, 0, 60_000)
    rows = servable(RICH, RICH_TABLE[2])[3]
    assert len({len(searches) for searches in rows.values()}) > 1
    for template, searches in rows.items():
        here = (pairs.video == 3) & (pairs.template == template)
        chosen = pairs.search[here].tolist()
        law = {search: 1.0 / len(searches) for search in searches}
        assert chi_square_p_value(chosen, law, len(chosen)) > ALARM


def test_law_bins_follow_the_distribution():
    """Chi-square of the bin alone, 200,000 pairs, false alarm 1e-6."""
    sampler = IntervalSampler(VideoIndex([40, 60]), IntervalBins(32, 4), seed=4)
    q = np.array([0.3, 0.0, 0.2, 0.05, 0.0, 0.4, 0.05, 0.0])
    pairs = sampler.sample(q, 0, 0, 200_000)
    law = {i: share for i, share in enumerate(q.tolist()) if share}
    assert chi_square_p_value(pairs.bin.tolist(), law, 200_000) > ALARM


def test_law_fields_of_one_pair_are_independent_of_its_neighbours():
    """Chi-square of (bin of number k, bin of number k + 1), 100,000, false alarm 1e-6."""
    sampler = IntervalSampler(VideoIndex([40]), IntervalBins(9, 3), seed=4)
    q = [0.5, 0.3, 0.2]
    bins = sampler.sample(q, 0, 0, 200_000).bin.tolist()
    drawn = list(zip(bins[0::2], bins[1::2]))
    law = {(i, j): q[i] * q[j] for i in range(3) for j in range(3)}
    assert chi_square_p_value(drawn, law, 100_000) > ALARM


def test_law_epochs_are_independent_of_each_other():
    """Chi-square of the same number in two epochs, 100,000, false alarm 1e-6."""
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(1, 1), seed=4)
    one = sampler.sample([1.0], 0, 0, 100_000).template.tolist()
    two = sampler.sample([1.0], 1, 0, 100_000).template.tolist()
    law = {(i, j): 1 / 16 for i in range(4) for j in range(4)}
    assert chi_square_p_value(list(zip(one, two)), law, 100_000) > ALARM


def test_chi_square_other_laws_are_rejected():
    """The yardstick itself: near misses of the law do not pass at these sample sizes."""
    data = Data([[1] * 6, [1] * 12], weight=[1.0, 1.0])
    bin_ = (0, 3, False)
    law = bin_law(data, bin_)
    sampler = IntervalSampler(as_index(data), IntervalBins(3, 3), seed=1)
    drawn = outcomes(sampler.sample([1.0], 0, 0, 40_000))
    assert chi_square_p_value(drawn, law, 40_000) > ALARM
    by_pair = {outcome: 1.0 / len(law) for outcome in law}  # uniform over pairs
    assert chi_square_p_value(drawn, by_pair, 40_000) < ALARM
    twice = {  # the template itself counted on both sides
        (v, t, s): p * (2 if s == t else 1) for (v, t, s), p in law.items()
    }
    total = float(sum(twice.values()))
    twice = {outcome: float(p) / total for outcome, p in twice.items()}
    assert chi_square_p_value(drawn, twice, 40_000) < ALARM
    with pytest.raises(AssertionError, match="outside the law"):
        chi_square_p_value([(0, 0, 5)], law, 1)


# ---------------------------------------------------------------------- exact constraints


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_support_every_pair_is_visible_and_in_its_bin(direction):
    rng = np.random.RandomState(0)
    lengths = rng.randint(1, 300, size=50)
    visible = [rng.uniform(size=n) < 0.6 for n in lengths]
    bins = IntervalBins(200, 30)
    videos = VideoIndex(lengths, visible=visible)
    sampler = IntervalSampler(videos, bins, direction=direction)
    pairs = sampler.sample(np.full(7, 1 / 7), 0, 0, 30_000)
    for v, t, s, b in zip(
        pairs.video.tolist(),
        pairs.template.tolist(),
        pairs.search.tolist(),
        pairs.bin.tolist(),
    ):
        assert visible[v][t] and visible[v][s]
        gap = s - t if direction == "forward" else abs(s - t)
        assert bins.lower[b] <= gap < bins.upper[b]
    np.testing.assert_array_equal(pairs.interval, abs(pairs.search - pairs.template))
    np.testing.assert_array_equal(bins.assign(pairs.interval), pairs.bin)


def test_support_bins_of_zero_share_are_never_drawn():
    sampler = IntervalSampler(VideoIndex([50]), IntervalBins(12, 3))
    pairs = sampler.sample([0.0, 0.5, 0.5, 0.0], 0, 0, 300_000)
    assert set(pairs.bin.tolist()) == {1, 2}


def test_support_last_bin_of_zero_share_is_not_drawn_for_a_sum_below_one():
    sampler = IntervalSampler(VideoIndex([50]), IntervalBins(12, 3))
    q = np.array([0.0, 0.5, 0.5 - 9e-7, 0.0])
    pairs = sampler.sample(q, 0, 0, 300_000)
    assert set(pairs.bin.tolist()) == {1, 2}


def test_support_video_of_weight_zero_is_never_drawn():
    for weight in ([0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]):
        sampler = IntervalSampler(VideoIndex([9, 9, 9], weight=weight), IntervalBins(4, 2))
        pairs = sampler.sample([0.5, 0.5], 0, 0, 20_000)
        expected = {v for v in range(3) if weight[v]}
        assert set(pairs.video.tolist()) == expected


def test_support_rare_video_among_heavy_ones_keeps_its_share():
    """Weights of very different size; chi-square, 200,000 pairs, false alarm 1e-6."""
    weight = [1e-3, 1e3, 1.0, 250.0]
    videos = VideoIndex([5] * 4, weight=weight)
    pairs = IntervalSampler(videos, IntervalBins(2, 2)).sample([1.0], 0, 0, 200_000)
    law = {v: w / sum(weight) for v, w in enumerate(weight)}
    assert chi_square_p_value(pairs.video.tolist(), law, 200_000) > ALARM


@pytest.mark.parametrize("scale", [2.0**-1074, 2.0**-60, 2.0**60, 2.0**1020])
def test_support_scale_of_the_weights_is_irrelevant(scale):
    weight = np.array([1.0, 3.0, 0.0, 1.0, 2.0])
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    expected = IntervalSampler(VideoIndex([9] * 5, weight=weight), bins)
    got = IntervalSampler(VideoIndex([9] * 5, weight=weight * scale), bins)
    assert fields(got.sample(q, 0, 0, 500)) == fields(expected.sample(q, 0, 0, 500))


def test_support_weights_whose_sum_overflows_keep_their_shares():
    """Every weight is finite, their sum is not; chi-square, 20,000, false alarm 1e-6."""
    videos = VideoIndex([9] * 3, weight=[1e308, 1e308, 0.5e308])
    pairs = IntervalSampler(videos, IntervalBins(4, 4)).sample([1.0], 0, 0, 20_000)
    law = {0: 0.4, 1: 0.4, 2: 0.2}
    assert chi_square_p_value(pairs.video.tolist(), law, 20_000) > ALARM


def test_support_huge_video_is_reached_at_both_ends():
    n = 2_000_000
    sampler = IntervalSampler(VideoIndex([n]), IntervalBins(200, 100), seed=8)
    pairs = sampler.sample([0.5, 0.5], 0, 0, 20_000)
    assert pairs.template.min() < n / 1000
    assert pairs.template.max() > n - n / 1000
    assert pairs.search.max() < n and pairs.search.min() >= 0


def long_set():
    """2.6 million frames, few of them visible, one video longer than any block."""
    rng = np.random.RandomState(5)
    lengths = np.append(rng.randint(1, 3000, size=700), [1_500_000, 64, 1])
    rng.shuffle(lengths)
    return lengths, rng.uniform(size=lengths.sum()) < 0.01


def test_long_set_coverage_equals_bisection_over_positions():
    lengths, visible = long_set()
    bins = IntervalBins.from_edges([0, 1, 64, 200, 1000])
    videos = VideoIndex(lengths, visible=visible)
    for direction in DIRECTIONS:
        coverage = IntervalSampler(videos, bins, direction=direction).coverage()
        for i in range(4):
            lower, upper = int(bins.lower[i]), int(bins.upper[i])
            video, _, count = reference.count_within(lengths, visible, lower, upper)
            if direction == "both":
                behind = reference.count_within(lengths, visible, 1 - upper, 1 - lower)
                count = count + behind[2]
            assert coverage.templates[i] == (count > 0).sum()
            assert coverage.videos[i] == len(set(video[count > 0].tolist()))


def test_long_set_pairs_are_visible_and_in_their_bin():
    lengths, visible = long_set()
    bins = IntervalBins.from_edges([0, 1, 64, 200, 1000])
    sampler = IntervalSampler(VideoIndex(lengths, visible=visible), bins, seed=6)
    pairs = sampler.sample([0.25] * 4, 0, 0, 50_000)
    first = np.cumsum(lengths) - lengths
    for frame in (pairs.template, pairs.search):
        assert ((frame >= 0) & (frame < lengths[pairs.video])).all()
        assert visible[first[pairs.video] + frame].all()
    np.testing.assert_array_equal(bins.assign(pairs.interval), pairs.bin)


def test_long_video_templates_are_uniform_along_it():
    """Chi-square over 100 stretches of a masked video, 100,000 pairs, alarm 1e-6."""
    n = 1_500_000
    visible = np.random.RandomState(7).uniform(size=n) < 0.3
    sampler = IntervalSampler(VideoIndex([n], visible=visible), IntervalBins(50, 50))
    pairs = sampler.sample([1.0], 0, 0, 100_000)
    shares = np.add.reduceat(visible, np.arange(0, n, n // 100)) / visible.sum()
    law = dict(enumerate(shares.tolist()))
    drawn = (pairs.template // (n // 100)).tolist()
    assert chi_square_p_value(drawn, law, 100_000) > ALARM


def test_support_image_pair_is_frame_zero_twice():
    videos = VideoIndex([3, 1, 20], is_image=[True, True, False])
    sampler = IntervalSampler(videos, IntervalBins(10, 5, image_bin=True))
    pairs = sampler.sample([1.0, 0.0, 0.0], 0, 0, 1000)
    assert set(outcomes(pairs)) == {(0, 0, 0), (1, 0, 0)}
    pairs = sampler.sample([0.0, 0.5, 0.5], 0, 0, 1000)
    assert set(pairs.video.tolist()) == {2}


# -------------------------------------------------------------------- feasible, coverage


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("seed", range(20))
def test_coverage_equals_enumeration(seed, direction):
    data = reference.random_data(seed, images=seed % 2 == 0)
    table = reference.equal_bins(11, 3, seed % 2 == 0)
    sampler = IntervalSampler(
        as_index(data),
        IntervalBins(11, 3, image_bin=seed % 2 == 0),
        direction=direction,
    )
    tables = [servable(data, bin_, direction) for bin_ in table]
    coverage = sampler.coverage()
    assert coverage._fields[:2] == ("videos", "templates")
    assert coverage.videos.tolist() == [len(t) for t in tables]
    assert coverage.templates.tolist() == [sum(len(rows) for rows in t.values()) for t in tables]
    assert np.issubdtype(coverage.videos.dtype, np.integer)
    assert sampler.feasible.tolist() == [bool(t) for t in tables]
    assert sampler.feasible.dtype == np.bool_


def test_coverage_videos_of_weight_zero_do_not_count():
    videos = VideoIndex([4, 30], weight=[1.0, 0.0])
    sampler = IntervalSampler(videos, IntervalBins(9, 3))
    assert sampler.feasible.tolist() == [True, True, False]
    assert sampler.coverage().videos.tolist() == [1, 1, 0]
    assert sampler.coverage().templates.tolist() == [4, 2, 0]


def test_coverage_forward_has_fewer_templates_than_both():
    videos = VideoIndex([10])
    bins = IntervalBins.from_edges([0, 4, 8])
    both = IntervalSampler(videos, bins).coverage()
    forward = IntervalSampler(videos, bins, direction="forward").coverage()
    assert both.templates.tolist() == [10, 10]
    assert forward.templates.tolist() == [10, 6]


def test_coverage_template_without_visible_partner_does_not_count():
    mask = np.array([1, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
    sampler = IntervalSampler(VideoIndex([8], visible=[mask]), IntervalBins(9, 3))
    assert sampler.coverage().templates.tolist() == [3, 3, 2]


def test_feasible_answers_are_not_the_samplers_own_memory():
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(9, 3))
    for array in (sampler.feasible, sampler.coverage().videos):
        before = array.tolist()
        try:
            array[:] = 0
        except ValueError:
            pass  # read-only is as good
        assert sampler.feasible.tolist() == [True, True, False]
        assert sampler.coverage().videos.tolist() == [1, 1, 0]
        assert before


# ------------------------------------------------------------------------- pure function


Q5 = np.array([0.2, 0.3, 0.1, 0.25, 0.15])


def rich_sampler(seed=7, direction="both"):
    return IntervalSampler(as_index(RICH), RICH_BINS, direction=direction, seed=seed)


@pytest.mark.parametrize("start", [0, 1, 2**31 - 50, 10**9, 2**32 - 50, 10**12])
def test_sample_any_cut_gives_the_same_pairs(start):
    sampler = rich_sampler()
    whole = fields(sampler.sample(Q5, 4, start, start + 100))
    for cuts in ([0, 1, 2, 3, 50, 100], [0, 37, 100], list(range(0, 101, 7)) + [100]):
        parts = [sampler.sample(Q5, 4, start + a, start + b) for a, b in zip(cuts[:-1], cuts[1:])]
        assert joined(parts) == whole
    assert whole[4] == list(range(start, start + 100))
    assert whole[5] == [4] * 100


def test_sample_any_order_gives_the_same_pairs():
    sampler = rich_sampler()
    whole = list(zip(*fields(sampler.sample(Q5, 4, 0, 60))))
    for number in np.random.RandomState(0).permutation(60).tolist():
        (row,) = zip(*fields(sampler.sample(Q5, 4, number, number + 1)))
        assert row == whole[number]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000, 16_384, 16_385, 70_000])
@pytest.mark.parametrize("start", [0, 3, 2**32 - 50])
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
    sampler = rich_sampler()
    whole = fields(sampler.sample(Q5, 0, 10**9, 10**9 + 150_001))
    parts = [
        sampler.sample(Q5, 0, 10**9 + a, min(10**9 + a + 9_973, 10**9 + 150_001))
        for a in range(0, 150_001, 9_973)
    ]
    assert joined(parts) == whole


def test_sample_another_process_would_give_the_same_pairs():
    again = pickle.loads(pickle.dumps(rich_sampler()))
    assert fields(again.sample(Q5, 4, 5, 105)) == fields(rich_sampler().sample(Q5, 4, 5, 105))


def test_sample_pickle_of_a_mapped_index_is_small_and_the_same(tmp_path):
    rng = np.random.RandomState(0)
    visible = rng.uniform(size=300_000) < 0.9
    VideoIndex([300] * 1000, visible=visible).save(tmp_path / "index")
    sampler = IntervalSampler(VideoIndex.load(tmp_path / "index"), IntervalBins(200, 30))
    q = np.full(7, 1 / 7)
    first = fields(sampler.sample(q, 1, 0, 500))
    again = pickle.loads(pickle.dumps(sampler))
    assert fields(again.sample(q, 1, 0, 500)) == first


def test_sample_is_fixed_for_a_seed_and_moves_with_it():
    assert fields(rich_sampler(7).sample(Q5, 0, 0, 200)) == fields(
        rich_sampler(7).sample(Q5, 0, 0, 200)
    )
    seeds = [0, 1, 7, 2**31, 2**32, 2**63]
    streams = [tuple(outcomes(rich_sampler(s).sample(Q5, 0, 0, 200))) for s in seeds]
    assert len(set(streams)) == len(seeds)


def test_sample_epochs_differ():
    sampler = rich_sampler()
    epochs = [0, 1, 2, 1000, 2**32]
    streams = [tuple(outcomes(sampler.sample(Q5, e, 0, 200))) for e in epochs]
    assert len(set(streams)) == len(epochs)


def test_sample_numbers_far_apart_differ():
    """No counter wraps round at a power of two."""
    sampler = rich_sampler()
    starts = [0, 2**16, 2**31, 2**32, 2**33, 2**48, 2**62]
    streams = [tuple(outcomes(sampler.sample(Q5, 0, s, s + 100))) for s in starts]
    assert len(set(streams)) == len(starts)


def test_sample_seed_and_epoch_do_not_add_up():
    """(seed, epoch) keys the stream: seed + 1 at epoch e is not seed at epoch e + 1."""
    one = outcomes(rich_sampler(7).sample(Q5, 1, 0, 200))
    assert one != outcomes(rich_sampler(8).sample(Q5, 0, 0, 200))
    assert one != outcomes(rich_sampler(1).sample(Q5, 7, 0, 200))


def test_sample_numbers_do_not_repeat_within_an_epoch():
    """Consecutive numbers use disjoint random words: no shifted copies."""
    sampler = IntervalSampler(VideoIndex([10**6]), IntervalBins(10**5, 10**5))
    pairs = sampler.sample([1.0], 0, 0, 5000)
    assert len(set(pairs.template.tolist())) > 4900
    for lag in (1, 2, 3, 4):
        same = pairs.template[lag:] == pairs.search[:-lag]
        assert same.sum() < 5


def test_sample_does_not_touch_the_global_random_state():
    sampler = rich_sampler()
    np.random.seed(5)
    before = np.random.get_state()
    pairs = sampler.sample(Q5, 0, 0, 50)
    sampler.redraw(next(iter(pairs)), 1)
    after = np.random.get_state()
    assert before[0] == after[0] and before[2:] == after[2:]
    assert (before[1] == after[1]).all()
    np.random.seed(6)
    assert fields(sampler.sample(Q5, 0, 0, 50)) == fields(pairs)


def test_sample_distribution_as_list_tuple_or_read_only_array_is_the_same():
    sampler = rich_sampler()
    expected = fields(sampler.sample(Q5, 0, 0, 50))
    frozen = Q5.copy()
    frozen.setflags(write=False)
    for q in (Q5.tolist(), tuple(Q5), frozen, Q5[::-1][::-1]):
        assert fields(sampler.sample(q, 0, 0, 50)) == expected
    np.testing.assert_array_equal(frozen, [0.2, 0.3, 0.1, 0.25, 0.15])


def test_sample_numpy_integers_are_taken():
    sampler = rich_sampler(seed=np.int64(7))
    got = sampler.sample(Q5, np.int32(4), np.int64(3), np.uint8(9))
    assert fields(got) == fields(rich_sampler().sample(Q5, 4, 3, 9))


def test_sample_empty_range_gives_no_pairs():
    pairs = rich_sampler().sample(Q5, 0, 10, 10)
    assert len(pairs) == 0
    assert list(pairs) == []
    assert pairs.interval.shape == (0,)


# --------------------------------------------------------------------------- saved tables


def saved(tmp_path, data=RICH):
    as_index(data).save(tmp_path / "index")
    return VideoIndex.load(tmp_path / "index")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tables_saved_beside_the_index_give_the_same_sampler(tmp_path, direction):
    fresh = IntervalSampler(saved(tmp_path), RICH_BINS, direction=direction, seed=7)
    expected = fields(fresh.sample(Q5, 4, 0, 2000))
    fresh.save_tables()
    fresh.save_tables()  # again: nothing to do
    opened = IntervalSampler(
        VideoIndex.load(tmp_path / "index"), RICH_BINS, direction=direction, seed=7
    )
    for sampler in (fresh, opened, pickle.loads(pickle.dumps(opened))):
        assert fields(sampler.sample(Q5, 4, 0, 2000)) == expected
        assert sampler.feasible.tolist() == fresh.feasible.tolist()
        assert [x.tolist() for x in sampler.coverage()] == [
            x.tolist() for x in rich_sampler(7, direction).coverage()
        ]


def test_tables_of_other_bins_or_direction_are_not_mixed_up(tmp_path):
    videos = saved(tmp_path)
    IntervalSampler(videos, RICH_BINS).save_tables()
    IntervalSampler(videos, IntervalBins(10, 4, image_bin=True)).save_tables()
    forward = IntervalSampler(videos, RICH_BINS, direction="forward", seed=7)
    expected = fields(rich_sampler(7, "forward").sample(Q5, 0, 0, 500))
    assert fields(forward.sample(Q5, 0, 0, 500)) == expected
    both = IntervalSampler(videos, RICH_BINS, seed=7)
    assert fields(both.sample(Q5, 0, 0, 500)) == fields(rich_sampler(7).sample(Q5, 0, 0, 500))


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


def test_pairs_fields_are_integer_arrays_of_one_length():
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    assert isinstance(pairs, Pairs)
    assert len(pairs) == 20
    for name in ("video", "template", "search", "bin", "number", "epoch", "interval"):
        array = getattr(pairs, name)
        assert array.shape == (20,)
        assert np.issubdtype(array.dtype, np.integer)


def test_pairs_iteration_yields_named_tuples_in_field_order():
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    rows = list(pairs)
    assert len(rows) == 20
    assert rows[0]._fields == ("video", "template", "search", "bin", "number", "epoch")
    assert [plain(row) for row in rows] == list(zip(*fields(pairs)))
    assert all(type(row).__name__ == "Pair" for row in rows)


def test_pairs_iteration_yields_plain_ints():
    """NumPy scalars break the collate functions of the trackers (TRACKERS.md)."""
    for row in rich_sampler().sample(Q5, 4, 10, 12):
        assert all(type(value) is int for value in row)


@pytest.mark.parametrize(
    "cut",
    [slice(3, 7), slice(None), slice(-4, None), slice(None, None, 3), slice(9, 2, -2)],
)
def test_pairs_slicing_gives_pairs(cut):
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    part = pairs[cut]
    assert isinstance(part, Pairs)
    assert fields(part) == [column[cut] for column in fields(pairs)]
    assert part.interval.tolist() == pairs.interval.tolist()[cut]


def test_pairs_integer_index_gives_the_pair_of_that_row():
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    assert pairs[3] == list(pairs)[3]
    assert pairs[np.int64(-1)] == list(pairs)[-1]
    with pytest.raises(IndexError):
        pairs[20]


def test_pairs_pickle_round_trip():
    pairs = rich_sampler().sample(Q5, 4, 10, 30)
    again = pickle.loads(pickle.dumps(pairs))
    assert isinstance(again, Pairs)
    assert fields(again) == fields(pairs)
    row = next(iter(pairs))
    assert pickle.loads(pickle.dumps(row)) == row


# --------------------------------------------------------------------------------- redraw


def test_redraw_stays_in_bin_number_and_epoch():
    sampler = rich_sampler()
    for pair in sampler.sample(Q5, 4, 10, 60):
        for attempt in (1, 2, 5):
            again = sampler.redraw(pair, attempt)
            assert type(again) is type(pair)
            assert all(type(value) is int for value in again)
            assert (again.bin, again.number, again.epoch) == pair[3:]
            found = servable(RICH, RICH_TABLE[pair.bin])
            assert again.search in found[again.video][again.template]


def test_redraw_is_deterministic_in_any_order():
    sampler = rich_sampler()
    pair = sampler.sample(one_hot(5, 2), 4, 10, 11)[0]
    forwards = [sampler.redraw(pair, k) for k in range(1, 30)]
    again = pickle.loads(pickle.dumps(rich_sampler()))
    backwards = [again.redraw(pair, k) for k in range(29, 0, -1)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 5


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_redraw_attempts_follow_the_law_of_the_bin(direction):
    """Chi-square over 6,000 attempts at one pair, false alarm 1e-6."""
    sampler = rich_sampler(direction=direction)
    pair = sampler.sample(one_hot(5, 2), 4, 10**9, 10**9 + 1)[0]
    drawn = [sampler.redraw(pair, k)[:3] for k in range(1, 6001)]
    law = bin_law(RICH, RICH_TABLE[2], direction)
    assert chi_square_p_value(drawn, law, 6000) > ALARM


def test_redraw_first_attempts_over_pairs_follow_the_law_of_the_bin():
    """Chi-square over the first redraw of 6,000 pairs, false alarm 1e-6."""
    sampler = rich_sampler()
    pairs = sampler.sample(one_hot(5, 2), 4, 0, 6000)
    drawn = [sampler.redraw(pair, 1)[:3] for pair in pairs]
    law = bin_law(RICH, RICH_TABLE[2])
    assert chi_square_p_value(drawn, law, 6000) > ALARM


def test_redraw_does_not_shadow_pairs_of_the_stream():
    """A redraw is none of the numbers around it: streams share no words."""
    sampler = IntervalSampler(VideoIndex([10**6]), IntervalBins(10**5, 10**5))
    pairs = list(sampler.sample([1.0], 0, 0, 200))
    stream = {pair[:3] for pair in pairs}
    for other_epoch in (1, 2, 3):
        stream |= {p[:3] for p in sampler.sample([1.0], other_epoch, 0, 200)}
    redrawn = [sampler.redraw(pair, k)[:3] for pair in pairs[:50] for k in range(1, 5)]
    assert len(set(redrawn)) == len(redrawn)
    assert not stream & set(redrawn)


def test_redraw_leaves_later_samples_alone():
    sampler = rich_sampler()
    expected = fields(rich_sampler().sample(Q5, 4, 0, 40))
    for pair in sampler.sample(Q5, 4, 0, 5):
        sampler.redraw(pair, 1)
    assert fields(sampler.sample(Q5, 4, 0, 40)) == expected


def test_redraw_plain_tuple_or_collated_pair_gives_the_same():
    sampler = rich_sampler()
    pair = sampler.sample(Q5, 4, 10, 11)[0]
    numpy_pair = type(pair)(*[np.int64(x) for x in pair])
    assert sampler.redraw(numpy_pair, 3) == sampler.redraw(pair, 3)


@pytest.mark.parametrize("bad", [-1, 0.5, None, "1"])
def test_error_redraw_attempt_names_it(bad, says):
    sampler = rich_sampler()
    pair = sampler.sample(Q5, 4, 10, 11)[0]
    with pytest.raises((TypeError, ValueError), match=says("attempt", bad)):
        sampler.redraw(pair, bad)


def test_error_redraw_pair_of_no_such_bin_names_it(says):
    sampler = rich_sampler()
    pair = sampler.sample(Q5, 4, 10, 11)[0]._replace(bin=5)
    with pytest.raises(ValueError, match=says("bin", 5)):
        sampler.redraw(pair, 1)


def test_error_redraw_pair_of_an_infeasible_bin_names_it(says):
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(9, 3))
    pair = sampler.sample([1.0, 0.0, 0.0], 0, 0, 1)[0]._replace(bin=2)
    with pytest.raises(ValueError, match=says("bin", 2)):
        sampler.redraw(pair, 1)


# --------------------------------------------------------------------------------- errors


def refuses(sampler, exception, match, *arguments):
    """The call raises, and the sampler goes on as if it had not been made."""
    before = fields(sampler.sample(Q5, 0, 0, 20))
    feasible = sampler.feasible.tolist()
    with pytest.raises(exception, match=match):
        sampler.sample(*arguments)
    assert fields(sampler.sample(Q5, 0, 0, 20)) == before
    assert sampler.feasible.tolist() == feasible


@pytest.mark.parametrize(
    "bad, word",
    [
        ([0.2, 0.3, 0.1, 0.25, 0.1], 0.95),
        ([0.2, 0.3, 0.1, 0.25, 0.15 + 1e-5], 1.00001),
        ([0.5, 0.6, 0.1, -0.3, 0.1], -0.3),
        ([0.5, 0.5, np.nan, 0.0, 0.0], "nan"),
        ([np.inf, 0.5, 0.0, 0.0, 0.0], "inf"),
        ([0.0] * 5, 0),
    ],
)
def test_error_distribution_values_name_it(bad, word, says):
    match = says("distribution", word)
    refuses(rich_sampler(), ValueError, match, bad, 0, 0, 5)


@pytest.mark.parametrize("bad", [[0.5, 0.5], [Q5], 1.0, [0.2] * 6])
def test_error_distribution_shape_names_it(bad, says):
    refuses(rich_sampler(), ValueError, says("distribution"), bad, 0, 0, 5)


@pytest.mark.parametrize("bad", ["half", None, ["a"] * 5])
def test_error_distribution_that_is_no_number_names_it(bad, says):
    refuses(rich_sampler(), (TypeError, ValueError), says("distribution"), bad, 0, 0, 5)


def test_sample_distribution_off_by_rounding_is_taken():
    rich_sampler().sample(Q5 * (1 + 5e-7), 0, 0, 5)
    rich_sampler().sample(Q5 * (1 - 5e-7), 0, 0, 5)


def test_error_mass_on_an_infeasible_bin_names_the_bin(says):
    sampler = IntervalSampler(VideoIndex([4]), IntervalBins(9, 3))
    with pytest.raises(ValueError, match=says("distribution", 2, 0.1)):
        sampler.sample([0.5, 0.4, 0.1], 0, 0, 5)
    with pytest.raises(ValueError, match=says("distribution", 2, 1e-09)):
        sampler.sample([0.5, 0.5 - 1e-9, 1e-9], 0, 0, 5)  # however little of it
    assert set(sampler.sample([0.5, 0.5, 0.0], 0, 0, 200).bin.tolist()) == {0, 1}


@pytest.mark.parametrize("bad", [-1, 1.5, None, "0"])
def test_error_epoch_names_it(bad, says):
    match = says("epoch", bad)
    refuses(rich_sampler(), (TypeError, ValueError), match, Q5, bad, 0, 5)


@pytest.mark.parametrize("bad", [-1, 1.5, None, "0"])
def test_error_start_names_it(bad, says):
    match = says("start", bad)
    refuses(rich_sampler(), (TypeError, ValueError), match, Q5, 0, bad, 5)


@pytest.mark.parametrize("bad", [3, 1.5, None, "0"])
def test_error_stop_names_it(bad, says):
    match = says("stop", bad)
    refuses(rich_sampler(), (TypeError, ValueError), match, Q5, 0, 4, bad)


@pytest.mark.parametrize("bad", [0, -1, 1.5, None, "1"])
def test_error_step_names_it(bad, says):
    match = says("step", bad)
    refuses(rich_sampler(), (TypeError, ValueError), match, Q5, 0, 4, 9, bad)


@pytest.mark.parametrize("bad", ["backward", None, 1])
def test_error_direction_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("direction", bad)):
        IntervalSampler(VideoIndex([9]), IntervalBins(4, 2), direction=bad)


@pytest.mark.parametrize("bad", [-1, 2**64, 0.5, "0", None])
def test_error_seed_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("seed", bad)):
        IntervalSampler(VideoIndex([9]), IntervalBins(4, 2), seed=bad)


def test_error_videos_or_bins_of_another_kind_name_it(says):
    with pytest.raises(TypeError, match=says("videos")):
        IntervalSampler([9, 9], IntervalBins(4, 2))
    with pytest.raises(TypeError, match=says("bins")):
        IntervalSampler(VideoIndex([9]), 7)


def test_error_images_without_an_image_bin_say_so(says):
    videos = VideoIndex([1, 9], is_image=[True, False])
    with pytest.raises(ValueError, match=says("image")):
        IntervalSampler(videos, IntervalBins(4, 2))


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


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        IntervalSampler(VideoIndex([9]), IntervalBins(4, 2), "both")
