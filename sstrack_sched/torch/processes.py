"""An epoch's statistics over the processes of torch.distributed; a single one sums to itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

import numpy as np
import torch
import torch.distributed as dist

from ..success import SCALE, SuccessStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_WORD = 2**32
_PART = 2**24  # squares of less, summed over 2**15 processes, fit in int64


def is_distributed() -> bool:
    """Whether a process group of torch.distributed is up."""
    return dist.is_available() and dist.is_initialized()


def group_rank() -> int:
    """Rank in the process group; 0 without one."""
    return dist.get_rank() if is_distributed() else 0


def group_size() -> int:
    """Size of the process group; 1 without one."""
    return dist.get_world_size() if is_distributed() else 1


def sum_over_processes(values: Sequence[int]) -> List[int]:
    """Elementwise sums, the same on every process: one all-reduce."""
    if not is_distributed():
        return list(values)
    tensor = torch.tensor(list(values), dtype=torch.int64, device=_device())
    dist.all_reduce(tensor)
    return [int(value) for value in tensor.tolist()]


def of_first_process(values: Floats) -> Floats:
    """Rank 0's values, on every process: one broadcast."""
    if not is_distributed():
        return values
    tensor = torch.tensor(values.tolist(), dtype=torch.float64, device=_device())
    dist.broadcast(tensor, src=0)
    return np.array(tensor.tolist(), dtype=np.float64)


def gather_objects(value: Any) -> List[Any]:
    """Every process's value, by rank, on every process."""
    if not is_distributed():
        return [value]
    values: List[Any] = [None] * group_size()
    dist.all_gather_object(values, value)
    return values


def all_agree(text: str) -> bool:
    """Whether the text is the same on every process: one all-reduce of its hash.

    By Cauchy and Schwarz ``size * sum(x ** 2) == sum(x) ** 2`` only where all x are equal.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=9).digest()
    parts = [int.from_bytes(digest[i : i + 3], "little") % _PART for i in (0, 3, 6)]
    sums = sum_over_processes([*parts, *[part**2 for part in parts]])
    return all(group_size() * square == total**2 for total, square in zip(sums[:3], sums[3:]))


def _device() -> torch.device:
    """Where the backend's tensors live."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


class Totals:
    """Statistics of all processes, as `SuccessAwareScheduler.step` takes them.

    One all-reduce here, of integers, so the result is the same to the last bit however the samples
    are split; another one when `success_rate` is asked for.

    Parameters
    ----------
    local : SuccessStatistics
        This process's samples.
    facts : dict of str to int
        More to sum.

    Attributes
    ----------
    count : ndarray of int64, shape (n_bins,)
    mean_iou : float
    n_invalid : int
    facts : dict of str to int
        Sums.
    """

    def __init__(self, local: SuccessStatistics, facts: Dict[str, int]) -> None:
        self._local = local
        high, low = divmod(local.iou_sum, _WORD)
        low, high, self.n_invalid, *rest = sum_over_processes(
            [low, high, local.n_invalid, *facts.values(), *local.count.tolist()]
        )
        self.facts = dict(zip(facts, rest))
        self.count = np.array(rest[len(facts) :], dtype=np.int64)
        self._iou_sum = high * _WORD + low
        self._n_samples = int(self.count.sum())
        self.mean_iou = self._iou_sum / (self._n_samples * SCALE) if self._n_samples else np.nan

    def success_rate(self, threshold: float) -> Floats:
        """Fraction of successful samples in each bin; see `SuccessStatistics.success_rate`."""
        if threshold == self.mean_iou:
            limit = self._iou_sum // self._n_samples
        else:
            limit = self._local.limit(threshold)
        successes = sum_over_processes(self._local.successes_above(limit).tolist())
        rate = np.full(len(self.count), np.nan)
        np.divide(successes, self.count, out=rate, where=self.count > 0)
        return rate
