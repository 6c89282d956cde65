"""Scheduler of the sampling distribution."""

from __future__ import annotations

import copy
import math
from typing import Any, Dict, Iterable, List, Optional, Union

import numpy as np

from . import _checks
from ._record import EpochRecord
from ._table import schedule_table, spark
from ._types import ArrayLike, Floats, Mask
from .expected_success import expected_success, redetection_probability, sampling_distribution
from .loss_weights import loss_weights
from .statistics import SuccessStatistics

STATE_VERSION = 2
Ious = Union[ArrayLike, SuccessStatistics]


class SuccessAwareScheduler:
    """Scheduler of Q, from easier to harder bins, by success in training.

    After each epoch (sections 3.2 and 3.3 of the paper), tau is the mean
    IoU of its samples and p_i the fraction of bin i above tau. For the next
    epoch, `redetection_probability` gives d, `sampling_distribution` Q, and
    `loss_weights` the loss weights. Any ordered bins with a score in [0, 1]
    per sample will do, with or without videos.

    Parameters
    ----------
    n_bins : int
        Number of bins, ordered from easy to hard, at least 1.
    total_epochs : int
        E, at least 1. Later epochs keep d = 1.
    order : float, default=2.0
        Order of d, above 0; a larger order introduces hard samples sooner.
    threshold : "mean" or float, default="mean"
        tau: the mean IoU of the epoch, or a fixed value in [0, 1].
    random_distribution : array_like of float, shape (n_bins,), optional
        First Q and q^R of the weights. Default: uniform over feasible bins.
    feasible : array_like of bool, shape (n_bins,), optional
        Bins that the data can fill. Default: all.
    update_epochs : collection of int, optional
        Epochs after which Q and weights change, ``()``: none. Default: all.
    max_weight : float, optional
        Upper limit of the loss weights, at least 1. Default: none.
    normalize : bool, default=False
        Divide the loss weights by their mean under Q; see `loss_weights`.

    Attributes
    ----------
    n_bins, total_epochs, epoch : int
        `epoch` is the epoch being recorded, from 0.
    distribution, loss_weights, success_rate : ndarray, shape (n_bins,)
        Q and loss weights of the epoch, success rates of the last step (NaN
        before it and in infeasible bins); read-only.
    random_distribution, feasible : ndarray, shape (n_bins,)
        The given values, read-only.
    threshold, redetection, expected_success : float
        Of the last step; NaN before it, except a fixed threshold and d = 0.

    Examples
    --------
    >>> scheduler = SuccessAwareScheduler(n_bins=2, total_epochs=100)
    >>> scheduler.step([0.9, 0.8, 0.4, 0.1], [0, 0, 1, 1])  # p = (1, 0)
    array([0.5, 0.5])
    >>> scheduler.step([[0.9, 0.2], [0.6, 0.1]]).round(3)  # lists by bin
    array([0.715, 0.285])
    """

    def __init__(
        self,
        n_bins: int,
        total_epochs: int,
        *,
        order: float = 2.0,
        threshold: Union[str, float] = "mean",
        random_distribution: Optional[ArrayLike] = None,
        feasible: Optional[ArrayLike] = None,
        update_epochs: Optional[Iterable[int]] = None,
        max_weight: Optional[float] = None,
        normalize: bool = False,
    ) -> None:
        self.n_bins = _checks.integer("n_bins", n_bins, 1)
        self.total_epochs = _checks.integer("total_epochs", total_epochs, 1)
        self.feasible = _checks.frozen(_checks.feasible(feasible, self.n_bins))
        uniform = self.feasible / self.feasible.sum()
        q_random = uniform if random_distribution is None else random_distribution
        q_random = _checks.feasible_distribution("random_distribution", q_random, self.feasible)
        self.random_distribution = _checks.frozen(q_random)
        self._config: Dict[str, Any] = {
            "n_bins": self.n_bins,
            "total_epochs": self.total_epochs,
            "order": _checks.real("order", order, 0, strict=True),
            "threshold": _checked_threshold(threshold),
            "random_distribution": self.random_distribution.tolist(),
            "feasible": self.feasible.tolist(),
            "update_epochs": _checked_update_epochs(update_epochs),
            "max_weight": None if max_weight is None else _checks.real("max_weight", max_weight, 1),
            "normalize": _checks.flag("normalize", normalize),
        }
        self.epoch, self.redetection, self.expected_success = 0, 0.0, math.nan
        self.distribution = self.random_distribution
        self.loss_weights = _checks.frozen(np.ones(self.n_bins))
        self._measured = self.success_rate = _checks.frozen(np.full(self.n_bins, np.nan))
        rule = self._config["threshold"]
        self.threshold: float = math.nan if rule == "mean" else rule
        self._history: List[EpochRecord] = []
        self._recorded = SuccessStatistics(self.n_bins)

    @property
    def history(self) -> List[EpochRecord]:
        """One `EpochRecord` per step, in a new list."""
        return list(self._history)

    def __repr__(self) -> str:
        epoch = f"epoch {self.epoch} of {self.total_epochs}, d = {self.redetection:.3g}"
        state = f"tau = {self.threshold:.3g}, Q = {spark(self.distribution)}"
        return f"<SuccessAwareScheduler: {epoch}, {state}>"

    def _repr_html_(self) -> str:
        return schedule_table(self, "SuccessAwareScheduler")

    def record(self, ious: ArrayLike, bins: ArrayLike) -> None:
        """Record samples of the current epoch; may be called many times.

        Parameters
        ----------
        ious : array_like of float, any shape
            Overlap (or another score) of each sample, in [0, 1].
        bins : array_like of int, same shape
            Bin of each sample; must be feasible.

        Raises
        ------
        TypeError, ValueError
            If a value is out of range or shapes differ; nothing changes.
        """
        self._add(self._recorded, ious, bins)

    def _add(self, statistics: SuccessStatistics, ious: ArrayLike, bins: ArrayLike) -> None:
        ids = _checks.bin_ids("bins", bins, self.n_bins)
        _checks.refuse("bins", "be feasible", ids, ~self.feasible[ids])
        statistics.add(ious, ids)

    def step(self, ious: Optional[Ious] = None, bins: Optional[ArrayLike] = None) -> Floats:
        """End the epoch and return the next epoch's Q, shape (n_bins,).

        Parameters
        ----------
        ious : array_like, sequence of array_like, or statistics, optional
            Further IoUs: with `bins`, or one array per bin. If none were
            recorded, also `SuccessStatistics` or an object with ``count``,
            ``mean_iou``, ``n_invalid`` and ``success_rate(threshold)``.
        bins : array_like of int, optional
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If there is no IoU or an argument is invalid; nothing changes.
        """
        self._follow(self._measure(self._epoch_statistics(ious, bins)))
        return self.distribution

    def _epoch_statistics(self, ious: Any, bins: Optional[ArrayLike]) -> Any:
        """Return the recorded statistics, copied, together with the arguments of `step`."""
        good = ious is not None or bins is None
        _checks.require(good, "ious", "be given if bins is", None, TypeError)
        if hasattr(ious, "success_rate"):
            rule = "be omitted if ious holds statistics"
            _checks.require(bins is None, "bins", rule, bins, TypeError)
            count, rule = self._recorded.count, "not be statistics if IoUs were recorded before"
            _checks.require(not count.any(), "ious", rule, count.tolist())
            return ious
        statistics = SuccessStatistics(self.n_bins)
        statistics.merge(self._recorded)
        if bins is not None:
            self._add(statistics, ious, bins)
        elif ious is not None:
            self._add_by_bin(statistics, ious)
        return statistics

    def _add_by_bin(self, statistics: SuccessStatistics, ious: Any) -> None:
        n_parts = len(ious) if hasattr(ious, "__len__") else ious
        good = n_parts == self.n_bins and not isinstance(ious, (str, bytes, dict))
        _checks.require(good, "ious without bins", f"be {self.n_bins} arrays, one per bin", n_parts)
        for i, part in enumerate(ious):
            values = _checks.array(f"ious[{i}]", part)
            _checks.require(values.ndim, f"ious[{i}] without bins", "be an array of IoUs", part)
            self._add(statistics, values, np.full(values.shape, i))

    def _measure(self, statistics: Any) -> EpochRecord:
        """Return the record of this epoch."""
        name = "count of ious"
        count = _checks.shaped(name, _checks.integers(name, statistics.count), (self.n_bins,))
        if not count.any():
            n_invalid = statistics.n_invalid
            raise ValueError(f"ious must be recorded before step; got no IoU, {n_invalid} invalid")
        mean_iou = _checks.real("mean_iou of ious", statistics.mean_iou)
        rule = self._config["threshold"]
        threshold = mean_iou if rule == "mean" else rule
        rate = _checks.reals("success_rate of ious", statistics.success_rate(threshold))
        _checks.shaped("success_rate of ious", rate, count.shape)
        _checks.in_unit_interval("success_rate of ious", np.where(count > 0, rate, 0.0))
        p = _fill_from_neighbours(np.where(count > 0, rate, self._measured), self.feasible)
        d = redetection_probability(self.epoch + 1, self.total_epochs, self._config["order"])
        q, weights = self.distribution, self.loss_weights
        if self._config["update_epochs"] is None or self.epoch in self._config["update_epochs"]:
            q = sampling_distribution(p, d, self.feasible)
            options = {name: self._config[name] for name in ("max_weight", "normalize")}
            weights = loss_weights(self.random_distribution, q, **options)
        return EpochRecord(
            epoch=self.epoch,
            threshold=threshold,
            redetection=d,
            success_rate=_checks.frozen(p),
            count=_checks.frozen(count),
            mean_iou=mean_iou,
            n_invalid=statistics.n_invalid,
            distribution=_checks.frozen(q),
            loss_weights=_checks.frozen(weights),
            expected_success=float(expected_success(p[self.feasible], d)),
        )

    def _follow(self, record: EpochRecord) -> None:
        """Begin the epoch after that of `record`."""
        self._recorded = SuccessStatistics(self.n_bins)
        self._history.append(record)
        self._measured = np.where(record.count > 0, record.success_rate, self._measured)
        self.epoch = record.epoch + 1
        self.distribution, self.loss_weights = record.distribution, record.loss_weights
        self.success_rate, self.threshold = record.success_rate, record.threshold
        self.redetection, self.expected_success = record.redetection, record.expected_success

    def state_dict(self) -> Dict[str, Any]:
        """Return the complete state for JSON, also in the middle of an epoch."""
        return {
            "version": STATE_VERSION,
            "config": copy.deepcopy(self._config),
            "history": [record.to_dict() for record in self._history],
            "recorded": self._recorded.state_dict(),
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Load the `state_dict` of a scheduler with the same arguments.

        Raises
        ------
        TypeError, ValueError
            If arguments differ or the state is damaged; nothing changes.
        """
        _checks.keys("state", state, ("version", "config", "history", "recorded"))
        _checks.same_config("scheduler", self._config, state, STATE_VERSION)
        fresh = SuccessAwareScheduler(**self._config)
        try:
            fresh._load(state)
        except (TypeError, ValueError) as error:
            raise ValueError(f"state must be whole; got a damaged one: {error}") from error
        self.__dict__.update(fresh.__dict__)

    def _load(self, state: Dict[str, Any]) -> None:
        _checks.instance("history", state["history"], list)
        for values in state["history"]:
            record = EpochRecord.from_dict(values)
            _checks.integer("epoch", record.epoch, self.epoch, self.epoch)
            good = np.array_equal(~np.isnan(record.success_rate), self.feasible)
            rule = "be None in bins that are not feasible, only"
            _checks.require(good, "success_rate", rule, values["success_rate"])
            self._follow(record)
        self._recorded.load_state_dict(state["recorded"])
        bins = np.flatnonzero(self._recorded.count)
        _checks.refuse("recorded bins", "be feasible", bins, ~self.feasible[bins])


def _fill_from_neighbours(measured: Floats, feasible: Mask) -> Floats:
    """Fill missing rates of feasible bins from the nearest lower bin, else the nearest higher."""
    known = np.flatnonzero(~np.isnan(measured) & feasible)
    _checks.require(len(known), "count of ious", "not be 0 in all feasible bins", 0)
    lower = np.searchsorted(known, np.arange(len(measured)), side="right") - 1
    return np.where(feasible, measured[known[np.maximum(lower, 0)]], np.nan)


def _checked_threshold(threshold: Any) -> Union[str, float]:
    value = threshold if isinstance(threshold, str) else _checks.real("threshold", threshold)
    good = value == "mean" or (not isinstance(value, str) and 0 <= value <= 1)
    _checks.require(good, "threshold", "be 'mean' or in [0, 1]", value)
    return value


def _checked_update_epochs(epochs: Any) -> Optional[List[int]]:
    if epochs is None:
        return None
    good = isinstance(epochs, Iterable) and not isinstance(epochs, (str, bytes))
    _checks.require(good, "update_epochs", "be a collection of epochs", epochs, TypeError)
    return sorted({_checks.integer("update_epochs", epoch, 0) for epoch in epochs})
