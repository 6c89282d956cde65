"""The repr of every public object."""

from __future__ import annotations

import numpy as np
import pytest

import sstrack_sched
from sstrack_sched import (
    BinnedSampler,
    IntervalBins,
    IntervalSampler,
    SuccessAwareScheduler,
    SuccessStatistics,
    VideoIndex,
)


def objects():
    bins = IntervalBins(200, 100)
    sampler = IntervalSampler(VideoIndex([300, 250]), bins, seed=1)
    pairs = sampler.sample([0.5, 0.5], epoch=3, start=10, stop=30)
    items = BinnedSampler([0, 1, 1])
    scheduler = SuccessAwareScheduler(2, total_epochs=4)
    scheduler.step([0.9, 0.8, 0.4, 0.1], [0, 0, 1, 1])
    statistics = SuccessStatistics(2)
    statistics.add([0.9, 0.2], [0, 1])
    return {
        "bins": bins,
        "videos": sampler.videos,
        "sampler": sampler,
        "coverage": sampler.coverage(),
        "pairs": pairs,
        "pair": pairs[0],
        "no pairs": pairs[:0],
        "items": items,
        "sampled items": items.sample([0.5, 0.5], epoch=0, start=0, stop=5),
        "statistics": statistics,
        "scheduler": scheduler,
        "record": scheduler.history[0],
    }


EXPECTED = {
    "bins": "IntervalBins.from_edges([0, 100, 200], image_bin=False)",
    "coverage": "Coverage(videos=array([2, 2]), templates=array([550, 550]))",
    "pairs": "<Pairs: 20 samples, number 10 of epoch 3 to 29 of epoch 3>",
    "no pairs": "<Pairs: 0 samples, number none>",
    "items": "<BinnedSampler: 3 items in 2 bins, seed 0>",
    "sampled items": "<Items: 5 samples, number 0 of epoch 0 to 4 of epoch 0>",
    "statistics": "<SuccessStatistics: 2 IoUs of mean 0.55 in 2 bins, 0 invalid>",
    "scheduler": "<SuccessAwareScheduler: epoch 1 of 4, d = 0.5, tau = 0.55, Q = ██>",
    "record": "<EpochRecord: epoch 0, 4 IoUs of mean 0.55, tau = 0.55, then d = 0.5, Q = ██>",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_repr_says_what_there_is(name):
    assert repr(objects()[name]) == EXPECTED[name]


def test_repr_of_everything_fits_two_lines_and_shows_no_address():
    for shown in map(repr, objects().values()):
        assert " at 0x" not in shown and "\n" not in shown and len(shown) < 260


def test_repr_of_statistics_without_a_sample_does_not_raise():
    assert (
        repr(SuccessStatistics(3)) == "<SuccessStatistics: 0 IoUs of mean nan in 3 bins, 0 invalid>"
    )


def test_repr_of_a_curriculum_says_what_is_next():
    torch_adapters = pytest.importorskip("sstrack_sched.torch")
    curriculum = torch_adapters.Curriculum(BinnedSampler([0, 1]), 3, samples_per_epoch=4)
    said = []
    for batch in np.array_split(list(curriculum.sampler), 2):
        said.append(repr(curriculum))
        curriculum.record([0.5] * len(batch), batch)
    said.append(repr(curriculum))
    curriculum.step()
    said.append(repr(curriculum))
    assert [text.split(", ")[:3] for text in said] == [
        ["<Curriculum: epoch 0 of 3", "0 of 4 samples recorded", "record() is next"],
        ["<Curriculum: epoch 0 of 3", "2 of 4 samples recorded", "record() is next"],
        ["<Curriculum: epoch 0 of 3", "4 of 4 samples recorded", "step() is next"],
        ["<Curriculum: epoch 1 of 3", "0 of 4 samples recorded", "record() is next"],
    ]
    assert repr(torch_adapters.LossWeight([1, 1.23456])) == "LossWeight(weights=[1.0, 1.235])"


def test_dir_shows_public_names_only():
    assert dir(sstrack_sched) == sorted([*sstrack_sched.__all__, "__version__"])
    assert all(hasattr(sstrack_sched, name) for name in dir(sstrack_sched))
    defined = {
        name
        for name, value in vars(sstrack_sched).items()
        if callable(value) and getattr(value, "__module__", "").startswith("sstrack_sched")
    }
    assert defined - {"__dir__"} == set(sstrack_sched.__all__)
