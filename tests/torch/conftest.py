"""A small training set, a dataset of pairs and a loop's stand-in for a tracker.

The variable SOURCE of the environment says what is drawn, in spawned processes too: pairs of
frames, or the items of a plain dataset.
"""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sstrack_sched import BinnedSampler, IntervalBins, IntervalSampler, VideoIndex  # noqa: E402 (torch is looked for first)
from sstrack_sched.torch import Curriculum  # noqa: E402

SAMPLES = 96
EPOCHS = 4


class PairDataset(torch.utils.data.Dataset):
    """Hands back what it is asked for, as a tracker's dataset would with its crops."""

    def __getitem__(self, sample):
        row = row_of(sample)
        return {"bin": row[3], "pair": torch.tensor(row)}


def row_of(sample):
    """A pair as a tuple; an item as one that looks like a pair of its bin."""
    if isinstance(sample, tuple):
        return tuple(sample)
    index_bin = sample % 4
    return (sample, 0, 15 * index_bin, index_bin, sample, 0)


def make_curriculum(*, length=None, **options):
    of_source = {k: options.pop(k) for k in ("seed", "direction", "scheme") if k in options}
    if os.environ.get("SOURCE") == "items":
        items = np.arange(200 if length is None else length) % 4
        return Curriculum(BinnedSampler(items, **of_source), EPOCHS, SAMPLES, **options)
    rng = np.random.default_rng(5)
    lengths = rng.integers(20, 90, 12)
    if length is not None:
        lengths[0] = length
    videos = VideoIndex(lengths, rng.random(lengths.sum()) < 0.8)
    bins = IntervalBins(60, 15)
    return Curriculum(IntervalSampler(videos, bins, **of_source), EPOCHS, SAMPLES, **options)


def iou_of(pairs):
    """IoUs that depend on the pair alone: worse for long intervals, spread by its number."""
    interval = (pairs[:, 2] - pairs[:, 1]).abs().double()
    return (0.9 - 0.01 * interval + 0.05 * torch.sin(pairs[:, 4].double())).clamp(0, 1).float()


def expected_pairs(curriculum, start=0):
    """Pairs of the current epoch, straight from the core."""
    scheduler = curriculum.scheduler
    pairs = curriculum.source.sample(scheduler.distribution, scheduler.epoch, start, SAMPLES)
    return [row_of(pair) for pair in pairs]


def loader_of(curriculum, workers=0, **options):
    if workers:
        options.setdefault("persistent_workers", True)
    return torch.utils.data.DataLoader(
        PairDataset(), batch_size=10, sampler=curriculum.sampler, num_workers=workers, **options
    )


def train(curriculum, loader, stop_at=None):
    """Epochs to the end; stops before batch `stop_at` of all, and returns the pairs consumed."""
    consumed, batches = [], 0
    while curriculum.scheduler.epoch < EPOCHS:
        for batch in loader:
            if batches == stop_at:
                return consumed
            losses = torch.ones(len(batch["bin"]), requires_grad=True)
            curriculum.weigh(losses, batch["bin"]).mean().backward()
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
            consumed += [tuple(pair.tolist()) for pair in batch["pair"]]
            batches += 1
        curriculum.step()
    return consumed


@pytest.fixture
def curriculum():
    return make_curriculum()
