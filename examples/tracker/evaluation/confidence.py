"""Confidence interval of a mean over sequences: percentile bootstrap over whole sequences.

Frames of one video are alike, so sequences are drawn, not frames. Where only a few sequences are
averaged (ten, say) such intervals are too narrow: they know of no video unlike those.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval; NaN where there are too few sequences."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Floats,
    weights: Optional[Floats] = None,
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 2025,
) -> Interval:
    """Mean over sequences with a percentile interval."""
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or weights.shape != values.shape:
        raise ValueError(
            f"values and weights must have one shape (n_sequences,); "
            f"got {values.shape} and {weights.shape}"
        )
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1; got {n_resamples}")
    counted = np.isfinite(values) & (weights > 0)
    values, weights = values[counted], weights[counted]
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    mean = float(np.average(values, weights=weights))
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    means = _resampled_means(values, weights, n_resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def paired_difference(
    values: Floats, baseline: Floats, weights: Optional[Floats] = None, **options: float
) -> Interval:
    """Mean difference of two trackers on the same sequences, with a percentile interval."""
    return bootstrap_mean(np.asarray(values) - np.asarray(baseline), weights, **options)


def _resampled_means(values: Floats, weights: Floats, n_resamples: int, seed: int) -> Floats:
    # How often each sequence is drawn; a matrix of counts needs no copy of the values.
    n = len(values)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return np.asarray((counts @ (values * weights)) / (counts @ weights), dtype=np.float64)


def bootstrap_crossed(
    sums: Floats,
    counts: Floats,
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 2025,
) -> Interval:
    """Mean over runs and sequences together, each drawn anew, with a percentile interval.

    Every run is asked about every sequence, so a draw is a set of runs crossed with a set of
    sequences. Give differences between two rows of runs with the same seeds, and the pairs cancel
    what they have in common.
    """
    counted = counts > 0
    sums, counts = np.asarray(sums, dtype=np.float64)[:, counted], np.asarray(counts)[counted]
    n_runs, n_sequences = sums.shape
    if not n_sequences:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(sums.sum() / (n_runs * counts.sum()))
    if n_sequences < 2:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    runs, sequences = (
        rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) for n in (n_runs, n_sequences)
    )
    means = ((runs @ sums) * sequences).sum(axis=1) / (n_runs * (sequences @ counts))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))
