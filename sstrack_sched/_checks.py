"""Argument checks; every message names the argument, the rule and the offending value."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from numbers import Real
from typing import Any, Dict, Iterable, Optional, Tuple, Type, TypeVar

import numpy as np

from ._types import Array, ArrayLike, Floats, Ints, Mask

AnyArray = TypeVar("AnyArray", bound=Array)
SUM_TOLERANCE = 1e-6  # how far from 1 the sum of a distribution may be


def require(
    good: Any, name: str, rule: str, value: Any = None, error: Type[Exception] = ValueError
) -> None:
    """Raise an error that names the argument, its rule and its value unless `good` is true."""
    if not good:
        raise error(f"{name} must {rule}; got {shown(value)}")


def refuse(name: str, rule: str, array: Array, bad: Mask) -> None:
    """Raise an error that names the argument, the rule and the first bad value, if any."""
    if bad.any():
        index = tuple(np.argwhere(bad)[0].tolist())
        where = f" at index {index[0] if len(index) == 1 else index}" if index else ""
        raise ValueError(f"{name} must {rule}; got {array[index]}{where}")


def integer(name: str, value: Any, minimum: int, maximum: Optional[int] = None) -> int:
    """Return `value` as an int in [minimum, maximum]; floats and bools are refused."""
    try:
        if isinstance(value, (bool, np.bool_)) or _is_masked(value):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {shown(value)}") from None
    rule = f"be at least {minimum}" if maximum is None else f"be in [{minimum}, {maximum}]"
    require(minimum <= number and (maximum is None or number <= maximum), name, rule, number)
    return number


def real(name: str, value: Any, minimum: float = -math.inf, *, strict: bool = False) -> float:
    """Return `value` as a finite float, at least (strict: above) `minimum`."""
    try:
        number = float(shaped(name, reals(name, value), ()))
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number that a float holds; got {shown(value)}") from None
    bound = "" if minimum == -math.inf else f"{'above' if strict else 'at least'} {minimum:g}"
    good = math.isfinite(number) and (number > minimum if strict else number >= minimum)
    require(good, name, f"be {bound or 'finite'}", number)
    return number


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    require(isinstance(value, (bool, np.bool_)), name, "be True or False", value, TypeError)
    return bool(value)


def choice(name: str, value: Any, options: Tuple[str, ...]) -> str:
    """Return `value` if it is one of `options`."""
    good = isinstance(value, str) and value in options
    require(good, name, f"be one of {str(options)[1:-1]}", value)
    return str(value)


def instance(name: str, value: Any, kind: type) -> None:
    """Refuse a value of another type."""
    require(isinstance(value, kind), name, f"be of type {kind.__name__}", value, TypeError)


def array(name: str, value: ArrayLike) -> Array:
    """Return `value` as an array; refuse ragged lists and masked values."""
    require(not _is_masked(value), name, "have no masked values", value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError, Warning) as error:  # NumPy 1.20 warns if ragged
        got = f"{shown(value)} ({error})"
        raise ValueError(f"{name} must be an array of one shape; got {got}") from None


def integers(name: str, value: ArrayLike) -> Ints:
    """Return `value` as a new int64 array; only an empty one may be of another type."""
    found = array(name, value)
    good = found.dtype.kind in "iu" or not found.size
    require(good, name, "hold integers of 64 bits", value, TypeError)
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
    require(found.dtype.kind in "biu" or not found.size, name, "be boolean", value, TypeError)
    refuse(name, "be boolean, or 0 and 1", found, (found != 0) & (found != 1))
    return shaped(name, found.astype(bool), shape)


def feasible(value: Optional[ArrayLike], n_bins: int) -> Mask:
    """Return the mask of bins that the data can fill, not all False; None means all bins."""
    found = np.ones(n_bins, dtype=bool) if value is None else mask("feasible", value, (n_bins,))
    require(found.any(), "feasible", "hold at least one True", found)
    return found


def shaped(name: str, array: AnyArray, shape: Optional[Tuple[int, ...]]) -> AnyArray:
    """Return `array` if it has the given shape; None accepts any."""
    require(shape is None or array.shape == shape, name, f"have shape {shape}", array.shape)
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
    require(found.ndim and found.shape[-1], name, "have bins on its last axis", found.shape)
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
    """Return `size` relative probabilities: finite, non-negative, at least one above 0."""
    found = shaped(name, reals(name, value), (size,))
    refuse(name, "be finite and not negative", found, ~((found >= 0) & np.isfinite(found)))
    require(found.any(), name, "be above 0 somewhere", found)
    return found


def keys(name: str, value: Any, expected: Iterable[str]) -> None:
    """Refuse anything but a dict with exactly these keys."""
    instance(name, value, dict)
    wrong = sorted(map(str, set(expected) ^ set(value)))
    require(not wrong, name, f"have the keys {sorted(expected)}", wrong)


def same_config(kind: str, own: Dict[str, Any], state: Dict[str, Any], version: int) -> None:
    """Refuse a state of another version or with another ``config`` than `own`."""
    require(state["version"] == version, "state", f"be of version {version}", state["version"])
    keys("state's config", state["config"], own)
    for name, value in own.items():
        saved, hint = state["config"][name], ", unless strict=False" if name == "data" else ""
        require(_same(value, saved), "state", f"be of a {kind} with {name}={value!r}{hint}", saved)


def normalized(weight: Floats) -> Floats:
    """Scale weights to sum 1; dividing by the largest first prevents an overflow."""
    with np.errstate(under="ignore"):
        scaled = weight / weight.max()
        return np.asarray(scaled / scaled.sum(), dtype=np.float64)


def frozen(array: AnyArray) -> AnyArray:
    """Make an array read-only, so that callers can share it without a copy."""
    array.setflags(write=False)
    return array


def shown(value: Any) -> str:
    """Return the repr of a value for a message, truncated if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return f"a value of type {type(value).__name__} that is too long to print"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _is_masked(value: Any) -> bool:
    """Return whether an array, or an array in nested lists, has a masked entry."""
    if isinstance(value, (list, tuple)):
        return any(map(_is_masked, value))
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def _same(own: Any, saved: Any) -> bool:
    """Compare two settings; lists of numbers may differ by another machine's rounding."""
    if isinstance(own, list) and isinstance(saved, list) and len(own) == len(saved):
        return all(isinstance(b, (int, float)) and abs(a - b) <= 1e-9 for a, b in zip(own, saved))
    return bool(own == saved)
