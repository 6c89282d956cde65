"""CKA against its definition, and what is measured, stored and shown with it."""

from __future__ import annotations

import numpy as np
import pytest

from examples.alignment import by_interval, choices, cka, gram, hsic, interval, similarity_maps


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def both(rng, n, n_channels=6, shared=1.0):
    """Two sets of features of n things."""
    common = rng.normal(size=(n, n_channels))
    return tuple(5 + shared * common + rng.normal(size=common.shape) for _ in range(2))


def cka_of(x, y, debiased):
    return cka(gram(x), gram(y), np.ones((1, len(x))), debiased)[0]


def test_cka_is_that_of_centred_gram_matrices(rng):
    x, y = both(rng, 12)
    h = np.eye(12) - 1 / 12
    a, b = h @ x @ x.T @ h, h @ y @ y.T @ h
    expected = np.trace(a @ b) / np.sqrt(np.trace(a @ a) * np.trace(b @ b))
    assert cka_of(x, y, debiased=False) == pytest.approx(expected, abs=1e-10)
    every = np.ones((1, 12))
    assert hsic(x @ x.T, y @ y.T, every, False)[0] == pytest.approx(np.trace(a @ b) / 121, 1e-10)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # the form of Kornblith et al.
    form = np.sum((x.T @ y) ** 2) / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert cka_of(x, y, debiased=False) == pytest.approx(form, abs=1e-10)


def test_debiased_hsic_is_the_mean_over_distinct_things(rng):
    x, y = both(rng, 7, 3)
    a, b = x @ x.T, y @ y.T
    i, j, q, r = np.meshgrid(*[np.arange(7)] * 4, indexing="ij")
    distinct = (i != j) & (i != q) & (i != r) & (j != q) & (j != r) & (q != r)
    terms = a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q])  # Song et al., eq. 4
    found = hsic(a, b, np.ones((1, 7)), True)[0]
    assert found == pytest.approx(terms[distinct].mean(), rel=1e-10)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_ignores_rotation_scale_and_shift(rng, debiased):
    x, y = both(rng, 15)
    turned = 3 * x @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 100
    assert cka_of(x, turned, debiased) == pytest.approx(1, abs=1e-10)
    assert cka_of(turned, y, debiased) == pytest.approx(cka_of(x, y, debiased), abs=1e-10)


@pytest.mark.parametrize("debiased", [False, True])
def test_what_is_not_chosen_might_as_well_not_be_there(rng, debiased):
    x, y = both(rng, 14)
    chosen = choices(14, 5, seed=3)
    assert chosen[0].all()
    assert (chosen[1:].sum(axis=1) == 7).all()
    found = cka(gram(x), gram(y), chosen, debiased)
    for value, row in zip(found, chosen.astype(bool)):
        assert value == pytest.approx(cka_of(x[row], y[row], debiased), abs=1e-10)


def test_few_videos_bias_the_plain_estimate_alone(rng):
    means = {}
    for n in (10, 200):
        pairs = [both(rng, n, 50, shared=0) for _ in range(30)]  # nothing in common
        means[n] = [np.mean([cka_of(x, y, debiased) for x, y in pairs]) for debiased in (0, 1)]
    assert means[10][0] > 0.8
    assert 0.15 < means[200][0] < 0.25
    assert abs(means[10][1]) < 0.03
    assert abs(means[200][1]) < 0.01


@pytest.mark.parametrize("over", ["videos", "cells"])
def test_videos_that_end_early_count_while_they_last(rng, over):
    features = rng.normal(size=(8, 3, 4, 2, 3)) + rng.normal(size=(8, 1, 4, 2, 3))
    features[5:, 2] = np.nan
    maps = similarity_maps(features, choices(8, 0, seed=0), over=over)[0]
    short = similarity_maps(features[:5], choices(5, 0, seed=0), over=over)[0]
    early = similarity_maps(features[:, :2], choices(8, 0, seed=0), over=over)[0]
    np.testing.assert_allclose(maps[:, 2], short[:, 2], atol=1e-12)
    np.testing.assert_allclose(maps[:2, :2], early, atol=1e-12)
    np.testing.assert_allclose(np.diag(maps), 1, atol=1e-12)
    np.testing.assert_array_equal(maps, maps.T)


def test_too_few_videos_give_no_number(rng):
    maps = similarity_maps(rng.normal(size=(3, 2, 5)), np.ones((1, 3)))
    assert np.isnan(maps).all()


def test_similarity_over_cells_is_the_mean_over_videos(rng):
    features = rng.normal(size=(3, 2, 4, 2, 3))
    single = [
        cka_of(video[0].reshape(4, 6).T, video[1].reshape(4, 6).T, False) for video in features
    ]
    maps = similarity_maps(features, np.ones((1, 3)), over="cells", debiased=False)
    assert maps[0, 0, 1] == pytest.approx(np.mean(single), abs=1e-12)


def test_curve_is_the_mean_of_equally_distant_times():
    maps = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.8], [0.2, 0.8, 1.0]])
    np.testing.assert_allclose(by_interval(maps), [1.0, 0.7, 0.2])


def test_intervals_hold_what_more_videos_tell(rng):
    truth = cka_of(*both(rng, 4000), debiased=True)
    held = []
    for seed in range(100):
        x, y = both(rng, 40)
        _, low, high = interval(cka(gram(x), gram(y), choices(40, 200, seed), True))
        held.append(low <= truth <= high)
    assert 0.85 <= np.mean(held) <= 1
