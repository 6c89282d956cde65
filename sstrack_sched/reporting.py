"""Log what the scheduler did: to a TensorBoard writer, or to any function."""

from __future__ import annotations

import inspect
import re
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from ._types import Floats
from .scheduler import EpochRecord

__all__ = ["log_schedule", "schedule_scalars"]

_SCALARS = ("threshold", "redetection", "expected_success", "mean_iou", "n_invalid")
_BY_BIN = {
    "distribution": "distribution",
    "loss_weight": "loss_weights",
    "success_rate": "success_rate",
}
_HISTOGRAMS = ("distribution", "loss_weight")
_N_SAMPLES = 10_000  # of a histogram: one is 0.01 % of Q


def schedule_scalars(
    record: EpochRecord, labels: Optional[Sequence[str]] = None
) -> Dict[str, float]:
    """Numbers of one epoch by name, for any logger.

    Parameters
    ----------
    record : EpochRecord
        Such as ``scheduler.history[-1]``.
    labels : sequence of str, optional
        Name of each bin, such as ``bins.labels``. Default: numbers.

    Returns
    -------
    dict of str to float
        ``schedule/threshold`` (tau), ``schedule/redetection`` (d), ``schedule/expected_success``
        (S), ``schedule/mean_iou``, ``schedule/n_invalid``, and for each bin ``distribution/<bin>``
        (Q), ``loss_weight/<bin>`` and ``success_rate/<bin>`` (p). What is NaN is left out.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Notes
    -----
    ``<bin>`` is the label in letters, digits and ``_.-``, which every logger takes: ``[0, 30)``
    becomes ``0-30``.

    Q, d and the loss weights are those of the epoch that follows the record's, see `EpochRecord`.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, SuccessAwareScheduler
    >>> bins = IntervalBins(60, 30)
    >>> scheduler = SuccessAwareScheduler(len(bins), total_epochs=4)
    >>> _ = scheduler.step([[0.9, 0.3], [0.6, 0.2]])
    >>> for name, value in schedule_scalars(scheduler.history[-1], bins.labels).items():
    ...     print(name, round(value, 3))
    schedule/threshold 0.5
    schedule/redetection 0.5
    schedule/expected_success 0.438
    schedule/mean_iou 0.5
    schedule/n_invalid 0.0
    distribution/0-30 0.625
    distribution/30-60 0.375
    loss_weight/0-30 1.0
    loss_weight/30-60 1.333
    success_rate/0-30 0.5
    success_rate/30-60 0.5
    """
    names = _bin_names(_checked_record(record), labels)
    scalars = {f"schedule/{name}": float(getattr(record, name)) for name in _SCALARS}
    for title, field in _BY_BIN.items():
        values = getattr(record, field).tolist()
        scalars.update({f"{title}/{name}": value for name, value in zip(names, values)})
    return {name: value for name, value in scalars.items() if not np.isnan(value)}


def log_schedule(target: Any, record: EpochRecord, labels: Optional[Sequence[str]] = None) -> None:
    """Log one epoch, after each `SuccessAwareScheduler.step`.

    A TensorBoard writer gets the numbers of `schedule_scalars`, and Q and the loss weights as
    histograms of one bar a bin: bar k spans ``[k - 0.5, k + 0.5]``, and its height is the bin's
    share of the sum, in 10,000ths. A function gets the numbers.

    Parameters
    ----------
    target : writer or callable
        An object with ``add_scalar`` and ``add_histogram`` as torch's and tensorboardX's
        ``SummaryWriter`` have them, or a function that is called with the scalars (dict of str to
        float) and the epoch (int), such as ``mlflow.log_metrics`` or ``print``.
    record : EpochRecord
        Such as ``scheduler.history[-1]``; its ``epoch`` is the step of the log.
    labels : sequence of str, optional
        Name of each bin, such as ``bins.labels``. Default: numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit. Nothing is logged then.

    Examples
    --------
    >>> from sstrack_sched import SuccessAwareScheduler
    >>> scheduler = SuccessAwareScheduler(n_bins=2, total_epochs=4)
    >>> _ = scheduler.step([[0.9, 0.3], [0.6, 0.2]])
    >>> def write(scalars, epoch):
    ...     print(epoch, scalars["schedule/threshold"], scalars["distribution/0"])
    >>> log_schedule(write, scheduler.history[-1])
    0 0.5 0.625
    """
    scalars = schedule_scalars(record, labels)
    if not hasattr(target, "add_scalar"):
        if not callable(target):
            raise TypeError(
                "target must be a writer with add_scalar and add_histogram, or a function of "
                f"(scalars, epoch); got {target!r}"
            )
        target(scalars, record.epoch)
        return
    if not hasattr(target, "add_histogram"):
        raise TypeError(f"target must have add_histogram as it has add_scalar; got {target!r}")
    for name, value in scalars.items():
        target.add_scalar(name, value, record.epoch)
    edges = {"bins": np.arange(len(record.count) + 1) - 0.5} if _takes_bins(target) else {}
    for title in _HISTOGRAMS:
        samples = _bar_samples(getattr(record, _BY_BIN[title]))
        target.add_histogram(title, samples, record.epoch, **edges)


def _takes_bins(writer: Any) -> bool:
    """Whether the edges of a histogram can be given; not every writer has torch's argument."""
    parameters = inspect.signature(writer.add_histogram).parameters.values()
    return any(p.name == "bins" or p.kind is p.VAR_KEYWORD for p in parameters)


def _checked_record(record: Any) -> EpochRecord:
    if not isinstance(record, EpochRecord):
        raise TypeError(f"record must be an EpochRecord, as in scheduler.history; got {record!r}")
    return record


def _bin_names(record: EpochRecord, labels: Optional[Sequence[str]]) -> List[str]:
    """What each bin is called in a log: letters, digits and ``_.-`` of its label."""
    n_bins = len(record.count)
    if labels is None:
        return [str(i) for i in range(n_bins)]
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Sequence):
        raise TypeError(f"labels must be a sequence of str, one a bin; got {labels!r}")
    if len(labels) != n_bins:
        raise ValueError(f"labels must be {n_bins}, one a bin; got {len(labels)}")
    names = [re.sub(r"[^\w.-]+", "-", str(label)).strip("-") for label in labels]
    if len(set(names)) < n_bins or "" in names:
        raise ValueError(
            f"labels must differ in their letters, digits and '_.-'; got {list(labels)!r}"
        )
    return names


def _bar_samples(heights: Floats) -> Floats:
    """Samples whose histogram has these heights, in proportion.

    A sample at each outer edge makes the extremes of the samples those of the axis: TensorBoard
    cuts the outer bars off at the extremes and would show what is left of them as taller.
    """
    counts = np.rint(_N_SAMPLES * heights / heights.sum()).astype(np.int64)
    middles = np.repeat(np.arange(len(heights), dtype=np.float64), counts)
    return np.concatenate([[-0.5], middles, [len(heights) - 0.5]])
