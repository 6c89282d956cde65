"""Types of the README's code under `mypy --strict`, and of the values that it returns."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="types are checked in the full environment only")
pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]

ANNOTATED = {  # what --strict asks of any user, and a README can do without
    "class PairDataset(Dataset):": "class PairDataset(Dataset[Any]):",
    "def __getitem__(self, pair):": "def __getitem__(self, pair: Pair) -> Any:",
}

REVEALED = {  # words of the type; how it is spelt depends on the version of mypy
    "bins.lower": "numpy.ndarray signedinteger",
    "bins.labels": "list[str]",
    "videos.n_frames": "int",
    "source.feasible": "numpy.ndarray bool",
    "source.random_distribution": "numpy.ndarray float64",
    "pairs": "sampling.Pairs",
    "pairs[0]": "sampling.Pair",
    "pairs[1:]": "sampling.Pairs",
    "pairs[np.flatnonzero(pairs.bin == 1)]": "sampling.Pairs",
    "[pair for pair in pairs]": "list sampling.Pair",
    "items[0]": "int",
    "items[:2]": "items.Items",
    "[item for item in items]": "list[int]",
    "scheduler.distribution": "numpy.ndarray float64",
    "scheduler.step([[0.5], [0.1, 0.2]])": "numpy.ndarray float64",
    "scheduler.history[-1].count": "numpy.ndarray signedinteger",
    "scheduler.history[-1].scalars()": "dict[str, float]",
    "curriculum.epoch": "int",
    "curriculum.distribution": "numpy.ndarray float64",
    "curriculum.history": "list _record.EpochRecord",
    "curriculum.redraw(pairs[0], 1)": "sampling.Pair",
    "curriculum.sampler.rank": "int",
    "curriculum.weigh(loss, iou.long())": "Tensor",
    "sstrack_sched.loss_weights([1.0], [1.0])": "numpy.ndarray float64",
}

SCRIPT = """
items = sstrack_sched.BinnedSampler([0, 1]).sample([0.5, 0.5], 0, 0, 4)
scheduler.step(sstrack_sched.SuccessStatistics(2))
"""


def user_script():
    readme = (ROOT / "README.md").read_text("utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))
    for plain, annotated in ANNOTATED.items():
        assert code.count(plain) == 1
        code = code.replace(plain, annotated)
    assert "IntervalSampler(videos, bins)" in code and "Curriculum(source" in code
    code = "from typing import Any\nimport sstrack_sched\nfrom sstrack_sched import Pair\n" + code
    code += SCRIPT
    reveal = "".join(f"reveal_type({expression})\n" for expression in REVEALED)
    return code + reveal


def test_user_script_has_no_type_error_and_concrete_types(tmp_path):
    script = tmp_path / "user_script.py"
    script.write_text(user_script(), "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-color-output"]
    command += ["--untyped-calls-exclude=torch"]  # Tensor.backward
    command += ["--config-file=", f"--cache-dir={ROOT / '.mypy_cache'}", str(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "error" not in done.stdout, done.stdout + done.stderr
    found = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(found) == len(REVEALED), done.stdout
    for (expression, words), revealed in zip(REVEALED.items(), found):
        parts = set(re.findall(r"\w+(?:\.\w+)*", revealed))
        for word in re.findall(r"[\w.]+", words):
            good = any(part == word or part.endswith(f".{word}") for part in parts)
            good = good or any(part.startswith(f"{word}.") for part in parts)
            assert good, (expression, words, revealed)
