"""An epoch's statistics over the processes of torch.distributed; a single one sums to itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

import numpy as np
import torch
import torch.distributed as dist

from ..statistics import SCALE, SuccessStatistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_WORD = 2**32
_ROOM = 1024  # bins are padded to a multiple: processes that disagree still send as much


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


def _hash_parts(text: str) -> List[int]:
    """Three numbers that stand for a text, and their squares."""
    digest = hashlib.blake2b(text.encode(), digest_size=9).digest()
    parts = [int.from_bytes(digest[i : i + 3], "little") for i in (0, 3, 6)]
    return [*parts, *[part**2 for part in parts]]  # 48 bits: sums of 2**15 fit in int64


def _same_everywhere(sums: Sequence[int]) -> bool:
    """Whether all processes hashed the same text, from the sums of `_hash_parts`.

    By Cauchy and Schwarz ``size * sum(x ** 2) == sum(x) ** 2`` only where all x are equal.
    """
    return all(group_size() * square == total**2 for total, square in zip(sums[:3], sums[3:]))


def _device() -> torch.device:
    """Where the backend's tensors live."""
    if "gloo" not in dist.get_backend() and torch.cuda.is_available():
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
    agreed : str
        What must be the same in all processes.
    facts : dict of str to int
        More to sum.

    Attributes
    ----------
    count : ndarray of int64, shape (n_bins,)
    mean_iou : float
    n_invalid : int
    facts : dict of str to int
        Sums.
    agree : bool
        Whether `agreed` is the same in all processes; else nothing here has a meaning but
        ``facts``.
    """

    def __init__(self, local: SuccessStatistics, agreed: str, facts: Dict[str, int]) -> None:
        self._local = local
        high, low = divmod(local.iou_sum, _WORD)
        sums = sum_over_processes(
            [
                *_hash_parts(agreed),
                *facts.values(),
                low,
                high,
                local.n_invalid,
                *local.count.tolist(),
                *[0] * (-local.n_bins % _ROOM),
            ]
        )
        self.agree = _same_everywhere(sums[:6])
        self.facts = dict(zip(facts, sums[6:]))
        low, high, self.n_invalid, *count = sums[6 + len(facts) :]
        self.count = np.array(count[: local.n_bins], dtype=np.int64)
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


def text_of(error: Optional[Exception]) -> str:
    """What `raise_together` of the other processes says of an error; empty for none."""
    return "" if error is None else f"{type(error).__name__}: {error}"


def raise_together(error: Optional[Exception], texts: Sequence[str]) -> None:
    """Raise in every process if there is an error in any; `texts` by rank."""
    if error is not None and not is_distributed():
        raise error
    wrong = [f"rank {rank}: {text}" for rank, text in enumerate(texts) if text]
    if wrong:
        raise ValueError("; ".join(wrong)) from error


def raise_disagreement(abouts: Sequence[Dict[str, Any]]) -> None:
    """Raise if the processes differ in what they must agree on."""
    names = sorted({name for about in abouts for name in about})
    differing = {
        name: [about.get(name) for about in abouts]
        for name in names
        if any(about.get(name) != abouts[0].get(name) for about in abouts)
    }
    if differing:
        raise ValueError(
            "all processes must have the same configuration, videos and epoch; got, by rank, "
            f"{differing}"
        )
