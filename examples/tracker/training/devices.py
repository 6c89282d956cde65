"""Device and processes of a run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, NamedTuple

import torch
import torch.distributed as dist


def checked_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be such as 'cpu' or 'cuda'; got {name!r}: {error}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} is asked for and PyTorch finds no CUDA here")
    return device


class Processes(NamedTuple):
    """This process among those that train together under ``torchrun``."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Processes:
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def first(self) -> bool:
        return self.rank == 0  # it writes files and prints

    def any(self, flag: bool) -> bool:
        """True if the flag is set in any process. All of them must ask."""
        if self.size == 1:
            return flag
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        found = torch.tensor(int(flag), device=device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process make the files that the others then find."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.size > 1:
            dist.barrier()


@contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """Meet the other processes, where ``torchrun`` started several; each takes a GPU of its own."""
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
