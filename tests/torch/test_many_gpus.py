"""The script of the page "From one GPU to many", run under torchrun with one and two processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex
from sstrack_sched.torch import Curriculum

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorials" / "many-gpus.md"

pytest.importorskip("torch.distributed.run")


def meeting_place():
    """Options of torchrun for processes of one machine."""
    if int(torch.__version__.split(".")[0]) >= 2:
        return ["--standalone"]
    # The server that torch 1.9 starts for --standalone sometimes fails (MemoryError: bad_alloc).
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return ["--master_addr=127.0.0.1", f"--master_port={free.getsockname()[1]}"]


def run(folder, n_processes, stop_at="inf"):
    """History that the page's script saves in a folder."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", *meeting_place()]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [*command, f"--nproc_per_node={n_processes}", "train.py"],
        cwd=folder,
        env={
            **os.environ,
            "STOP_AT": str(stop_at),
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        },
        check=True,
        timeout=240,
    )
    return torch.load(folder / "checkpoint.pt")


def test_schedule_is_the_same_for_one_and_two_processes_and_after_a_change(tmp_path):
    one = run(tmp_path / "one", 1)
    stopped = run(tmp_path / "changed", 2, stop_at=640 + 320)  # in the middle of an epoch
    assert len(stopped["curriculum"]["scheduler"]["history"]) == 1
    changed = run(tmp_path / "changed", 1)

    one, changed = (state["curriculum"]["scheduler"]["history"] for state in (one, changed))
    assert [sum(record["count"]) for record in one] == [640] * 4
    assert len(changed) == 4
    for mine, other in zip(one, changed):
        assert mine["count"] == other["count"]
        np.testing.assert_allclose(mine["distribution"], other["distribution"], atol=0.02)


def test_an_epoch_that_does_not_divide_is_refused_as_the_page_says():
    source = IntervalSampler(VideoIndex([300]), IntervalBins(200, 50))
    curriculum = Curriculum(source, 4, 640, rank=0, world_size=3)
    with pytest.raises(ValueError, match="multiple of the world size 3, such as 639 or 642"):
        next(iter(curriculum.sampler))


def test_the_diff_of_the_page_is_in_its_script():
    text = PAGE.read_text(encoding="utf-8")
    (diff,) = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    added = [line[1:].replace("Tracker())", "Tracker()") for line in diff.splitlines()]
    kept = [line for line, whole in zip(added, diff.splitlines()) if whole[0] in "+ "]
    assert kept and all(line in script for line in kept)
