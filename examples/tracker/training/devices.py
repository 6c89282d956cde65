"""Device, precision and processes of a run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from ..models.base import Maps


def checked_device(name: str) -> torch.device:
    """A device by name; ValueError if there is none here."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be such as 'cpu' or 'cuda'; got {name!r}: {error}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} is asked for and PyTorch finds no CUDA here")
    return device


class Precision:
    """Steps in float32 or, ``mixed``, in bfloat16; on a GPU without it in scaled float16."""

    def __init__(self, device: torch.device, mixed: bool) -> None:
        self.device, self.mixed = device, mixed
        half = device.type == "cuda" and not torch.cuda.is_bf16_supported()
        self.dtype = torch.float16 if half else torch.bfloat16
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed and half)

    def forward(
        self, network: nn.Module, template: Tensor, search: Tensor, strangers: bool = False
    ) -> Maps:
        """Output of a `TrackerModel`."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.mixed):
            outputs: Maps = network(template, search, strangers)
        return outputs

    def step(
        self, loss: Tensor, optimiser: Optimizer, parameters: Iterable[Tensor], clip_norm: float
    ) -> None:
        optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        self.scaler.step(optimiser)
        self.scaler.update()

    def state_dict(self) -> Dict[str, Any]:
        """The scale of the losses; empty where they are not scaled."""
        return dict(self.scaler.state_dict())

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(state)


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
        """True in the process that writes files and prints."""
        return self.rank == 0

    def share(self, name: str, total: int) -> int:
        """This process's part of a total that must split evenly."""
        if total % self.size:
            raise ValueError(f"{name} must be a multiple of the {self.size} processes; got {total}")
        return total // self.size

    def any(self, flag: bool) -> bool:
        """True if the flag is set in any process. Collective."""
        if self.size == 1:
            return flag
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        found = torch.tensor(int(flag), device=device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

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
