"""A torch Sampler that hands out pairs."""

from __future__ import annotations

import warnings
from typing import Any, Dict, Iterator, Optional, Tuple

import torch.distributed as dist
from torch.utils.data.distributed import DistributedSampler

from .. import _checks
from ..sampling import IntervalSampler, Pair
from ..scheduler import SuccessAwareScheduler

_BLOCK = 1 << 12  # pairs drawn at a time, each rank


def process_rank(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    """Rank and world size: as given, else of the process group, else (0, 1)."""
    if rank is not None and world_size is not None:
        return rank, world_size
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class PairSampler(DistributedSampler):  # type: ignore[type-arg]  # not subscriptable in torch 1.9
    """Sampler of `Pair` for a dataset whose ``__getitem__(pair)`` reads frames.

    Q is read when an iterator starts, in the main process, so persistent workers need no news of
    it. Every process takes its share of the same numbered pairs: after a prefix of k pairs that all
    have consumed, rank R of W takes the numbers ``k + R + j W``. `set_epoch` does nothing, for the
    scheduler owns the epoch.

    Parameters
    ----------
    sampler : IntervalSampler
        Draws the pairs.
    scheduler : SuccessAwareScheduler
        Its ``distribution`` and ``epoch`` are read.
    num_samples : int
        Pairs an epoch, over all processes; at least 1.
    rank, world_size : int, optional
        Place of this process; both or neither. Default: that of the torch.distributed process group
        when an iterator starts, or a single process.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit. When an epoch starts: if `world_size` does not divide
        `num_samples`.

    Notes
    -----
    A DistributedSampler by name only, so that frameworks that shard a plain sampler leave it alone.
    """

    def __init__(
        self,
        sampler: IntervalSampler,
        scheduler: SuccessAwareScheduler,
        num_samples: int,
        *,
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
    ) -> None:
        if not isinstance(sampler, IntervalSampler):
            raise TypeError(f"sampler must be an IntervalSampler; got {sampler!r}")
        if not isinstance(scheduler, SuccessAwareScheduler):
            raise TypeError(f"scheduler must be a SuccessAwareScheduler; got {scheduler!r}")
        if len(sampler.bins) != scheduler.n_bins:
            raise ValueError(
                f"scheduler must have {len(sampler.bins)} bins as the sampler has; "
                f"got {scheduler.n_bins}"
            )
        if (scheduler.feasible & ~sampler.feasible).any():
            raise ValueError(
                "scheduler must have no more feasible bins than the sampler, "
                f"{sampler.feasible.tolist()}; got {scheduler.feasible.tolist()}"
            )
        if (rank is None) != (world_size is None):
            raise ValueError(f"rank and world_size go together; got {rank} and {world_size}")
        if rank is not None:
            world_size = _checks.integer("world_size", world_size, 1)
            rank = _checks.integer("rank", rank, 0, world_size - 1)
        self.sampler = sampler
        self.scheduler = scheduler
        self.num_samples = _checks.integer("num_samples", num_samples, 1)
        self._place = (rank, world_size)
        self.resume(0)

    def resume(self, consumed: int) -> None:
        """Let iterators of the current epoch begin after its first pairs.

        Parameters
        ----------
        consumed : int
            Pairs that all processes together have consumed, in [0, num_samples].

        Raises
        ------
        TypeError, ValueError
            If it is out of range.
        """
        consumed = _checks.integer("consumed", consumed, 0, self.num_samples)
        self._epoch = self.scheduler.epoch  # of the next three
        self._consumed = self._handed_out = consumed
        self._step_due = False

    @property
    def handed_out(self) -> int:
        """Pairs of the current epoch that iterators of this process went past, as numbered."""
        return self._handed_out if self._epoch == self.scheduler.epoch else 0

    def consume(self, consumed: int, *, step_due: bool) -> None:
        """Note what training has consumed of what was handed out; `Curriculum.record` does it.

        Parameters
        ----------
        consumed : int
            Pairs of the current epoch that all processes together have consumed.
        step_due : bool
            Whether less than a batch is left, and the next iterator should come after a step.
        """
        self._enter_epoch()
        self._consumed, self._step_due = consumed, step_due

    def _hand_out(self, epoch: int, position: int) -> None:
        """Note that an iterator has reached a position in an epoch."""
        self._enter_epoch()
        if epoch == self._epoch:
            self._handed_out = max(self._handed_out, position)

    def _enter_epoch(self) -> None:
        """Forget the epoch before the scheduler's last step."""
        if self._epoch != self.scheduler.epoch:
            self.resume(0)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the scheduler owns the epoch."""

    def __len__(self) -> int:
        """Pairs of a full epoch in this process."""
        return self.num_samples // process_rank(*self._place)[1]

    def __iter__(self) -> Iterator[Pair]:
        self._enter_epoch()
        rank, world_size = process_rank(*self._place)
        spare = self.num_samples % world_size
        if spare and not self._consumed:
            raise ValueError(
                f"num_samples must be a multiple of the world size {world_size}, such as "
                f"{self.num_samples - spare} or {self.num_samples - spare + world_size}; "
                f"got {self.num_samples}"
            )
        if self._handed_out >= self.num_samples and (self._step_due or not self._consumed):
            warnings.warn(
                f"all {self.num_samples} pairs of epoch {self._epoch} were handed out and "
                f"{self._consumed} recorded: was step() forgotten? This iterator goes on after "
                "what was recorded",
                RuntimeWarning,
                stacklevel=2,
            )
        return _PairIterator(self, self._consumed, rank, world_size)


class _PairIterator:
    """A process's share of an epoch's pairs after the first `start`, under the Q of now."""

    def __init__(self, owner: PairSampler, start: int, rank: int, world_size: int) -> None:
        self._owner = owner
        self._distribution = owner.scheduler.distribution
        self._epoch = owner.scheduler.epoch
        self._rank, self._step = rank, world_size
        self._next, self._stop = start + rank, owner.num_samples
        self._block: Iterator[Pair] = iter(())

    def __iter__(self) -> _PairIterator:
        return self

    def __next__(self) -> Pair:
        pair = next(self._block, None)
        if pair is None:
            pair = next(self._draw_block())
        self._next = pair.number + self._step
        self._owner._hand_out(self._epoch, self._next - self._rank)
        return pair

    def _draw_block(self) -> Iterator[Pair]:
        stop = min(self._next + _BLOCK * self._step, self._stop)
        if self._next >= stop:
            raise StopIteration
        sampler = self._owner.sampler
        pairs = sampler.sample(self._distribution, self._epoch, self._next, stop, self._step)
        self._block = iter(pairs)
        return self._block

    def state_dict(self) -> Dict[str, Any]:
        """Position in the epoch, the same in every process, for a stateful data loader."""
        return {"epoch": self._epoch, "next": self._next - self._rank}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go to a position, wherever the iterator began.

        The position in an earlier epoch is that of a loader which had ended it when it was saved:
        the scheduler has stepped since, and this epoch starts where it starts.
        """
        _checks.keys("state", state, ("epoch", "next"))
        if _checks.integer("state's epoch", state["epoch"], 0) > self._epoch:
            raise ValueError(f"state must be of epoch {self._epoch}; got {state['epoch']}")
        position = _checks.integer("state's next", state["next"], 0)
        if state["epoch"] == self._epoch:
            self._next, self._block = position + self._rank, iter(())
            self._owner._hand_out(self._epoch, position)
