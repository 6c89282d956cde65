"""The whole method behind one object."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

import numpy as np

from .. import _checks
from ..random_sampler import SCHEMES, random_sampler_distribution
from ..sampling import IntervalSampler
from ..scheduler import SuccessAwareScheduler
from ..statistics import SuccessStatistics
from .loss_weight import LossWeight
from .processes import (
    Totals,
    gather_objects,
    group_rank,
    group_size,
    is_distributed,
    of_first_process,
    raise_disagreement,
    raise_together,
    text_of,
)
from .recording import IoURecorder, as_ids
from .sampler import PairSampler, process_rank

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..bins import IntervalBins
    from ..videos import VideoIndex

STATE_VERSION = 1


class Curriculum:
    """Pairs by interval, IoUs in, schedule and loss weights out, for a user's own training loop.

    Parameters
    ----------
    videos : VideoIndex
        The training set.
    bins : IntervalBins
        Interval bins.
    total_epochs : int
        Epochs over which d goes from 0 to 1.
    samples_per_epoch : int
        Pairs an epoch, over all processes.
    seed : int, default=0
        Of the pairs.
    direction : {"both", "forward"}, default="both"
        Of the search frames, see `IntervalSampler`.
    scheme : {"forward", "symmetric", "causal"}, default="forward"
        The random sampler that q^R describes, see `random_sampler_distribution`.
    on_invalid : {"raise", "drop"}, default="raise"
        What an invalid IoU does, see `IoURecorder`.
    rank, world_size : int, optional
        Place of this process, see `PairSampler`.
    **scheduler_options
        For `SuccessAwareScheduler`. ``random_distribution`` defaults to the exact q^R of the
        videos, ``feasible`` to the bins that they can fill.

    Attributes
    ----------
    sampler : PairSampler
        For the DataLoader.
    scheduler : SuccessAwareScheduler
        Distribution, loss weights, history.
    interval_sampler : IntervalSampler
        For ``redraw`` in a dataset.
    recorder : IoURecorder
        What `record` fills.
    weigh : LossWeight
        ``weigh(losses, bins)`` gives the weighted per-sample losses.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, VideoIndex
    >>> curriculum = Curriculum(VideoIndex([300] * 10), IntervalBins(200, 30), total_epochs=2,
    ...                         samples_per_epoch=1000)
    >>> for epoch in range(2):
    ...     for pair in curriculum.sampler:  # a DataLoader, usually
    ...         curriculum.record([1 - pair.interval / 200], [pair.bin])
    ...     _ = curriculum.step()
    >>> curriculum.scheduler.distribution.round(3)  # d = 1 at the end
    array([0.143, 0.143, 0.143, 0.143, 0.143, 0.143, 0.143])
    """

    def __init__(
        self,
        videos: VideoIndex,
        bins: IntervalBins,
        total_epochs: int,
        samples_per_epoch: int,
        *,
        seed: int = 0,
        direction: str = "both",
        scheme: str = "forward",
        on_invalid: str = "raise",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
        **scheduler_options: Any,
    ) -> None:
        _checks.integer("samples_per_epoch", samples_per_epoch, 1)
        _checks.choice("scheme", scheme, SCHEMES)
        self.interval_sampler = IntervalSampler(videos, bins, direction=direction, seed=seed)
        if scheduler_options.get("feasible") is None:
            scheduler_options["feasible"] = self.interval_sampler.feasible
        default = scheduler_options.get("random_distribution") is None
        if default:
            q_random = random_sampler_distribution(videos, bins, scheme)
            scheduler_options["random_distribution"] = q_random
        self.scheduler = SuccessAwareScheduler(len(bins), total_epochs, **scheduler_options)
        self.sampler = PairSampler(
            self.interval_sampler,
            self.scheduler,
            samples_per_epoch,
            rank=rank,
            world_size=world_size,
        )
        self.recorder = IoURecorder(on_invalid)
        self.weigh = LossWeight(self.scheduler)
        self._place = (rank, world_size)
        # Of the epoch's part before a restart; every process holds it, the first one counts it.
        self._resumed = IoURecorder(on_invalid)
        self._gathered: Optional[Dict[str, Any]] = None  # by `synchronize`, until more is recorded
        self._recorded_by = 1  # world size when the epoch's samples were recorded
        self._random_rule = scheme if default else self.scheduler.random_distribution.tolist()

    @property
    def samples_per_epoch(self) -> int:
        """Pairs an epoch, over all processes."""
        return self.sampler.num_samples

    def record(self, ious: Any, bins: Any) -> None:
        """Take in a batch, without waiting for the device.

        Parameters
        ----------
        ious : Tensor of float, shape (B,)
            IoU of each sample, in [0, 1].
        bins : Tensor of int, shape (B,)
            Bin of each sample.

        Raises
        ------
        TypeError, ValueError
            If the shapes or types do not fit, a bin (on the CPU) is out of range or not feasible,
            or more is recorded than the epoch has, or than iterators of `sampler` have handed out
            since the last step. Nothing is recorded then. IoUs, and bins on other devices, are
            checked at `step`.
        """
        ids = as_ids(bins)
        if ids.device.type == "cpu":  # elsewhere looking at the values would wait for the device
            self.scheduler.check_bins(ids.numpy())
        # What was recorded is consumed: an iterator that starts anew goes on from here. The other
        # processes record as much.
        own, world_size = self.recorder.n_recorded + ids.numel(), self._world_size()
        consumed = self._resumed.n_recorded + own * world_size
        self._check_consumed(self._resumed.n_recorded + own, consumed)
        self.recorder.record(ious, ids)
        self._gathered = None
        self._recorded_by = max(self._recorded_by, world_size)
        consumed = min(consumed, self.samples_per_epoch)
        left, batch = self.samples_per_epoch - consumed, self.recorder.largest_batch * world_size
        self.sampler.consume(consumed, step_due=left < batch)

    def _check_consumed(self, recorded: int, consumed: int) -> None:
        """Refuse to record what is not of this epoch, or not of this sampler."""
        expected, handed_out = self.samples_per_epoch, self.sampler.handed_out
        if recorded > expected:
            raise ValueError(
                f"ious must be at most samples_per_epoch={expected} an epoch; got {recorded}: was "
                "step() forgotten, or a batch recorded twice?"
            )
        if min(consumed, expected) > handed_out:
            raise ValueError(
                "ious must be of pairs that an iterator of curriculum.sampler, started since the "
                f"last step(), has handed out: {handed_out} of epoch {self.scheduler.epoch} so "
                f"far, by all processes; got {consumed}"
            )

    def discard_invalid(self) -> int:
        """Leave out the invalid IoUs recorded so far, so that `step` can go on.

        Returns
        -------
        int
            How many there were; the epoch's record counts them.
        """
        n_bins = self.scheduler.n_bins
        self._gathered = None
        n_resumed = self._resumed.discard_invalid(n_bins)  # every process holds them
        return self.recorder.discard_invalid(n_bins) + (n_resumed if group_rank() == 0 else 0)

    def step(self, *, partial: bool = False) -> NDArray[np.float64]:
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
            If the number of recorded samples is not that of the epoch, an IoU is invalid, or the
            processes have different configurations. With several processes all raise, a ValueError
            that says what was wrong where. Nothing changes then.

        Notes
        -----
        Collective: every process calls it. Two small all-reduces and a broadcast.
        """
        totals = self._totals(partial)
        everywhere = totals.facts["partial"] == group_size()
        self._check_count(totals.facts["recorded"], totals.facts["batch"], everywhere)
        distribution = self.scheduler.step(totals)
        self._clear()
        if is_distributed():  # machines may round differently; the first one's numbers count
            numbers = np.stack([distribution, self.scheduler.loss_weights])
            self.scheduler.adopt(*of_first_process(numbers))
        return self.scheduler.distribution

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
        state, error = None, None
        try:
            self._check_place()
            state = self.recorder.state_dict(self.scheduler.n_bins)
        except Exception as failure:  # noqa: BLE001 (the others would wait for ever)
            error = failure
        found = gather_objects((state, self._about(), text_of(error)))
        states, abouts, texts = zip(*found)
        raise_together(error, texts)
        raise_disagreement(abouts)
        self._check_even(states)
        self._gathered = self._merged(states)

    def _check_even(self, states: Sequence[Dict[str, Any]]) -> None:
        """Refuse states of different numbers of samples, but at the end of the epoch."""
        counts = [state["n_recorded"] for state in states]
        left = self.samples_per_epoch - self._resumed.n_recorded - sum(counts)
        if len(set(counts)) > 1 and left >= max(1, sum(state["largest_batch"] for state in states)):
            raise ValueError(
                "synchronize must be called after the same batch in every process; got "
                f"{counts} samples recorded, by rank"
            )

    def _clear(self) -> None:
        self.recorder.clear()
        self._resumed.clear()
        self._gathered = None
        self._recorded_by = 1

    def _world_size(self) -> int:
        return max(process_rank(*self._place)[1], group_size())

    def _check_place(self) -> None:
        """Refuse a rank and world size that do not fit the process group."""
        place, group = process_rank(*self._place), (group_rank(), group_size())
        if not is_distributed() and place[1] > 1:
            raise RuntimeError(
                "world_size must be 1 where there is no torch.distributed process group; "
                f"got {place[1]}"
            )
        if place not in (group, (0, 1)):
            raise ValueError(
                f"rank and world_size must be the process group's, {group}, or (0, 1) where a "
                f"framework shards; got {place}"
            )

    def _about(self) -> Dict[str, Any]:
        """What all processes must agree on."""
        about = {**self._config(), **self.scheduler.state_dict()["config"]}
        about["random_distribution"] = self._random_rule
        about["on_invalid"] = self.recorder.on_invalid
        about["epoch"] = self.scheduler.epoch
        about["resumed"] = self._resumed.n_recorded
        if self.scheduler.epoch:  # before the first step machines may differ in the last bits
            about["distribution"] = self.scheduler.distribution.tolist()
        return about

    def _totals(self, partial: bool) -> Totals:
        """Statistics over all processes. An error in one of them is raised in all."""
        local, allowed, error = SuccessStatistics(self.scheduler.n_bins), False, None
        first = group_rank() == 0
        try:
            allowed = _checks.flag("partial", partial)
            self._check_place()
            recorded = self.recorder.statistics(self.scheduler.n_bins)
            if first:
                recorded.merge(self._resumed.statistics(self.scheduler.n_bins))
            local = recorded
        except Exception as failure:  # noqa: BLE001 (the others would wait for ever)
            error = failure
        facts = {
            "failed": int(error is not None),
            "partial": int(allowed),
            "recorded": self.recorder.n_recorded + first * self._resumed.n_recorded,
            "batch": self.recorder.largest_batch,
        }
        about = self._about()
        totals = Totals(local, json.dumps(about), facts)
        if totals.facts["failed"]:
            raise_together(error, gather_objects(text_of(error)))
        if not totals.agree:
            raise_disagreement(gather_objects(about))
        totals.facts["batch"] = max(totals.facts["batch"], self._resumed.largest_batch)
        return totals

    def _check_count(self, recorded: int, batch: int, partial: bool) -> None:
        expected, batch = self.samples_per_epoch, max(batch, 1)
        if recorded > expected:
            raise ValueError(
                f"at most samples_per_epoch={expected} samples must be recorded before step(), by "
                f"all processes together; got {recorded}: has a framework repeated samples to even "
                "out batches, or were rank and world_size given where nothing else shards?"
            )
        if expected - recorded >= batch and not partial:
            raise ValueError(
                f"samples_per_epoch={expected} samples must be recorded before step(), less than a "
                f"batch ({batch}) fewer with drop_last; got {recorded}: were batches not recorded, "
                "has a framework sharded the sampler again, or has a resumed loader skipped what "
                "the sampler skips itself? step(partial=True) accepts it"
            )

    def _config(self) -> Dict[str, Any]:
        sampler = self.interval_sampler
        return {
            "videos": sampler.videos.fingerprint,
            "edges": sampler.bins.edges.tolist(),
            "image_bin": sampler.bins.image_bin,
            "direction": sampler.direction,
            "seed": sampler.seed,
            "stream_version": sampler.stream_version,
            "samples_per_epoch": self.samples_per_epoch,
        }

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
        return {
            "version": STATE_VERSION,
            "config": self._config(),
            "scheduler": self.scheduler.state_dict(),
            "recorder": self._recorder_state(),
        }

    def _recorder_state(self) -> Dict[str, Any]:
        if self._gathered is not None:
            return copy.deepcopy(self._gathered)
        if self.recorder.n_recorded and self._recorded_by > 1:
            raise RuntimeError(
                "synchronize() must be called on all processes before state_dict() in the middle "
                f"of an epoch; got {self.recorder.n_recorded} samples recorded since"
            )
        return self._merged([self.recorder.state_dict(self.scheduler.n_bins)])

    def _merged(self, states: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
        """State of one recorder that holds the resumed part and the given states."""
        n_bins = self.scheduler.n_bins
        merged = IoURecorder(self.recorder.on_invalid)
        merged.load_state_dict(self._resumed.state_dict(n_bins))
        for state in states:
            part = IoURecorder(self.recorder.on_invalid)
            part.load_state_dict(state)
            merged.absorb(part)
        batch = sum(state["largest_batch"] for state in states)  # one of each process
        merged.largest_batch = max(self._resumed.largest_batch, batch)
        return merged.state_dict(n_bins)

    def load_state_dict(self, state: Any, strict: bool = True) -> None:
        """Go on from where `state_dict` was called: new iterators skip what was consumed.

        Parameters
        ----------
        state : dict
            What `state_dict` returned.
        strict : bool, default=True
            False accepts slightly changed videos, with a warning; their own q^R is used then.

        Raises
        ------
        TypeError, ValueError
            If the state is of another configuration or data set, or damaged. Nothing changes then.
        """
        _checks.keys("state", state, ("version", "config", "scheduler", "recorder"))
        if state["version"] != STATE_VERSION:
            raise ValueError(f"state must be of version {STATE_VERSION}; got {state['version']!r}")
        scheduler_state = self._checked_config(state, strict)
        recorder = IoURecorder(self.recorder.on_invalid)
        recorder.load_state_dict(state["recorder"])
        _checks.integer(
            "state['recorder']['n_recorded']", recorder.n_recorded, 0, self.samples_per_epoch
        )
        self.scheduler.load_state_dict(scheduler_state)
        self._clear()
        self._resumed = recorder
        self.recorder.count_batches_from(recorder)
        self.sampler.resume(recorder.n_recorded)

    def _checked_config(self, state: Dict[str, Any], strict: bool) -> Dict[str, Any]:
        """The scheduler's state, once the rest is known to fit."""
        scheduler_state: Dict[str, Any] = state["scheduler"]
        config = self._config()
        _checks.keys("state's config", state["config"], config)
        for name, own in config.items():
            saved = state["config"][name]
            if saved == own:
                continue
            if name != "videos" or _checks.flag("strict", strict):
                raise ValueError(
                    f"state must be of a curriculum with {name}={own!r}; got {name}={saved!r}"
                )
            warnings.warn(
                f"state is of other videos (fingerprint {saved!r}, now {own!r})",
                RuntimeWarning,
                stacklevel=3,
            )
            scheduler_state = copy.deepcopy(scheduler_state)
            q_random = self.scheduler.random_distribution.tolist()
            scheduler_state["config"]["random_distribution"] = q_random
        return scheduler_state
