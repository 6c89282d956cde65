"""docs/tutorials/many-gpus.md: the diff fits the script, and the result runs under torchrun."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "many-gpus.md").read_text("utf-8")


def block(name, language):
    pattern = rf"<!-- {name} -->\n```{language}\n(.*?)```\n<!-- end of {name} -->"
    (text,) = re.findall(pattern, PAGE, re.DOTALL)
    return text


def apply(diff, program):
    """The program, with each part of the diff put where its old lines are."""
    for part in diff.split("@@\n"):
        lines = [line or " " for line in part.splitlines()]
        old, new = (
            "".join(line[1:] + "\n" for line in lines if line[0] in kept) for kept in (" -", " +")
        )
        assert program.count(old) == 1, old
        program = program.replace(old, new)
    return program


ALONE = block("script", "python")
TOGETHER = apply(block("diff", "diff"), ALONE)


def train(folder, program, processes=None, until=None):
    """Run a program in a folder, and return the curriculum's state that it saves."""
    if until is not None:  # stands for an interruption
        program = program.replace(
            "while curriculum.epoch < EPOCHS", f"while curriculum.epoch < {until}"
        )
    (folder / "train.py").write_text(program, encoding="utf-8")
    command = [sys.executable]
    if processes is not None:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [*command, "train.py"],
        check=False,
        cwd=str(folder),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return torch.load(str(folder / "checkpoint.pt"))


def assert_alike(one, other):
    """The same run, up to the rounding of sums over processes."""
    for name, tensor in one["tracker"].items():
        torch.testing.assert_close(tensor, other["tracker"][name], rtol=1e-4, atol=1e-6)
    first, second = (state["curriculum"]["scheduler"]["history"] for state in (one, other))
    assert [record["count"] for record in first] == [record["count"] for record in second]
    for a, b in zip(first, second):
        assert a["distribution"] == pytest.approx(b["distribution"], abs=0.01)


def test_torchrun_gives_the_run_of_one_process_and_resumes_at_another_number(tmp_path):
    for name in ("alone", "together"):
        (tmp_path / name).mkdir()
    alone = train(tmp_path / "alone", ALONE)
    interrupted = train(tmp_path / "together", TOGETHER, processes=2, until=2)
    assert len(interrupted["curriculum"]["scheduler"]["history"]) == 2
    resumed = train(tmp_path / "together", ALONE)
    assert len(resumed["curriculum"]["scheduler"]["history"]) == 4
    assert_alike(alone, resumed)
