"""The complete method in one object."""

from __future__ import annotations

import copy
import warnings
from operator import attrgetter
from typing import Any, Dict, List, Optional, TypeVar

import numpy as np

from .. import _checks
from .._record import EpochRecord
from .._table import schedule_table
from .._types import Floats
from ..scheduler import SuccessAwareScheduler
from ..source import Source, checked_source, identity_of
from .loss_weight import LossWeight
from .processes import check_place, gather_agreeing, gather_objects, group_place
from .recording import Ledger, Tally, TensorLike, as_ids, as_ious, some
from .sampler import CurriculumSampler, reading

STATE_VERSION = 2
Drawn = TypeVar("Drawn")  # what the source draws


class Curriculum:
    """The complete method: sampler, recording, schedule and loss weights.

    Parameters
    ----------
    source : Source
        Source of the samples, such as `IntervalSampler` or `BinnedSampler`.
    total_epochs : int
        Number of epochs over which d grows from 0 to 1.
    samples_per_epoch : int
        Number of samples per epoch, over all processes.
    on_invalid : {"raise", "drop"}, default="raise"
        An IoU not in [0, 1] raises at `step`, or is dropped with a warning.
    rank, world_size : int, optional
        Rank and number of processes, see `CurriculumSampler`.
    **scheduler_options
        For `SuccessAwareScheduler`; by default, ``random_distribution`` and
        ``feasible`` are those of the source.

    Attributes
    ----------
    sampler : CurriculumSampler
        Sampler for the DataLoader.
    weigh : LossWeight
        ``weigh(losses, bins)`` gives the weighted per-sample losses.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex
    >>> source = IntervalSampler(VideoIndex([300]), IntervalBins(200, 30))
    >>> curriculum = Curriculum(source, 2, samples_per_epoch=1000)
    >>> for epoch in range(2):
    ...     for pair in curriculum.sampler:  # a DataLoader, usually
    ...         curriculum.record([1 - pair.interval / 200], [pair.bin])
    ...     _ = curriculum.step()
    >>> curriculum.distribution.round(3)  # d = 1 at the end
    array([0.143, 0.143, 0.143, 0.143, 0.143, 0.143, 0.143])
    """

    epoch: int = reading(attrgetter("scheduler.epoch"), "The epoch being recorded, from 0.")
    distribution: Floats = reading(attrgetter("scheduler.distribution"), "Q, shape (n_bins,).")
    loss_weights: Floats = reading(attrgetter("scheduler.loss_weights"), "Shape (n_bins,).")
    history: List[EpochRecord] = reading(attrgetter("scheduler.history"), "One record per step.")

    def __init__(
        self,
        source: Source,
        total_epochs: int,
        samples_per_epoch: int,
        *,
        on_invalid: str = "raise",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        **scheduler_options: Any,
    ) -> None:
        self.samples_per_epoch = _checks.integer("samples_per_epoch", samples_per_epoch, 1)
        self.source = checked_source(source)
        self._default_random = scheduler_options.get("random_distribution") is None
        for name in ("random_distribution", "feasible"):
            if scheduler_options.get(name) is None:
                scheduler_options[name] = getattr(source, name)
        self.scheduler = SuccessAwareScheduler(source.n_bins, total_epochs, **scheduler_options)
        place = {"rank": rank, "world_size": world_size}
        self.sampler = CurriculumSampler(source, self.scheduler, samples_per_epoch, **place)
        self._ledger = self.sampler.ledger = Ledger(source.n_bins, on_invalid)
        self.weigh = LossWeight(self.scheduler)
        self._feasible_bins = frozenset(np.flatnonzero(self.scheduler.feasible).tolist())

    def __repr__(self) -> str:
        epoch = f"epoch {self.epoch} of {self.scheduler.total_epochs}"
        return f"<Curriculum: {epoch}, {self._progress()}, {self.source!r}>"

    def _repr_html_(self) -> str:
        labels = getattr(getattr(self.source, "bins", None), "labels", None)
        return schedule_table(self.scheduler, f"Curriculum: {self._progress()}", labels)

    def _progress(self) -> str:
        due = "step" if self.samples_per_epoch - self.n_consumed < self._ledger.batch else "record"
        return f"{self.n_consumed} of {self.samples_per_epoch} samples recorded, {due}() is next"

    @property
    def n_consumed(self) -> int:
        """Number of samples recorded in this epoch, over all processes."""
        return min(self._ledger.n_consumed, self.samples_per_epoch)

    def redraw(self, pair: Drawn, attempt: int) -> Drawn:
        """Draw another pair of the same bin, see `IntervalSampler.redraw`."""
        return self.source.redraw(pair, attempt)  # type: ignore[attr-defined]  # not of Source

    def record(self, ious: TensorLike, bins: TensorLike) -> None:
        """Record a batch without waiting for the device.

        Parameters
        ----------
        ious, bins : Tensor of float and Tensor of int, shape (B,)
            IoU (or another score) of each sample, in [0, 1], and its bin.
            `step` checks IoUs, and bins that are not on the CPU.

        Raises
        ------
        TypeError, ValueError
            If a shape, type or bin is invalid; nothing is recorded then.
        """
        ids = as_ids(bins)
        # Checking elsewhere would wait for the device. A set is faster than NumPy here.
        if ids.device.type == "cpu" and not self._feasible_bins.issuperset(ids.flatten().tolist()):
            values = _checks.bin_ids("bins", ids.numpy(), self.scheduler.n_bins)
            _checks.refuse("bins", "be feasible", values, ~self.scheduler.feasible[values])
        # The sampler's world size is 1 if a framework shards.
        world_size = max((self.sampler.place or (0, 1))[1], group_place()[1])
        self._ledger.record(as_ious(ious, ids), ids, world_size)

    def discard_invalid(self) -> int:
        """Drop IoUs that `step` refused; return how many. Call on all ranks."""
        self._add_own()
        tally = self._ledger.tally
        n_invalid, tally.invalid = len(tally.invalid), []
        tally.statistics.n_invalid += n_invalid
        return n_invalid

    def step(self, *, partial: bool = False) -> Floats:
        """End the epoch in all processes; return the next Q, shape (n_bins,).

        Parameters
        ----------
        partial : bool, default=False
            Accept any positive number of samples.

        Raises
        ------
        TypeError, ValueError
            If the number of samples is wrong, an IoU is invalid, `sampler`
            was not started again after the last step, or processes differ
            in configuration. Then all raise, and nothing changes.
        """
        self._gather(partial, even=False)
        tally = self._ledger.tally
        if tally.invalid:
            raise ValueError(
                f"ious must be in [0, 1], not NaN; got {some(tally.invalid)}. "
                "discard_invalid() drops them so that the run can continue"
            )
        if not partial or not tally.n_recorded:
            self._ledger.check_count(self.samples_per_epoch, self.epoch)
        self.scheduler.step(tally.statistics)
        self._ledger.start()
        self._agree()
        return self.scheduler.distribution

    def _agree(self) -> None:
        """Use rank 0's record if machines round differently."""
        own = self.history[-1].to_dict()
        first = gather_objects(own)[0]
        if first != own:  # load_state_dict checks the record
            state = self.scheduler.state_dict()
            self.scheduler.load_state_dict({**state, "history": [*state["history"][:-1], first]})

    def synchronize(self) -> None:
        """Collect all processes' samples before `state_dict` in mid-epoch.

        Raises
        ------
        ValueError
            As for `step`; also if processes call it at different batches.
        """
        self._gather(False, even=True)

    def _gather(self, partial: bool, *, even: bool) -> None:
        """Move the pending samples of all processes into the tally."""
        part, error = None, None
        try:
            partial = _checks.flag("partial", partial)
            check_place(self.sampler.place)
            self._check_iterator()
            rank, size = group_place()
            part = self._ledger.fetch(f"rank {rank}: " if size > 1 else "")
        except Exception as failure:  # noqa: BLE001 (the others would wait for ever)
            error = failure
        parts: List[Tally] = gather_agreeing(part, {**self._about(), "partial": partial}, error)
        counts = [each.n_recorded for each in parts]
        left = self.samples_per_epoch - self._ledger.tally.n_recorded - sum(counts)
        # The last batches of an epoch may differ in size.
        uneven = len(set(counts)) > 1 and left >= sum(each.largest_batch for each in parts)
        rule = "be called after the same batch in every process"
        _checks.require(not (even and uneven), "synchronize", rule, counts)
        self._ledger.add(parts)

    def _add_own(self) -> None:
        """Move pending samples into the tally if this process is the only one."""
        if self._ledger.world_size == 1:
            self._ledger.add([self._ledger.fetch()])

    def _check_iterator(self) -> None:
        """Refuse samples that were not drawn in this epoch: they may have had another Q."""
        last = self.sampler.last
        if self._ledger.fresh and (last is None or last.epoch != self.epoch):
            raise ValueError(
                "ious must be of samples from an iterator of curriculum.sampler started after the "
                f"last step(); none was started in epoch {self.epoch}: is sampler= missing in the "
                "loader, has a framework copied or replaced it, or is an old iterator still in use?"
            )

    def _about(self) -> Dict[str, Any]:
        """Values on which all processes must agree."""
        about = {**self._config(), **self.scheduler._config}
        if self._default_random:  # may be rounded differently; the identity determines it
            del about["random_distribution"]
        if self.epoch:  # rank 0's, from the first step on
            about["distribution"] = self.distribution.tolist()
        about["samples collected from all processes"] = self._ledger.tally.n_recorded
        about["discarded"] = self._ledger.tally.statistics.n_invalid
        return {**about, "on_invalid": self._ledger.on_invalid, "epoch": self.epoch}

    def _config(self) -> Dict[str, Any]:
        return {**identity_of(self.source), "samples_per_epoch": self.samples_per_epoch}

    def state_dict(self) -> Dict[str, Any]:
        """Return the complete state for JSON, also in the middle of an epoch.

        A curriculum with the same arguments and any world size can resume
        from it. A single process may call this: it does not communicate.

        Raises
        ------
        RuntimeError
            If several processes have recorded since the last `synchronize`.
        """
        self._add_own()
        n_pending = self._ledger.n_pending
        rule = "be called on all processes before state_dict() in mid-epoch, after record()"
        _checks.require(not n_pending, "synchronize()", rule, n_pending, RuntimeError)
        return {
            "version": STATE_VERSION,
            "config": self._config(),
            "scheduler": self.scheduler.state_dict(),
            "tally": self._ledger.tally.state_dict(),
        }

    def load_state_dict(self, state: Dict[str, Any], strict: bool = True) -> None:
        """Resume from a state: new iterators skip the samples recorded before.

        Parameters
        ----------
        state : dict
            A dict that `state_dict` returned.
        strict : bool, default=True
            False accepts changed data with a warning and uses the new q^R.

        Raises
        ------
        TypeError, ValueError
            If arguments or data differ or it is damaged; nothing changes.
        """
        _checks.keys("state", state, ("version", "config", "scheduler", "tally"))
        strict = _checks.flag("strict", strict)
        own, saved = self._config(), state["config"]
        other = isinstance(saved, dict) and saved.get("data") != own.get("data")
        if other and not strict:  # the rest must match; q^R is that of the new data
            state = copy.deepcopy(state)
            state["config"]["data"] = own.get("data")
            q_random = self.scheduler.random_distribution.tolist()
            state["scheduler"]["config"]["random_distribution"] = q_random
        _checks.same_config("curriculum", own, state, STATE_VERSION)
        tally = Tally.from_state(self.scheduler.n_bins, state["tally"])
        self.scheduler.load_state_dict(state["scheduler"])
        if other:
            text = f"state is of other data ({saved.get('data')!r}, now {own.get('data')!r})"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        self._ledger.start(tally)  # shared with the sampler, which starts after these samples
        self.sampler.last = None
