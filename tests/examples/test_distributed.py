"""Training in two processes: the pairs, and nearly the weights, of one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from examples.tracker.data.frames import FrameStore
from examples.tracker.models.weights import load_checkpoint
from examples.tracker.training.devices import Processes, checked_device
from examples.tracker.training.trainer import CHECKPOINT, HISTORY, WEIGHTS, Trainer

from .conftest import ROOT
from .two_processes import Watched

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folder of a run in two processes, and what each of them saw."""
    out = tmp_path_factory.mktemp("two")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc-per-node=2", "-m", "tests.examples.two_processes", str(out)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out, [torch.load(out / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_see_the_pairs_of_one_batch_by_batch(both, squares, tiny_config):
    _, (first, second) = both
    alone = Watched(tiny_config, FrameStore(squares))
    alone.run(progress=False)
    together = [sorted(a + b) for a, b in zip(first["pairs"], second["pairs"])]
    assert together == alone.pairs
    assert first["history"] == second["history"]
    for record, single in zip(first["history"], alone.history):
        assert record["count"] == single.count.tolist()
        assert record["mean_iou"] == pytest.approx(single.mean_iou, abs=1e-3)
    for name, value in alone.model.state_dict().items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=0, atol=2e-3)


def test_two_processes_stop_together_and_resume_exactly(both):
    _, ranks = both
    for rank in ranks:
        assert rank["resumed_pairs"] == rank["pairs"]
        assert rank["resumed_history"] == rank["history"]
        for name, value in rank["weights"].items():
            assert torch.equal(value, rank["resumed"][name])


def test_two_processes_checkpoint_goes_on_in_one(both, squares, tiny_config):
    out, (first, second) = both
    assert {path.name for path in (out / "whole").iterdir()} == {CHECKPOINT, HISTORY, WEIGHTS}
    alone = Watched(tiny_config, FrameStore(squares))
    alone.load_state_dict(load_checkpoint(out / "cut" / CHECKPOINT))
    assert alone.run(progress=False)
    together = [sorted(a + b) for a, b in zip(first["pairs"], second["pairs"])]
    assert alone.pairs == together[4:]


def test_processes_uneven_share_is_refused(squares, tiny_config, monkeypatch):
    assert Processes().any(True) and not Processes().any(False)
    monkeypatch.setattr(Processes, "here", classmethod(lambda cls: cls(0, 3)))
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 processes; got 8"):
        Trainer(tiny_config, FrameStore(squares))
    with pytest.raises(ValueError, match="samples_per_epoch must be a multiple of the 3"):
        Trainer(replace(tiny_config, batch_size=6), FrameStore(squares))


def test_device_unknown_or_missing_is_named():
    assert checked_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="device must be such as 'cpu' or 'cuda'; got 'gpu'"):
        checked_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device 'cuda:1' is asked for and PyTorch finds no"):
            checked_device("cuda:1")
