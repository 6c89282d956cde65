"""Gradient scaling: ratios and loss weights."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from sstrack_sched import (
    enhancement_ratio,
    loss_weights,
    pruning_ratio,
    scaling_ratio,
)
from tests import reference

Q_RANDOM = np.array([0.5, 0.25, 0.125, 0.125])
Q_INTERVAL = np.array([0.25, 0.25, 0.125, 0.375])
FUNCTIONS = [scaling_ratio, pruning_ratio, enhancement_ratio, loss_weights]


def random_pair(seed, n=6):
    rng = np.random.RandomState(seed)
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))


# ----------------------------------------------------------------------------- values


def test_ratios_hand_computed_case_is_met():
    assert scaling_ratio(Q_RANDOM, Q_INTERVAL).tolist() == [0.5, 0.0, 0.0, -2.0]
    assert pruning_ratio(Q_RANDOM, Q_INTERVAL).tolist() == [0.5, 0.0, 0.0, 0.0]
    assert enhancement_ratio(Q_RANDOM, Q_INTERVAL).tolist() == [0.0, 0.0, 0.0, -2.0]
    assert loss_weights(Q_RANDOM, Q_INTERVAL).tolist() == [2.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("seed", range(5))
def test_ratios_add_up(seed):
    q_random, q_interval = random_pair(seed)
    s = scaling_ratio(q_random, q_interval)
    pruning = pruning_ratio(q_random, q_interval)
    enhancement = enhancement_ratio(q_random, q_interval)
    np.testing.assert_allclose(s, (q_random - q_interval) / q_random, rtol=1e-12)
    np.testing.assert_array_equal(pruning + enhancement, s)
    assert (pruning >= 0).all() and (pruning <= 1).all() and (enhancement <= 0).all()
    assert (pruning * enhancement == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_loss_weights_equal_the_printed_formula(seed):
    q_random, q_interval = random_pair(seed)
    got = loss_weights(q_random, q_interval)
    exact = [float(reference.loss_weight(r, i)) for r, i in zip(q_random, q_interval)]
    np.testing.assert_allclose(got, exact, rtol=1e-14)
    assert (got >= 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_loss_weights_times_distribution_is_the_larger_one(seed):
    q_random, q_interval = random_pair(seed)
    np.testing.assert_allclose(
        loss_weights(q_random, q_interval) * q_interval,
        np.maximum(q_random, q_interval),
        rtol=1e-14,
    )


@pytest.mark.parametrize("seed", range(5))
def test_loss_weights_restore_the_objective_of_equation_five(seed):
    """E_I[Gamma L] = sum_pruned L q^R + sum_enhanced (L q^R + L q^E), exactly.

    Left: Eq. 4 with the weights that the package returns. Right: Eq. 5 with c_t = 1 and
    q^E = -E q^R, term by term, for arbitrary bin losses, in rationals.
    """
    q_random, q_interval = random_pair(seed)
    losses = [Fraction(x) for x in np.random.RandomState(seed).normal(size=6).tolist()]
    weights = loss_weights(q_random, q_interval)
    left = right = scale = Fraction(0)
    for r, i, w, loss in zip(q_random, q_interval, weights.tolist(), losses):
        random, interval = Fraction(r), Fraction(i)
        left += interval * Fraction(w) * loss
        s = (random - interval) / random
        enhancement = s - max(s, Fraction(0))
        right += loss * random
        if s < 0:
            right += loss * -enhancement * random
        scale += abs(loss) * max(random, interval)
    assert abs(left - right) <= scale * Fraction(1, 10**15) * 4


@pytest.mark.parametrize("seed", range(5))
def test_loss_weights_mean_is_one_plus_total_variation(seed):
    q_random, q_interval = random_pair(seed)
    mean = (loss_weights(q_random, q_interval) * q_interval).sum()
    variation = np.abs(q_random - q_interval).sum() / 2
    assert mean == pytest.approx(1 + variation, rel=1e-13)


def test_loss_weights_equal_distributions_are_all_one():
    q_random, _ = random_pair(0)
    assert loss_weights(q_random, q_random).tolist() == [1.0] * 6
    assert scaling_ratio(q_random, q_random).tolist() == [0.0] * 6


@pytest.mark.parametrize("function", FUNCTIONS)
def test_batch_axes_equal_a_loop(function):
    rng = np.random.RandomState(4)
    q_random = rng.dirichlet(np.ones(5), size=(2, 3))
    q_interval = rng.dirichlet(np.ones(5), size=(2, 3))
    got = function(q_random, q_interval)
    assert got.shape == (2, 3, 5)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(
                got[i, j], function(q_random[i, j], q_interval[i, j]), rtol=1e-14
            )


def test_batch_axes_normalised_weights_equal_a_loop():
    rng = np.random.RandomState(4)
    q_random = rng.dirichlet(np.ones(5), size=3)
    q_interval = rng.dirichlet(np.ones(5), size=3)
    got = loss_weights(q_random, q_interval, normalize=True)
    for i in range(3):
        np.testing.assert_allclose(
            got[i], loss_weights(q_random[i], q_interval[i], normalize=True), rtol=1e-14
        )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_lists_and_read_only_arrays_are_left_alone(function):
    q_random, q_interval = Q_RANDOM.copy(), Q_INTERVAL.copy()
    q_random.setflags(write=False)
    q_interval.setflags(write=False)
    from_arrays = function(q_random, q_interval)
    from_lists = function(q_random.tolist(), q_interval.tolist())
    np.testing.assert_array_equal(from_arrays, from_lists)
    assert from_arrays.dtype == np.float64
    np.testing.assert_array_equal(q_random, Q_RANDOM)
    np.testing.assert_array_equal(q_interval, Q_INTERVAL)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_do_not_alias_the_inputs(function):
    q_random, q_interval = Q_RANDOM.copy(), Q_INTERVAL.copy()
    function(q_random, q_interval)[:] = 99.0
    np.testing.assert_array_equal(q_random, Q_RANDOM)
    np.testing.assert_array_equal(q_interval, Q_INTERVAL)


# ------------------------------------------------------------------------- zero shares


def test_zero_interval_share_gives_weight_one():
    q_random, q_interval = [0.5, 0.5], [1.0, 0.0]
    assert loss_weights(q_random, q_interval).tolist() == [1.0, 1.0]
    assert scaling_ratio(q_random, q_interval).tolist() == [-1.0, 1.0]
    assert pruning_ratio(q_random, q_interval).tolist() == [0.0, 1.0]
    assert enhancement_ratio(q_random, q_interval).tolist() == [-1.0, 0.0]


def test_zero_random_share_gives_weight_one_and_ratio_minus_infinity():
    q_random, q_interval = [1.0, 0.0], [0.5, 0.5]
    assert loss_weights(q_random, q_interval).tolist() == [2.0, 1.0]
    assert scaling_ratio(q_random, q_interval).tolist() == [0.5, -np.inf]
    assert pruning_ratio(q_random, q_interval).tolist() == [0.5, 0.0]
    assert enhancement_ratio(q_random, q_interval).tolist() == [0.0, -np.inf]


def test_zero_shares_on_both_sides_give_ratio_zero_and_weight_one():
    q_random, q_interval = [1.0, 0.0], [1.0, 0.0]
    assert loss_weights(q_random, q_interval).tolist() == [1.0, 1.0]
    for function in (scaling_ratio, pruning_ratio, enhancement_ratio):
        assert function(q_random, q_interval).tolist() == [0.0, 0.0]


def test_tiny_interval_share_keeps_weights_finite_or_capped():
    tiny = 1e-300
    got = loss_weights([0.5, 0.5], [1.0 - tiny, tiny], max_weight=8.0)
    assert got.tolist() == [1.0, 8.0]


@pytest.mark.parametrize("tiny", [1e-17, 1e-200])
def test_tiny_interval_share_has_the_quotient_as_weight(tiny):
    """1 / (1 - P) rounds P to 1; the quotient q^R / q^I does not."""
    got = loss_weights([0.5, 0.5], [1.0, tiny])
    assert got[1] == pytest.approx(0.5 / tiny, rel=1e-14)


# ------------------------------------------------------------------ cap and normalising


def test_max_weight_caps_and_leaves_the_rest():
    q_random, q_interval = [0.8, 0.1, 0.1], [0.1, 0.05, 0.85]
    assert loss_weights(q_random, q_interval).tolist() == pytest.approx([8, 2, 1])
    got = loss_weights(q_random, q_interval, max_weight=3.0)
    assert got.tolist() == pytest.approx([3, 2, 1])
    got = loss_weights(q_random, q_interval, max_weight=1)
    assert got.tolist() == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_weight", [None, 1.5])
def test_normalize_makes_the_mean_weight_one(seed, max_weight):
    q_random, q_interval = random_pair(seed)
    plain = loss_weights(q_random, q_interval, max_weight=max_weight)
    got = loss_weights(q_random, q_interval, max_weight=max_weight, normalize=True)
    assert (got * q_interval).sum() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(got / got[0], plain / plain[0], rtol=1e-13)
    if max_weight is not None:
        assert got.max() <= max_weight * (1 + 1e-15)


def test_normalize_is_off_by_default():
    mean = (loss_weights(Q_RANDOM, Q_INTERVAL) * Q_INTERVAL).sum()
    assert mean == 1.25


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [-0.25, 1.5, np.nan, np.inf])
def test_error_share_out_of_range_names_the_argument(function, bad, says):
    with pytest.raises(ValueError, match=says("q_random", bad)):
        function([0.5, bad], [0.5, 0.5])
    with pytest.raises(ValueError, match=says("q_interval", bad)):
        function([0.5, 0.5], [0.5, bad])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_distribution_that_does_not_sum_to_one_names_it(function, says):
    with pytest.raises(ValueError, match=says("q_random", 0.75)):
        function([0.5, 0.25], [0.5, 0.5])
    with pytest.raises(ValueError, match=says("q_interval", 0.75)):
        function([0.5, 0.5], [0.5, 0.25])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_shapes_that_do_not_match_name_both(function, says):
    with pytest.raises(ValueError, match=says("q_random", "q_interval")):
        function([0.5, 0.5], [0.5, 0.25, 0.25])


@pytest.mark.parametrize("bad", [0.5, 0, -1.0, np.nan])
def test_error_max_weight_below_one_names_it(bad, says):
    with pytest.raises(ValueError, match=says("max_weight", bad)):
        loss_weights(Q_RANDOM, Q_INTERVAL, max_weight=bad)


@pytest.mark.parametrize("bad", ["3", [2.0]])
def test_error_max_weight_that_is_no_number_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("max_weight")):
        loss_weights(Q_RANDOM, Q_INTERVAL, max_weight=bad)
