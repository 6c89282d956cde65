"""Argument checks shared by the public functions.

Every message names the argument, the rule and the value that broke it. Every array argument passes
through `array`, the one place where masked values are refused.
"""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from numbers import Real
from typing import Any, Dict, Iterable, Optional, Tuple

import numpy as np

from ._types import Array, ArrayLike, Floats, Ints, Mask

SUM_TOLERANCE = 1e-6  # how far from 1 the sum of a distribution may be


def integer(name: str, value: Any, minimum: int, maximum: Optional[int] = None) -> int:
    """Return `value` as an int in [minimum, maximum]; floats and bools are refused."""
    try:
        if isinstance(value, (bool, np.bool_)) or _is_masked(value):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {shown(value)}") from None
    if number < minimum or (maximum is not None and number > maximum):
        rule = f"at least {minimum}" if maximum is None else f"in [{minimum}, {maximum}]"
        raise ValueError(f"{name} must be {rule}; got {shown(number)}")
    return number


def real(name: str, value: Any, minimum: float = -math.inf, *, strict: bool = False) -> float:
    """Return `value` as a finite float, at least (strict: above) `minimum`."""
    try:
        number = float(shaped(name, reals(name, value), ()))
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number that a float holds; got {shown(value)}") from None
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        bound = "" if minimum == -math.inf else f"{'above' if strict else 'at least'} {minimum:g}"
        raise ValueError(f"{name} must be {bound or 'finite'}; got {number}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {shown(value)}")
    return bool(value)


def choice(name: str, value: Any, options: Tuple[str, ...]) -> str:
    """Return `value` if it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {str(options)[1:-1]}; got {shown(value)}")
    return value


def array(name: str, value: ArrayLike) -> Array:
    """Return `value` as an array; ragged lists and masked values are refused."""
    if _is_masked(value):
        raise ValueError(f"{name} must have no masked values; got {shown(value)}")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, Warning) as error:  # NumPy 1.20 warns if ragged
        got = f"{shown(value)} ({error})"
        raise ValueError(f"{name} must be an array of one shape; got {got}") from None


def integers(name: str, value: ArrayLike) -> Ints:
    """Return `value` as a new int64 array; only an empty one may have another type."""
    found = array(name, value)
    if found.dtype.kind not in "iu" and found.size:
        raise TypeError(f"{name} must hold integers of 64 bits; got {shown(value)}")
    if found.dtype == np.uint64:
        refuse(name, "be below 2**63", found, found > np.uint64(2**63 - 1))
    return found.astype(np.int64)


def reals(name: str, value: ArrayLike) -> Floats:
    """Return `value` as a new float64 array; objects must be real numbers."""
    found = array(name, value)
    try:
        items = found.flat if found.dtype.kind not in "biuf" else ()
        if not all(isinstance(item, (Real, Decimal)) for item in items):
            raise TypeError
        with np.errstate(all="ignore"):  # a longdouble may become infinite or 0
            return found.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        got = shown(value)
        raise TypeError(f"{name} must hold real numbers that a float holds; got {got}") from None


def mask(name: str, value: ArrayLike, shape: Optional[Tuple[int, ...]] = None) -> Mask:
    """Return `value` as a new boolean array; 0/1 integers count as booleans."""
    found = array(name, value)
    if found.dtype.kind not in "biu" and found.size:
        raise TypeError(f"{name} must be boolean; got {shown(value)}")
    refuse(name, "be boolean, or 0 and 1", found, (found != 0) & (found != 1))
    return shaped(name, found.astype(bool), shape)


def feasible(value: Optional[ArrayLike], n_bins: int) -> Mask:
    """Return which bins the data can fill, at least one; None is all."""
    found = np.ones(n_bins, dtype=bool) if value is None else mask("feasible", value, (n_bins,))
    if not found.any():
        raise ValueError("feasible must hold at least one True; got none")
    return found


def shaped(name: str, array: Array, shape: Optional[Tuple[int, ...]]) -> Array:
    """Return an array if it has the shape; None takes any."""
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
    return array


def broadcast(name: str, array: Array, other_name: str, other: Array) -> Tuple[Array, Array]:
    """Return two arrays broadcast together."""
    try:
        array, other = np.broadcast_arrays(array, other)
        return array, other
    except ValueError:
        got = f"shapes {array.shape} and {other.shape}"
        raise ValueError(f"{name} must broadcast against {other_name}; got {got}") from None


def bin_ids(name: str, value: ArrayLike, n_bins: int) -> Ints:
    """Return bin ids as int64, all in [0, n_bins)."""
    found = integers(name, value)
    refuse(name, f"be in [0, {n_bins})", found, (found < 0) | (found >= n_bins))
    return found


def rates(name: str, value: ArrayLike, slack: float = 0.0) -> Floats:
    """Return probabilities: float64 in [0, 1 + slack], at least one bin on the last axis."""
    found = reals(name, value)
    if found.ndim == 0 or found.shape[-1] == 0:
        raise ValueError(f"{name} must have bins on its last axis; got shape {found.shape}")
    in_unit_interval(name, found, slack)
    return found


def in_unit_interval(name: str, array: Floats, slack: float = 0.0) -> None:
    """Refuse NaN and values outside [0, 1 + slack]."""
    hint = " (a GIoU?)" if (array < 0).any() and not slack else ""
    refuse(name, f"be in [0, 1], not NaN{hint}", array, ~((array >= 0) & (array <= 1 + slack)))


def distribution(name: str, value: ArrayLike) -> Floats:
    """Return a distribution over bins (last axis): non-negative, sums to 1 within 1e-6."""
    found = rates(name, value, SUM_TOLERANCE)
    total = found.sum(axis=-1)
    refuse(name, f"sum to 1 within {SUM_TOLERANCE:g}", total, np.abs(total - 1) > SUM_TOLERANCE)
    return found


def feasible_distribution(name: str, value: ArrayLike, feasible: Mask) -> Floats:
    """Return a distribution over bins that is 0 where not feasible."""
    found = shaped(name, distribution(name, value), feasible.shape)
    refuse(name, "be 0 in bins that are not feasible", found, (found > 0) & ~feasible)
    return found


def weights(name: str, value: ArrayLike, size: int) -> Floats:
    """Return relative probabilities of the given number: finite, not negative, one above 0."""
    found = shaped(name, reals(name, value), (size,))
    refuse(name, "be finite and not negative", found, ~((found >= 0) & np.isfinite(found)))
    if not found.any():
        raise ValueError(f"{name} must be above 0 somewhere; got zeros only")
    return found


def keys(name: str, value: Any, expected: Iterable[str]) -> None:
    """Refuse anything but a dict with just these keys."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict; got {shown(value)}")
    wrong = sorted(map(str, set(expected) ^ set(value)))
    if wrong:
        raise ValueError(f"{name} must have the keys {sorted(expected)}; got wrong: {wrong}")


def same_config(kind: str, own: Dict[str, Any], state: Dict[str, Any], version: int) -> None:
    """Refuse a state of another version, or whose ``config`` is not `own`."""
    if state["version"] != version:
        raise ValueError(f"state must be of version {version}; got {state['version']!r}")
    keys("state's config", state["config"], own)
    for name, value in own.items():
        saved = state["config"][name]
        if not _same(value, saved):
            rule = f"be of a {kind} with {name}={value!r}"
            raise ValueError(f"state must {rule}; got {name}={shown(saved)}")


def normalized(weight: Floats) -> Floats:
    """Weights scaled to sum 1; by the largest first, so that no sum overflows."""
    with np.errstate(under="ignore"):
        scaled = weight / weight.max()
        return np.asarray(scaled / scaled.sum(), dtype=np.float64)


def frozen(array: Array) -> Array:
    """Make an array read-only, so that it can be handed out without a copy."""
    array.setflags(write=False)
    return array


def refuse(name: str, rule: str, array: Array, bad: Mask) -> None:
    """Raise if a value is bad: the argument, the rule, the first such value and its place."""
    if bad.any():
        index = tuple(np.argwhere(bad)[0].tolist())
        where = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        raise ValueError(f"{name} must {rule}; got {array[index]}{where}")


def shown(value: Any) -> str:
    """Return the repr of a value for a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return f"a value of type {type(value).__name__} that is too long to print"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _is_masked(value: Any) -> bool:
    """Whether an array, or one in nested lists, has a masked entry."""
    if isinstance(value, (list, tuple)):
        return any(map(_is_masked, value))
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def _same(own: Any, saved: Any) -> bool:
    """Equal, or equal lists of numbers but for the rounding of another machine."""
    if isinstance(own, list) and isinstance(saved, list) and len(own) == len(saved):
        return all(isinstance(b, (int, float)) and abs(a - b) <= 1e-9 for a, b in zip(own, saved))
    return bool(own == saved)
