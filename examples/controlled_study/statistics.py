"""Confidence intervals and multiple-comparison corrections for paired runs.

All rows of a seed share its world, test videos and initial weights, so differences between rows are
taken seed by seed. A 95 % interval is a bootstrap over seeds and, within each drawn seed, over test
arenas. Its quantiles are widened by Student's t for the number of seeds (Hesterberg,
doi:10.1080/00031305.2015.1089789, "expanded percentile interval"). A drawn seed already brings its
arenas, so drawing them again makes the intervals rather too wide.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import numpy as np
from scipy import stats

N_DRAWS = 4000


class Estimate(NamedTuple):
    """A mean difference or a correlation, its 95 % interval, and the p value of a t test."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def estimate(differences: np.ndarray) -> Estimate:
    """Estimate the mean of paired differences, (n_seeds, n_arenas) or (n_seeds,)."""
    differences = np.asarray(differences, dtype=float)
    differences = differences.reshape(len(differences), -1)
    n_seeds, n_arenas = differences.shape
    rng = np.random.default_rng(0)
    seed = rng.integers(n_seeds, size=(N_DRAWS, n_seeds, 1))
    arena = rng.integers(n_arenas, size=(N_DRAWS, n_seeds, n_arenas))
    means = differences[seed, arena].mean(axis=(1, 2))
    tail = stats.norm.cdf(stats.t.ppf(0.025, n_seeds - 1) * (n_seeds / (n_seeds - 1)) ** 0.5)
    low, high = np.quantile(means, [tail, 1 - tail])
    of_seeds = differences.mean(axis=1)
    p = stats.ttest_1samp(of_seeds, 0).pvalue if of_seeds.std() > 0 else 1.0
    return Estimate(float(of_seeds.mean()), float(low), float(high), float(p))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Correct p values for the number of comparisons (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty_like(p)
    result[order] = np.minimum(corrected, 1)
    return result


def significant(estimates: Sequence[Estimate]) -> np.ndarray:
    """Return True if the interval excludes 0 and p < 0.05 after Holm's correction."""
    excludes = np.array([e.excludes_zero for e in estimates])
    return excludes & (holm([e.p for e in estimates]) < 0.05)


def correlation(x: np.ndarray, y: np.ndarray, groups: Optional[np.ndarray] = None) -> Estimate:
    """Estimate Spearman's rank correlation, with a bootstrap over cells.

    With `groups`, cells are ranked and drawn within each group, which gives the correlation at a
    fixed group. The p value is that of Student's t.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    groups = np.zeros(len(x)) if groups is None else np.asarray(groups)
    names = np.unique(groups)
    rng = np.random.default_rng(0)
    ranks = []
    for name in names:
        (of_group,) = np.nonzero(groups == name)
        drawn = of_group[rng.integers(len(of_group), size=(N_DRAWS, len(of_group)))]
        drawn = np.concatenate([of_group[None], drawn])  # the original cells come first
        pair = np.stack([stats.rankdata(values[drawn], axis=1) for values in (x, y)])
        ranks.append(pair - pair.mean(axis=2, keepdims=True))
    of_x, of_y = np.concatenate(ranks, axis=2)
    scale = np.sqrt((of_x**2).sum(axis=1) * (of_y**2).sum(axis=1))
    rho, *draws = (of_x * of_y).sum(axis=1) / scale
    low, high = np.quantile(draws, [0.025, 0.975])
    freedom = len(x) - len(names) - 1
    with np.errstate(divide="ignore"):
        t = abs(rho) * np.sqrt(freedom / (1 - min(rho**2, 1)))
    return Estimate(float(rho), float(low), float(high), float(2 * stats.t.sf(t, freedom)))
