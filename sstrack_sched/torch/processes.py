"""Rank, world size and gathering of objects in torch.distributed."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import torch.distributed as dist

from .. import _checks


def group_place() -> Tuple[int, int]:
    """Return rank and size of the torch.distributed process group; (0, 1) without one."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def check_place(place: Optional[Tuple[int, int]]) -> None:
    """Refuse a given rank and world size that do not match the process group."""
    good = place in (None, group_place(), (0, 1))
    rule = f"be {group_place()}, as in torch.distributed now, or (0, 1) where a framework shards"
    _checks.require(good, "rank and world_size", rule, place)


def gather_objects(value: Any) -> List[Any]:
    """Gather the value of each process, by rank, in all of them. The package's only collective."""
    size = group_place()[1]
    values: List[Any] = [value] * size
    if size > 1:
        dist.all_gather_object(values, value)
    return values


def gather_agreeing(value: Any, about: Dict[str, Any], error: Optional[Exception]) -> List[Any]:
    """Gather each process's value; all raise if one has an error or they differ in `about`."""
    if error is not None and group_place()[1] == 1:
        raise error
    text = error and f"{type(error).__name__}: {error}"
    values, abouts, texts = zip(*gather_objects((value, about, text)))
    wrong = [f"rank {rank}: {text}" for rank, text in enumerate(texts) if text]
    if wrong:
        raise ValueError("; ".join(wrong)) from error
    by_rank = {name: [each.get(name) for each in abouts] for each in abouts for name in each}
    differing = {name: found for name, found in by_rank.items() if found != [found[0]] * len(found)}
    if differing:  # not truncated, which could hide the difference
        rule = "have the same configuration, data and epoch"
        raise ValueError(f"all processes must {rule}; got, by rank, {differing}")
    return list(values)
