"""Gradient scaling: ratios and loss weights by hand.

Eq. 5, bounds and signs on random distributions are in `properties/`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from sstrack_sched import enhancement_ratio, loss_weights, pruning_ratio, scaling_ratio
from tests import reference

Q_RANDOM = np.array([0.5, 0.25, 0.125, 0.125])
Q_INTERVAL = np.array([0.25, 0.25, 0.125, 0.375])
FUNCTIONS = [scaling_ratio, pruning_ratio, enhancement_ratio, loss_weights]


@pytest.mark.parametrize(
    "q_random, q_interval, ratios, weights",
    [
        (Q_RANDOM, Q_INTERVAL, [0.5, 0.0, 0.0, -2.0], [2, 1, 1, 1]),
        (Q_RANDOM, Q_RANDOM, [0.0] * 4, [1] * 4),
        # A bin that is never drawn; one that is never drawn at random; one that never is.
        ([0.5, 0.5], [1.0, 0.0], [-1.0, 1.0], [1, 1]),
        ([1.0, 0.0], [0.5, 0.5], [0.5, -np.inf], [2, 1]),
        ([1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1, 1]),
    ],
)
def test_ratios_and_weights_by_hand(q_random, q_interval, ratios, weights):
    assert scaling_ratio(q_random, q_interval).tolist() == ratios
    assert pruning_ratio(q_random, q_interval).tolist() == [max(s, 0) for s in ratios]
    assert enhancement_ratio(q_random, q_interval).tolist() == [min(s, 0) for s in ratios]
    assert loss_weights(q_random, q_interval).tolist() == weights


@pytest.mark.parametrize("seed", range(5))
def test_ratios_and_weights_equal_the_printed_formulas(seed):
    q_random, q_interval = np.random.RandomState(seed).dirichlet(np.ones(6), size=2)
    s = scaling_ratio(q_random, q_interval)
    np.testing.assert_allclose(s, (q_random - q_interval) / q_random, rtol=1e-12)
    got = loss_weights(q_random, q_interval)
    exact = [float(reference.loss_weight(r, i)) for r, i in zip(q_random, q_interval)]
    np.testing.assert_allclose(got, exact, rtol=1e-14)
    variation = np.abs(q_random - q_interval).sum() / 2
    assert (got * q_interval).sum() == pytest.approx(1 + variation, rel=1e-13)


@pytest.mark.parametrize("function", [*FUNCTIONS, partial(loss_weights, normalize=True)])
def test_batch_axes_equal_a_loop(function):
    q_random, q_interval = np.random.RandomState(4).dirichlet(np.ones(5), size=(2, 2, 3))
    got = function(q_random, q_interval)
    assert got.shape == (2, 3, 5)
    for index in np.ndindex(2, 3):
        alone = function(q_random[index], q_interval[index])
        np.testing.assert_allclose(got[index], alone, rtol=1e-14)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_are_taken_in_any_form_and_not_handed_out(function):
    q_random, q_interval = Q_RANDOM.copy(), Q_INTERVAL.copy()
    from_lists = function(q_random.tolist(), q_interval.tolist())
    got = function(q_random, q_interval)
    np.testing.assert_array_equal(got, from_lists)
    assert got.dtype == np.float64
    got[:] = 99.0
    np.testing.assert_array_equal(q_random, Q_RANDOM)
    np.testing.assert_array_equal(q_interval, Q_INTERVAL)


@pytest.mark.parametrize("tiny", [1e-17, 1e-200, 1e-300])
def test_tiny_interval_share_has_the_quotient_as_weight(tiny):
    """1 / (1 - P) rounds P to 1; the quotient q^R / q^I does not."""
    got = loss_weights([0.5, 0.5], [1.0, tiny])
    assert got.tolist() == [1.0, pytest.approx(0.5 / tiny, rel=1e-14)]
    assert loss_weights([0.5, 0.5], [1.0, tiny], max_weight=8.0).tolist() == [1.0, 8.0]


@pytest.mark.parametrize(
    "options, expected",
    [
        (dict(), [8, 2, 1]),
        (dict(max_weight=3.0), [3, 2, 1]),
        (dict(max_weight=1), [1, 1, 1]),
        (dict(normalize=True), [8 / 1.75, 2 / 1.75, 1 / 1.75]),
        (dict(normalize=True, max_weight=3.0), [2.4, 1.6, 0.8]),  # capped, then normalised
    ],
)
def test_weights_are_capped_and_normalised(options, expected):
    got = loss_weights([0.8, 0.1, 0.1], [0.1, 0.05, 0.85], **options)
    assert got.tolist() == pytest.approx(expected, rel=1e-14)


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ["q_random", "q_interval"])
@pytest.mark.parametrize(
    "bad, word",
    [
        *[([0.5, x], x) for x in (-0.25, 1.5, np.nan, np.inf)],
        ([0.5, 0.25], 0.75),
        ([0.5, 0.25, 0.25], "shape"),
        (1.0, "bins on its last axis; got ()"),
        (np.ones((2, 0)), "bins on its last axis; got (2, 0)"),
    ],
)
def test_error_distribution_names_it(function, name, bad, word, says):
    arguments = dict(dict(q_random=[0.5, 0.5], q_interval=[0.5, 0.5]), **{name: bad})
    with pytest.raises(ValueError, match=says(name, word)):
        function(**arguments)


@pytest.mark.parametrize("bad", [0.5, 0, -1.0, np.nan, "3", [2.0]])
def test_error_max_weight_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("max_weight", bad)):
        loss_weights(Q_RANDOM, Q_INTERVAL, max_weight=bad)


def test_error_normalize_that_is_no_boolean_names_it(says):
    with pytest.raises(TypeError, match=says("normalize", "yes")):
        loss_weights(Q_RANDOM, Q_INTERVAL, normalize="yes")
