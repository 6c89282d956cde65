"""Videos drawn by weight, against the inverse of the exact cumulative sum in integers."""

import numpy as np
import pytest

from sstrack_sched._draws import WeightedDraw


def exact(weight, uniform):
    """Index for each uniform number, in integers of Python: weights are integers."""
    total = int(weight.sum())
    numerators = [int(u * 2**53) for u in uniform]
    found, below = [], np.cumsum([0, *weight.tolist()], dtype=object)
    for u in numerators:
        found.append(next(i for i in range(len(weight)) if u * total < below[i + 1] * 2**53))
    return found


def around(weight):
    """Uniform numbers at, just below and just above the borders between videos, and others."""
    borders = np.cumsum(weight)[:-1] / weight.sum()
    some = np.random.default_rng(0).random(300)
    near = [borders, np.nextafter(borders, 0), np.nextafter(borders, 1), some]
    uniform = np.concatenate([[0.0, 1 - 2.0**-53], *near])
    return np.floor(uniform[uniform < 1] * 2**53) / 2**53


# The largest weight and the sum are powers of two: all that the draw computes is exact.
POWERS = 2 ** np.random.default_rng(1).integers(0, 11, 200)


def filled(weight):
    """With more videos, which make the sum a power of two and one of them the heaviest."""
    heaviest = 2 ** int(weight.max()).bit_length()
    weight = np.append(weight, heaviest)
    missing = -int(weight.sum()) % 2 ** int(weight.sum()).bit_length()
    whole, rest = divmod(missing, heaviest)
    return np.concatenate([weight, [heaviest] * whole, [rest] * (rest > 0)]).astype(np.int64)


@pytest.mark.parametrize(
    "weight",
    [
        pytest.param(np.array([1]), id="one video"),
        pytest.param(np.full(64, 1), id="uniform"),
        pytest.param(np.array([1] * 8 + [4] * 4 + [8]), id="few runs"),
        pytest.param(np.tile([1, 1, 1, 5], 16), id="many runs"),
        pytest.param(POWERS, id="each its own"),
        pytest.param(np.append(POWERS, 2**20), id="one outweighs all others"),
        pytest.param(np.append(2**20, POWERS), id="one outweighs all others, first"),
    ],
)
def test_draw_is_the_inverse_of_the_exact_cumulative_sum(weight):
    weight = filled(weight)
    ids = np.arange(len(weight)) * 3 + 1
    uniform = around(weight)
    drawn = WeightedDraw.of(ids, weight / 2.0)(uniform)
    assert drawn.tolist() == [3 * i + 1 for i in exact(weight, uniform)]


def test_draw_below_the_end_of_a_run_stays_in_it_whatever_the_rounding():
    each = [0.016527635528529094, 0.8132702392002724, 0.9127555772777217, 0.6066357757671799]
    draw = WeightedDraw.of(np.arange(14), np.repeat(each, [5, 4, 2, 3]))
    for run, last in enumerate([4, 8, 10, 13]):
        border = draw.arrays["before"][run + 1] / draw.arrays["before"][-1]
        for _ in range(20):
            border = np.nextafter(border, 0)
            assert draw(np.array([border])).tolist() == [last]


def test_draw_of_a_skewed_weight_finds_what_a_search_finds():
    rng = np.random.default_rng(2)
    weight = np.exp(rng.normal(0, 6, 10_000))  # guided steps do not get there
    uniform = np.floor(rng.random(20_000) * 2**53) / 2**53
    before = np.cumsum(weight / weight.max())
    expected = np.searchsorted(before, uniform * before[-1], side="right")
    assert WeightedDraw.of(np.arange(10_000), weight)(uniform).tolist() == expected.tolist()


@pytest.mark.parametrize("n", [15, 16, 17, 31, 32, 33, 1000])
def test_every_video_is_drawn_in_its_share(n):
    weight = np.arange(1.0, n + 1)
    grid = (np.arange(100_000) + 0.5) / 100_000
    count = np.bincount(WeightedDraw.of(np.arange(n), weight)(grid), minlength=n)
    np.testing.assert_allclose(count, 1e5 * weight / weight.sum(), atol=1.001)
