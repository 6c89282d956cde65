"""The processes of torch.distributed: who we are, and what all have to say."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch.distributed as dist


def is_distributed() -> bool:
    """Whether a process group of torch.distributed is up."""
    return dist.is_available() and dist.is_initialized()


def group_place() -> Tuple[int, int]:
    """Rank and size of the process group; (0, 1) without one."""
    return (dist.get_rank(), dist.get_world_size()) if is_distributed() else (0, 1)


def checked_place(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    """The given rank and world size, if they fit the process group."""
    place, group = (rank, world_size) if rank is not None else group_place(), group_place()
    if not is_distributed() and place[1] != 1:
        raise RuntimeError(
            "world_size must be 1 where there is no torch.distributed process group; "
            f"got {place[1]}"
        )
    if place not in (group, (0, 1)):
        raise ValueError(
            f"rank and world_size must be the process group's, {group}, or (0, 1) where a "
            f"framework shards; got {place}"
        )
    return group


def gather_objects(value: Any) -> List[Any]:
    """Every process's value, by rank, on every process. The only collective of the package."""
    if not is_distributed():
        return [value]
    values: List[Any] = [None] * group_place()[1]
    dist.all_gather_object(values, value)
    return values


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
            "all processes must have the same configuration, data and epoch; got, by rank, "
            f"{differing}"
        )
