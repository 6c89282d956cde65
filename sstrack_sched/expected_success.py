r"""Expected success and sampling distribution.

The "general video" has one frame per bin, from the shortest interval to the
longest. A tracker succeeds on frame i with probability p_i after a success
on the previous frame, and d p_i after a failure. For its probability a_i of
success on frame i (numbered from 1; section 3.2 of the paper, with the
matrix product running to i: see the docs page "The mathematics"),

    a_0 = 1,       a_i = p_i (d + (1 - d) a_{i-1}),       S = sum_i a_i / r
    lambda_r = 1,  lambda_i = 1 + (1 - d) p_{i+1} lambda_{i+1},
    dS/dp_i = lambda_i (d + (1 - d) a_{i-1}) / r

Each recurrence is a bidiagonal system, solved in O(r); the second is the
transpose of the first. All terms are non-negative, so nothing cancels.
"""

from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
from scipy.linalg import solve_banded

from . import _checks
from ._types import ArrayLike, Floats


def expected_success(success_rate: ArrayLike, redetection: ArrayLike) -> Floats:
    """Return the general video's expected success S, shape (...,), in [0, 1].

    Parameters
    ----------
    success_rate : array_like of float, shape (..., n_bins)
        p, in [0, 1], by bin from the shortest interval to the longest.
    redetection : array_like of float, shape () or (...,)
        d, in [0, 1]; broadcasts against the leading axes of `success_rate`.

    Raises
    ------
    TypeError, ValueError
        If a value is not a number in [0, 1], or the shapes do not match.

    Examples
    --------
    >>> float(expected_success([0.5, 0.5], 0.0))  # (1/2 + 1/4) / 2
    0.375
    """
    p, d = _checked(success_rate, redetection)
    with np.errstate(under="ignore"):  # tiny rates may underflow to 0
        return _success_by_bin(p, d).mean(axis=-1)


def expected_success_gradient(success_rate: ArrayLike, redetection: ArrayLike) -> Floats:
    """Return the exact dS/dp, shape (..., n_bins); see `expected_success`."""
    p, d = _checked(success_rate, redetection)
    with np.errstate(under="ignore"):
        return np.divide(_gradient(p, d), p.shape[-1])


def sampling_distribution(
    success_rate: ArrayLike, redetection: ArrayLike, feasible: Optional[ArrayLike] = None
) -> Floats:
    """Return Q, shape (..., n_bins): the gradient of S, normalised to sum 1.

    ``q_i = (dS/dp_i) / sum_j (dS/dp_j)`` (section 3.2 of the paper): bins
    that contribute more to the expected success are drawn more often.

    Parameters
    ----------
    success_rate, redetection : array_like of float
        p and d, as for `expected_success`; p may be NaN in infeasible bins.
    feasible : array_like of bool, shape (n_bins,), optional
        Bins with data (default: all); others leave the chain and get Q = 0.

    Raises
    ------
    TypeError, ValueError
        As for `expected_success`; also if no bin is feasible.

    Examples
    --------
    >>> sampling_distribution([0.5, 0.5], 0.0)
    array([0.75, 0.25])
    """
    rates = _checks.reals("success_rate", success_rate)
    keep = np.ones(rates.shape[-1:], dtype=bool)
    if feasible is not None and rates.ndim:
        keep = _checks.feasible(feasible, rates.shape[-1])
    p, d = _checked(np.where(keep, rates, 0.0), redetection)
    q = np.zeros(p.shape)
    with np.errstate(under="ignore"):
        q[..., keep] = _gradient(p[..., keep], d)
        q /= q.sum(axis=-1, keepdims=True)
    return q


def redetection_probability(epoch: float, total_epochs: float, order: float = 2.0) -> float:
    """Return the re-detection probability d of an epoch, in [0, 1].

    ``d(e) = (e / E) ** (1 / order)``, at most 1 (section 3.2 of the paper).
    d = 0 favours short intervals; d = 1 makes all bins equally probable.

    Parameters
    ----------
    epoch : float
        e, at least 0; the first epoch is 0.
    total_epochs : float
        E, above 0.
    order : float, default=2.0
        Above 0; a larger order introduces hard samples sooner.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number or out of range.
    """
    now = _checks.real("epoch", epoch, 0)
    end = _checks.real("total_epochs", total_epochs, 0, strict=True)
    return float(min(now / end, 1.0) ** (1 / _checks.real("order", order, 0, strict=True)))


def _checked(success_rate: ArrayLike, redetection: ArrayLike) -> Tuple[Floats, Floats]:
    """Check both arguments and broadcast them: p (..., n_bins) and d (..., 1)."""
    p = _checks.rates("success_rate", success_rate)
    d = _checks.reals("redetection", redetection)
    _checks.in_unit_interval("redetection", d)
    d, _ = _checks.broadcast("redetection", d, "the leading axes of success_rate", p[..., 0])
    return np.broadcast_to(p, d.shape + p.shape[-1:]), d[..., np.newaxis]


def _success_by_bin(p: Floats, d: Floats) -> Floats:
    """Return a_i of the module's formula, shape (..., n_bins)."""
    start = p * d
    start[..., 0] = p[..., 0]  # a_0 = 1
    return _solve_chain(p, d, start, transposed=False)


def _gradient(p: Floats, d: Floats) -> Floats:
    """Return n_bins * dS/dp of the module's formula, shape (..., n_bins)."""
    before = np.ones_like(p)
    before[..., 1:] = _success_by_bin(p, d)[..., :-1]
    return _solve_chain(p, d, np.ones_like(p), transposed=True) * (d + (1 - d) * before)


def _solve_chain(p: Floats, d: Floats, start: Floats, *, transposed: bool) -> Floats:
    """Solve ``x_i = start_i + (1 - d) p_i x_{i-1}``, or its transpose."""
    # The batch is solved as one long chain: the coupling is 0 where each chain begins. Pivoting
    # never exchanges rows (the diagonal is 1, the rest at most 1), so this is plain substitution.
    coupling = (1 - d) * p
    coupling[..., 0] = 0
    if p.size <= 1:  # SciPy 1.6 takes the wrong band for a single equation
        return start
    bands = np.ones((2, p.size))
    if transposed:
        bands[0, :] = -coupling.ravel()
    else:
        bands[1, :-1] = -coupling.ravel()[1:]
    widths = (0, 1) if transposed else (1, 0)
    solution = solve_banded(widths, bands, start.ravel(), overwrite_ab=True, check_finite=False)
    return np.asarray(solution, dtype=np.float64).reshape(start.shape)
