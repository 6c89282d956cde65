"""The example on scikit-learn's digits, shortened."""

import runpy
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from examples import any_dataset


def test_any_dataset_prints_every_noise_level(monkeypatch, capsys):
    monkeypatch.setattr(any_dataset, "EPOCHS", 2)
    monkeypatch.setattr(any_dataset, "SAMPLES", 512)
    one, again = any_dataset.accuracy(0), any_dataset.accuracy(0)
    assert one == again
    assert len(one) == 5
    assert one[0] > 20  # above chance, which is 10


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_dataset_runs_as_a_script(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["any_dataset.py", "2"])
    runpy.run_path(any_dataset.__file__, run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "accuracy in %, 2 paired seeds"
    assert [line.split()[0] for line in lines[2:]] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
