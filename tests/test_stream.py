"""Stream version 1: which pair belongs to (seed, epoch, number), from the definition alone.

Philox 4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) in integers of
Python and choices by counting through lists. If this fails, saved runs no longer resume to their
own pairs: raise `STREAM_VERSION`, or undo what changed.
"""

import numpy as np
import pytest

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex

MASK = 2**64 - 1


def philox(key, counter):
    """One block of four words."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        product0, product1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (
            (product1 >> 64) ^ c1 ^ k0,
            product1 & MASK,
            (product0 >> 64) ^ c3 ^ k1,
            product0 & MASK,
        )
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return c0, c1, c2, c3


def pair_of(masks, edges, distribution, seed, epoch, number, attempt=0, index=None):
    """The pair, by lists: (video, template, search, bin)."""
    # NumPy counts up before it generates, so number k is block k + 1.
    words = philox((seed, epoch), (number + 1, attempt, 0, 0))
    u = [(word >> 11) / 2**53 for word in words]
    if index is None:
        index = sum(u[0] >= np.cumsum(distribution)[:-1])
    lower, upper = edges[index], edges[index + 1]

    def partners(mask, t):
        after = [s for s in range(t, len(mask)) if mask[s] and lower <= s - t < upper]
        return after + [s for s in range(t) if mask[s] and lower <= t - s < upper]

    templates = [[t for t in range(len(mask)) if mask[t] and partners(mask, t)] for mask in masks]
    videos = [v for v, frames in enumerate(templates) if frames]
    video = videos[int(u[1] * len(videos))]
    template = templates[video][int(u[2] * len(templates[video]))]
    candidates = partners(masks[video], template)
    return video, template, candidates[int(u[3] * len(candidates))], index


@pytest.fixture(scope="module")
def masks():
    rng = np.random.default_rng(3)
    return [rng.random(length) < 0.7 for length in rng.integers(1, 40, 25)]


EDGES = [0, 4, 9, 30]
Q = [0.25, 0.5, 0.25]


@pytest.mark.parametrize("all_visible", [False, True])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (1, 0), (0, 1), (2**64 - 1, 299)])
@pytest.mark.parametrize("start", [0, 10**9, 2**62])
def test_stream_pairs_follow_the_definition(masks, all_visible, seed, epoch, start):
    if all_visible:
        masks = [np.ones_like(mask) for mask in masks]
    videos = VideoIndex([len(mask) for mask in masks], masks)
    sampler = IntervalSampler(videos, IntervalBins.from_edges(EDGES), seed=seed)
    drawn = [tuple(pair)[:4] for pair in sampler.sample(Q, epoch, start, start + 40)]
    expected = [pair_of(masks, EDGES, Q, seed, epoch, start + i) for i in range(40)]
    assert drawn == expected
    assert sampler.stream_version == 1


def test_stream_redraws_follow_the_definition(masks):
    videos = VideoIndex([len(mask) for mask in masks], masks)
    sampler = IntervalSampler(videos, IntervalBins.from_edges(EDGES), seed=5)
    pair = sampler.sample(Q, 2, 7, 8)[0]
    for attempt in (1, 2, 2**40, 2**64 - 1):
        expected = pair_of(masks, EDGES, Q, 5, 2, 7, attempt, pair.bin)
        assert tuple(sampler.redraw(pair, attempt)) == (*expected, 7, 2)


def test_stream_words_are_philox_s():
    """Known answers of the Random123 library, philox4x64-10: zeros and all ones."""
    assert philox((0, 0), (0, 0, 0, 0))[0] == 0x16554D9ECA36314C
    assert philox((MASK, MASK), (MASK,) * 4)[0] == 0x87B092C3013FE90B
