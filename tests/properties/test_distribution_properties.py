"""Properties of expected success, sampling distribution and scaling."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sstrack_sched import (
    enhancement_ratio,
    expected_success,
    expected_success_gradient,
    loss_weights,
    pruning_ratio,
    redetection_probability,
    sampling_distribution,
    scaling_ratio,
)
from tests import reference
from tests.properties.strategies import pairs_of_distributions, rates, unit

TINIEST = Fraction(1, 2**1000)  # products of very small rates leave the range of floats


def assert_relative(got, exact, tolerance=1e-12):
    """Every number within a relative tolerance of the exact one; an exact 0 is 0."""
    got = np.ravel(got).tolist()
    assert len(got) == len(exact)
    for g, e in zip(got, exact):
        if e == 0:
            assert g == 0
        else:
            assert abs(Fraction(g) - e) <= abs(e) * Fraction(tolerance) + TINIEST


# ------------------------------------------------------------------ against exact numbers


@given(rates(), unit)
def test_expected_success_any_chain_equals_exact_products(p, d):
    assert_relative(expected_success(p, d), [reference.expected_success(p, d)])


@given(rates(), unit)
def test_gradient_any_chain_equals_exact_differences(p, d):
    exact = reference.expected_success_gradient(p, d)
    assert_relative(expected_success_gradient(p, d), exact)


@given(rates(max_size=8), unit)
def test_distribution_any_chain_equals_the_exact_one(p, d):
    exact = reference.sampling_distribution(p, d)
    assert_relative(sampling_distribution(p, d), exact)


@given(rates(), unit, st.integers(0, 11))
def test_gradient_is_the_slope_of_an_affine_function(p, d, index):
    """S(p_i = 1) - S(p_i = 0), of the package's own S."""
    index %= len(p)
    one, zero = list(p), list(p)
    one[index], zero[index] = 1.0, 0.0
    slope = float(expected_success(one, d)) - float(expected_success(zero, d))
    assert expected_success_gradient(p, d)[index] == pytest.approx(slope, abs=1e-14)


@given(rates(), unit)
def test_expected_success_is_a_probability(p, d):
    assert 0.0 <= float(expected_success(p, d)) <= 1.0 + 1e-15


@given(rates(), unit, unit)
def test_expected_success_grows_with_redetection(p, d, other):
    low, high = min(d, other), max(d, other)
    assert float(expected_success(p, low)) <= float(expected_success(p, high)) + 1e-15


# ----------------------------------------------------------------- sampling distribution


@given(rates(max_size=40), unit)
def test_distribution_is_non_negative_and_sums_to_one(p, d):
    q = sampling_distribution(p, d)
    assert (q >= 0).all()
    assert abs(q.sum() - 1) <= 1e-14 * len(p)


@given(rates(max_size=40))
def test_distribution_certain_redetection_is_uniform(p):
    np.testing.assert_allclose(
        sampling_distribution(p, 1.0), np.full(len(p), 1 / len(p)), rtol=1e-14
    )


@given(unit, st.integers(1, 40), unit)
def test_distribution_constant_rate_is_non_increasing(c, n_bins, d):
    q = sampling_distribution([c] * n_bins, d)
    assert (q[1:] <= q[:-1] * (1 + 1e-13)).all()


@given(unit, st.integers(1, 40), unit, unit)
def test_distribution_constant_rate_larger_d_never_gives_the_last_bin_less(c, n_bins, d, other):
    low, high = min(d, other), max(d, other)
    less = sampling_distribution([c] * n_bins, low)[-1]
    more = sampling_distribution([c] * n_bins, high)[-1]
    assert less <= more * (1 + 1e-12)


@given(rates(max_size=12), unit)
def test_distribution_first_bin_is_never_starved(p, d):
    """dS/dp_1 >= 1/r: whatever happens, the easiest bin is drawn."""
    assert expected_success_gradient(p, d)[0] >= (1 - 1e-15) / len(p)
    assert sampling_distribution(p, d)[0] > 0


@given(
    st.lists(st.tuples(unit, st.booleans()), min_size=1, max_size=10),
    unit,
    st.sampled_from([np.nan, np.inf, -1.0, 0.5]),
)
def test_distribution_infeasible_bins_equal_the_compressed_chain(chain, d, junk):
    feasible = np.array([flag for _, flag in chain])
    assume(feasible.any())
    p = np.array([rate if flag else junk for rate, flag in chain])
    q = sampling_distribution(p, d, feasible)
    assert (q[~feasible] == 0).all()
    np.testing.assert_allclose(q[feasible], sampling_distribution(p[feasible], d), rtol=1e-13)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.data())
def test_batch_axes_equal_a_loop(rows, columns, n_bins, data):
    size = rows * columns
    p = np.array([data.draw(rates(n_bins, n_bins)) for _ in range(size)], dtype=np.float64).reshape(
        rows, columns, n_bins
    )
    d_shape = data.draw(st.sampled_from([(), (columns,), (rows, 1), (rows, columns)]))
    d_size = int(np.prod(d_shape, dtype=int))
    d = np.array([data.draw(unit) for _ in range(d_size)]).reshape(d_shape)
    everywhere = np.broadcast_to(d, (rows, columns))
    for function in (expected_success, expected_success_gradient, sampling_distribution):
        got = function(p, d)
        for i in range(rows):
            for j in range(columns):
                np.testing.assert_allclose(
                    got[i, j], function(p[i, j], everywhere[i, j]), rtol=1e-13
                )


@given(st.integers(0, 500), st.integers(1, 300), st.floats(0.1, 10.0))
def test_redetection_is_a_probability_that_never_falls(epoch, total_epochs, order):
    d = redetection_probability(epoch, total_epochs, order)
    after = redetection_probability(epoch + 1, total_epochs, order)
    assert 0.0 <= d <= after <= 1.0
    if epoch >= total_epochs:
        assert d == 1.0


# -------------------------------------------------------------------------------- scaling


@given(pairs_of_distributions())
def test_weights_times_distribution_are_the_larger_one_where_drawn(q):
    q_random, q_interval = q
    product = loss_weights(q_random, q_interval) * q_interval
    drawn = q_interval > 0
    np.testing.assert_allclose(product[drawn], np.maximum(q_random, q_interval)[drawn], rtol=1e-14)
    assert (loss_weights(q_random, q_interval)[~drawn] == 1.0).all()


@given(pairs_of_distributions())
def test_weights_are_the_scaling_function_of_the_pruning_ratio(q):
    q_random, q_interval = q
    weights = loss_weights(q_random, q_interval)
    pruning = pruning_ratio(q_random, q_interval)
    clear = pruning < 0.999  # 1 - P loses digits near 1
    np.testing.assert_allclose(weights[clear], 1 / (1 - pruning[clear]), rtol=1e-11)
    assert (weights >= 1.0).all()


@given(pairs_of_distributions())
def test_ratios_split_the_scaling_ratio_by_sign(q):
    q_random, q_interval = q
    s = scaling_ratio(q_random, q_interval)
    pruning = pruning_ratio(q_random, q_interval)
    enhancement = enhancement_ratio(q_random, q_interval)
    assert (pruning >= 0).all() and (pruning <= 1).all() and (enhancement <= 0).all()
    np.testing.assert_array_equal(np.where(s > 0, pruning, enhancement), s)
    nothing = (q_random == 0) & (q_interval == 0)
    assert (s[nothing] == 0).all()
    assert (s[(q_random == 0) & (q_interval > 0)] == -np.inf).all()


@given(pairs_of_distributions(), st.data())
def test_weighted_objective_is_that_of_equation_five(q, data):
    """Pruned bins keep q^R, enhanced ones q^R + q^E: sums over bins, for any losses."""
    q_random, q_interval = q
    losses = [Fraction(data.draw(st.floats(-100, 100, allow_nan=False))) for _ in q_random]
    weights = loss_weights(q_random, q_interval).tolist()
    left = right = scale = Fraction(0)
    for r, i, w, loss in zip(q_random.tolist(), q_interval.tolist(), weights, losses):
        random, interval = Fraction(r), Fraction(i)
        left += interval * Fraction(w) * loss
        if interval == 0:
            continue  # never drawn: no weight can restore it
        enhancement = max(interval - random, Fraction(0))  # -E q^R
        right += loss * (random + enhancement)
        scale += abs(loss) * max(random, interval)
    assert abs(left - right) <= scale * Fraction(1, 10**14)


@given(pairs_of_distributions(), st.floats(1.0, 50.0))
def test_weights_capped_and_normalised_keep_their_promises(q, cap):
    q_random, q_interval = q
    plain = loss_weights(q_random, q_interval)
    capped = loss_weights(q_random, q_interval, max_weight=cap)
    np.testing.assert_array_equal(capped, np.minimum(plain, cap))
    normalised = loss_weights(q_random, q_interval, max_weight=cap, normalize=True)
    assert (normalised * q_interval).sum() == pytest.approx(1.0, rel=1e-13)
    assert normalised.max() <= cap * (1 + 1e-15)


@given(pairs_of_distributions())
def test_inputs_stay_unchanged(q):
    q_random, q_interval = q
    before = q_random.copy(), q_interval.copy()
    for function in (scaling_ratio, pruning_ratio, enhancement_ratio, loss_weights):
        function(q_random, q_interval)
    sampling_distribution(q_random, 0.5)
    expected_success_gradient(q_interval, 0.5)
    np.testing.assert_array_equal(q_random, before[0])
    np.testing.assert_array_equal(q_interval, before[1])
