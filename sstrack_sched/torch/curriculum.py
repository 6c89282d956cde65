"""The whole method behind one object."""

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
    """Samples by bin out, IoUs in, schedule and loss weights out, for a user's own training loop.

    Parameters
    ----------
    source : Source
        What can be drawn, such as `IntervalSampler` or `BinnedSampler`.
    total_epochs : int
        Epochs over which d goes from 0 to 1.
    samples_per_epoch : int
        Samples per epoch, over all processes.
    on_invalid : {"raise", "drop"}, default="raise"
        An IoU that is NaN or outside [0, 1] raises at `step`, or is left out, counted and told.
    rank, world_size : int, optional
        Place of this process, see `CurriculumSampler`.
    **scheduler_options
        For `SuccessAwareScheduler`. ``random_distribution`` and ``feasible`` default to the
        source's.

    Attributes
    ----------
    sampler : CurriculumSampler
        For the DataLoader.
    weigh : LossWeight
        ``weigh(losses, bins)`` gives the weighted per-sample losses.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex
    >>> source = IntervalSampler(VideoIndex([300] * 10), IntervalBins(200, 30))
    >>> curriculum = Curriculum(source, total_epochs=2, samples_per_epoch=1000)
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
    history: List[EpochRecord] = reading(attrgetter("scheduler.history"), "One per step.")

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
        left = self.samples_per_epoch - self.n_consumed
        due = "step" if left < self._ledger.batch else "record"
        return f"{self.n_consumed} of {self.samples_per_epoch} samples recorded, {due}() is next"

    @property
    def n_consumed(self) -> int:
        """Samples of the current epoch that all processes together have recorded."""
        return min(self._ledger.n_consumed, self.samples_per_epoch)

    def redraw(self, pair: Drawn, attempt: int) -> Drawn:
        """Another pair of the same bin, see `IntervalSampler.redraw`."""
        return self.source.redraw(pair, attempt)  # type: ignore[attr-defined]  # not of Source

    def record(self, ious: TensorLike, bins: TensorLike) -> None:
        """Take in a batch, without waiting for the device.

        Parameters
        ----------
        ious, bins : Tensor of float and Tensor of int, shape (B,)
            IoU (or another score) of each sample, in [0, 1], and its bin. IoUs, and bins that are
            not on the CPU, are checked at `step`.

        Raises
        ------
        TypeError, ValueError
            If the shapes or types do not fit or a bin is wrong. Nothing is recorded then.
        """
        ids = as_ids(bins)
        # Elsewhere a look at the values would wait for the device. A set is faster than NumPy here.
        if ids.device.type == "cpu" and not self._feasible_bins.issuperset(ids.flatten().tolist()):
            values = _checks.bin_ids("bins", ids.numpy(), self.scheduler.n_bins)
            _checks.refuse("bins", "be feasible", values, ~self.scheduler.feasible[values])
        # The sampler's is 1 in each process where a framework shards by itself.
        world_size = max((self.sampler.place or (0, 1))[1], group_place()[1])
        self._ledger.record(as_ious(ious, ids), ids, world_size)

    def discard_invalid(self) -> int:
        """Leave out the invalid IoUs of the epoch so far and return their number.

        With several processes all call it, after `step` has raised in all; the number is of all.
        """
        self._add_own()
        tally = self._ledger.tally
        n_invalid, tally.invalid = len(tally.invalid), []
        tally.statistics.n_invalid += n_invalid
        return n_invalid

    def step(self, *, partial: bool = False) -> Floats:
        """End the epoch, return the next one's Q, shape (n_bins,). Every process calls it.

        Parameters
        ----------
        partial : bool, default=False
            Accept any number of samples above 0.

        Raises
        ------
        TypeError, ValueError
            If the number of recorded samples is not that of the epoch, an IoU is invalid, no
            iterator of `sampler` was started since the last step, or the processes differ in their
            configuration. All processes raise then; nothing changes, and no sample is lost.
        """
        self._gather(partial, even=False)
        tally = self._ledger.tally
        if tally.invalid:
            raise ValueError(
                f"ious must be in [0, 1], not NaN; got {some(tally.invalid)}. "
                "discard_invalid() leaves them out and lets the run go on"
            )
        if not partial or not tally.n_recorded:
            self._ledger.check_count(self.samples_per_epoch, self.epoch)
        self.scheduler.step(tally.statistics)
        self._ledger.start()
        self._agree()
        return self.scheduler.distribution

    def _agree(self) -> None:
        """Take rank 0's record where machines have rounded differently."""
        own = self.history[-1].to_dict()
        first = gather_objects(own)[0]
        if first != own:  # load_state_dict checks it as it checks any other
            state = self.scheduler.state_dict()
            self.scheduler.load_state_dict({**state, "history": [*state["history"][:-1], first]})

    def synchronize(self) -> None:
        """Gather what all processes hold, before `state_dict` in the middle of an epoch.

        Raises
        ------
        ValueError
            As for `step`; also if not every process calls it after the same batch.
        """
        self._gather(False, even=True)

    def _gather(self, partial: bool, *, even: bool) -> None:
        """Move what is pending in all processes into the tally."""
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
        # The last batches of an epoch may differ, where its samples do not divide.
        uneven = len(set(counts)) > 1 and left >= sum(each.largest_batch for each in parts)
        rule = "be called after the same batch in every process"
        _checks.require(not (even and uneven), "synchronize", rule, counts)
        self._ledger.add(parts)

    def _add_own(self) -> None:
        """Move what is pending into the tally, where this process is the only one."""
        if self._ledger.world_size == 1:
            self._ledger.add([self._ledger.fetch()])

    def _check_iterator(self) -> None:
        """Refuse samples that no iterator of this epoch can have drawn: their Q was another."""
        last = self.sampler.last
        if self._ledger.fresh and (last is None or last.epoch != self.epoch):
            raise ValueError(
                "ious must be of samples of an iterator of curriculum.sampler that was started "
                f"after the last step(); none was started in epoch {self.epoch}: has a framework "
                "copied or replaced the sampler, or does an iterator run over several epochs?"
            )

    def _about(self) -> Dict[str, Any]:
        """Values on which all processes must agree."""
        about = {**self._config(), **self.scheduler._config}
        if self._default_random:  # machines may differ in the last bits; the identity fixes it
            del about["random_distribution"]
        if self.epoch:  # from the first step on all have rank 0's
            about["distribution"] = self.distribution.tolist()
        about["gathered"] = self._ledger.tally.n_recorded
        about["discarded"] = self._ledger.tally.statistics.n_invalid
        return {**about, "on_invalid": self._ledger.on_invalid, "epoch": self.epoch}

    def _config(self) -> Dict[str, Any]:
        return {**identity_of(self.source), "samples_per_epoch": self.samples_per_epoch}

    def state_dict(self) -> Dict[str, Any]:
        """Everything, in plain values for JSON, also in the middle of an epoch.

        A curriculum made with the same arguments loads it at any world size, and goes on after the
        samples that `record` has seen. It never communicates: one process alone may call it.

        Raises
        ------
        RuntimeError
            If there are several processes and more was recorded since all called `synchronize`.
        """
        self._add_own()
        n_pending = self._ledger.n_pending
        rule = "be called on all processes before state_dict() in the middle of an epoch"
        _checks.require(not n_pending, "synchronize()", rule, n_pending, RuntimeError)
        return {
            "version": STATE_VERSION,
            "config": self._config(),
            "scheduler": self.scheduler.state_dict(),
            "tally": self._ledger.tally.state_dict(),
        }

    def load_state_dict(self, state: Dict[str, Any], strict: bool = True) -> None:
        """Go on from where `state_dict` was called: new iterators skip what was consumed.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.
        strict : bool, default=True
            False accepts slightly changed data, with a warning; its own q^R is used then.

        Raises
        ------
        TypeError, ValueError
            If the state is of another configuration or data set, or damaged. Nothing changes then.
        """
        _checks.keys("state", state, ("version", "config", "scheduler", "tally"))
        strict = _checks.flag("strict", strict)
        own, saved = self._config(), state["config"]
        other = isinstance(saved, dict) and saved.get("data") != own.get("data")
        if other and not strict:  # the rest must fit; q^R is that of the data that are here
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
        self._ledger.start(tally)  # the sampler's too: an iterator starts after what it holds
        self.sampler.last = None
