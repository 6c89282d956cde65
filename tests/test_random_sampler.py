"""q^R: the random sampler's exact distribution over bins."""

from __future__ import annotations

import numpy as np
import pytest

from sstrack_sched import (
    IntervalBins,
    VideoIndex,
    empirical_distribution,
    random_sampler_distribution,
)
from tests import reference
from tests.reference import Data

SCHEMES = ["forward", "symmetric", "causal"]


def as_index(data):
    return VideoIndex(
        data.lengths,
        visible=[np.array(mask, dtype=bool) for mask in data.visible],
        is_image=data.is_image,
        weight=[float(w) for w in data.weight],
    )


def exact(data, table, scheme):
    return [float(q) for q in reference.random_sampler_distribution(data, table, scheme)]


# ---------------------------------------------------------------------------- enumeration


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_random_distribution_equals_enumeration(seed, images, scheme):
    data = reference.random_data(seed, images)
    rng = np.random.RandomState(seed)
    top, spacing = int(rng.randint(2, 20)), int(rng.randint(1, 6))
    got = random_sampler_distribution(
        as_index(data), IntervalBins(top, spacing, image_bin=images), scheme
    )
    expected = exact(data, reference.equal_bins(top, spacing, images), scheme)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert got.sum() == pytest.approx(1.0, abs=1e-12)
    assert got.dtype == np.float64
    assert got.shape == (len(expected),)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(10))
def test_random_distribution_unequal_edges_equal_enumeration(seed, scheme):
    """The admissible intervals are those that the bins cover: [first edge, last edge)."""
    data = reference.random_data(seed)
    data.visible.append([True] * 15)  # so that the bins can be filled
    data.lengths.append(15)
    data.is_image.append(False)
    data.weight.append(0.4)
    rng = np.random.RandomState(seed)
    edges = np.sort(rng.choice(14, size=4, replace=False)).tolist()
    got = random_sampler_distribution(as_index(data), IntervalBins.from_edges(edges), scheme)
    expected = exact(data, reference.edges_to_bins(edges), scheme)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_mixture_equals_enumeration(scheme):
    parts = [reference.random_data(seed, images=True) for seed in (3, 4, 5)]
    mixed = reference.mixture(parts, [0.2, 3.0, 1.0])
    videos = VideoIndex.concatenate([as_index(d) for d in parts], [0.2, 3.0, 1.0])
    got = random_sampler_distribution(videos, IntervalBins(9, 2, image_bin=True), scheme)
    expected = exact(mixed, reference.equal_bins(9, 2, True), scheme)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------------------- by hand, shape


def test_random_distribution_forward_two_frames_by_hand():
    """Template 0: search 0 or 1; template 1: search 1. Intervals 0, 0, 1: 1/2 of 1/2."""
    got = random_sampler_distribution(VideoIndex([2]), IntervalBins(2, 1), "forward")
    assert got.tolist() == [0.75, 0.25]


def test_random_distribution_symmetric_two_frames_by_hand():
    got = random_sampler_distribution(VideoIndex([2]), IntervalBins(2, 1), "symmetric")
    assert got.tolist() == [0.5, 0.5]


def test_random_distribution_causal_leaves_out_interval_zero():
    got = random_sampler_distribution(VideoIndex([2]), IntervalBins(2, 1), "causal")
    assert got.tolist() == [0.0, 1.0]


def test_random_distribution_notes_example_is_met():
    """NOTES.md, 5: the random sampler draws the short video in bin 0 with 0.76 or so."""
    bins = IntervalBins(200, 30)
    both = random_sampler_distribution(VideoIndex([50, 400]), bins, "forward")[0]
    short = random_sampler_distribution(VideoIndex([50]), bins, "forward")[0]
    assert short / 2 / both == pytest.approx(0.76, abs=0.01)


def test_random_distribution_default_scheme_is_forward():
    videos, bins = VideoIndex([50, 400]), IntervalBins(200, 30)
    np.testing.assert_array_equal(
        random_sampler_distribution(videos, bins),
        random_sampler_distribution(videos, bins, scheme="forward"),
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_images_bring_their_whole_weight(scheme):
    videos = VideoIndex([1, 300], is_image=[True, False], weight=[3.0, 1.0])
    got = random_sampler_distribution(videos, IntervalBins(200, 30, True), scheme)
    assert got[0] == pytest.approx(0.75, abs=1e-15)
    assert got[1:].sum() == pytest.approx(0.25, abs=1e-15)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_hidden_image_drops_out(scheme):
    videos = VideoIndex(
        [1, 2, 9],
        visible=[np.array([False]), np.array([False, True]), np.ones(9, bool)],
        is_image=[True, True, False],
        weight=[3.0, 2.0, 1.0],
    )
    got = random_sampler_distribution(videos, IntervalBins(4, 2, True), scheme)
    assert got[0] == 0.0


def test_random_distribution_videos_without_a_pair_drop_out():
    """A video of one frame has no causal pair; its weight goes to nobody."""
    got = random_sampler_distribution(
        VideoIndex([1, 9], weight=[100.0, 1.0]), IntervalBins(4, 2), "causal"
    )
    alone = random_sampler_distribution(VideoIndex([9]), IntervalBins(4, 2), "causal")
    np.testing.assert_allclose(got, alone, rtol=1e-14)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_weight_zero_counts_for_nothing(scheme):
    got = random_sampler_distribution(
        VideoIndex([5, 90], weight=[1.0, 0.0]), IntervalBins(50, 10), scheme
    )
    alone = random_sampler_distribution(VideoIndex([5]), IntervalBins(50, 10), scheme)
    np.testing.assert_allclose(got, alone, rtol=1e-14)
    assert got[1:].tolist() == [0.0] * 4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_bins_the_data_cannot_fill_get_exactly_zero(scheme):
    got = random_sampler_distribution(VideoIndex([7, 4]), IntervalBins(30, 3), scheme)
    assert got[3:].tolist() == [0.0] * 7
    assert (got >= 0).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_long_video_equals_a_closed_form(scheme):
    """One video of a million frames, far from its ends: every interval alike."""
    got = random_sampler_distribution(VideoIndex([1_000_000]), IntervalBins(100, 20), scheme)
    first = {"forward": 20 / 100, "symmetric": 39 / 199, "causal": 19 / 99}[scheme]
    assert got[0] == pytest.approx(first, abs=1e-4)
    np.testing.assert_allclose(got[1:], (1 - first) / 4, atol=1e-4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_long_set_equals_bisection_over_positions(scheme):
    """More frames than any block holds: 1.2 million, a third of them visible."""
    rng = np.random.RandomState(8)
    lengths = np.append(rng.randint(1, 2000, size=800), [400_000, 1])
    rng.shuffle(lengths)
    visible = rng.uniform(size=lengths.sum()) < 0.3
    weight = rng.choice([0.0, 1.0, 2.5], size=len(lengths))
    edges = [0, 1, 30, 60, 200]

    def count(lower, upper):
        if scheme == "causal":
            lower = max(lower, 1)
        video, _, ahead = reference.count_within(lengths, visible, lower, upper)
        if scheme == "symmetric":
            behind = reference.count_within(lengths, visible, 1 - upper, 1 - max(lower, 1))
            ahead = ahead + behind[2]
        return video, np.maximum(ahead, 0)

    video, every = count(edges[0], edges[-1])
    n_templates = np.bincount(video[every > 0], minlength=len(lengths))
    drawn = weight * (n_templates > 0)
    share = drawn[video] / drawn.sum() / np.maximum(n_templates[video], 1)
    expected = [
        (share * count(lower, upper)[1] / np.maximum(every, 1)).sum()
        for lower, upper in zip(edges[:-1], edges[1:])
    ]
    videos = VideoIndex(lengths, visible=visible, weight=weight)
    got = random_sampler_distribution(videos, IntervalBins.from_edges(edges), scheme)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-1074, 2.0**1020])
def test_random_distribution_scale_of_the_weights_is_irrelevant(scale):
    weight = np.array([1.0, 3.0, 0.0, 2.0])
    np.testing.assert_allclose(
        random_sampler_distribution(
            VideoIndex([5, 9, 4, 30], weight=weight * scale), IntervalBins(12, 3)
        ),
        random_sampler_distribution(VideoIndex([5, 9, 4, 30], weight=weight), IntervalBins(12, 3)),
        rtol=1e-14,
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_distribution_gap_in_visibility_is_spanned_not_filled(scheme):
    mask = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1], dtype=bool)
    data = Data([mask])
    got = random_sampler_distribution(as_index(data), IntervalBins(9, 3), scheme)
    expected = exact(data, reference.equal_bins(9, 3), scheme)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert got[1] == 0.0


def test_random_distribution_leaves_the_index_alone():
    data = reference.random_data(2, images=True)
    videos = as_index(data)
    before = videos.fingerprint
    random_sampler_distribution(videos, IntervalBins(9, 3, True))
    assert videos.fingerprint == before == as_index(data).fingerprint


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("bad", ["backward", "Forward", None, 3])
def test_error_scheme_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("scheme", bad, "causal")):
        random_sampler_distribution(VideoIndex([9]), IntervalBins(4, 2), bad)


def test_error_videos_or_bins_of_another_kind_name_it(says):
    with pytest.raises(TypeError, match=says("videos")):
        random_sampler_distribution([9, 9], IntervalBins(4, 2))
    with pytest.raises(TypeError, match=says("bins")):
        random_sampler_distribution(VideoIndex([9]), 7)


def test_error_images_without_an_image_bin_say_so(says):
    videos = VideoIndex([1, 9], is_image=[True, False])
    with pytest.raises(ValueError, match=says("image")):
        random_sampler_distribution(videos, IntervalBins(4, 2))


@pytest.mark.parametrize(
    "videos, scheme",
    [
        (VideoIndex([1, 1]), "causal"),
        (VideoIndex([9], visible=[np.zeros(9, dtype=bool)]), "forward"),
        (VideoIndex([9], visible=[np.zeros(9, dtype=bool)]), "symmetric"),
    ],
)
def test_error_no_pair_at_all_says_so(videos, scheme, says):
    with pytest.raises(ValueError, match=says("pair")):
        random_sampler_distribution(videos, IntervalBins(4, 2), scheme)


# ------------------------------------------------------------------ observed distribution


def test_empirical_distribution_is_the_share_of_each_bin():
    got = empirical_distribution([0, 2, 2, 3], 5)
    assert got.tolist() == [0.25, 0.0, 0.5, 0.25, 0.0]
    assert got.dtype == np.float64


def test_empirical_distribution_of_observed_intervals():
    bins = IntervalBins(200, 30)
    got = empirical_distribution(bins.assign(np.array([0, 29, 30, 199])), len(bins))
    assert got.tolist() == [0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.25]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_empirical_distribution_takes_any_integer_kind(kind):
    ids = np.array([0, 1, 1, 1], dtype=kind)
    ids.setflags(write=False)
    assert empirical_distribution(ids, np.int64(2)).tolist() == [0.25, 0.75]


@pytest.mark.parametrize("bad", [-1, 5])
def test_error_empirical_bin_out_of_range_names_it(bad, says):
    with pytest.raises(ValueError, match=says("bin_ids", bad)):
        empirical_distribution([0, bad, 1], 5)


@pytest.mark.parametrize("bad", [[0.5], ["a"], [np.nan], None])
def test_error_empirical_bins_that_are_no_integers_name_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("bin_ids")):
        empirical_distribution(bad, 5)


def test_error_empirical_without_samples_names_it(says):
    with pytest.raises(ValueError, match=says("bin_ids")):
        empirical_distribution(np.zeros(0, dtype=np.int64), 5)


@pytest.mark.parametrize("bad", [0, -1, 2.5, None])
def test_error_empirical_number_of_bins_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("n_bins", bad)):
        empirical_distribution([0], bad)
