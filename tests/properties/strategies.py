"""Strategies for the properties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.reference import Data

# Probabilities of every size, with the two ends and very small ones drawn often.
unit = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5]),
    st.floats(0.0, 1.0, allow_nan=False),
    st.floats(0.0, 1e-12, allow_nan=False),
    st.floats(1.0 - 1e-12, 1.0, allow_nan=False),
)


def rates(min_size=1, max_size=12):
    """Success rates of a chain."""
    return st.lists(unit, min_size=min_size, max_size=max_size)


@st.composite
def distributions(draw, n_bins):
    """A distribution over bins, zeros and tiny shares among them."""
    share = st.one_of(st.just(0.0), st.floats(1e-6, 1.0), st.sampled_from([1.0, 1e-9]))
    shares = draw(st.lists(share, min_size=n_bins, max_size=n_bins))
    shares[draw(st.integers(0, n_bins - 1))] += 1.0
    q = np.array(shares)
    return q / q.sum()


@st.composite
def pairs_of_distributions(draw, max_bins=8):
    """(q_random, q_interval) over the same bins."""
    n_bins = draw(st.integers(1, max_bins))
    return draw(distributions(n_bins)), draw(distributions(n_bins))


@st.composite
def datasets(draw, images=False, max_videos=5, max_length=14):
    """A small training set; at least one visible frame of a weighed, plain video."""
    frame = draw(st.sampled_from([st.booleans(), st.just(True)]))  # some sets are whole
    masks = st.lists(frame, min_size=1, max_size=max_length)
    visible = draw(st.lists(masks, min_size=1, max_size=max_videos))
    n = len(visible)
    flags = [draw(st.booleans()) for _ in range(n)] if images else [False] * n
    weight = [draw(st.sampled_from([0.0, 0.25, 1.0, 3.0])) for _ in range(n)]
    visible[0][draw(st.integers(0, len(visible[0]) - 1))] = True
    flags[0], weight[0] = False, 1.0
    return Data(visible, flags, weight)


@st.composite
def edge_lists(draw, top=12, from_zero=False):
    """Edges of unequal bins."""
    edges = draw(st.sets(st.integers(0, top), min_size=2, max_size=5))
    if from_zero:
        edges.add(0)
    return sorted(edges)


@st.composite
def recordings(draw, n_bins, max_samples=12, bins=None):
    """(ious, bins) of some samples; few distinct values, so that ties are common."""
    allowed = range(n_bins) if bins is None else bins
    value = st.one_of(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]), st.floats(0.0, 1.0))
    n = draw(st.integers(1, max_samples))
    ious = [draw(value) for _ in range(n)]
    return ious, [draw(st.sampled_from(allowed)) for _ in range(n)]
