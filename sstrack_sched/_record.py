"""What one step of the scheduler measured and set."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Dict

import numpy as np

from . import _checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


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
        Of the epoch that follows.
    expected_success : float
        S of p under d.
    """

    epoch: int
    threshold: float
    redetection: float
    success_rate: Floats
    count: NDArray[np.int64]
    mean_iou: float
    n_invalid: int
    distribution: Floats
    loss_weights: Floats
    expected_success: float

    def to_dict(self) -> Dict[str, Any]:
        """Plain Python values that JSON takes.

        Returns
        -------
        dict
            The fields: lists for arrays, None for NaN.
        """
        return {name: plain(value) for name, value in asdict(self).items()}

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
        ValueError
            If a field is missing or unknown.
        """
        _checks.keys("state of an epoch", values, [field.name for field in fields(cls)])
        return cls(**{name: unplain(name, value) for name, value in values.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EpochRecord):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # holds arrays


def plain(value: Any) -> Any:
    """Lists for arrays, None for NaN."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def unplain(name: str, value: Any) -> Any:
    """Inverse of `plain`; arrays come back read-only."""
    if isinstance(value, list):
        numbers = [math.nan if item is None else item for item in value]
        dtype = np.int64 if name == "count" else np.float64
        return _checks.frozen(np.array(numbers, dtype=dtype))
    return math.nan if value is None else value
