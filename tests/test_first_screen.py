"""The first screen of the README: its diff runs, its picture is that of the stored run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
INDEX = (ROOT / "docs" / "index.md").read_text("utf-8")
EPOCHS = 3


def sides(diff):
    """The program before a diff, and the one after it."""
    lines = [line for line in diff.splitlines() if line]
    return ["\n".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +")]


def run(program):
    """The names that a program leaves behind, given what the README says the user has."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 1, 3)

    def model(template, search):
        losses = (network(template) - network(search)).square().mean(dim=(1, 2, 3))
        return losses, torch.exp(-losses.detach())

    def read_pair(video, template, search):
        assert 0 <= template < 300 and abs(search - template) < 200
        template, search = torch.rand(2, 3, 8, 8)
        return {"template": template, "search": search}

    names = {
        "LENGTHS": [300] * 4,
        "EPOCHS": EPOCHS,
        "draw_at_random": lambda: (0, 10, 20),
        "read_pair": read_pair,
        "model": model,
        "optimizer": torch.optim.SGD(network.parameters(), lr=0.1),
    }
    start = network.weight.detach().clone()
    exec(compile(program, "README.md", "exec"), names)
    assert not torch.equal(start, network.weight)
    return names


def test_diff_turns_a_loop_that_runs_into_a_scheduled_one_that_runs():
    (diff,) = re.findall(r"<!-- diff -->\n```diff\n(.*?)```\n<!-- end of diff -->", README, re.S)
    before, after = sides(diff)
    assert "sstrack_sched" not in before and "curriculum" not in before
    assert "curriculum" not in run(before)
    curriculum = run(after)["curriculum"]
    assert [sum(record.count) for record in curriculum.history] == [640] * EPOCHS


def test_picture_is_of_a_run_of_the_controlled_study():
    evidence = ROOT / "docs" / "evidence"
    drawn = json.loads((evidence / "first-picture.json").read_text("utf-8"))
    runs = json.loads((evidence / "controlled" / "tables.json").read_text("utf-8"))["runs"]
    (stored,) = [
        r
        for r in runs
        if (r["setting"], r["row"], r["seed"]) == (drawn["world"], drawn["row"], drawn["seed"])
    ]
    q = np.array(drawn["distribution"])
    # Another kind of processor rounds differently.
    np.testing.assert_allclose(q.mean(axis=0), stored["mean_q"], atol=1e-3)
    np.testing.assert_allclose(q.sum(axis=1), 1, atol=1e-3)
    first, last = np.array(drawn["first_success"]), np.array(drawn["last_success"])
    assert (last > first).all() and first[0] > first[-1] and last[0] > last[-1]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture_is_there_for_both_themes_and_light_enough(theme):
    path = ROOT / "docs" / "_static" / f"first-picture-{theme}.png"
    assert path.stat().st_size < 150_000
    assert f"docs/_static/{path.name}" in README
    assert f"_static/{path.name}" in INDEX


def test_front_pages_draw_nothing_in_characters():
    assert not re.search("[─│┌┐└┘►▲▼◄]", README + INDEX)
