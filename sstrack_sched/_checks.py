"""Argument checks shared by the public functions.

Every message names the argument, the rule and the value that broke it.
"""

from __future__ import annotations

import math
import operator
import warnings
from typing import TYPE_CHECKING, Any, Dict, Iterable, Optional, Tuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_MATCH = 1e-9  # how far apart the rounding of two machines may be
SUM_TOLERANCE = 1e-6
"""How far from 1 the sum of a distribution may be."""


def integer(name: str, value: Any, minimum: int, maximum: Optional[int] = None) -> int:
    """Return `value` as an int in [minimum, maximum]; floats and bools are refused."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {value!r}") from None
    if number < minimum or (maximum is not None and number > maximum):
        rule = f"at least {minimum}" if maximum is None else f"in [{minimum}, {maximum}]"
        raise ValueError(f"{name} must be {rule}; got {number}")
    return number


def real(name: str, value: Any, minimum: float = -math.inf, *, strict: bool = False) -> float:
    """Return `value` as a finite float, at least (strict: above) `minimum`."""
    try:
        if isinstance(value, (str, bytes, complex, np.complexfloating)):
            raise TypeError
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a longdouble beyond float
            number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        raise TypeError(f"{name} must be a number that a float holds; got {value!r}") from None
    if not math.isfinite(number) or number < minimum or (strict and number == minimum):
        rule = (
            "finite" if minimum == -math.inf else f"{'above' if strict else 'at least'} {minimum:g}"
        )
        raise ValueError(f"{name} must be {rule}; got {number}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def choice(name: str, value: Any, options: Tuple[str, ...]) -> str:
    """Return `value` if it is one of `options`."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}; got {value!r}")
    return value


def integers(name: str, value: ArrayLike) -> NDArray[np.int64]:
    """Return `value` as int64; any array but of integers, or empty, is refused."""
    array = _array(name, value)
    if array.size == 0:
        return np.zeros(array.shape, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers of 64 bits; got dtype {array.dtype}")
    if array.dtype == np.uint64:
        bad = array > np.uint64(np.iinfo(np.int64).max)
        if bad.any():
            raise ValueError(f"{name} must be below 2**63; got {first_bad(array, bad)}")
    return array.astype(np.int64)


def array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return `value` as an array; ragged lists and masked values are refused."""
    if np.any(np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else False):
        raise ValueError(f"{name} must have no masked values; got {value!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # old NumPy warns of ragged lists, new one raises
            return np.asarray(value)
    except (ValueError, OverflowError, Warning):
        raise ValueError(f"{name} must be an array of one shape; got {value!r}") from None


def reals(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return `value` as a new float64 array; complex numbers and strings are refused."""
    raw = array(name, value)
    try:
        if raw.dtype.kind in "cSUmMV":
            raise TypeError
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a longdouble beyond float
            return np.array(raw, dtype=np.float64)
    except (TypeError, ValueError, ArithmeticError):
        raise TypeError(f"{name} must hold real numbers; got {value!r}") from None


def first_bad(array: NDArray[Any], bad: NDArray[np.bool_]) -> str:
    """Say which value broke a rule, and where: ``-0.5 at index 3``."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    where = "" if not index else f" at index {index[0] if len(index) == 1 else index}"
    return f"{array[index]}{where}"


def rates(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities: float64 in [0, 1], at least one bin on the last axis."""
    array = reals(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have bins on its last axis; got shape {array.shape}")
    in_unit_interval(name, array)
    return array


def in_unit_interval(name: str, array: NDArray[np.float64]) -> None:
    """Refuse NaN and values outside [0, 1]."""
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        hint = " (GIoU?)" if (array < 0).any() else ""
        raise ValueError(f"{name} must be in [0, 1], not NaN; got {first_bad(array, bad)}{hint}")


def distribution(name: str, value: ArrayLike, n_bins: Optional[int] = None) -> NDArray[np.float64]:
    """Return a distribution over bins (last axis): non-negative, sums to 1 within 1e-6."""
    array = reals(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have bins on its last axis; got shape {array.shape}")
    if n_bins is not None and array.shape != (n_bins,):
        raise ValueError(f"{name} must have shape ({n_bins},); got {array.shape}")
    bad = ~((array >= 0) & (array <= 1 + SUM_TOLERANCE))
    if bad.any():
        raise ValueError(f"{name} must be in [0, 1], not NaN; got {first_bad(array, bad)}")
    total = array.sum(axis=-1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        raise ValueError(
            f"{name} must sum to 1 within {SUM_TOLERANCE:g}; got {total[wrong].flat[0]}"
        )
    return array


def mask(name: str, value: ArrayLike, shape: Tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a boolean mask of the given shape."""
    array = booleans(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
    return array


def booleans(name: str, value: ArrayLike) -> NDArray[np.bool_]:
    """Return `value` as a new boolean array; 0/1 integers count as booleans."""
    array = _array(name, value)
    if array.dtype.kind not in "biu" and array.size:
        raise TypeError(f"{name} must be boolean; got dtype {array.dtype}")
    bad = (array != 0) & (array != 1)
    if bad.any():
        raise ValueError(f"{name} must be boolean, or 0 and 1; got {first_bad(array, bad)}")
    return array.astype(bool)


def keys(name: str, value: Any, expected: Iterable[str]) -> None:
    """Refuse anything but a dict with just these keys."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict; got {value!r}")
    wrong = set(expected) ^ set(value)
    if wrong:
        raise ValueError(
            f"{name} must have the keys {sorted(expected)}; "
            f"missing or unknown: {sorted(map(str, wrong))}"
        )


def normalized(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights scaled to sum 1; by the largest first, so that no sum over- or underflows."""
    scaled = weight / weight.max()
    shares: NDArray[np.float64] = scaled / scaled.sum()
    return shares


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array read-only, so that it can be handed out without a copy."""
    array.setflags(write=False)
    return array


def bin_ids(name: str, value: ArrayLike, n_bins: int) -> NDArray[np.int64]:
    """Return bin ids as int64, all in [0, n_bins)."""
    array = integers(name, value)
    bad = (array < 0) | (array >= n_bins)
    if bad.any():
        raise ValueError(f"{name} must be in [0, {n_bins}); got {first_bad(array, bad)}")
    return array


def feasible_distribution(
    name: str, value: ArrayLike, feasible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return a distribution over bins that is 0 where not feasible."""
    array = distribution(name, value, len(feasible))
    bad = (array > 0) & ~feasible
    if bad.any():
        raise ValueError(
            f"{name} must be 0 in bins that are not feasible; got {first_bad(array, bad)}"
        )
    return array


def weights(name: str, value: ArrayLike, size: int) -> NDArray[np.float64]:
    """Return relative probabilities of the given number: finite, not negative, one above 0."""
    array = reals(name, value)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},); got {array.shape}")
    bad = ~((array >= 0) & np.isfinite(array))
    if bad.any():
        raise ValueError(f"{name} must be finite and not negative; got {first_bad(array, bad)}")
    if not array.any():
        raise ValueError(f"{name} must be above 0 somewhere; got zeros only")
    return array


def same_config(kind: str, own: Dict[str, Any], state: Dict[str, Any], version: int) -> None:
    """Refuse a state of another version, or whose ``config`` is not `own`."""
    if state["version"] != version:
        raise ValueError(f"state must be of version {version}; got {state['version']!r}")
    keys("state's config", state["config"], own)
    for name, value in own.items():
        saved = state["config"][name]
        if not _same(value, saved):
            raise ValueError(
                f"state must be of a {kind} with {name}={value!r}; got {name}={saved!r}"
            )


def _same(own: Any, saved: Any) -> bool:
    """Equal, or equal lists of numbers but for the rounding of another machine."""
    if isinstance(own, list) and isinstance(saved, list) and len(own) == len(saved):
        return all(isinstance(b, (int, float)) and abs(a - b) <= _MATCH for a, b in zip(own, saved))
    return bool(own == saved)


_array = array  # its name is a variable's in the functions above
