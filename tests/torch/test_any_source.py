"""The same tests over every source: video pairs, items by difficulty, a user's own class."""

import itertools
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

from sstrack_sched import BinnedSampler, IntervalBins, IntervalSampler, VideoIndex  # noqa: E402
from sstrack_sched.torch import Curriculum, CurriculumSampler  # noqa: E402

SAMPLES, EPOCHS, N_BINS = 96, 3, 4


class Drawn(list):
    """Items of a user's own source: strings, for a dataset that takes strings."""


class OwnSource:
    """The protocol and nothing else; the draws are a formula."""

    n_bins = N_BINS
    feasible = np.ones(N_BINS, bool)
    random_distribution = np.full(N_BINS, 1 / N_BINS)
    identity = {"data": "own"}

    def sample(self, distribution, epoch, start, stop, step=1):
        number = np.arange(start, stop, step)
        u = (number * 0.618034 + epoch * 0.1) % 1
        drawn = Drawn()
        drawn.bin = np.searchsorted(np.cumsum(distribution)[:-1], u, side="right")
        drawn.number = number
        drawn.extend(f"{n}:{b}" for n, b in zip(number, drawn.bin))
        return drawn


SOURCES = {
    "pairs": lambda: IntervalSampler(VideoIndex([90, 70, 80]), IntervalBins(60, 15), seed=3),
    "items": lambda: BinnedSampler(np.arange(200) % N_BINS, weight=np.arange(200) + 1, seed=3),
    "own": OwnSource,
}


class Dataset(torch.utils.data.Dataset):
    """Hands back what it is asked for, and its bin."""

    def __init__(self, source):
        self.bins = getattr(source, "bins", None)

    def __getitem__(self, sample):
        if isinstance(sample, str):
            return str(sample), int(sample.split(":")[1])
        if isinstance(sample, tuple):
            return str(tuple(sample)), sample.bin
        return str(sample), int(self.bins[sample])


@pytest.fixture(params=sorted(SOURCES))
def new(request):
    """Makes the same curriculum again and again."""
    return lambda **options: Curriculum(SOURCES[request.param](), EPOCHS, SAMPLES, **options)


def text(sample):
    return str(tuple(sample)) if isinstance(sample, tuple) else str(sample)


def expected(curriculum, start=0):
    drawn = curriculum.source.sample(curriculum.distribution, curriculum.epoch, start, SAMPLES)
    return [text(sample) for sample in drawn]


def train(curriculum, workers=0, stop_at=None):
    """To the end, or before batch `stop_at`; returns what was drawn."""
    loader = DataLoader(
        Dataset(curriculum.source), batch_size=10, sampler=curriculum.sampler, num_workers=workers
    )
    seen, batches = [], 0
    while curriculum.epoch < EPOCHS:
        for names, bins in loader:
            if batches == stop_at:
                return seen
            curriculum.weigh(torch.ones(len(bins)), bins)
            curriculum.record(0.9 - 0.2 * bins.double() + 0.01 * len(names), bins)
            seen += list(names)
            batches += 1
        curriculum.step()
    return seen


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("consumed", [0, 50, 95])
def test_source_is_split_over_any_world(new, world_size, consumed):
    curriculum = new()
    if consumed:
        drawn = curriculum.source.sample(curriculum.distribution, 0, 0, consumed)
        next(iter(curriculum.sampler))
        curriculum.record([0.5] * consumed, drawn.bin)
    shares = []
    for rank in range(world_size):
        place = {"rank": rank, "world_size": world_size}
        sampler = CurriculumSampler(curriculum.source, curriculum.scheduler, SAMPLES, **place)
        sampler.ledger = curriculum.sampler.ledger
        shares.append(list(sampler))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    turns = itertools.chain(*itertools.zip_longest(*shares))
    assert [text(s) for s in turns if s is not None] == expected(curriculum, consumed)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cut", [0, 3, 10, 17])
def test_source_resumes_at_any_batch(new, workers, cut):
    whole = new()
    uninterrupted = train(whole)
    first, second = new(), new()
    head = train(first, workers, stop_at=cut)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert head + train(second, workers) == uninterrupted
    assert second.history == whole.history


def test_source_state_of_other_data_needs_strict_false(new, monkeypatch):
    first = new()
    state = first.state_dict()
    state["config"]["data"] = "other"
    with pytest.raises(ValueError, match="data="):
        new().load_state_dict(state)
    with pytest.warns(RuntimeWarning, match="other data"):
        new().load_state_dict(state, strict=False)


def test_source_has_a_repr_everywhere(new):
    curriculum = new()
    assert repr(curriculum).startswith("<Curriculum: epoch 0 of 3, 0 of 96 samples recorded, ")
    assert repr(curriculum.sampler).startswith("<CurriculumSampler: 96 samples of ")
    shown = repr(curriculum.scheduler)
    assert shown.startswith("<SuccessAwareScheduler: epoch 0 of 3, d = 0, tau = nan, Q = ")
    bar, q = shown.rpartition("= ")[2][:-1], curriculum.distribution
    levels = np.array(["▁▂▃▄▅▆▇█".index(one) for one in bar])
    assert (np.abs(levels / 7 - q / q.max()) < 1 / 7).all() and levels.max() == 7


def test_sampler_has_the_attributes_of_a_distributed_sampler(new):
    sampler = new(rank=1, world_size=2).sampler
    assert (sampler.rank, sampler.num_replicas, sampler.epoch) == (1, 2, 0)
    assert (sampler.num_samples, sampler.total_size, sampler.drop_last) == (48, 96, False)
    assert sampler.dataset is sampler.source


@pytest.mark.parametrize(
    "name", ["n_bins", "feasible", "random_distribution", "identity", "sample"]
)
def test_source_without_a_name_of_the_protocol_is_refused(name):
    class Incomplete:
        pass

    for other in {"n_bins", "feasible", "random_distribution", "identity", "sample"} - {name}:
        setattr(Incomplete, other, getattr(OwnSource, other))
    with pytest.raises(TypeError, match=f"source must have {name}"):
        Curriculum(Incomplete(), EPOCHS, SAMPLES)


def test_redraw_without_a_source_that_can_says_so():
    with pytest.raises(AttributeError, match="redraw"):
        Curriculum(SOURCES["items"](), EPOCHS, SAMPLES).redraw(None, 1)
