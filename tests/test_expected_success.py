"""Expected success, its gradient and the sampling distribution, beyond the random short chains.

Those, their batches and infeasible bins are in `properties/test_distribution_properties.py`.
"""

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


# ----------------------------------------------------------------------------- values


@pytest.mark.parametrize("redetection", [0, Fraction(1, 3), 1])
def test_reference_matrices_and_sweeps_agree(redetection):
    p = [Fraction(1, 2), Fraction(9, 10), Fraction(0), Fraction(1), Fraction(1, 7)]
    total, gradient = reference.two_sweeps(p, Fraction(redetection))
    assert total == reference.expected_success(p, redetection)
    assert gradient == reference.expected_success_gradient(p, redetection)


@pytest.mark.parametrize("redetection", sorted(TABLE))
def test_gradient_reference_table_is_met(redetection):
    got = 8 * expected_success_gradient(np.full(8, 0.7), redetection)
    np.testing.assert_allclose(got, TABLE[redetection], atol=5.1e-5, rtol=0)


@pytest.mark.parametrize(
    "low, redetection",
    [(0.0, 0.0), (0.0, 0.375), (0.9, 0.0), (0.99, 2.0**-30), (0.5, 1.0), (1.0, 0.0), (1.0, 0.5)],
)
def test_gradient_long_chain_equals_exact_sweeps(low, redetection):
    rng = np.random.RandomState(11)
    p = rng.randint(int(low * 2**20), 2**20 + 1, size=300) / 2.0**20  # short Fractions
    total, gradient = reference.two_sweeps([Fraction(x) for x in p.tolist()], Fraction(redetection))
    assert relative_error(expected_success(p, redetection), [total]) < 1e-12
    assert relative_error(expected_success_gradient(p, redetection), gradient) < 1e-12


def test_gradient_a_dead_bin_without_redetection_hides_what_follows():
    gradient = expected_success_gradient([0.5, 0.0, 0.5, 0.5], 0.0)
    assert gradient.tolist() == [0.25, 0.21875, 0.0, 0.0]


@pytest.mark.parametrize("redetection", [0.0, 0.01, 1.0])
def test_gradient_of_many_bins_equals_a_plain_recurrence(redetection):
    p = np.random.RandomState(0).uniform(size=300_000)
    total, gradient = reference.two_sweeps(p.tolist(), redetection)
    got = expected_success_gradient(p, redetection)
    np.testing.assert_allclose(got, gradient, rtol=1e-11, atol=1e-300)
    assert expected_success(p, redetection) == pytest.approx(total, rel=1e-11)
    q = sampling_distribution(p, redetection)
    assert q.min() >= 0
    assert abs(q.sum() - 1) < 1e-12


def test_gradient_million_sure_bins_equal_the_closed_form():
    n = 10**6
    gradient = expected_success_gradient(np.ones(n), 0.0)
    np.testing.assert_allclose(gradient, np.arange(n, 0, -1) / n, rtol=1e-11)


def test_distribution_of_one_bin_is_certain():
    for p in (0.0, 0.5, 1.0):
        for d in (0.0, 0.5, 1.0):
            assert sampling_distribution([p], d).tolist() == [1.0]


# ----------------------------------------------------------------------------- inputs


def test_shapes_are_those_of_the_contract():
    p = np.full((2, 3, 5), 0.5)
    assert expected_success(p, 0.5).shape == (2, 3)
    assert expected_success_gradient(p, 0.5).shape == (2, 3, 5)
    assert sampling_distribution(p, 0.5).shape == (2, 3, 5)
    assert np.shape(expected_success(p[0, 0], 0.5)) == ()
    for function in FUNCTIONS:
        assert np.asarray(function(p, 0.5)).dtype == np.float64
        assert function(np.zeros((0, 4)), 0.5).shape[0] == 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", [(6,), (3, 5000)])
def test_batch_axes_may_come_from_the_redetection_alone(function, shape):
    p = np.random.RandomState(8).uniform(size=shape)
    d = np.array([0.0, 0.5, 1.0])
    got = function(p, d)
    assert got.shape[0] == 3
    for i, chain in enumerate(np.broadcast_to(p, (3, shape[-1]))):
        np.testing.assert_allclose(got[i], function(chain, d[i]), rtol=1e-13, atol=1e-300)


def test_batch_axes_with_infeasible_bins_equal_a_loop():
    p = np.random.RandomState(2).uniform(size=(4, 5))
    feasible = np.array([True, False, True, True, False])
    p[:, ~feasible] = np.nan
    d = np.array([0.0, 0.2, 0.9, 1.0])
    got = sampling_distribution(p, d, feasible)
    for i in range(4):
        np.testing.assert_allclose(got[i], sampling_distribution(p[i], d[i], feasible), rtol=1e-14)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_of_other_kinds_are_taken(function):
    base = function(np.array([1.0, 0.0, 0.5]), 0.25)
    single = function(np.array([1, 0, 0.5], np.float32), np.float32(0.25))
    np.testing.assert_array_equal(single, base)
    np.testing.assert_array_equal(function([1, 0, 0.5], 0.25), base)
    np.testing.assert_array_equal(function(np.array([1, 0, 1]), 1), function([1.0, 0.0, 1.0], 1.0))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_inputs_strided_and_read_only_arrays_are_left_alone(function):
    p = np.random.RandomState(9).uniform(size=(6, 4))
    d = np.array([0.1, 0.2, 0.3])
    for array in (p, d):
        array.setflags(write=False)
    expected = function(p[::2, ::-1].tolist(), d.tolist())
    np.testing.assert_array_equal(function(p[::2, ::-1], d), expected)


def test_distribution_feasible_of_zeros_and_ones_is_a_mask_that_stays():
    p, feasible = np.array([0.5, np.nan, 0.7]), np.array([1, 0, 1])
    for array in (p, feasible):
        array.setflags(write=False)
    expected = sampling_distribution([0.5, 0.2, 0.7], 0.5, [True, False, True])
    np.testing.assert_array_equal(sampling_distribution(p, 0.5, feasible), expected)


# ------------------------------------------------------------ re-detection probability


@pytest.mark.parametrize("order", [0.5, 1, 2, 3])
@pytest.mark.parametrize("epoch", [0, 1, 75, 299, 300, 301, 10**30])
def test_redetection_follows_the_root_up_to_one(epoch, order):
    got = redetection_probability(epoch, 300, order)
    assert got == pytest.approx(min(epoch / 300, 1) ** (1 / order), rel=1e-15, abs=0)
    assert (got == 1.0) == (epoch >= 300)


def test_redetection_default_order_is_two():
    assert redetection_probability(75, 300) == 0.5
    assert redetection_probability(np.int64(75), np.int32(300), np.float32(2)) == 0.5


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "success_rate, redetection, words",
    [
        *[([0.5, x, 0.5], 0.5, ("success_rate", x)) for x in (-0.25, 1.25, np.inf, np.nan)],
        *[(x, 0.5, ("success_rate", "last axis")) for x in ([], np.zeros((2, 0)), 0.5)],
        *[(x, 0.5, ("success_rate",)) for x in ("a", ["a", "b"], None, [1j, 0.5], [None, 0.5])],
        *[([0.5, 0.5], x, ("redetection", x)) for x in (-0.25, 1.25, np.inf, np.nan, "a")],
        ([[0.5, 0.5], [0.5, 0.5]], [0.5, 1.25], ("redetection", 1.25)),
        (np.full((3, 4), 0.5), [0.5, 0.5], ("redetection", "(2,)", "success_rate")),
    ],
)
def test_error_argument_names_it(function, success_rate, redetection, words, says):
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        function(success_rate, redetection)


@pytest.mark.parametrize(
    "feasible, words",
    [
        ([True, False], ("feasible", "(2,)")),
        ([True] * 4, ("feasible", "(4,)")),
        ([[True, True, True]] * 2, ("feasible", "(2, 3)")),
        ([False, False, False], ("feasible", "True")),
        ([1, 2, 1], ("feasible", 2)),
        ([-1, 1, 1], ("feasible", -1)),
        ([0.5, 1.0, 1.0], ("feasible", 0.5)),
        (["a", "b", "c"], ("feasible", "a")),
        ([None, True, True], ("feasible", None)),
        ([True, True, False], ("success_rate", "nan")),
    ],
)
def test_error_feasible_names_it(feasible, words, says):
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        sampling_distribution([0.5, np.nan, np.nan], 0.5, feasible)


@pytest.mark.parametrize(
    "name, values",
    [
        ("epoch", [-1, -0.5]),
        ("total_epochs", [0, -3]),
        ("order", [0, -2.0, float("inf")]),
    ],
)
def test_error_redetection_probability_names_it(name, values, says):
    for bad in [*values, float("nan"), "2", None, [1, 2]]:
        with pytest.raises((TypeError, ValueError), match=says(name, bad)):
            redetection_probability(**dict(dict(epoch=1, total_epochs=300), **{name: bad}))


def test_error_success_rate_without_bins_beside_feasible_names_it(says):
    with pytest.raises(ValueError, match=says("success_rate", "bins on its last axis")):
        sampling_distribution(0.5, 0.5, [True])
