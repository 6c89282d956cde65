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


def run_quick(name, tmp_path, monkeypatch, capsys):
    """Rows that a script printed and what it wrote, run with --quick."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)  # the suite keeps its threads
    figures = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", [name, "--quick", "--json", str(figures)])
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    return printed, json.loads(figures.read_text(encoding="utf-8"))


def test_benchmark_gradient_quick_agrees_with_exact_rationals(tmp_path, monkeypatch, capsys):
    printed, written = run_quick("gradient.py", tmp_path, monkeypatch, capsys)
    assert [row["n_bins"] for row in written["rows"]] == [8, 20, 1000]
    assert [line[0] for line in printed[-3:]] == ["8", "20", "1000"]
    for row in written["rows"][:2]:
        assert row["ratio"]["autograd"] == row["ms"]["autograd"] / row["ms"]["ours"]
        assert row["error"]["ours"] < 1e-14 and row["error"]["autograd"] < 1e-14
        assert row["error"]["differences"] < 1e-6
    assert written["rows"][2]["ms"].keys() == {"ours"}
    assert printed[-1].count("-") == 7


def test_benchmark_sampling_quick_prints_every_row_and_writes_json(tmp_path, monkeypatch, capsys):
    printed, written = run_quick("sampling.py", tmp_path, monkeypatch, capsys)
    rows = [
        [size, masks, weights]
        for size, masks in (("1,000", "no"), ("1,000", "yes"), ("10,000", "no"))
        for weights in ("uniform", "dataset", "own")
    ]
    assert [line[:3] for line in printed if len(line) == 10 and line[1] in ("no", "yes")] == rows
    assert [f"{row['videos']:,}" for row in written["rows"]] == [row[0] for row in rows]
    for row in written["rows"]:
        assert row["pairs_per_second"] > 0 and row["torch_samples_per_second"] > 0
        weight_mb = row["videos"] * 8e-6 if row["weights"] != "uniform" else 0
        if row["masks"] == "no":
            assert row["index_mb"] == pytest.approx(row["videos"] * 9e-6 + weight_mb, abs=0.001)
