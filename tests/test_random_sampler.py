"""q^R: the random sampler's exact distribution over bins.

Enumeration of small sets, images and mixtures is in `properties/test_sampling_properties.py`.
"""

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

SCHEMES = ["forward", "symmetric", "causal"]


@pytest.mark.parametrize(
    "options, expected",
    [
        # Template 0: search 0 or 1; template 1: search 1. Intervals 0, 0, 1: 1/2 of 1/2.
        (dict(), [0.75, 0.25]),
        (dict(scheme="forward"), [0.75, 0.25]),
        (dict(scheme="symmetric"), [0.5, 0.5]),
        (dict(scheme="causal"), [0.0, 1.0]),
    ],
)
def test_random_distribution_of_two_frames_by_hand(options, expected):
    got = random_sampler_distribution(VideoIndex([2]), IntervalBins(2, 1), **options)
    assert got.tolist() == expected
    assert got.dtype == np.float64


def test_random_distribution_with_images_by_hand():
    """A video of one frame has no causal pair, a hidden image none: their weight is nobody's."""
    videos = VideoIndex(
        [1, 2, 1, 3, 9],
        visible=[[1], [1, 1], [1], [0, 1, 1], [1] * 9],
        is_image=[1, 0, 0, 1, 0],
        weight=[3.0, 1.0, 100.0, 100.0, 0.0],
    )
    got = random_sampler_distribution(videos, IntervalBins(3, 1, image_bin=True), "causal")
    assert got.tolist() == [0.75, 0.0, 0.25, 0.0]


def test_random_distribution_notes_example_is_met():
    """NOTES.md, 5: the random sampler draws the short video in bin 0 with 0.76 or so."""
    bins = IntervalBins(200, 30)
    both = random_sampler_distribution(VideoIndex([50, 400]), bins, "forward")[0]
    short = random_sampler_distribution(VideoIndex([50]), bins, "forward")[0]
    assert short / 2 / both == pytest.approx(0.76, abs=0.01)


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


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "name, bad",
    [
        *[("scheme", bad) for bad in ("backward", "Forward", None, 3)],
        ("videos", [9, 9]),
        ("bins", 7),
        ("bins", IntervalBins(4, 2)),  # no bin for the image
    ],
)
def test_error_argument_names_it(name, bad, says):
    arguments = dict(
        videos=VideoIndex([1, 9], is_image=[True, False]), bins=IntervalBins(4, 2, image_bin=True)
    )
    with pytest.raises((TypeError, ValueError), match=says(name, bad)):
        random_sampler_distribution(**dict(arguments, **{name: bad}))


@pytest.mark.parametrize(
    "videos, scheme",
    [
        (VideoIndex([1, 1]), "causal"),
        (VideoIndex([9], visible=[np.zeros(9, dtype=bool)]), "forward"),
        (VideoIndex([9], visible=[np.zeros(9, dtype=bool)]), "symmetric"),
    ],
)
def test_error_no_pair_at_all_says_so(videos, scheme, says):
    with pytest.raises(ValueError, match=says("videos", "pair", "[0, 2, 4]")):
        random_sampler_distribution(videos, IntervalBins(4, 2), scheme)


# ------------------------------------------------------------------ observed distribution


def test_empirical_distribution_is_the_share_of_each_bin():
    got = empirical_distribution([0, 2, 2, 3], 5)
    assert got.tolist() == [0.25, 0.0, 0.5, 0.25, 0.0]
    assert got.dtype == np.float64
    bins = IntervalBins(200, 30)
    got = empirical_distribution(bins.assign([[0, 29], [30, 199]]), len(bins))
    assert got.tolist() == [0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.25]
    assert empirical_distribution([0, 0], 1).tolist() == [1.0]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64])
def test_empirical_distribution_takes_any_integer_kind(kind):
    ids = np.array([0, 1, 1, 1], dtype=kind)
    ids.setflags(write=False)
    assert empirical_distribution(ids, np.int64(2)).tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    "bin_ids, n_bins, words",
    [
        *[([0, bad, 1], 5, ("bin_ids", bad)) for bad in (-1, 5)],
        *[(bad, 5, ("bin_ids",)) for bad in ([0.5], ["a"], [np.nan], None)],
        (np.zeros(0, dtype=np.int64), 5, ("bin_ids",)),
        *[([0], bad, ("n_bins", bad)) for bad in (0, -1, 2.5, None)],
    ],
)
def test_error_empirical_distribution_names_it(bin_ids, n_bins, words, says):
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        empirical_distribution(bin_ids, n_bins)
