"""Torch sampler over a source."""

from __future__ import annotations

import warnings
from operator import attrgetter
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

from torch.utils.data.distributed import DistributedSampler

from .. import _checks
from ..scheduler import SuccessAwareScheduler
from ..source import Source, checked_source
from .processes import group_place
from .recording import Ledger

_BLOCK = 1 << 12  # samples per block in each process


def reading(getter: Callable[[Any], Any], doc: str) -> Any:
    """Return a read-only property; the annotation of the attribute gives its type."""
    return property(getter, doc=doc)


class CurriculumSampler(DistributedSampler):  # type: ignore[type-arg]  # not subscriptable in torch 1.9
    """Sampler that yields the pairs, or dataset indices, of a source.

    Q is read in the main process when an iterator starts. All processes
    share one sequence: after k samples, rank R of W takes ``k + R + j W``.
    Frameworks do not shard it again, because it is a DistributedSampler.

    Parameters
    ----------
    source : Source
        Source of the samples, such as `IntervalSampler` or `BinnedSampler`.
    scheduler : SuccessAwareScheduler
        Its ``distribution`` and ``epoch`` are read.
    num_samples : int
        Number of samples per epoch, over all processes; at least 1.
    rank, world_size : int, optional
        Both or neither. Default: those of torch.distributed, if in use,
        when an iterator starts.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; from an iterator, if the world size does
        not divide `num_samples`.
    RuntimeError
        From an iterator, if `step` was not called after a complete epoch.
    """

    drop_last, shuffle, seed = False, True, 0  # the seed in use is the source's
    # torch sets these once; here they follow the process group and the scheduler.
    rank: int = reading(lambda self: (self.place or group_place())[0], "Rank of this process.")
    num_replicas: int = reading(lambda self: (self.place or group_place())[1], "World size.")
    num_samples: int = reading(lambda self: self.total_size // self.num_replicas, "Its length.")
    epoch: int = reading(attrgetter("scheduler.epoch"), "The scheduler's epoch.")

    def __init__(
        self,
        source: Source,
        scheduler: SuccessAwareScheduler,
        num_samples: int,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
    ) -> None:
        self.source = checked_source(source)
        self.dataset: Any = source
        _checks.instance("scheduler", scheduler, SuccessAwareScheduler)
        fits = source.n_bins == scheduler.n_bins
        fits = fits and not (scheduler.feasible & ~source.feasible).any()
        rule = f"have the source's bins and be feasible only among {source.feasible.tolist()}"
        _checks.require(fits, "scheduler", rule, scheduler.feasible.tolist())
        both = (rank is None) == (world_size is None)
        _checks.require(both, "rank and world_size", "be given together", (rank, world_size))
        self.place: Optional[Tuple[int, int]] = None
        if rank is not None:
            size = _checks.integer("world_size", world_size, 1)
            self.place = _checks.integer("rank", rank, 0, size - 1), size
        self.scheduler = scheduler
        self.total_size = _checks.integer("num_samples", num_samples, 1)
        # Progress of the epoch: stays 0 unless a Curriculum sets its own ledger here.
        self.ledger = Ledger(scheduler.n_bins, "raise")
        self.last: Optional[_Iterator] = None  # the last one that started

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the scheduler owns the epoch."""

    def __repr__(self) -> str:
        place = f"rank {self.rank} of {self.num_replicas}"
        return f"<CurriculumSampler: {self.total_size} samples of {self.source!r}, {place}>"

    def __iter__(self) -> Iterator[Any]:
        # Start after the recorded samples, also those of a loaded state.
        start, size = min(self.ledger.n_consumed, self.total_size), self.num_replicas
        spare = self.total_size % size
        below = self.total_size - spare
        rule = f"be a multiple of the world size {size}, such as {below} or {below + size}"
        _checks.require(start or not spare, "num_samples", rule, self.total_size)
        self._check_step_called(start, self.total_size - start)
        self.last = _Iterator(self, start)
        return self.last

    def _check_step_called(self, start: int, left: int) -> None:
        """Refuse to iterate over a recorded epoch for which `step` was not called."""
        # drop_last or an interrupted loop may leave less than a batch, and frameworks start several
        # iterators, so this is an error only after an iterator has drawn the rest.
        last = self.last
        ended = last is not None and last.ended and (last.epoch, last.start) == (self.epoch, start)
        if self.ledger.fresh and left < self.ledger.batch and (ended or not left):
            raise RuntimeError(
                f"step() must be called at the end of an epoch; epoch {self.epoch} has {start} of "
                f"{self.total_size} samples recorded: {left} are left, less than a batch"
            )
        if ended and left:
            text = f"all {self.total_size} samples of epoch {self.epoch} were drawn and {start} "
            text += "recorded: was record() or step() forgotten? This iterator draws them again"
            warnings.warn(text, RuntimeWarning, stacklevel=3)


class _Iterator:
    """Share of this process in the samples from number `start`, drawn with the current Q."""

    def __init__(self, owner: CurriculumSampler, start: int) -> None:
        self.epoch, self.start = owner.epoch, start
        self.next = start + owner.rank  # number of the next sample
        self._source, self._distribution = owner.source, owner.scheduler.distribution
        self._rank, self._step, self._stop = owner.rank, owner.num_replicas, owner.total_size
        self._block: Iterator[Any] = iter(())
        self._block_end = self.next

    @property
    def ended(self) -> bool:
        return self.next >= self._stop

    def __iter__(self) -> _Iterator:
        return self

    def __next__(self) -> Any:
        if self.next >= self._block_end:
            if self.ended:
                raise StopIteration
            self._block_end = min(self.next + _BLOCK * self._step, self._stop)
            numbers = self.next, self._block_end, self._step
            self._block = iter(self._source.sample(self._distribution, self.epoch, *numbers))
        self.next += self._step
        return next(self._block)

    def state_dict(self) -> Dict[str, Any]:
        """Return the position in the epoch, equal in all processes, for a stateful data loader."""
        return {"epoch": self.epoch, "next": self.next - self._rank}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Move to a position in this epoch, regardless of the ledger; ignore earlier epochs."""
        _checks.keys("state", state, ("epoch", "next"))
        epoch = _checks.integer("state's epoch", state["epoch"], 0, self.epoch)
        position = _checks.integer("state's next", state["next"], 0)
        if epoch == self.epoch:
            self.next = self._block_end = position + self._rank
