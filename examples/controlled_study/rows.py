"""Rows of the tables: the sampling distribution and loss weights of each training scheme."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from sstrack_sched import (
    SuccessAwareScheduler,
    loss_weights,
    redetection_probability,
    sampling_distribution,
)

Epoch = Tuple[np.ndarray, np.ndarray]  # Q and the loss weights of an epoch, one number per bin


@dataclasses.dataclass(frozen=True)
class Row:
    """One training scheme, a row of the tables."""

    name: str
    says: str
    weighted: bool = False  # loss weights
    options: Dict[str, Any] = dataclasses.field(default_factory=dict)  # of the scheduler
    two_updates: bool = False  # Q changes at 33 % and 50 % of the training only
    fixed_d: Optional[float] = None
    backwards: bool = False  # the paper's d, from 1 to 0
    replayed: Optional[str] = None  # row whose epochs, of the same seed, are replayed
    replay: Optional[Callable[[List[Epoch]], List[Epoch]]] = None  # how these epochs are rearranged


def mean_epoch(epochs: List[Epoch]) -> List[Epoch]:
    """Repeat the mean Q and weight of all epochs: same pairs and weight per bin, no order."""
    q = np.mean([q for q, _ in epochs], axis=0)
    mass = np.mean([q * weights for q, weights in epochs], axis=0)
    return [(q / q.sum(), mass / q)] * len(epochs)


def reversed_epochs(epochs: List[Epoch]) -> List[Epoch]:
    return epochs[::-1]


NEVER: Dict[str, Any] = {"update_epochs": ()}
FIRST_ROWS = (
    Row("random", "the random sampler's distribution; measured, not scheduled", options=NEVER),
    Row("uniform", "all bins equally likely", options={**NEVER, "random_distribution": None}),
    Row("scheduled", "the schedule without loss weights"),
    Row("weighted", "the schedule with loss weights: the paper's method", weighted=True),
)
CONTROL_ROWS = (
    Row("normalised", "weighted, weights of mean 1", weighted=True, options={"normalize": True}),
    Row("static", "the mean Q of `scheduled`", replayed="scheduled", replay=mean_epoch),
    Row(
        "static, weighted",
        "the mean Q and weight of `weighted`",
        weighted=True,
        replayed="weighted",
        replay=mean_epoch,
    ),
    Row(
        "reversed",
        "the epochs of `scheduled` in reverse order",
        replayed="scheduled",
        replay=reversed_epochs,
    ),
    Row(
        "reversed, weighted",
        "the epochs of `weighted` in reverse order",
        weighted=True,
        replayed="weighted",
        replay=reversed_epochs,
    ),
    Row("anti", "scheduled, d from 1 to 0", backwards=True),
    Row("anti, weighted", "weighted, d from 1 to 0", weighted=True, backwards=True),
    Row("d = 0.5", "scheduled, d fixed", fixed_d=0.5),
    Row("d = 0.5, weighted", "weighted, d fixed", weighted=True, fixed_d=0.5),
    Row("d = 1, weighted", "weighted, d fixed", weighted=True, fixed_d=1.0),
)
TABLE_4_ROWS = (
    Row("order 1", "weighted, order 1, not 2", weighted=True, options={"order": 1}),
    Row("order 3", "weighted, order 3, not 2", weighted=True, options={"order": 3}),
    Row("tau 0.5", "weighted, tau 0.5, not the mean", weighted=True, options={"threshold": 0.5}),
    Row("tau 0.75", "weighted, tau 0.75, not the mean", weighted=True, options={"threshold": 0.75}),
    Row("two updates", "weighted, Q changes at 33 % and 50 %", weighted=True, two_updates=True),
)
ROWS = {row.name: row for row in FIRST_ROWS + CONTROL_ROWS + TABLE_4_ROWS}
FEW_ROWS = ("random", "uniform", "scheduled", "weighted", "static, weighted")
MAP_ROWS = ("random", "uniform", "weighted")


def make_scheduler(row: Row, sampler, total_epochs: int) -> SuccessAwareScheduler:
    options = {"random_distribution": sampler.random_distribution, **row.options}
    if row.two_updates:
        options["update_epochs"] = (round(total_epochs / 3) - 1, total_epochs // 2 - 1)
    return SuccessAwareScheduler(sampler.n_bins, total_epochs, feasible=sampler.feasible, **options)


def this_epoch(row: Row, scheduler: SuccessAwareScheduler, plan: Optional[List[Epoch]]) -> Epoch:
    """Return Q and loss weights of the current epoch."""
    if plan is not None:
        return plan[scheduler.epoch]
    total_epochs = scheduler.total_epochs
    q, weights = scheduler.distribution, scheduler.loss_weights
    if scheduler.epoch > 0 and (row.backwards or row.fixed_d is not None):
        d = row.fixed_d
        if row.backwards:
            d = redetection_probability(total_epochs - scheduler.epoch, total_epochs)
        q = sampling_distribution(scheduler.success_rate, d, scheduler.feasible)
        weights = loss_weights(scheduler.random_distribution, q)
    return q, weights if row.weighted else np.ones_like(weights)
