"""Stopped anywhere and started again: the pairs that were left, the run that would have been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from .conftest import (  # noqa: E402
    EPOCHS,
    PairDataset,
    iou_of,
    loader_of,
    make_curriculum,
    train,
)

ROOT = Path(__file__).resolve().parents[2]

# Trains, and saves after every second batch; its argument is the folder of the checkpoint.
VICTIM = """
import json, os, sys, time
from pathlib import Path
from tests.torch.conftest import EPOCHS, iou_of, loader_of, make_curriculum

if __name__ == "__main__":
    path = Path(sys.argv[1], "checkpoint.json")
    curriculum = make_curriculum()
    if path.exists():
        curriculum.load_state_dict(json.loads(path.read_text()))
    loader = loader_of(curriculum, workers=1)
    while curriculum.scheduler.epoch < EPOCHS:
        for number, batch in enumerate(loader):
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
            if number % 2:
                draft = path.with_suffix(".draft")
                draft.write_text(json.dumps(curriculum.state_dict()))
                draft.replace(path)
                time.sleep(0.1)
        curriculum.step()
    draft.write_text(json.dumps(curriculum.state_dict()))
    draft.replace(path)
    print("finished")
"""


@pytest.fixture(scope="module", autouse=True, params=["pairs", "items"])
def source(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE", request.param)
        yield request.param


@pytest.fixture(scope="module")
def uninterrupted(source):
    curriculum = make_curriculum()
    consumed = train(curriculum, loader_of(curriculum))
    return consumed, curriculum.scheduler.history


def test_restart_after_kill_at_any_moment_ends_as_if_never_killed(uninterrupted, tmp_path):
    (tmp_path / "victim.py").write_text(VICTIM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "victim.py"), str(tmp_path)]
    for _ in range(3):  # killed as soon as the checkpoint has changed, then once more
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        wait_for_change(tmp_path / "checkpoint.json", process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    assert "finished" in done.stdout
    curriculum = make_curriculum()
    curriculum.load_state_dict(json.loads((tmp_path / "checkpoint.json").read_text("utf-8")))
    assert curriculum.scheduler.history == uninterrupted[1]


def wait_for_change(path, process):
    before = path.read_bytes() if path.exists() else b""
    while process.poll() is None:
        if path.exists() and path.read_bytes() != before:
            return
        time.sleep(0.005)
    raise AssertionError("the process ended before it was killed")


def stateful_loader(curriculum, workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not here")
    return stateful.StatefulDataLoader(
        PairDataset(), batch_size=10, sampler=curriculum.sampler, num_workers=workers
    )


# torchdata 0.11 asks torch 2.13 for a function that it is about to lose.
@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cut", [4, 10, 13])
@pytest.mark.parametrize("loader_first", [False, True])
def test_restart_with_a_stateful_loader_skips_once(uninterrupted, workers, cut, loader_first):
    first = make_curriculum()
    loader = stateful_loader(first, workers)
    head, saved = [], None
    while saved is None:
        for batch in loader:
            first.record(iou_of(batch["pair"]), batch["bin"])
            head += [tuple(pair.tolist()) for pair in batch["pair"]]
            if len(head) == 10 * cut - 4 * (cut // 10):  # the epoch's last batch holds 6
                break
        if first.n_consumed == 96:
            first.step()
        if len(head) == 10 * cut - 4 * (cut // 10):
            saved = loader.state_dict(), first.state_dict()
    second = make_curriculum()
    again = stateful_loader(second, workers)
    restore = [lambda: second.load_state_dict(saved[1]), lambda: again.load_state_dict(saved[0])]
    for part in reversed(restore) if loader_first else restore:
        part()
    assert head + train(second, again) == uninterrupted[0]
    assert second.scheduler.history == uninterrupted[1]
    assert second.scheduler.epoch == EPOCHS
