"""What one step of the scheduler measured and set."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict

import numpy as np

from . import _checks
from ._types import Floats, Ints
from .statistics import MAX_SAMPLES


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """What one `SuccessAwareScheduler.step` measured and set.

    Attributes
    ----------
    epoch : int
        The epoch whose samples were measured, from 0.
    threshold : float
        tau, the IoU above which a sample was a success.
    redetection : float
        d of the epoch that follows.
    success_rate : ndarray of float64, shape (n_bins,)
        p of each bin; NaN where not feasible.
    count : ndarray of int64, shape (n_bins,)
        Samples of each bin.
    mean_iou : float
        Over all samples.
    n_invalid : int
        Samples left out because their IoU was invalid.
    distribution : ndarray of float64, shape (n_bins,)
        Q of the epoch that follows.
    loss_weights : ndarray of float64, shape (n_bins,)
        Loss weights of the epoch that follows.
    expected_success : float
        S of p under d.

    Raises
    ------
    TypeError, ValueError
        If a value is out of range or the shapes differ.
    """

    epoch: int
    threshold: float
    redetection: float
    success_rate: Floats
    count: Ints
    mean_iou: float
    n_invalid: int
    distribution: Floats
    loss_weights: Floats
    expected_success: float

    def __post_init__(self) -> None:
        _checks.integer("epoch", self.epoch, 0)
        _checks.integer("n_invalid", self.n_invalid, 0)
        for name in ("mean_iou", "threshold", "redetection", "expected_success"):
            value = _checks.real(name, getattr(self, name))
            _checks.in_unit_interval(name, np.asarray(value))
        feasible = ~np.isnan(self.success_rate)
        _checks.rates("success_rate", self.success_rate[feasible])
        _checks.feasible_distribution("distribution", self.distribution, feasible)
        for name in ("count", "loss_weights"):
            values = getattr(self, name)
            if values.shape != feasible.shape:
                raise ValueError(f"{name} must have shape {feasible.shape}; got {values.shape}")
        bad = ~(np.isfinite(self.loss_weights) & (self.loss_weights > 0))
        if bad.any():
            raise ValueError(
                "loss_weights must be finite and above 0; got "
                f"{_checks.first_bad(self.loss_weights, bad)}"
            )
        bad = (self.count < 0) | (self.count > MAX_SAMPLES) | ((self.count > 0) & ~feasible)
        if bad.any():
            raise ValueError(
                f"count must be in [0, {MAX_SAMPLES}], and 0 in bins that are not feasible; got "
                f"{_checks.first_bad(self.count, bad)}"
            )

    def to_dict(self) -> Dict[str, Any]:
        """Plain Python values that JSON takes.

        Returns
        -------
        dict
            The fields: lists for arrays, None for NaN.
        """
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> EpochRecord:
        """Inverse of `to_dict`.

        Parameters
        ----------
        values : dict
            What `to_dict` returned.

        Returns
        -------
        EpochRecord

        Raises
        ------
        TypeError, ValueError
            If a field is missing, unknown or out of range.
        """
        _checks.keys("state of an epoch", values, [field.name for field in fields(cls)])
        parsed = dict(values)
        for name in ("success_rate", "distribution", "loss_weights"):
            if not isinstance(values[name], list):
                raise TypeError(f"{name} must be a list; got {values[name]!r}")
            numbers = [math.nan if item is None else item for item in values[name]]
            parsed[name] = _checks.frozen(_checks.reals(name, numbers))
        parsed["count"] = _checks.frozen(_checks.integers("count", values["count"]))
        return cls(**parsed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EpochRecord):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def _plain(value: Any) -> Any:
    """Lists for arrays, None for NaN."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    return None if isinstance(value, float) and math.isnan(value) else value
