"""Properties of bins, sampler and random-sampler distribution on small training sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sstrack_sched import (
    IntervalBins,
    IntervalSampler,
    VideoIndex,
    random_sampler_distribution,
)
from tests import reference
from tests.properties.strategies import datasets, edge_lists

DIRECTIONS = st.sampled_from(["both", "forward"])


def as_index(data):
    return VideoIndex(
        data.lengths,
        visible=[np.array(mask, dtype=bool) for mask in data.visible],
        is_image=data.is_image,
        weight=[float(w) for w in data.weight],
    )


@given(edge_lists(top=40), st.booleans())
def test_assign_is_the_bin_that_holds_the_interval(edges, image_bin):
    bins = IntervalBins.from_edges(edges, image_bin=image_bin)
    inside = np.arange(edges[0], edges[-1])
    got = bins.assign(inside)
    assert ((bins.lower[got] <= inside) & (inside < bins.upper[got])).all()
    assert (got >= int(image_bin)).all()
    assert len(bins) == len(edges) - 1 + int(image_bin)


@given(datasets(images=True), edge_lists(), DIRECTIONS)
def test_feasible_and_coverage_equal_enumeration(data, edges, direction):
    table = reference.edges_to_bins(edges, True)
    served = [reference.servable(data, bin_, direction) for bin_ in table]
    assume(any(served))
    bins = IntervalBins.from_edges(edges, image_bin=True)
    sampler = IntervalSampler(as_index(data), bins, direction=direction)
    assert sampler.feasible.tolist() == [bool(rows) for rows in served]
    assert sampler.coverage().videos.tolist() == [len(rows) for rows in served]
    assert sampler.coverage().templates.tolist() == [
        sum(len(templates) for templates in [rows[v] for v in rows]) for rows in served
    ]


@given(datasets(images=True), edge_lists(), DIRECTIONS, st.integers(0, 2**64 - 1))
def test_pairs_are_in_the_law_and_the_cut_is_invisible(data, edges, direction, seed):
    table = reference.edges_to_bins(edges, True)
    laws = [reference.bin_law(data, bin_, direction) for bin_ in table]
    assume(any(laws))
    bins = IntervalBins.from_edges(edges, image_bin=True)
    sampler = IntervalSampler(as_index(data), bins, direction=direction, seed=seed)
    q = sampler.feasible / sampler.feasible.sum()
    start = seed % 10**12
    pairs = sampler.sample(q, seed % 1000, start, start + 40)
    for pair in pairs:
        assert tuple(pair[:3]) in laws[pair.bin]
        again = sampler.redraw(pair, 1 + seed % 7)
        assert tuple(again[:3]) in laws[pair.bin]
        assert again[3:] == pair[3:]
    cut = start + seed % 41
    parts = list(sampler.sample(q, seed % 1000, start, cut)) + list(
        sampler.sample(q, seed % 1000, cut, start + 40)
    )
    assert parts == list(pairs)


@given(
    datasets(images=True),
    edge_lists(),
    st.sampled_from(["forward", "symmetric", "causal"]),
)
def test_random_distribution_equals_enumeration(data, edges, scheme):
    table = reference.edges_to_bins(edges, True)
    bins = IntervalBins.from_edges(edges, image_bin=True)
    try:
        exact = reference.random_sampler_distribution(data, table, scheme)
    except ZeroDivisionError:  # nothing to draw
        with pytest.raises(ValueError, match="pair"):
            random_sampler_distribution(as_index(data), bins, scheme)
        return
    got = random_sampler_distribution(as_index(data), bins, scheme)
    np.testing.assert_allclose(got, [float(x) for x in exact], rtol=0, atol=1e-12)
    assert got[[x == 0 for x in exact]].tolist() == [0.0] * exact.count(0)


@given(datasets(), edge_lists(from_zero=True))
def test_random_distribution_lives_on_feasible_bins(data, edges):
    """The interval sampler can draw all that the random sampler can: q^R is a legal start."""
    bins = IntervalBins.from_edges(edges)
    sampler = IntervalSampler(as_index(data), bins)
    for scheme in ("forward", "symmetric"):
        q = random_sampler_distribution(as_index(data), bins, scheme)
        assert (q[~sampler.feasible] == 0).all()
        assert len(sampler.sample(q, 0, 0, 5)) == 5


@given(datasets(images=True), datasets(images=True), st.floats(0.01, 100.0))
def test_mixture_random_distribution_equals_enumeration(one, two, ratio):
    bins = IntervalBins(8, 3, image_bin=True)
    table = reference.equal_bins(8, 3, True)
    mixed = reference.mixture([one, two], [1.0, ratio])
    videos = VideoIndex.concatenate([as_index(one), as_index(two)], [1.0, ratio])
    exact = reference.random_sampler_distribution(mixed, table, "forward")
    got = random_sampler_distribution(videos, bins, "forward")
    np.testing.assert_allclose(got, [float(x) for x in exact], rtol=0, atol=1e-12)


@given(datasets(images=True), datasets(images=True))
def test_concatenate_equals_building_at_once(one, two):
    both = reference.Data(
        one.visible + two.visible, one.is_image + two.is_image, one.weight + two.weight
    )
    joined = VideoIndex.concatenate([as_index(one), as_index(two)])
    assert joined.fingerprint == as_index(both).fingerprint
