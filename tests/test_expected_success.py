"""Expected success, its gradient and the sampling distribution."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from sstrack_sched import (
    expected_success,
    expected_success_gradient,
    redetection_probability,
    sampling_distribution,
)
from tests import reference

FUNCTIONS = [expected_success, expected_success_gradient, sampling_distribution]

# NOTES.md, 2: r = 8, p = 0.7, times r.
TABLE = {
    0: [3.1412, 2.1412, 1.4412, 0.9512, 0.6082, 0.3681, 0.2000, 0.0824],
    0.5: [1.5381, 1.3069, 1.2247, 1.1924, 1.1709, 1.1345, 1.0390, 0.7694],
    1: [1, 1, 1, 1, 1, 1, 1, 1],
}


def relative_error(got, exact):
    """Largest relative error; an exact zero must come out as zero."""
    worst = Fraction(0)
    for g, e in zip(np.ravel(got).tolist(), exact):
        if e == 0:
            assert g == 0
        else:
            worst = max(worst, abs(Fraction(g) - e) / abs(e))
    return float(worst)


# ------------------------------------------------------------- the reference itself


@pytest.mark.parametrize("redetection", [0, Fraction(1, 3), 1])
def test_reference_matrices_and_sweeps_agree(redetection):
    p = [Fraction(1, 2), Fraction(9, 10), Fraction(0), Fraction(1), Fraction(1, 7)]
    total, gradient = reference.two_sweeps(p, Fraction(redetection))
    assert total == reference.expected_success(p, redetection)
    assert gradient == reference.expected_success_gradient(p, redetection)


# ----------------------------------------------------------------------------- values


@pytest.mark.parametrize("redetection", sorted(TABLE))
def test_gradient_reference_table_is_met(redetection):
    got = 8 * expected_success_gradient(np.full(8, 0.7), redetection)
    np.testing.assert_allclose(got, TABLE[redetection], atol=5.1e-5, rtol=0)


@pytest.mark.parametrize("redetection", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("n_bins", [1, 2, 3, 8, 40])
def test_expected_success_random_rates_equal_matrix_products(n_bins, redetection):
    rng = np.random.RandomState(n_bins)
    p = rng.uniform(size=n_bins)
    exact = reference.expected_success(p, redetection)
    assert relative_error(expected_success(p, redetection), [exact]) < 1e-12


@pytest.mark.parametrize("redetection", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("n_bins", [1, 2, 3, 8, 20])
def test_gradient_random_rates_equal_exact_differences(n_bins, redetection):
    rng = np.random.RandomState(n_bins)
    p = rng.uniform(size=n_bins)
    exact = reference.expected_success_gradient(p, redetection)
    assert relative_error(expected_success_gradient(p, redetection), exact) < 1e-12


@pytest.mark.parametrize("redetection", [0.0, 0.125, 1.0])
def test_gradient_long_chain_equals_matrix_products_at_chosen_bins(redetection):
    rng = np.random.RandomState(3)
    p = rng.randint(0, 65, size=300) / 64.0
    got = expected_success_gradient(p, redetection)
    for index in (0, 1, 150, 298, 299):
        exact = reference.expected_success_derivative(p, redetection, index)
        assert relative_error(got[index], [exact]) < 1e-12


@pytest.mark.parametrize(
    "low, redetection", [(0.0, 0.0), (0.0, 0.375), (0.9, 0.0), (0.99, 2.0**-30), (0.5, 1.0)]
)
def test_gradient_long_chain_equals_exact_sweeps(low, redetection):
    rng = np.random.RandomState(11)
    p = rng.randint(int(low * 2**20), 2**20 + 1, size=300) / 2.0**20  # short Fractions
    total, gradient = reference.two_sweeps([Fraction(x) for x in p.tolist()], Fraction(redetection))
    assert relative_error(expected_success(p, redetection), [total]) < 1e-12
    assert relative_error(expected_success_gradient(p, redetection), gradient) < 1e-12


@pytest.mark.parametrize("redetection", [0.0, 2.0**-20, 0.5, 1.0])
def test_gradient_all_ones_equals_exact_sweeps(redetection):
    total, gradient = reference.two_sweeps([Fraction(1)] * 1000, Fraction(redetection))
    p = np.ones(1000)
    assert relative_error(expected_success(p, redetection), [total]) < 1e-12
    assert relative_error(expected_success_gradient(p, redetection), gradient) < 1e-12


def test_gradient_all_zeros_without_redetection_leaves_the_first_bin_only():
    gradient = expected_success_gradient(np.zeros(5), 0.0)
    assert gradient.tolist() == [0.2, 0.0, 0.0, 0.0, 0.0]
    assert expected_success(np.zeros(5), 0.0) == 0.0


def test_gradient_a_dead_bin_without_redetection_hides_what_follows():
    gradient = expected_success_gradient([0.5, 0.0, 0.5, 0.5], 0.0)
    assert gradient[2] == gradient[3] == 0.0
    assert gradient[0] > 0 and gradient[1] > 0


@pytest.mark.parametrize("redetection", [0.0, 0.01, 0.5, 0.999, 1.0])
def test_gradient_million_bins_equal_a_plain_recurrence(redetection):
    p = np.random.RandomState(0).uniform(size=10**6)
    total, gradient = reference.two_sweeps(p.tolist(), redetection)
    np.testing.assert_allclose(
        expected_success_gradient(p, redetection), gradient, rtol=1e-11, atol=1e-300
    )
    assert expected_success(p, redetection) == pytest.approx(total, rel=1e-11)


def test_gradient_million_sure_bins_equal_the_closed_form():
    n = 10**6
    gradient = expected_success_gradient(np.ones(n), 0.0)
    np.testing.assert_allclose(gradient, np.arange(n, 0, -1) / n, rtol=1e-11)


# ----------------------------------------------------------------------------- shapes


def test_shapes_are_those_of_the_contract():
    p = np.full((2, 3, 5), 0.5)
    assert expected_success(p, 0.5).shape == (2, 3)
    assert expected_success_gradient(p, 0.5).shape == (2, 3, 5)
    assert sampling_distribution(p, 0.5).shape == (2, 3, 5)
    assert np.shape(expected_success(p[0, 0], 0.5)) == ()
    for function in FUNCTIONS:
        assert np.asarray(function(p, 0.5)).dtype == np.float64


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("redetection", [0.0, 0.3, 1.0])
def test_batch_axes_one_redetection_equal_a_loop(function, redetection):
    p = np.random.RandomState(5).uniform(size=(3, 4, 6))
    got = function(p, redetection)
    for i in range(3):
        for j in range(4):
            np.testing.assert_allclose(
                got[i, j], function(p[i, j], redetection), rtol=1e-14, atol=0
            )


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(3, 4), (4,), (3, 1), (1, 1), (1,)])
def test_batch_axes_array_of_redetections_equals_a_loop(function, shape):
    rng = np.random.RandomState(6)
    p = rng.uniform(size=(3, 4, 6))
    d = rng.uniform(size=shape)
    everywhere = np.broadcast_to(d, (3, 4))
    got = function(p, d)
    for i in range(3):
        for j in range(4):
            np.testing.assert_allclose(
                got[i, j], function(p[i, j], everywhere[i, j]), rtol=1e-14, atol=0
            )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_batch_axes_redetection_alone_may_bring_them(function):
    p = np.random.RandomState(7).uniform(size=6)
    d = np.array([0.0, 0.4, 1.0])
    got = function(p, d)
    assert got.shape[0] == 3
    for i in range(3):
        np.testing.assert_allclose(got[i], function(p, d[i]), rtol=1e-14, atol=0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_batch_axes_long_chains_equal_a_loop(function):
    p = np.random.RandomState(8).uniform(size=(3, 5000))
    d = np.array([0.0, 0.5, 1.0])
    got = function(p, d)
    for i in range(3):
        np.testing.assert_allclose(got[i], function(p[i], d[i]), rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_batch_axes_without_elements_give_empty_arrays(function):
    got = function(np.zeros((0, 4)), 0.5)
    assert got.shape[0] == 0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_lists_ints_and_float32_are_taken(function):
    base = function(np.array([1.0, 0.0, 0.5]), 0.25)
    np.testing.assert_array_equal(function([1, 0, 0.5], 0.25), base)
    np.testing.assert_array_equal(
        function(np.array([1, 0, 0.5], np.float32), np.float32(0.25)), base
    )
    np.testing.assert_array_equal(function(np.array([1, 0, 1]), 1), function([1.0, 0.0, 1.0], 1.0))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_strided_and_read_only_arrays_are_left_alone(function):
    p = np.random.RandomState(9).uniform(size=(6, 4))
    view = p[::2, ::-1]
    d = np.array([0.1, 0.2, 0.3])
    before_p, before_d = p.copy(), d.copy()
    p.setflags(write=False)
    d.setflags(write=False)
    got = function(view, d)
    np.testing.assert_array_equal(got, function(np.ascontiguousarray(view), d))
    np.testing.assert_array_equal(p, before_p)
    np.testing.assert_array_equal(d, before_d)


# -------------------------------------------------------------- sampling distribution


@pytest.mark.parametrize("redetection", [0.0, 0.3, 1.0])
def test_distribution_equals_the_exact_one(redetection):
    p = np.random.RandomState(1).uniform(size=9)
    exact = reference.sampling_distribution(p, redetection)
    assert relative_error(sampling_distribution(p, redetection), exact) < 1e-12


def test_distribution_one_bin_is_certain():
    for p in (0.0, 0.5, 1.0):
        for d in (0.0, 0.5, 1.0):
            assert sampling_distribution([p], d).tolist() == [1.0]


@pytest.mark.parametrize("redetection", [0.0, 0.3, 1.0])
def test_distribution_infeasible_bins_equal_the_compressed_chain(redetection):
    p = np.array([0.9, np.nan, 0.7, 0.2, np.nan, 0.4])
    feasible = ~np.isnan(p)
    got = sampling_distribution(p, redetection, feasible)
    assert got[~feasible].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(
        got[feasible], sampling_distribution(p[feasible], redetection), rtol=1e-14
    )
    exact = reference.sampling_distribution(
        [0 if np.isnan(x) else x for x in p], redetection, feasible
    )
    assert relative_error(got, exact) < 1e-12


@pytest.mark.parametrize("junk", [np.nan, np.inf, -3.0, 7.0])
def test_distribution_rate_of_an_infeasible_bin_is_ignored(junk):
    got = sampling_distribution([0.9, junk, 0.4], 0.3, [True, False, True])
    clean = sampling_distribution([0.9, 0.5, 0.4], 0.3, [True, False, True])
    np.testing.assert_array_equal(got, clean)


def test_distribution_infeasible_bins_in_a_batch_equal_a_loop():
    p = np.random.RandomState(2).uniform(size=(4, 5))
    feasible = np.array([True, False, True, True, False])
    p[:, ~feasible] = np.nan
    d = np.array([0.0, 0.2, 0.9, 1.0])
    got = sampling_distribution(p, d, feasible)
    for i in range(4):
        np.testing.assert_allclose(got[i], sampling_distribution(p[i], d[i], feasible), rtol=1e-14)


def test_distribution_all_feasible_equals_none():
    p = [0.2, 0.9, 0.4]
    np.testing.assert_array_equal(
        sampling_distribution(p, 0.4, [True] * 3), sampling_distribution(p, 0.4)
    )


def test_distribution_leaves_inputs_alone():
    p = np.array([0.9, np.nan, 0.4])
    feasible = np.array([True, False, True])
    sampling_distribution(p, 0.3, feasible)
    np.testing.assert_array_equal(p, [0.9, np.nan, 0.4])
    assert feasible.tolist() == [True, False, True]


def test_distribution_million_bins_sums_to_one():
    p = np.random.RandomState(0).uniform(size=10**6)
    q = sampling_distribution(p, 0.3)
    assert q.min() >= 0
    assert abs(q.sum() - 1) < 1e-12


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [-0.25, 1.25, np.inf, -np.inf, np.nan])
def test_error_success_rate_out_of_range_names_it(function, bad, says):
    with pytest.raises(ValueError, match=says("success_rate", bad)):
        function([0.5, bad, 0.5], 0.5)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [-0.25, 1.25, np.inf, np.nan])
def test_error_redetection_out_of_range_names_it(function, bad, says):
    with pytest.raises(ValueError, match=says("redetection", bad)):
        function([0.5, 0.5], bad)
    with pytest.raises(ValueError, match=says("redetection", bad)):
        function([[0.5, 0.5], [0.5, 0.5]], [0.5, bad])


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", [[], np.zeros((2, 0)), 0.5])
def test_error_success_rate_without_bins_names_it(function, bad, says):
    with pytest.raises(ValueError, match=says("success_rate")):
        function(bad, 0.5)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("bad", ["a", ["a", "b"], None, [1j, 0.5], [None, 0.5]])
def test_error_success_rate_that_is_no_number_names_it(function, bad, says):
    with pytest.raises((TypeError, ValueError), match=says("success_rate")):
        function(bad, 0.5)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_redetection_that_is_no_number_names_it(function, says):
    with pytest.raises((TypeError, ValueError), match=says("redetection")):
        function([0.5, 0.5], "a")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_shapes_that_do_not_broadcast_name_both(function, says):
    with pytest.raises(ValueError, match=says("redetection", "(2,)", "success_rate")):
        function(np.full((3, 4), 0.5), [0.5, 0.5])


@pytest.mark.parametrize("bad", [[True, False], [True] * 4, [[True, True, True]] * 2])
def test_error_feasible_of_another_shape_names_it(bad, says):
    with pytest.raises(ValueError, match=says("feasible")):
        sampling_distribution([0.5, 0.5, 0.5], 0.5, bad)


def test_error_feasible_with_no_bin_names_it(says):
    with pytest.raises(ValueError, match=says("feasible")):
        sampling_distribution([0.5, 0.5], 0.5, [False, False])


@pytest.mark.parametrize("bad", [[1, 2], [-1, 1], [0.5, 1.0], ["a", "b"], [None, True]])
def test_error_feasible_that_is_not_boolean_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("feasible")):
        sampling_distribution([0.5, 0.5], 0.5, bad)


def test_distribution_feasible_of_zeros_and_ones_is_a_mask():
    np.testing.assert_array_equal(
        sampling_distribution([0.5, 0.2, 0.7], 0.5, [1, 0, 1]),
        sampling_distribution([0.5, 0.2, 0.7], 0.5, [True, False, True]),
    )


def test_error_nan_in_a_feasible_bin_names_it(says):
    with pytest.raises(ValueError, match=says("success_rate", "nan")):
        sampling_distribution([0.5, np.nan, np.nan], 0.5, [True, True, False])


# ------------------------------------------------------------ re-detection probability


@pytest.mark.parametrize("order", [0.5, 1, 2, 2.0, 3])
@pytest.mark.parametrize("epoch", [0, 1, 75, 299, 300])
def test_redetection_follows_the_root(epoch, order):
    got = redetection_probability(epoch, 300, order)
    assert got == pytest.approx((epoch / 300) ** (1 / order), rel=1e-15)


def test_redetection_default_order_is_two():
    assert redetection_probability(75, 300) == 0.5
    assert redetection_probability(75, 300, order=2.0) == 0.5


@pytest.mark.parametrize("order", [0.5, 1, 2, 3])
def test_redetection_ends_are_exact(order):
    assert redetection_probability(0, 300, order) == 0.0
    assert redetection_probability(300, 300, order) == 1.0


@pytest.mark.parametrize("epoch", [301, 10**6, 10**30])
def test_redetection_past_the_end_is_one(epoch):
    assert redetection_probability(epoch, 300) == 1.0


def test_redetection_grows_with_the_epoch():
    d = [redetection_probability(e, 50, 3.0) for e in range(51)]
    assert all(a < b for a, b in zip(d, d[1:]))


def test_redetection_larger_order_introduces_harder_samples_sooner():
    d = [redetection_probability(10, 50, order) for order in (0.5, 1, 2, 3, 10)]
    assert all(a < b for a, b in zip(d, d[1:]))


def test_redetection_numpy_scalars_are_taken():
    got = redetection_probability(np.int64(75), np.int32(300), np.float32(2))
    assert float(got) == 0.5


@pytest.mark.parametrize("bad", [-1, -0.5, float("nan")])
def test_error_epoch_names_it(bad, says):
    with pytest.raises(ValueError, match=says("epoch", bad)):
        redetection_probability(bad, 300)


@pytest.mark.parametrize("bad", [0, -3, float("nan")])
def test_error_total_epochs_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("total_epochs", bad)):
        redetection_probability(1, bad)


@pytest.mark.parametrize("bad", [0, -2.0, float("nan"), float("inf")])
def test_error_order_names_it(bad, says):
    with pytest.raises(ValueError, match=says("order", bad)):
        redetection_probability(1, 300, bad)


@pytest.mark.parametrize("name", ["epoch", "total_epochs", "order"])
@pytest.mark.parametrize("bad", ["2", None, [1, 2]])
def test_error_argument_that_is_no_number_names_it(name, bad, says):
    arguments = {"epoch": 1, "total_epochs": 300, "order": 2.0}
    arguments[name] = bad
    with pytest.raises((TypeError, ValueError), match=says(name)):
        redetection_probability(**arguments)
