"""Statements of the tracker's page about the study, against the stored results."""

from __future__ import annotations

import json
import re

import pytest

from examples.controlled_study.tables import all_tables
from examples.tracker import fall
from examples.tracker.evaluation import evidence
from examples.tracker.training.config import MODES

from .conftest import ROOT

EVIDENCE = ROOT / "docs" / "evidence"
PAGE = (ROOT / "docs" / "tracker.md").read_text()


def stored(name):
    return json.loads((EVIDENCE / name).read_text())


def test_tables_of_the_study_are_those_of_the_stored_results():
    for heading, table in evidence.tables(stored("tracker-study.json")).items():
        assert table in PAGE, heading


def test_command_on_the_page_is_the_one_that_was_run():
    assert stored("tracker-study.json")["made_with"]["command"] in " ".join(PAGE.split()).replace(
        "\\ ", ""
    )


def test_page_claims_no_difference_because_none_excludes_0():
    claim = "All differences between rows have confidence intervals that contain 0"
    assert claim in " ".join(PAGE.split())
    for group in stored("tracker-study.json")["held_out"].values():
        for name, part in group["less"].items():
            assert part["mean"][1] < 0 < part["mean"][2], name


def test_success_while_training_falls_by_a_few_hundredths_only():
    success = stored("tracker-study.json")["training"]["random"]["success"]
    assert 0.02 < success[0] - sum(success[-3:]) / 3 < 0.1


def test_the_study_has_all_rows_and_enough_seeds():
    found = stored("tracker-study.json")
    assert set(found["training"]) == set(MODES)
    assert len(found["seeds"]) >= 5
    for group in found["held_out"].values():
        assert all(len(means) == len(found["seeds"]) for means in group["by_seed"].values())


def test_table_of_the_fall_is_that_of_the_stored_results():
    found = stored("tracker-fall.json")
    assert fall.table(found) in PAGE
    assert found["siamfc"] == fall.real_success()
    real, ours = found["siamfc"], found["drift"]["1"]
    assert ours[-1] / ours[0] == pytest.approx(real[-1] / real[0], abs=0.06)
    assert ours == pytest.approx(real, abs=0.07)


def test_speed_on_the_page_is_the_stored_one():
    rates = stored("tracker-training-speed.json")["pairs_per_minute_of_processor"]
    assert rates["kept features"] > 3 * rates["whole batches"]
    for name, rate in rates.items():
        assert f"| {name} | {rate:,.0f} | {rate / rates['whole batches']:.1f} |" in PAGE


def test_stored_results_name_no_place_of_a_machine():
    for path in EVIDENCE.glob("tracker-*.json"):
        assert not re.search(r'"/|[^.\w]/(work|tmp|home|root|usr)\b', path.read_text())


WORLDS = ("uniform", "scheduled", "weighted")  # less random: a column each


def effects():
    """Differences in each world of the controlled study: mean, low, high of each column."""
    lines = all_tables(EVIDENCE / "controlled")["worlds"].splitlines()[2:]
    rows = [re.split(r" +\| +", line.strip("| ")) for line in lines]
    number = r"([-+]\d+\.\d+)"
    pattern = rf"{number} \({number} to {number}\)"
    return {
        row[0].strip("`"): [
            tuple(map(float, found.groups()))
            for found in (re.match(pattern, c) for c in row)
            if found
        ]
        for row in rows
    }


def test_readme_has_the_effects_of_the_stored_results():
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    number = r"(\S+) \((\S+) to ([^)]+)\)"
    named = re.findall(rf"<!-- effect (\w+) (\w+) -->{number}", readme)
    assert len(named) == 3
    for world, row, *numbers in named:
        assert effects()[world][WORLDS.index(row)] == tuple(map(float, numbers))


def test_page_and_readme_sum_up_what_the_tables_say():
    page = " ".join((ROOT / "docs" / "evidence.md").read_text("utf-8").split())
    worlds = effects()
    (uniform, _, weighted, _, _), steep = worlds["drift"], worlds["steep"]
    assert f"(`weighted`) gains {weighted[0]:.1f} points over the random sampler" in page
    assert f"(`uniform`) gains {uniform[0]:.1f}, so the method is below" in page
    assert f"`uniform` loses {-steep[0][0]:.1f} points" in page
    assert f"`weighted` loses nothing and is {steep[3][0]:.1f} points above" in page
    assert steep[2][1] < 0 < steep[2][2]
    for world in ("flat", "few"):
        assert all(low <= 0 for _, low, _ in worlds[world][:3])  # nothing gains
    both = all_tables(EVIDENCE / "controlled")["map"].splitlines()[-1].split(" | ")
    assert both[2].startswith("0 (0) of 72")  # cells where the method is above both controls


def test_no_comparison_of_the_order_excludes_0():
    questions = [
        cell
        for line in all_tables(EVIDENCE / "controlled")["questions"].splitlines()
        for cell in re.findall(
            r"− `(?:static|reversed|anti)[^|]* \| \S+ \((\S+) to ([^)]+)\)", line
        )
    ]
    assert len(questions) == 6
    assert all(float(low) < 0 < float(high) for low, high in questions)
    for world in effects().values():
        for _, low, high in world[4:]:  # weighted less static, weighted: not in all worlds
            assert low < 0 < high


def test_evidence_page_carries_the_tables_of_the_tracker():
    page, found = (ROOT / "docs" / "evidence.md").read_text("utf-8"), stored("tracker-study.json")
    assert evidence.difference_table(found) in page
    assert evidence.fall_table(found) in page
