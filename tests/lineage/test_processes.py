"""Two processes started by torchrun, over gloo where there is no GPU."""

import re
import subprocess
import sys

import pytest

from examples.avtrack.train import explain
from examples.lineage.checkout import SetupError

from .checkouts import ROOT, checkpoints, samples, schedule, seen
from .conftest import environment

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or torch.cuda.is_available(),
    reason="needs torch.distributed; with CUDA, a GPU a process",
)


@pytest.fixture(scope="module")
def folder(checkouts, options, tmp_path_factory):
    """A run of two epochs of 96 pairs."""
    save = tmp_path_factory.mktemp("two")
    arguments = options(checkouts["ostrack"], save, "--epochs", 2, "--samples-per-epoch", 96)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]
    done = subprocess.run(
        [*map(str, [sys.executable, *launch, ROOT / "examples/ostrack/train.py", *arguments])],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Finished training!") == 2
    assert len(re.findall(r"\[schedule: \d\]", done.stdout)) == 2  # the first process alone
    return save


def test_the_pairs_of_both_together_are_those_of_one_process(folder, finished):
    """`finished` is of one process; its epoch is longer, and the same pairs come first."""
    both = [row for rank in (0, 1) for row in seen(folder, "train", rank) if row["epoch"] == 1]
    assert [len(row["bin"]) for row in both] == [16] * 6
    alone = list(samples(seen(finished[0], "train")))[:96]
    assert sorted(samples(both)) == sorted(alone)


def test_no_pair_is_drawn_in_both_processes(folder):
    mine, other = (list(samples(seen(folder, "train", rank))) for rank in (0, 1))
    assert len(mine) == len(other) == 96
    assert mine != other


def test_the_schedule_counts_the_samples_of_both(folder):
    history = schedule(checkpoints(folder)[-1])["scheduler"]["history"]
    assert [sum(record["count"]) for record in history] == [96, 96]
    for epoch, record in enumerate(history, 1):
        rows = [r for rank in (0, 1) for r in seen(folder, "train", rank) if r["epoch"] == epoch]
        theirs = sum(row["IoU"] for row in rows) / len(rows)
        assert record["threshold"] == pytest.approx(theirs, abs=1e-5)
        counted = [sum(row["bin"].count(i) for row in rows) for i in range(5)]
        assert record["count"] == counted


def test_of_avtrack_the_known_faults_are_reported_as_its_own():
    for error in (
        UnboundLocalError("cannot access local variable 'net_teacher'"),
        AttributeError("'DistributedDataParallel' object has no attribute 'is_distill_training'"),
    ):
        with pytest.raises(SetupError, match="AVTrack cannot train on several processes") as caught:
            explain(error, 2)
        assert caught.value.__cause__ is error


def test_other_errors_of_avtrack_and_those_of_one_process_stay_as_they_are():
    explain(UnboundLocalError("net_teacher"), 1)
    explain(AttributeError("'Node' object has no attribute 'EPOCH'"), 2)
    explain(ValueError("DistributedDataParallel"), 2)
