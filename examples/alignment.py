"""Linear CKA between features of the same things, seen twice.

CKA (Kornblith et al., ICML 2019) compares two sets of features of the same n things by their Gram
matrices K = X X^T and L = Y Y^T:

    CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),    HSIC(K, L) = tr(K H L H) / (n - 1)^2,

with H = I - 1 1^T / n, which centres. 1: the same up to rotation and scale. Features of few things
look alike whatever they are, so that the plain estimate of HSIC is too high; the debiased one is
that of Song et al. (JMLR 2012, eq. 5), as Nguyen et al. (ICLR 2021) use it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MIN_THINGS = 4  # for the debiased estimate


def gram(features: Floats) -> Floats:
    """Inner products of features, (..., n, ...) to (n, n), about their mean.

    Taking the mean off changes no HSIC, and saves digits where it is large.

    Parameters
    ----------
    features : ndarray of float, shape (n, ...)
        NaN in all of a row where a thing is missing; its row and column become 0.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    present = ~np.isnan(flat).any(axis=1)
    flat[present] -= flat[present].mean(axis=0) if present.any() else 0.0
    flat[~present] = 0.0
    return flat @ flat.T


def hsic(a: Floats, b: Floats, chosen: Floats, debiased: bool) -> Floats:
    """Hilbert-Schmidt independence criterion of Gram matrices, for many choices of things.

    Parameters
    ----------
    a, b : ndarray of float, shape (n, n)
        Symmetric.
    chosen : ndarray of float, shape (n_choices, n)
        1 where a thing counts, else 0. What is not chosen might as well not be in ``a`` and ``b``.
    debiased : bool
        Song's estimate; else the plain one.

    Returns
    -------
    ndarray of float, shape (n_choices,)
        NaN where fewer than 4 things are chosen.
    """
    if debiased:
        a, b = (matrix - np.diag(np.diag(matrix)) for matrix in (a, b))
    n = chosen.sum(axis=1)
    n = np.where(n < MIN_THINGS, np.nan, n)
    a_sums, b_sums = chosen @ a, chosen @ b
    products = ((chosen @ (a * b)) * chosen).sum(axis=1)  # tr(A B)
    crossed = (a_sums * b_sums * chosen).sum(axis=1)  # 1^T A B 1
    totals = (a_sums * chosen).sum(axis=1) * (b_sums * chosen).sum(axis=1)
    if debiased:
        inner = products + totals / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)
        return inner / (n * (n - 3))
    return (products - 2 * crossed / n + totals / n**2) / (n - 1) ** 2


def cka(a: Floats, b: Floats, chosen: Floats, debiased: bool) -> Floats:
    """Centred kernel alignment; arguments and result as `hsic`.

    The debiased estimate can be a little outside [0, 1].
    """
    own = hsic(a, a, chosen, debiased) * hsic(b, b, chosen, debiased)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(own > 0, hsic(a, b, chosen, debiased) / np.sqrt(own), np.nan)


def choices(n_videos: int, n_draws: int, seed: int) -> Floats:
    """All videos, then random halves of them: 0 and 1, shape (1 + n_draws, n_videos).

    A bootstrap without replacement: what is estimated from halves varies about as much as what is
    estimated from all videos would over new ones (Shao and Wu, Annals of Statistics 1989). Drawn
    with replacement, a video would meet copies of itself, and copies look alike at any interval.
    """
    rng = np.random.default_rng(seed)
    ranks = rng.random((n_draws, n_videos)).argsort(axis=1).argsort(axis=1)
    halves = ranks < n_videos // 2
    return np.concatenate([np.ones((1, n_videos)), halves.astype(float)])


def interval(estimates: Floats) -> Floats:
    """Estimate and 95 % interval, (3, ...): value, low, high.

    Parameters
    ----------
    estimates : ndarray of float, shape (1 + n_draws, ...)
        In the order of `choices`. Halves give the spread alone: their level has the bias of half
        as many videos.
    """
    spread = estimates[1:] - np.nanmean(estimates[1:], axis=0)
    low, high = np.nanquantile(spread, [0.025, 0.975], axis=0)
    return np.stack([estimates[0], estimates[0] + low, estimates[0] + high])


def similarity_maps(
    features: Floats, chosen: Floats, *, over: str = "videos", debiased: bool = True
) -> Floats:
    """CKA between all pairs of times.

    Parameters
    ----------
    features : ndarray of float, shape (n_videos, n_times, channels, ...)
        Of each video's target at each time; all NaN where there is none.
    chosen : ndarray of float, shape (n_choices, n_videos)
        As `choices` returns it.
    over : {"videos", "cells"}
        What the n things are: the targets of all videos, or the cells of one feature map, CKA
        then being averaged over the videos. The paper's Fig. 2 can be read either way.
    debiased : bool, default=True
        See `hsic`.

    Returns
    -------
    ndarray of float, shape (n_choices, n_times, n_times)
        Each pair of times of those videos that show the target at both; NaN where there are none,
        or fewer than 4 with ``over="videos"``.
    """
    n_times = features.shape[1]
    present = ~np.isnan(features.reshape(*features.shape[:2], -1)).any(axis=2)
    maps = np.empty((len(chosen), n_times, n_times))
    if over == "videos":
        grams = [gram(features[:, i]) for i in range(n_times)]
    else:  # cells first
        cells = np.moveaxis(features.reshape(*features.shape[:3], -1), 3, 2)
        grams = [[gram(cell) for cell in cells[:, i]] for i in range(n_times)]
        every = np.ones((1, cells.shape[2]))
    for i in range(n_times):
        for j in range(i, n_times):
            both = present[:, i] & present[:, j]
            counts = chosen * both
            if over == "videos":
                found = cka(grams[i], grams[j], counts, debiased)
            else:
                found = np.zeros(len(both))
                for v in np.flatnonzero(both):
                    found[v] = cka(grams[i][v], grams[j][v], every, debiased)[0]
                with np.errstate(invalid="ignore"):
                    found = counts @ found / counts.sum(axis=1)
            maps[:, i, j] = maps[:, j, i] = found
    return maps


def by_interval(maps: Floats) -> Floats:
    """Mean over the pairs of times that are equally far apart, (..., t, t) to (..., t)."""
    n_times = maps.shape[-1]
    diagonals = [np.diagonal(maps, k, axis1=-2, axis2=-1) for k in range(n_times)]
    return np.stack([diagonal.mean(axis=-1) for diagonal in diagonals], axis=-1)
