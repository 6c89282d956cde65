"""What the page of the tracker says about the study, against the stored results."""

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
    assert "No difference between rows excludes 0" in PAGE
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


def test_readme_has_the_effects_of_the_stored_results():
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = all_tables(ROOT / "docs" / "evidence" / "controlled")["rows"].splitlines()
    for name in ("weighted", "uniform"):
        found = re.search(rf"<!-- effect {name} -->(\S+ \(\S+ to \S+\))", readme)
        (row,) = [line for line in rows if line.startswith(f"| `{name}` |")]
        assert row.split(" | ")[3].startswith(found[1])
