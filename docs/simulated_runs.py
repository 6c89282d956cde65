"""Simulate the healthy and the four problematic runs of docs/tutorials/healthy.md."""

from __future__ import annotations

import numpy as np

from sstrack_sched import IntervalBins, IntervalSampler, SuccessAwareScheduler, VideoIndex

BINS = IntervalBins(200, 50)
MANY = VideoIndex([300] * 200)
THREE_LONG = VideoIndex([140] * 200 + [300] * 3)  # only three videos are longer than 150 frames
EPOCHS = 30


def ious_of(pairs, epoch, rng):
    """Simulate a learning tracker, whose IoU falls with the interval, less so after training."""
    skill = 0.35 + 0.4 * epoch / EPOCHS
    middle = skill - (0.35 - 0.2 * epoch / EPOCHS) * pairs.interval / 200
    return np.clip(middle + 0.2 * rng.standard_normal(len(pairs)), 0, 1)


def memorised(pairs, epoch, rng):
    """Simulate a tracker that soon overfits the three long videos."""
    ious = ious_of(pairs, epoch, rng)
    known = (pairs.video >= 200) & (epoch > 3)
    return np.where(known, np.clip(0.9 + 0.05 * rng.standard_normal(len(pairs)), 0, 1), ious)


def clipped_giou(pairs, epoch, rng):
    """Simulate GIoUs recorded as IoUs, with negative values set to 0 to avoid the error."""
    return np.clip(2 * ious_of(pairs, epoch, rng) - 0.9, 0, 1)


def train(videos=MANY, samples=4000, total_epochs=EPOCHS, score=ious_of):
    """Return the history of a simulated run of 30 epochs."""
    sampler = IntervalSampler(videos, BINS, seed=1)
    scheduler = SuccessAwareScheduler(
        len(BINS),
        total_epochs,
        random_distribution=sampler.random_distribution,
        feasible=sampler.feasible,
    )
    rng = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        pairs = sampler.sample(scheduler.distribution, epoch, 0, samples)
        scheduler.step(score(pairs, epoch, rng), pairs.bin)
    return scheduler.history


RUNS = {
    "healthy": {},
    "few-samples": {"samples": 40},
    "three-videos": {"videos": THREE_LONG, "score": memorised},
    "giou": {"score": clipped_giou},
    "too-long": {"total_epochs": 600},
}


def draw(folder):
    """Draw one figure per run."""
    from sstrack_sched.plotting import plot_schedule

    for name, options in RUNS.items():
        figure = plot_schedule(train(**options), BINS.labels)
        figure.set_size_inches(9, 5)
        figure.savefig(folder / f"run-{name}.png", dpi=80)
