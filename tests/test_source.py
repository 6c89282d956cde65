"""The source of a curriculum is checked where it is handed in."""

import numpy as np
import pytest

from sstrack_sched import BinnedSampler
from sstrack_sched.source import checked_source, identity_of


class OwnSource:
    n_bins = 3
    feasible = np.array([True, False, True])
    identity = {"data": "own", "edges": (0, 1)}

    @property
    def random_distribution(self):
        raise AssertionError("to compute it may take long")

    def sample(self, distribution, epoch, start, stop, step=1):
        return []


def test_source_with_all_names_is_taken_as_it_is():
    for source in (OwnSource(), BinnedSampler([0])):
        assert checked_source(source) is source
    assert identity_of(OwnSource()) == {"data": "own", "edges": [0, 1]}


@pytest.mark.parametrize(
    "name", ["n_bins", "feasible", "random_distribution", "identity", "sample"]
)
def test_error_source_without_a_name_says_which(name):
    names = {key: value for key, value in vars(OwnSource).items() if key != name}
    source = type("Partial", (), names)()
    with pytest.raises(TypeError, match=f"source must have {name}, .*Partial"):
        checked_source(source)
    setattr(type(source), name, vars(OwnSource)[name])
    assert checked_source(source) is source


@pytest.mark.parametrize(
    "name, bad, message",
    [
        ("n_bins", 0, "source.n_bins must be at least 1; got 0"),
        ("n_bins", 2, r"source.feasible must have shape \(2,\); got \(3,\)"),
        ("feasible", [0.5] * 3, "source.feasible must be boolean"),
        ("identity", {"data": np.int64(3)}, "source.identity must hold plain values for JSON"),
        ("identity", ["data"], "source.identity must be of type dict; got"),
    ],
)
def test_error_source_with_a_bad_value_names_it(name, bad, message):
    source = OwnSource()
    setattr(source, name, bad)
    with pytest.raises((TypeError, ValueError), match=message):
        checked_source(source)
