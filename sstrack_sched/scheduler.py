"""The loop: IoUs of an epoch in, sampling distribution and loss weights of the next one out."""

from __future__ import annotations

import copy
import math
from typing import Any, Dict, Iterable, List, Optional, Union

import numpy as np

from . import _checks
from ._record import EpochRecord
from ._types import ArrayLike, Floats, Mask
from .expected_success import expected_success, redetection_probability, sampling_distribution
from .loss_weights import loss_weights
from .statistics import SuccessStatistics

__all__ = ["EpochRecord", "SuccessAwareScheduler"]

STATE_VERSION = 2


class SuccessAwareScheduler:
    """Schedule the sampling distribution from easier to harder, by the success in training.

    After each epoch (sections 3.2 and 3.3 of the paper): tau is the mean IoU of the epoch's
    samples, p_i the fraction of bin i above it, ``d(e) = (e / E) ** (1 / order)`` for the epoch
    that follows, Q the normalised gradient of the expected success, and the loss weights give
    pruned bins back their share. Ordered bins and a score in [0, 1] are enough: it needs no videos.

    Parameters
    ----------
    n_bins : int
        Bins from easy to hard, at least 1.
    total_epochs : int
        E, at least 1. Later epochs go on with d = 1.
    order : float, default=2.0
        Order of the schedule of d, above 0; larger brings in hard samples sooner.
    threshold : "mean" or float, default="mean"
        tau: the mean IoU of the epoch, or a fixed value in [0, 1].
    random_distribution : array_like of float, shape (n_bins,), optional
        q^R, the distribution before the first step and the one that loss weights restore. Default:
        uniform over the feasible bins.
    feasible : array_like of bool, shape (n_bins,), optional
        Bins that the data can fill. Default: all.
    update_epochs : collection of int, optional
        Change Q and the loss weights only after these epochs, numbered from 0; ``()`` never changes
        them. Default: after every epoch.
    max_weight : float, optional
        Cap of the loss weights, at least 1. Default: none.
    normalize : bool, default=False
        Divide the loss weights by their mean under Q; see `loss_weights`.

    Attributes
    ----------
    n_bins, total_epochs, epoch : int
        `epoch` counts the steps: the epoch that is being recorded, from 0.
    distribution, loss_weights, success_rate : ndarray of float64, shape (n_bins,)
        Of the current epoch, read-only; a new array after each step. `success_rate` is NaN before
        the first step, and where not feasible.
    random_distribution, feasible : ndarray, shape (n_bins,)
        As given, read-only.
    threshold, redetection, expected_success : float
        Of the last step; NaN before it, but for a fixed threshold and the redetection of epoch 0.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Examples
    --------
    >>> scheduler = SuccessAwareScheduler(n_bins=2, total_epochs=100)
    >>> scheduler.step([0.9, 0.8, 0.4, 0.1], [0, 0, 1, 1]).round(3)  # tau = 0.55, p = (1, 0)
    array([0.5, 0.5])
    >>> scheduler.step([[0.9, 0.2], [0.6, 0.1]]).round(3)  # one list per bin: p = (0.5, 0.5)
    array([0.715, 0.285])
    >>> scheduler.loss_weights.round(3)
    array([1.   , 1.752])
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
        if random_distribution is None:
            random_distribution = self.feasible / self.feasible.sum()
        self.random_distribution = _checks.frozen(
            _checks.feasible_distribution("random_distribution", random_distribution, self.feasible)
        )
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
        self.epoch = 0
        self.distribution = self.random_distribution
        self.loss_weights = _checks.frozen(np.ones(self.n_bins))
        self.success_rate = _checks.frozen(np.full(self.n_bins, np.nan))
        rule = self._config["threshold"]
        self.threshold: float = math.nan if rule == "mean" else rule
        self.redetection = 0.0
        self.expected_success = math.nan
        self._history: List[EpochRecord] = []
        self._measured = self.success_rate  # of the last epoch that had samples of the bin
        self._recorded = SuccessStatistics(self.n_bins)

    @property
    def history(self) -> List[EpochRecord]:
        """One `EpochRecord` per step, in a new list."""
        return list(self._history)

    def __repr__(self) -> str:
        return (
            f"<SuccessAwareScheduler: {self.n_bins} bins, epoch {self.epoch} of "
            f"{self.total_epochs}, d = {self.redetection:.3g}>"
        )

    def record(self, ious: ArrayLike, bins: ArrayLike) -> None:
        """Take in samples of the current epoch; as often as you like.

        Parameters
        ----------
        ious : array_like of float, any shape
            Overlap (or another score) of each sample, in [0, 1].
        bins : array_like of int, same shape
            Bin of each sample, feasible.

        Raises
        ------
        TypeError, ValueError
            If a value is out of range or the shapes differ. Nothing is recorded then.
        """
        self._add(self._recorded, ious, bins)

    def _add(self, statistics: SuccessStatistics, ious: ArrayLike, bins: ArrayLike) -> None:
        ids = _checks.bin_ids("bins", bins, self.n_bins)
        _checks.refuse("bins", "be feasible", ids, ~self.feasible[ids])
        statistics.add(ious, ids)

    def step(self, ious: Any = None, bins: Optional[ArrayLike] = None) -> Floats:
        """End the epoch: measure, schedule, return Q of the next one, shape (n_bins,).

        Parameters
        ----------
        ious : array_like of float, or sequence of n_bins arrays, or statistics, optional
            The epoch's samples, beside those recorded: IoUs with `bins`; without `bins` one array
            of IoUs per bin; or any object with ``count``, ``mean_iou``, ``success_rate(threshold)``
            and ``n_invalid``, such as `SuccessStatistics`, in place of recording. Default: what
            `record` has seen.
        bins : array_like of int, optional
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If no IoU was recorded or an argument does not fit. Nothing changes then.
        """
        self._follow(self._measure(self._epoch_statistics(ious, bins)))
        return self.distribution

    def _epoch_statistics(self, ious: Any, bins: Optional[ArrayLike]) -> Any:
        """What to measure: the recorded samples, with the arguments of `step` added to a copy."""
        if ious is None and bins is not None:
            raise TypeError(f"ious must be given where bins is; got None and bins {bins!r}")
        if hasattr(ious, "success_rate"):
            if bins is not None:
                raise TypeError(f"bins must be left out where ious is statistics; got {bins!r}")
            n_recorded = int(self._recorded.count.sum())
            if n_recorded:
                rule = "not be statistics where IoUs were recorded since the last step"
                raise ValueError(f"ious must {rule}; got {n_recorded} recorded")
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
        if n_parts != self.n_bins or isinstance(ious, (str, bytes, dict)):
            rule = f"be {self.n_bins} arrays, one per bin"
            raise ValueError(f"ious without bins must {rule}; got {n_parts!r}")
        for i, part in enumerate(ious):
            values = _checks.array(f"ious[{i}]", part)
            if values.ndim == 0:
                rule = "be one array per bin, or come with bins"
                raise ValueError(f"ious without bins must {rule}; got {values} at index {i}")
            self._add(statistics, values, np.full(values.shape, i))

    def _measure(self, statistics: Any) -> EpochRecord:
        """The record of this epoch."""
        count = _checks.integers("count of ious", statistics.count)
        _checks.shaped("count of ious", count, (self.n_bins,))
        if not count.any():
            got = f"no IoU in epoch {self.epoch} ({statistics.n_invalid} invalid)"
            raise ValueError(f"ious must be recorded before step; got {got}")
        mean_iou = _checks.real("mean_iou of ious", statistics.mean_iou)
        rule = self._config["threshold"]
        threshold = mean_iou if rule == "mean" else rule
        rate = _checks.reals("success_rate of ious", statistics.success_rate(threshold))
        _checks.shaped("success_rate of ious", rate, count.shape)
        _checks.in_unit_interval("success_rate of ious", np.where(count > 0, rate, 0.0))
        measured = np.where(count > 0, rate, self._measured)
        p = _fill_from_neighbours(measured, self.feasible)
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
        """Go on to the epoch after the record's, in which nothing is recorded yet."""
        self._recorded = SuccessStatistics(self.n_bins)
        self._history.append(record)
        self._measured = np.where(record.count > 0, record.success_rate, self._measured)
        self.epoch = record.epoch + 1
        self.distribution = record.distribution
        self.loss_weights = record.loss_weights
        self.success_rate = record.success_rate
        self.threshold = record.threshold
        self.redetection = record.redetection
        self.expected_success = record.expected_success

    def state_dict(self) -> Dict[str, Any]:
        """Dict of everything for JSON, also in the middle of an epoch; see `load_state_dict`."""
        return {
            "version": STATE_VERSION,
            "config": copy.deepcopy(self._config),
            "history": [record.to_dict() for record in self._history],
            "recorded": self._recorded.state_dict(),
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go on from `state`, a dict by `state_dict` of a scheduler made with the same arguments.

        Raises
        ------
        TypeError, ValueError
            If it is of another version or configuration, or damaged. Nothing changes then.
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
        if not isinstance(state["history"], list):
            raise TypeError(f"history must be a list; got {state['history']!r}")
        for values in state["history"]:
            record = EpochRecord.from_dict(values)
            _checks.integer("epoch", record.epoch, self.epoch, self.epoch)
            if not np.array_equal(~np.isnan(record.success_rate), self.feasible):
                raise ValueError("success_rate must be None in bins that are not feasible, only")
            self._follow(record)
        self._recorded.load_state_dict(state["recorded"])
        bins = np.flatnonzero(self._recorded.count)
        _checks.refuse("recorded bins", "be feasible", bins, ~self.feasible[bins])


def _fill_from_neighbours(measured: Floats, feasible: Mask) -> Floats:
    """Give feasible bins without a success rate that of the nearest lower bin, else higher."""
    known = np.flatnonzero(~np.isnan(measured) & feasible)
    if not len(known):
        raise ValueError("count of ious must not be 0 in all feasible bins")
    lower = np.searchsorted(known, np.arange(len(measured)), side="right") - 1
    return np.where(feasible, measured[known[np.maximum(lower, 0)]], np.nan)


def _checked_threshold(threshold: Any) -> Union[str, float]:
    value = threshold if isinstance(threshold, str) else _checks.real("threshold", threshold)
    if value != "mean" and (isinstance(value, str) or not 0 <= value <= 1):
        raise ValueError(f"threshold must be 'mean' or in [0, 1]; got {value!r}")
    return value


def _checked_update_epochs(epochs: Any) -> Optional[List[int]]:
    if epochs is None:
        return None
    if isinstance(epochs, (str, bytes)) or not isinstance(epochs, Iterable):
        raise TypeError(f"update_epochs must be a collection of epochs or None; got {epochs!r}")
    return sorted({_checks.integer("update_epochs", epoch, 0) for epoch in epochs})
