"""A job in processes of its own, as torchrun starts them; one that raises fails one test."""

import json
import multiprocessing
import os
import sys
import warnings
from datetime import timedelta

import pytest

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")

from torch.multiprocessing import start_processes  # noqa: E402


def launch(job, world_size, folder):
    """Results of ``job(rank, world_size, folder)``, by rank. A single process is this one."""
    if world_size == 1:
        return [json.loads(json.dumps(job(0, 1, folder)))]
    return start(job, world_size, folder)


def start(job, world_size, folder):
    """The same, in processes of their own, however many."""
    heavy = [name for name in sys.modules if name.startswith("tests.") and name.endswith("jobs")]
    multiprocessing.set_forkserver_preload(heavy)  # imports torch and frameworks once, in a server
    args = (job, world_size, folder, os.environ.get("SOURCE"))
    start_processes(_process, args, nprocs=world_size, start_method="forkserver")
    paths = [_result_path(job, rank, folder) for rank in range(world_size)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _result_path(job, rank, folder):
    return folder / f"{_name_of(job)}-{rank}.json"


def _name_of(job):
    return getattr(job, "__name__", None) or f"{job.func.__name__}-{job.args[0]}"


def _process(rank, job, world_size, folder, source):
    if source:  # the server has the environment of its own start
        os.environ["SOURCE"] = source
    warnings.simplefilter("error", RuntimeWarning)  # the package's
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        GROUP_RANK="0",
        WORLD_SIZE=str(world_size),
        LOCAL_WORLD_SIZE=str(world_size),
        MASTER_ADDR="localhost",
        MASTER_PORT="1",  # nobody connects to it: the group is up before a framework looks
        TORCHELASTIC_RUN_ID="test",
    )
    dist.init_process_group(
        "gloo",
        init_method=(folder / f"store-{_name_of(job)}-{world_size}").as_uri(),
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=120),  # a process that waits for ever is a failure, not a hang
    )
    result = job(rank, world_size, folder)
    _result_path(job, rank, folder).write_text(json.dumps(result), encoding="utf-8")
    if dist.is_initialized():
        dist.destroy_process_group()
