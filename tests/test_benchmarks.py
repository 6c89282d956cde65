"""The benchmark scripts run and print what they promise; no figure is checked: clocks differ."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"

if not FOLDER.is_dir():
    pytest.skip("no benchmarks beside the tests", allow_module_level=True)


def test_benchmark_lasot_prints_every_row_and_writes_json(tmp_path, monkeypatch, capsys):
    lengths = np.array([300, 450, 260])
    annotations, figures = tmp_path / "small.npz", tmp_path / "figures.json"
    np.savez(str(annotations), lengths=lengths, absent=np.packbits(np.arange(1010) % 7 == 0))
    monkeypatch.setattr(
        "sys.argv", ["lasot.py", "--annotations", str(annotations), "--json", str(figures)]
    )
    runpy.run_path(str(FOLDER / "lasot.py"), run_name="__main__")
    printed = capsys.readouterr().out
    rows = ("index", "q^R forward", "q^R symmetric", "q^R causal", "eligibility tables", "pairs")
    assert all(row in printed for row in rows)
    assert "3 videos, 1010 frames, 85.6% visible (small.npz)" in printed
    written = json.loads(figures.read_text(encoding="utf-8"))
    assert written["ratio"] == written["peer_pair_seconds"] / written["pair_seconds"]
