"""Linear centred kernel alignment (CKA) of features of the same targets at two times, over videos.

A video is one sample. CKA compares two tables of features, a row for each video: 1 if the targets
lie to each other as before (up to a rotation and a scale), 0 if nothing is left of it. NumPy only.

References
----------
.. [1] Kornblith et al., Similarity of neural network representations revisited, ICML 2019.
.. [2] Song et al., Feature selection via dependence maximization, JMLR 2012, eq. 5.
.. [3] Nguyen et al., Do wide and deep networks learn the same things?, ICLR 2021, eq. 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def gram(features: Any) -> Floats:
    """Scalar products of the rows, (..., n, p) to (..., n, n), without the rows' mean.

    Neither estimator depends on the mean; taking it off keeps digits.
    """
    rows = np.asarray(features, dtype=np.float64)
    rows = rows - rows.mean(axis=-2, keepdims=True)
    return np.asarray(rows @ np.swapaxes(rows, -1, -2))


def hsic(first: Floats, second: Floats, weights: Floats, *, debiased: bool = True) -> Floats:
    """Hilbert-Schmidt independence criterion of two Gram matrices, for several weightings at once.

    ``E[k l] + E[k] E[l] - 2 E[E[k | x] E[l | y]]`` for the kernels k of x and l of y. Each mean is
    over all videos (plain, [1]_) or over different ones only (debiased, [2]_), for the kernel of a
    video with itself says nothing of how two videos relate.

    Parameters
    ----------
    first, second : ndarray of float, shape (n, n)
        Gram matrices of the same n videos.
    weights : ndarray of float, shape (n_weightings, n)
        How often each video counts: 0 leaves it out, 2 is twice in a bootstrap resample. The
        debiased estimator never pairs a video with its own copy, which would look like agreement.
    debiased : bool, default=True
        Which of the two.

    Returns
    -------
    ndarray of float, shape (n_weightings,)
        NaN with fewer than 4 different videos (plain: without any).
    """
    w = np.asarray(weights, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        if not debiased:
            w = w / w.sum(axis=1, keepdims=True)
            a, b, both = w @ first, w @ second, w @ (first * second)
            means = (w * a).sum(axis=1) * (w * b).sum(axis=1)
            return np.asarray((w * both).sum(axis=1) + means - 2 * (w * a * b).sum(axis=1))
        different = 1 - np.eye(len(first))
        first, second = first * different, second * different
        a, b, both = w @ first, w @ second, w @ (first * second)
        # Sums over 2, 3 and 4 different videos: over all, less those in which two are the same.
        pairs = (w * both).sum(axis=1)
        triples = (w * a * b - w**2 * both).sum(axis=1)
        twice = ((w**2 @ (first * second)) * w**2).sum(axis=1)
        once = (w**2 * a * b).sum(axis=1) - twice
        quadruples = (w * a).sum(axis=1) * (w * b).sum(axis=1) - 4 * once - 2 * twice
        p1, p2, p3, p4 = (
            (w**k).sum(axis=1) for k in (1, 2, 3, 4)
        )  # the same sums of weights alone
        n_pairs, n_triples = p1**2 - p2, p1**3 - 3 * p1 * p2 + 2 * p3
        n_quadruples = p1**4 - 6 * p1**2 * p2 + 3 * p2**2 + 8 * p1 * p3 - 6 * p4
        result = pairs / n_pairs + quadruples / n_quadruples - 2 * triples / n_triples
        return np.where(np.count_nonzero(w, axis=1) < 4, np.nan, result)


def ratio(sums: Floats) -> Floats:
    """CKA of HSIC ``sums[0]`` between the two and ``sums[1]``, ``sums[2]`` of each with itself.

    NaN where one of the latter is not positive, as the debiased one of few videos may be.
    """
    positive = (sums[1] > 0) & (sums[2] > 0)
    return np.asarray(sums[0] / np.sqrt(np.where(positive, sums[1] * sums[2], np.nan)))


def cka(first: Any, second: Any, *, debiased: bool = True) -> float:
    """CKA of two tables of features of the same videos, shapes (n, p) and (n, q).

    Plain: in [0, 1]. Debiased: around 0, so at times below it, for unrelated features.
    """
    one, two = gram(first), gram(second)
    once = np.ones((1, len(one)))
    pairs = ((one, two), (one, one), (two, two))
    return float(ratio(np.array([hsic(*pair, once, debiased=debiased) for pair in pairs]))[0])


def sum_hsic(
    features: Any, valid: NDArray[np.bool_], weights: Floats, *, debiased: bool = True
) -> Floats:
    """The three HSIC of each pair of times, summed over rounds as minibatch CKA does [3]_.

    ``features`` (n_rounds, n_videos, n_times, p) hold one clip of each video in a round, so that
    all rows of a table are of different videos; ``valid`` (n_rounds, n_videos, n_times) says where
    they are. A pair of times has the videos that have both; a round with too few adds nothing.
    Returns (3, n_weightings, n_times, n_times), for `ratio` and `by_interval`.
    """
    n_times = valid.shape[2]
    sums = np.zeros((3, len(weights), n_times, n_times))
    for rows, there in zip(features, valid):
        kernels = gram(np.where(there[..., None], rows, 0).swapaxes(0, 1))
        for i, j in zip(*np.triu_indices(n_times)):
            w = weights * (there[:, i] & there[:, j])
            for which, (k, l) in enumerate(((i, j), (i, i), (j, j))):  # noqa: E741 (K and L of the formula)
                one = hsic(kernels[k], kernels[l], w, debiased=debiased)
                sums[which, :, i, j] += np.nan_to_num(one)
    return np.asarray(sums + np.triu(sums, 1).swapaxes(2, 3)[[0, 2, 1]])


def by_interval(sums: Floats) -> Floats:
    """CKA by the steps between the two times: (3, n_weightings, n, n) to (n_weightings, n)."""
    steps = range(sums.shape[-1])
    return ratio(np.stack([np.trace(sums, step, axis1=2, axis2=3) for step in steps], axis=-1))


def resample(n_videos: int, n_resamples: int, seed: int = 0) -> Floats:
    """Counts of each video in each bootstrap resample, (n_resamples, n_videos)."""
    shares = np.full(n_videos, 1 / n_videos)
    draws = np.random.default_rng(seed).multinomial(n_videos, shares, size=n_resamples)
    return np.asarray(draws, dtype=np.float64)
