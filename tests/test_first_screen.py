"""The first screen of README and documentation: its diff runs, its picture is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

torch = pytest.importorskip("torch")


def diff_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- diff -->\n```diff\n(.*?)```", text, flags=re.DOTALL)
    return block.splitlines()


@pytest.mark.parametrize("side", ["-", "+"])
def test_the_loop_runs_before_and_after_the_diff(side):
    from torch.utils.data import DataLoader, Dataset

    import sstrack_sched
    from sstrack_sched.torch import Curriculum

    class RandomPairs(Dataset):
        def __len__(self):
            return 640

        def __getitem__(self, _):
            return {"change": torch.rand(1)}

    class PairDataset(Dataset):
        def __getitem__(self, pair):
            return {"change": torch.tensor([pair.interval / 200]), "bin": pair.bin}

    layer = torch.nn.Linear(1, 1)

    def model(batch):
        losses = (layer(batch["change"]) - batch["change"]).square().mean(dim=1)
        return losses, torch.exp(-losses.detach())

    names = {
        **vars(sstrack_sched),
        "Curriculum": Curriculum,
        "DataLoader": DataLoader,
        "RandomPairs": RandomPairs,
        "PairDataset": PairDataset,
        "model": model,
        "optimizer": torch.optim.SGD(layer.parameters(), lr=0.1),
        "lengths": [300, 450, 1200],
        "epochs": 2,
    }
    before = layer.weight.clone()
    code = "\n".join(line[1:] for line in diff_lines() if line[0] in (" ", side))
    exec(compile(code, "README.md", "exec"), names)

    assert (layer.weight != before).any()
    if side == "+":
        assert names["curriculum"].epoch == 2
        assert [record.count.sum() for record in names["curriculum"].history] == [640, 640]


def test_first_screen_promises_nothing_that_the_study_denies():
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    page = " ".join((ROOT / "docs" / "evidence.md").read_text("utf-8").split())
    for sentence in ("No number after one epoch", "(`flat`)", "no row gains"):
        assert sentence in page
    assert "No number after one epoch was found to predict the gain" in readme
    assert "does not fall with the interval, no sampler gained in the study" in readme


def test_the_picture_shows_each_epoch_and_bin(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import first_picture

    q = np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]])
    first, last = np.array([0.6, 0.3, 0.1]), np.array([0.9, 0.8, 0.7])
    figure = first_picture.draw(q, first, last, ["0-29", "30-59", "60+"], "#24292f")

    left, right = figure.axes
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in left.collections]
    assert tops == pytest.approx([60, 90, 100])
    assert [line.get_ydata().tolist() for line in right.lines] == [
        pytest.approx(100 * last),
        pytest.approx(100 * first),
    ]


def test_the_pictures_that_both_first_screens_name_are_there():
    for page, folder in (("README.md", ROOT), ("docs/index.md", ROOT / "docs")):
        found = re.findall(r"[\w./-]*schedule-\w+\.svg", (ROOT / page).read_text("utf-8"))
        assert len(set(found)) == 2
        assert all((folder / path).stat().st_size < 150_000 for path in found)
