"""Log what the scheduler did: to a TensorBoard writer, or to any function."""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Optional, Sequence

from .scheduler import EpochRecord

__all__ = ["log_schedule", "schedule_scalars"]

_SCALARS = ("threshold", "redetection", "expected_success", "mean_iou", "n_invalid")
_BY_BIN = {"distribution": "distribution", "loss_weight": "loss_weights"}
_BY_BIN["success_rate"] = "success_rate"


def schedule_scalars(
    record: EpochRecord, labels: Optional[Sequence[str]] = None
) -> Dict[str, float]:
    """Numbers of one epoch by name, for any logger; what is NaN is left out.

    They are ``schedule/threshold`` (tau), ``schedule/redetection`` (d),
    ``schedule/expected_success`` (S), ``schedule/mean_iou``, ``schedule/n_invalid``, and per bin
    ``distribution/<bin>`` (Q), ``loss_weight/<bin>`` and ``success_rate/<bin>`` (p). ``<bin>`` is
    the label in letters, digits and ``_.-``, for every logger: ``[0, 30)`` becomes ``0-30``.

    Parameters
    ----------
    record : EpochRecord
        Such as ``scheduler.history[-1]``. Its Q, d and loss weights are of the epoch that follows.
    labels : sequence of str, optional
        Name of each bin, such as ``bins.labels``. Default: numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, SuccessAwareScheduler
    >>> scheduler = SuccessAwareScheduler(n_bins=2, total_epochs=4)
    >>> _ = scheduler.step([[0.9, 0.3], [0.6, 0.2]])
    >>> scalars = schedule_scalars(scheduler.history[-1], IntervalBins(60, 30).labels)
    >>> scalars["schedule/redetection"], scalars["distribution/0-30"]
    (0.5, 0.625)
    """
    if not isinstance(record, EpochRecord):
        raise TypeError(f"record must be an EpochRecord, as in scheduler.history; got {record!r}")
    names = _bin_names(len(record.count), labels)
    scalars = {f"schedule/{name}": float(getattr(record, name)) for name in _SCALARS}
    for title, field in _BY_BIN.items():
        values = getattr(record, field).tolist()
        scalars.update({f"{title}/{name}": value for name, value in zip(names, values)})
    return {name: value for name, value in scalars.items() if not math.isnan(value)}


def log_schedule(target: Any, record: EpochRecord, labels: Optional[Sequence[str]] = None) -> None:
    """Log the numbers of `schedule_scalars`, after each `SuccessAwareScheduler.step`.

    Parameters
    ----------
    target : writer or callable
        An object with ``add_scalar``, such as torch's and tensorboardX's ``SummaryWriter``, or a
        function that is called with the scalars (dict of str to float) and the epoch (int), such as
        ``mlflow.log_metrics`` or ``print``.
    record, labels : EpochRecord and sequence of str, optional
        As for `schedule_scalars`. The record's ``epoch`` is the step of the log.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit. Nothing is logged then.
    """
    scalars = schedule_scalars(record, labels)
    if hasattr(target, "add_scalar"):
        for name, value in scalars.items():
            target.add_scalar(name, value, record.epoch)
    elif callable(target):
        target(scalars, record.epoch)
    else:
        rule = "a writer with add_scalar, or a function of (scalars, epoch)"
        raise TypeError(f"target must be {rule}; got {target!r}")


def _bin_names(n_bins: int, labels: Optional[Sequence[str]]) -> List[str]:
    """What each bin is called in a log: letters, digits and ``_.-`` of its label."""
    if labels is None:
        return [str(i) for i in range(n_bins)]
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Sequence):
        raise TypeError(f"labels must be a sequence of str, one per bin; got {labels!r}")
    if len(labels) != n_bins:
        raise ValueError(f"labels must be {n_bins}, one per bin; got {len(labels)}")
    names = [re.sub(r"[^\w.-]+", "-", str(label)).strip("-") for label in labels]
    if len(set(names)) < n_bins or "" in names:
        rule = "differ in their letters, digits and '_.-'"
        raise ValueError(f"labels must {rule}; got {list(labels)!r}")
    return names
