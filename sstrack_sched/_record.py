"""Record of one scheduler step."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from . import _checks
from ._table import spark
from ._types import Floats, Ints
from .statistics import MAX_SAMPLES

_SCALARS = ("threshold", "redetection", "expected_success", "mean_iou", "n_invalid")


@dataclass(frozen=True, eq=False, repr=False)
class EpochRecord:
    """Measurements and settings of one `SuccessAwareScheduler.step`."""

    epoch: int  #: The epoch whose samples were measured, from 0.
    threshold: float  #: tau, in [0, 1]: a sample with an IoU above it is a success.
    redetection: float  #: d of the next epoch, in [0, 1].
    success_rate: Floats  #: p of each bin, shape (n_bins,); NaN where not feasible.
    count: Ints  #: Number of samples in each bin, shape (n_bins,).
    mean_iou: float  #: Mean over all samples, in [0, 1].
    n_invalid: int  #: Number of samples dropped for an invalid IoU.
    distribution: Floats  #: Q of the next epoch, shape (n_bins,).
    loss_weights: Floats  #: Loss weights of the next epoch, shape (n_bins,).
    expected_success: float  #: S, computed from p and d, in [0, 1].

    def __post_init__(self) -> None:
        _checks.integer("epoch", self.epoch, 0)
        _checks.integer("n_invalid", self.n_invalid, 0)
        for name in ("mean_iou", "threshold", "redetection", "expected_success"):
            _checks.in_unit_interval(name, np.asarray(_checks.real(name, getattr(self, name))))
        feasible = ~np.isnan(self.success_rate)
        _checks.rates("success_rate", self.success_rate[feasible])
        _checks.feasible_distribution("distribution", self.distribution, feasible)
        weights = _checks.shaped("loss_weights", self.loss_weights, feasible.shape)
        bad = ~(np.isfinite(weights) & (weights > 0))
        _checks.refuse("loss_weights", "be finite and above 0", weights, bad)
        count = _checks.shaped("count", self.count, feasible.shape)
        bad = (count < 0) | (count > MAX_SAMPLES) | ((count > 0) & ~feasible)
        rule = f"be in [0, {MAX_SAMPLES}], and 0 in bins that are not feasible"
        _checks.refuse("count", rule, count, bad)

    def to_dict(self) -> Dict[str, Any]:
        """Return the fields for JSON: lists for arrays, None for NaN."""
        return {name: _plain(value) for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> EpochRecord:
        """Build the record from a dict that `to_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If a field is missing, unknown or out of range.
        """
        _checks.keys("state of an epoch", values, [field.name for field in fields(cls)])
        parsed = dict(values)
        for name in ("success_rate", "distribution", "loss_weights"):
            _checks.instance(name, values[name], list)
            numbers = [math.nan if item is None else item for item in values[name]]
            parsed[name] = _checks.frozen(_checks.reals(name, numbers))
        parsed["count"] = _checks.frozen(_checks.integers("count", values["count"]))
        return cls(**parsed)

    def scalars(self, labels: Optional[Sequence[str]] = None) -> Dict[str, float]:
        """Return the epoch's numbers by name, for any logger, without NaN.

        Names are ``schedule/<field>``, ``distribution/<bin>``,
        ``loss_weights/<bin>`` and ``success_rate/<bin>``.

        Parameters
        ----------
        labels : sequence of str, optional
            Bin names, such as ``bins.labels``. Only letters, digits and
            ``_.-`` stay: ``[0, 30)`` becomes ``0-30``. Default: numbers.

        Raises
        ------
        TypeError, ValueError
            If `labels` is not one distinct name per bin.
        """
        names = _bin_names(len(self.count), labels)
        found = {f"schedule/{name}": float(getattr(self, name)) for name in _SCALARS}
        for field in ("distribution", "loss_weights", "success_rate"):
            values = getattr(self, field).tolist()
            found.update({f"{field}/{name}": value for name, value in zip(names, values)})
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def __repr__(self) -> str:
        measured = f"epoch {self.epoch}, {self.count.sum()} IoUs of mean {self.mean_iou:.3g}"
        next_one = f"d = {self.redetection:.3g}, Q = {spark(self.distribution)}"
        return f"<EpochRecord: {measured}, tau = {self.threshold:.3g}, then {next_one}>"

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EpochRecord) and self.to_dict() == other.to_dict()


def _bin_names(n_bins: int, labels: Any) -> List[str]:
    """Reduce each label to letters, digits and ``_.-``; without labels return numbers."""
    if labels is None:
        return [str(i) for i in range(n_bins)]
    good = isinstance(labels, Sequence) and not isinstance(labels, (str, bytes))
    _checks.require(good, "labels", "be a sequence of str, one per bin", labels, TypeError)
    _checks.require(len(labels) == n_bins, "labels", f"be {n_bins}, one per bin", len(labels))
    names = [re.sub(r"[^\w.-]+", "-", str(label)).strip("-") for label in labels]
    good = len(set(names)) == n_bins and "" not in names
    _checks.require(good, "labels", "differ in their letters, digits and '_.-'", list(labels))
    return names


def _plain(value: Any) -> Any:
    """Convert arrays to lists and NaN to None."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    return None if isinstance(value, float) and math.isnan(value) else value
