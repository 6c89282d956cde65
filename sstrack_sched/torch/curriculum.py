"""The whole method behind one object."""

from __future__ import annotations

import copy
import warnings
from typing import Any, Dict, List, Optional

import numpy as np

from .. import _checks
from .._record import EpochRecord
from .._types import Floats
from ..scheduler import SuccessAwareScheduler
from ..source import checked_source, identity_of
from .loss_weight import LossWeight
from .processes import (
    checked_place,
    gather_objects,
    group_place,
    is_distributed,
    raise_disagreement,
    raise_together,
)
from .recording import Ledger, Tally, as_ids
from .sampler import CurriculumSampler

STATE_VERSION = 2


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
        What an IoU that is NaN or outside [0, 1] does: raise at `step`, or be left out, counted and
        warned about once an epoch.
    rank, world_size : int, optional
        Place of this process, see `CurriculumSampler`.
    **scheduler_options
        For `SuccessAwareScheduler`. ``random_distribution`` and ``feasible`` default to the
        source's.

    Attributes
    ----------
    source : Source
    sampler : CurriculumSampler
        For the DataLoader.
    scheduler : SuccessAwareScheduler
        Distribution, loss weights, history.
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

    def __init__(
        self,
        source: Any,
        total_epochs: int,
        samples_per_epoch: int,
        *,
        on_invalid: str = "raise",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        **scheduler_options: Any,
    ) -> None:
        _checks.integer("samples_per_epoch", samples_per_epoch, 1)
        self.source = checked_source(source)
        self._default_random = scheduler_options.get("random_distribution") is None
        if self._default_random:
            if not hasattr(source, "random_distribution"):
                raise TypeError(f"source must have random_distribution; got {source!r}")
            scheduler_options["random_distribution"] = source.random_distribution
        if scheduler_options.get("feasible") is None:
            scheduler_options["feasible"] = source.feasible
        self.scheduler = SuccessAwareScheduler(source.n_bins, total_epochs, **scheduler_options)
        self._ledger = Ledger(source.n_bins, on_invalid)
        self.sampler = CurriculumSampler(
            source,
            self.scheduler,
            samples_per_epoch,
            rank=rank,
            world_size=world_size,
            ledger=self._ledger,
        )
        self.weigh = LossWeight(self.scheduler)
        self._place = (rank, world_size)
        self._feasible_bins = frozenset(np.flatnonzero(self.scheduler.feasible).tolist())

    def __repr__(self) -> str:
        return (
            f"<Curriculum: epoch {self.epoch} of {self.scheduler.total_epochs}, "
            f"{self.n_consumed} of {self.samples_per_epoch} samples recorded, {self.source!r}>"
        )

    @property
    def samples_per_epoch(self) -> int:
        """Samples per epoch, over all processes."""
        return self.sampler.total_size

    @property
    def n_consumed(self) -> int:
        """Samples of the current epoch that all processes together have recorded."""
        return min(self._ledger.n_consumed, self.samples_per_epoch)

    @property
    def epoch(self) -> int:
        """The epoch that is being recorded, from 0."""
        return self.scheduler.epoch

    @property
    def distribution(self) -> Floats:
        """Q of the current epoch, shape (n_bins,)."""
        return self.scheduler.distribution

    @property
    def loss_weights(self) -> Floats:
        """Loss weights of the current epoch, shape (n_bins,)."""
        return self.scheduler.loss_weights

    @property
    def history(self) -> List[EpochRecord]:
        """One `EpochRecord` per step."""
        return self.scheduler.history

    def redraw(self, pair: Any, attempt: int) -> Any:
        """Another pair of the same bin, see `IntervalSampler.redraw`.

        Parameters
        ----------
        pair : Pair
            The pair to replace.
        attempt : int
            At least 1; each gives another pair, always the same.

        Returns
        -------
        Pair
            With the bin, number and epoch of `pair`.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, or the source has no ``redraw``.
        """
        if not hasattr(self.source, "redraw"):
            raise TypeError(f"source must have redraw; got {self.source!r}")
        return self.source.redraw(pair, attempt)

    def record(self, ious: Any, bins: Any) -> None:
        """Take in a batch, without waiting for the device.

        Parameters
        ----------
        ious : Tensor of float, shape (B,)
            IoU (or another score) of each sample, in [0, 1].
        bins : Tensor of int, shape (B,)
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If the shapes or types do not fit, a bin (on the CPU) is out of range or not feasible,
            or more is recorded than the epoch has. Nothing is recorded then. IoUs, and bins on
            other devices, are checked at `step`.
        """
        ids = as_ids(bins)
        # On another device a look at the values would wait for it. A set is faster than NumPy here.
        if ids.device.type == "cpu" and not self._feasible_bins.issuperset(
            ids.reshape(-1).tolist()
        ):
            values = _checks.bin_ids("bins", ids.numpy(), self.scheduler.n_bins)
            bad = ~self.scheduler.feasible[values]
            raise ValueError(f"bins must be feasible; got {_checks.first_bad(values, bad)}")
        recorded = self._ledger.tally.n_recorded + self._ledger.n_pending + ids.numel()
        if recorded > self.samples_per_epoch:
            raise ValueError(
                f"ious must be at most samples_per_epoch={self.samples_per_epoch} per epoch; got "
                f"{recorded}: was step() forgotten, or a batch recorded twice?"
            )
        self._ledger.record(ious, ids, max(self.sampler.num_replicas, group_place()[1]))

    def discard_invalid(self) -> int:
        """Leave out the invalid IoUs of the epoch so far, so that `step` can go on.

        With several processes all call it, after `step` has raised in all.

        Returns
        -------
        int
            How many there were, over all processes; the epoch's record counts them.
        """
        self._fold()
        return self._ledger.discard_invalid()

    def step(self, *, partial: bool = False) -> Floats:
        """End the epoch; see `SuccessAwareScheduler.step`.

        Parameters
        ----------
        partial : bool, default=False
            Accept an epoch of which a batch or more was not recorded.

        Returns
        -------
        ndarray of float64, shape (n_bins,)
            Q of the next epoch.

        Raises
        ------
        RuntimeError
            If there is a world size and no process group.
        TypeError, ValueError
            If the number of recorded samples is not that of the epoch, an IoU is invalid, no
            iterator of `sampler` was started since the last step, or the processes have different
            configurations. With several processes all raise, a ValueError that says what was wrong
            where. The schedule does not change then, and no sample is lost.

        Notes
        -----
        Collective: every process calls it.
        """
        partial = self._gather(partial, even=False)
        self._ledger.check_valid()
        self._check_count(partial)
        self.scheduler.step(self._ledger.tally.statistics)
        self._ledger.start()
        self._agree()
        return self.distribution

    def _agree(self) -> None:
        """Take rank 0's record where machines have rounded differently."""
        if not is_distributed():
            return
        own = self.history[-1].to_dict()
        first = gather_objects(own)[0]
        if first != own:  # load_state_dict checks it as it checks any other
            state = self.scheduler.state_dict()
            self.scheduler.load_state_dict({**state, "history": [*state["history"][:-1], first]})

    def synchronize(self) -> None:
        """Gather what all processes hold, before `state_dict` in the middle of an epoch.

        Collective: every process calls it, after the same batch. A single process has nothing to
        gather.

        Raises
        ------
        RuntimeError
            If there is a world size and no process group.
        ValueError
            If the processes have not recorded alike or have different configurations, or a bin is
            out of range; all raise then.
        """
        self._gather(False, even=True)

    def _gather(self, partial: bool, *, even: bool) -> bool:
        """Move what is pending in all processes into the tally; whether all accept a part."""
        part: Optional[Tally] = None
        error: Optional[Exception] = None
        try:
            partial = _checks.flag("partial", partial)
            checked_place(*self._place)
            self._check_iterator()
            part = self._ledger.fetch(f"rank {group_place()[0]}: " if is_distributed() else "")
        except Exception as failure:  # noqa: BLE001 (the others would wait for ever)
            error = failure
        text = "" if error is None else f"{type(error).__name__}: {error}"
        found = gather_objects((part, self._about(), text, partial))
        parts, abouts, texts, partials = zip(*found)
        raise_together(error, texts)
        raise_disagreement(abouts)
        counts = [each.n_recorded for each in parts]
        left = self.samples_per_epoch - self._ledger.tally.n_recorded - sum(counts)
        if even and len(set(counts)) > 1 and left >= sum(each.largest_batch for each in parts):
            raise ValueError(
                "synchronize must be called after the same batch in every process; got "
                f"{counts} samples recorded, by rank"
            )
        self._ledger.tally.add(parts)
        self._ledger.clear_pending()
        return all(partials)

    def _fold(self) -> None:
        """Move what this process holds into its tally, where it is the only one."""
        if self._ledger.world_size == 1:
            self._ledger.tally.add([self._ledger.fetch()])
            self._ledger.clear_pending()

    def _check_iterator(self) -> None:
        """Refuse samples that no iterator of this epoch can have drawn: their Q was another."""
        last = self.sampler.last
        if self._ledger.fresh and (last is None or last.epoch != self.epoch):
            raise ValueError(
                "ious must be of samples that an iterator of curriculum.sampler, started since the "
                f"last step(), has drawn; none was started in epoch {self.epoch}: has a framework "
                "copied the sampler, or does one iterator run over several epochs?"
            )

    def _about(self) -> Dict[str, Any]:
        """What all processes must agree on."""
        about = {**identity_of(self.source), **self.scheduler.state_dict()["config"]}
        if self._default_random:  # machines may differ in the last bits; the identity fixes it
            del about["random_distribution"]
        about["samples_per_epoch"] = self.samples_per_epoch
        about["on_invalid"] = self._ledger.on_invalid
        about["epoch"] = self.epoch
        about["gathered"] = self._ledger.tally.n_recorded
        about["discarded"] = self._ledger.tally.statistics.n_invalid
        if self.epoch:  # before the first step machines may differ in the last bits
            about["distribution"] = self.distribution.tolist()
        return about

    def _check_count(self, partial: bool) -> None:
        expected, recorded = self.samples_per_epoch, self._ledger.tally.n_recorded
        batch = self._ledger.batch
        if recorded > expected:
            raise ValueError(
                f"at most samples_per_epoch={expected} samples must be recorded before step(), by "
                f"all processes together; got {recorded}: has a framework repeated samples to even "
                "out batches, or were rank and world_size given where nothing else shards?"
            )
        if not recorded:
            raise ValueError(
                f"samples_per_epoch={expected} samples must be recorded before step(); nothing was "
                f"recorded in epoch {self.epoch}: call record(ious, bins) after each batch"
            )
        if expected - recorded >= batch and not partial:
            raise ValueError(
                f"samples_per_epoch={expected} samples must be recorded before step(), or less "
                f"than a batch ({batch}) fewer with drop_last; got {recorded}: were batches not "
                "recorded, has a framework sharded the sampler again, or has a resumed loader "
                "skipped what the sampler skips itself? step(partial=True) accepts it"
            )

    def _config(self) -> Dict[str, Any]:
        return {**identity_of(self.source), "samples_per_epoch": self.samples_per_epoch}

    def state_dict(self) -> Dict[str, Any]:
        """Everything, in plain Python values that JSON takes; also in the middle of an epoch.

        What `record` has seen is what training has consumed, whatever workers have prefetched.
        It never communicates, so one process alone may call it: with several processes in the
        middle of an epoch, all call `synchronize` first.

        Returns
        -------
        dict
            For `load_state_dict` of a curriculum made with the same arguments, at any world size.

        Raises
        ------
        RuntimeError
            If there are several processes and more was recorded since `synchronize`.
        """
        self._fold()
        if self._ledger.n_pending:
            raise RuntimeError(
                "synchronize() must be called on all processes before state_dict() in the middle "
                f"of an epoch; got {self._ledger.n_pending} samples recorded since"
            )
        return {
            "version": STATE_VERSION,
            "config": self._config(),
            "scheduler": self.scheduler.state_dict(),
            "tally": self._ledger.tally.state_dict(),
        }

    def load_state_dict(self, state: Any, strict: bool = True) -> None:
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
        if other and not strict:
            # The rest must fit; q^R is that of the data that are here.
            state = copy.deepcopy(state)
            state["config"]["data"] = own.get("data")
            q_random = self.scheduler.random_distribution.tolist()
            state["scheduler"]["config"]["random_distribution"] = q_random
        _checks.same_config("curriculum", own, state, STATE_VERSION)
        tally = Tally.from_state(self.scheduler.n_bins, state["tally"])
        _checks.integer("samples in state's tally", tally.n_recorded, 0, self.samples_per_epoch)
        self.scheduler.load_state_dict(state["scheduler"])
        if other:
            warnings.warn(
                f"state is of other data (fingerprint {saved.get('data')!r}, now "
                f"{own.get('data')!r})",
                RuntimeWarning,
                stacklevel=2,
            )
        self._ledger.start(tally)
        self.sampler.last = None
