"""One process, or several that train together under ``torchrun``."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator

import torch
import torch.distributed as dist
from torch import nn


def checked_device(name: str) -> torch.device:
    """A device by name.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be such as 'cpu' or 'cuda'; got {name!r}: {error}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} is asked for and PyTorch finds no CUDA here")
    return device


@dataclass(frozen=True)
class Processes:
    """This process among those of a run.

    Parameters
    ----------
    rank, size : int
        Its number, from 0, and how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Processes:
        """As the process group of torch.distributed says, if there is one."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def first(self) -> bool:
        """Whether this one writes the files and talks."""
        return self.rank == 0

    def share(self, name: str, total: int) -> int:
        """This process's part of a number of things.

        Raises
        ------
        ValueError
            If it cannot be split evenly.
        """
        if total % self.size:
            raise ValueError(f"{name} must be a multiple of the {self.size} processes; got {total}")
        return total // self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process. Collective."""
        if self.size == 1:
            return flag
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        found = torch.tensor(int(flag), device=device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, its gradients averaged over the processes."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process does what is inside, then the others: so that files are made once."""
        if self.size > 1 and not self.first:
            dist.barrier()
        yield
        if self.size > 1 and self.first:
            dist.barrier()


@contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """Meet the other processes, where ``torchrun`` started several.

    Parameters
    ----------
    device : str
        Where they train; each takes a GPU of its own.

    Yields
    ------
    Processes
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    on_gpu = checked_device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes.here()
    finally:
        dist.destroy_process_group()
