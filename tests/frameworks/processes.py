"""Processes as torchrun starts them, and what the runs of all frameworks have in common."""

import base64
import json
import multiprocessing
import os
import re
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
dist = pytest.importorskip("torch.distributed")

from torch.multiprocessing import start_processes  # noqa: E402

from tests.torch.conftest import PairDataset, iou_of  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Tracker(torch.nn.Module):
    """IoUs that depend on the pair alone. Keeps the pairs it was trained on, in a file too."""

    def __init__(self, path=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.path, self.consumed = path, []

    def forward(self, pair, bin):  # noqa: A002 (the batch's name)
        self.consumed += pair.tolist()
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(pair.tolist()) + "\n")
        return self.weight * torch.ones(len(bin)), iou_of(pair)


def loader_of(curriculum, *, kind=torch.utils.data.DataLoader, **options):
    options = {"batch_size": 10, "sampler": curriculum.sampler, **options}
    return kind(PairDataset(), **options)


def launch(job, world_size, folder):
    """Results of ``job(rank, world_size, folder)``, by rank. A single process is this one."""
    if world_size == 1:
        return [json.loads(json.dumps(job(0, 1, folder)))]
    return start(job, world_size, folder)


def start(job, world_size, folder):
    """The same, in processes of their own, however many."""
    heavy = [name for name in sys.modules if name.startswith(__package__) and "_jobs" in name]
    multiprocessing.set_forkserver_preload(heavy)  # imports the frameworks once, in their server
    args = (job, world_size, folder)
    start_processes(_process, args, nprocs=world_size, start_method="forkserver")
    paths = [_result_path(job, rank, folder) for rank in range(world_size)]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _result_path(job, rank, folder):
    return folder / f"{job.__name__}-{rank}.json"


def _process(rank, job, world_size, folder):
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
        init_method=(folder / f"store-{job.__name__}").as_uri(),
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=120),  # a process that waits for ever is a failure, not a hang
    )
    result = job(rank, world_size, folder)
    _result_path(job, rank, folder).write_text(json.dumps(result), encoding="utf-8")
    dist.destroy_process_group()


def snippets(heading):
    """Python blocks of a section of the page, those of its introduction first."""
    sections = re.split(
        r"^## ", (DOCS / "frameworks.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    (section,) = [text for text in sections if text.startswith(heading)]
    return [
        block
        for text in (sections[0], section)
        for block in re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ]


def documented(module):
    """Names of a module in the API reference."""
    text = (DOCS / "api" / "frameworks.rst").read_text(encoding="utf-8")
    return re.findall(rf"^.. auto\w+:: sstrack_sched\.{module}\.(\w+)$", text, flags=re.MULTILINE)


def n_recorded(state):
    """Samples of the unfinished epoch in a curriculum's state; 8 bytes each, none invalid."""
    return len(base64.b64decode(state["tally"]["statistics"]["samples"])) // 8
