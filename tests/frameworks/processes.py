"""Code that the runs of all frameworks have in common."""

import base64
import json
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.torch.conftest import PairDataset, iou_of  # noqa: E402
from tests.torch.processes import launch, start  # noqa: E402

__all__ = ["Tracker", "documented", "launch", "loader_of", "n_recorded", "snippets", "start"]

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
