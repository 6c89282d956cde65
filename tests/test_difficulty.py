"""d(e), the re-detection probability."""

from __future__ import annotations

import numpy as np
import pytest

from sstrack_sched import redetection_probability


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
