"""Loss weights that compensate for pruning.

Bins are drawn by q^I instead of q^R. With (section 3.3 of the paper)

    s = (q^R - q^I) / q^R,    P = max(s, 0),    E = s - P,
    Gamma = 1 / (1 - P) = max(1, q^R / q^I),

Gamma q^I = max(q^R, q^I): a pruned bin (P > 0) regains its share of random
sampling, and an enhanced bin (E < 0) keeps its larger share.
"""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np

from . import _checks
from ._types import ArrayLike, Floats


def scaling_ratio(q_random: ArrayLike, q_interval: ArrayLike) -> Floats:
    """Scaling ratio ``s = (q^R - q^I) / q^R <= 1``, shape (..., n_bins).

    It is the fraction of samples removed: -inf if only q^R is 0, 0 if both.

    Parameters
    ----------
    q_random, q_interval : array_like of float, shape (..., n_bins)
        q^R and q^I; each sums to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a distribution, or the shapes differ.

    Examples
    --------
    >>> scaling_ratio([0.5, 0.5], [0.25, 0.75])
    array([ 0.5, -0.5])
    """
    random, interval = _checked(q_random, q_interval)
    ratio = np.where(interval > 0, -np.inf, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        np.divide(random - interval, random, out=ratio, where=random > 0)
    return ratio


def pruning_ratio(q_random: ArrayLike, q_interval: ArrayLike) -> Floats:
    """Pruning ratio ``P = max(s, 0)``, in [0, 1]; see `scaling_ratio`."""
    return np.maximum(scaling_ratio(q_random, q_interval), 0.0)


def enhancement_ratio(q_random: ArrayLike, q_interval: ArrayLike) -> Floats:
    """Enhancement ratio ``E = s - P``, at most 0; see `scaling_ratio`."""
    return np.minimum(scaling_ratio(q_random, q_interval), 0.0)


def loss_weights(
    q_random: ArrayLike,
    q_interval: ArrayLike,
    *,
    max_weight: Optional[float] = None,
    normalize: bool = False,
) -> Floats:
    """Loss weights ``1 / (1 - P) = max(1, q^R / q^I)``, shape (..., n_bins).

    They are the paper's Gamma, and 1 if q^I = 0 (the bin is never drawn) or
    q^R = 0. If q^I > 0 wherever q^R > 0, their mean under q^I is 1 plus the
    total variation distance of q^R and q^I: the effective learning rate is
    higher while the schedule is far from random.

    Parameters
    ----------
    q_random, q_interval : array_like of float, shape (..., n_bins)
        q^R and q^I; each sums to 1.
    max_weight : float, optional
        Upper limit, at least 1. Default: none, as in the paper.
    normalize : bool, default=False
        Keep the loss scale: divide by the mean under q^I. Not in the paper.

    Raises
    ------
    TypeError, ValueError
        As for `scaling_ratio`; also if `max_weight` is below 1.

    Examples
    --------
    >>> loss_weights([0.5, 0.5], [0.25, 0.75])
    array([2., 1.])
    """
    random, interval = _checked(q_random, q_interval)
    cap = np.finfo(np.float64).max if max_weight is None else max_weight
    cap = _checks.real("max_weight", cap, 1)
    weights = np.ones(random.shape)
    with np.errstate(over="ignore", under="ignore"):
        np.divide(random, interval, out=weights, where=interval > 0)
        weights = np.clip(weights, 1.0, cap)
        if _checks.flag("normalize", normalize):
            weights /= (interval * weights).sum(axis=-1, keepdims=True)
    return weights


def _checked(q_random: ArrayLike, q_interval: ArrayLike) -> Tuple[Floats, Floats]:
    random = _checks.distribution("q_random", q_random)
    interval = _checks.distribution("q_interval", q_interval)
    return random, _checks.shaped("q_interval, like q_random,", interval, random.shape)
