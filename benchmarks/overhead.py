"""Cost of the library in a training step of ``examples/tracker`` at the demo's size.

Each part is timed in every step: drawing the pairs (the complete sampler iterator), the loss
weights (and, separately, their cost in the backward pass), the recorder, and the epoch's `step()`,
divided by its steps. The sum of the parts relative to the time of a step is the reliable figure.
The peer is the same training without the library, step by step in turns: pairs drawn beforehand in
the order of torch's RandomSampler, no recorder, no weights. Steps vary much more than the parts
cost, so the median difference has a standard error.

Frames are rendered in advance and the first epoch is not counted. Memory is measured for the
recorder, per sample (growth of the process, on Linux), and for index, sampler and running
iterator.

    python benchmarks/overhead.py [--quick] [--device cuda] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import re
import sys
import time
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the examples

from examples.tracker.data.frames import FrameStore
from examples.tracker.data.sequences import video_index
from examples.tracker.demo import QUICK
from examples.tracker.train import load_videos
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.trainer import Trainer
from sstrack_sched import BinnedSampler, IntervalBins, IntervalSampler, SuccessAwareScheduler
from sstrack_sched.torch import Curriculum, CurriculumSampler, LossWeight

SAMPLER, WEIGHTS, BACKWARD = "sampler", "loss weights", "loss weights, backward"
RECORDER, STEP = "recorder", "step() of the epoch"
N_BACKWARD = 2_000


class Clock:
    """Seconds spent in each part so far."""

    def __init__(self):
        self.seconds = dict.fromkeys((SAMPLER, WEIGHTS, RECORDER, STEP), 0.0)

    def timed(self, part, function):
        """Wrap a function so that its calls are timed."""

        def call(*values):
            start = time.perf_counter()
            try:
                return function(*values)
            finally:
                self.seconds[part] += time.perf_counter() - start

        return call


class TimedBatches:
    """Batches of a sampler's pairs, which times the sampler's iterator."""

    def __init__(self, sampler, batch_size, clock):
        self.sampler, self.batch_size = sampler, batch_size
        self.start = clock.timed(SAMPLER, lambda: iter(sampler))
        self.take = clock.timed(SAMPLER, lambda pairs: list(islice(pairs, batch_size)))

    def __len__(self):
        return math.ceil(len(self.sampler) / self.batch_size)

    def __iter__(self):
        pairs = self.start()
        while batch := self.take(pairs):
            yield batch


class FixedPairs:
    """Dataset of pairs drawn in advance."""

    def __init__(self, dataset, pairs):
        self.dataset, self.pairs = dataset, list(pairs)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.dataset[self.pairs[index]]


def steps(trainer, loader, end_epoch):
    """Train for ever and yield the seconds of each step; the last one includes the epoch's end."""
    trainer.model.train()
    while True:
        start = time.perf_counter()
        for number, batch in enumerate(loader, 1):
            trainer._step(batch)
            if number == len(loader):
                end_epoch()
            if trainer.config.device != "cpu":
                torch.cuda.synchronize()
            yield time.perf_counter() - start
            start = time.perf_counter()


def our_steps(config, store, clock):
    """Run the example's own training, with its parts timed."""
    trainer = Trainer(replace(config, mode="weighted"), store)
    curriculum = trainer.curriculum
    curriculum.weigh = clock.timed(WEIGHTS, curriculum.weigh)
    curriculum.record = clock.timed(RECORDER, curriculum.record)
    batches = TimedBatches(curriculum.sampler, config.batch_size, clock)
    loader = DataLoader(trainer.dataset, batch_sampler=batches)
    return steps(trainer, loader, clock.timed(STEP, curriculum.step))


def plain_steps(config, store):
    """Run the same training without the library."""
    trainer = Trainer(replace(config, mode="random"), store)  # losses are not weighed
    curriculum = trainer.curriculum
    curriculum.record = lambda *_: None
    q_random = curriculum.scheduler.distribution
    pairs = curriculum.source.sample(q_random, 0, 0, config.samples_per_epoch)
    dataset = FixedPairs(trainer.dataset, pairs)
    loader = DataLoader(dataset, config.batch_size, sampler=RandomSampler(dataset))
    return steps(trainer, loader, lambda: None)


def backward_seconds(batch_size):
    """Measure the backward cost of loss weights: medians with and without, in turns."""
    weigh = LossWeight([1.0, 2.0])
    bins = torch.arange(batch_size) % 2
    losses = torch.rand(batch_size, requires_grad=True)
    seconds = np.empty((N_BACKWARD, 2))
    for i in range(N_BACKWARD):
        for j, mean in enumerate((weigh(losses * 1, bins).mean(), (losses * 1).mean())):
            start = time.perf_counter()
            mean.backward()
            seconds[i, j] = time.perf_counter() - start
    with_weights, without = np.median(seconds, axis=0)
    return max(float(with_weights - without), 0.0)


def measure_time(config, store):
    """Measure seconds per step of ours and the peer, (n_steps, 2), and the mean of each part."""
    clock = Clock()
    both = our_steps(config, store, clock), plain_steps(config, store)
    seconds = np.empty((config.epochs * config.steps_per_epoch, 2))
    for i in range(len(seconds)):
        if i == config.steps_per_epoch:
            clock.seconds = dict.fromkeys(clock.seconds, 0.0)
        for j in (0, 1) if i % 2 else (1, 0):
            seconds[i, j] = next(both[j])
    seconds = seconds[config.steps_per_epoch :]
    parts = {part: total / len(seconds) for part, total in clock.seconds.items()}
    parts[BACKWARD] = backward_seconds(config.batch_size)
    return seconds, parts


def median_difference(seconds):
    """Return the median difference to the peer and its bootstrap standard error."""
    difference = seconds[:, 0] - seconds[:, 1]
    drawn = np.random.default_rng(0).choice(difference, (1000, len(difference)))
    return float(np.median(difference)), float(np.median(drawn, axis=1).std())


def resident_bytes():
    """Return the memory of this process; None if the system does not provide it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1])


def recorder_bytes(batch_size, n_samples):
    """Measure the bytes that recording needs per sample."""
    source = BinnedSampler(torch.arange(7).numpy())
    recorder, bins = Curriculum(source, 1, n_samples + batch_size), torch.arange(batch_size) % 7
    before = resident_bytes()
    for _ in range(0, n_samples, batch_size):
        recorder.record(torch.rand(batch_size), bins)
    return None if before is None else (resident_bytes() - before) / recorder.n_consumed


def sampler_bytes(sequences, config):
    """Measure the bytes of index, sampler and a used iterator, and their peak."""
    bins = IntervalBins(config.max_interval, config.spacing)
    scheduler = SuccessAwareScheduler(len(bins), config.epochs)
    tracemalloc.start()
    try:
        sampler = IntervalSampler(video_index(sequences), bins)
        iterator = iter(CurriculumSampler(sampler, scheduler, config.samples_per_epoch))
        next(iterator)
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def show(figures):
    """Print the tables."""
    share = figures["share"]
    print(f"{'part':<26}{'us per step':>12}{'share':>10}")
    for part, seconds in {**figures["part_seconds"], "sum": figures["sum_seconds"]}.items():
        print(f"{part:<26}{seconds * 1e6:>12.1f}{share[part]:>10.3%}")
    print(f"\n{figures['n_steps']} steps each, taking turns")
    print(f"{'ours':<26}{figures['step_seconds'] * 1e3:>12.2f} ms")
    print(f"{'without the library':<26}{figures['peer_step_seconds'] * 1e3:>12.2f} ms")
    difference, error = figures["difference"], figures["difference_standard_error"]
    print(f"{'difference, median':<26}{difference:>12.2%} +- {error:.2%} of the step")
    recorder = figures["recorder_bytes_a_sample"]
    size = "-" if recorder is None else f"{recorder:.0f}"
    print(f"\n{'recorder':<26}{size:>12} bytes per sample")
    print(f"{'index, sampler, iterator':<26}{figures['sampler_bytes'] / 1e3:>12.1f} kB")
    print(f"{'the most on the way':<26}{figures['sampler_peak_bytes'] / 1e3:>12.1f} kB")


def main():
    """Measure, print the tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    parser.add_argument("--device", default="cpu", help="device for training")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()

    config = TrainConfig(**QUICK) if options.quick else TrainConfig()
    config = replace(config, device=options.device)
    recorder = recorder_bytes(config.batch_size, 10_000 if options.quick else 10**6)
    sequences, _ = load_videos(config, n_test=1)
    held, peak = sampler_bytes(sequences, config)
    store = FrameStore(sequences)
    for video, sequence in enumerate(sequences):
        for frame in range(len(sequence.frames)):
            store.frame(video, frame)
    print(f"batches of {config.batch_size}, {torch.get_num_threads()} threads\n", flush=True)
    seconds, parts = measure_time(config, store)

    ours, peer = seconds.mean(axis=0)
    difference, error = median_difference(seconds)
    total = sum(parts.values())
    figures = {
        "machine": platform.processor() or platform.machine(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "n_steps": len(seconds),
        "step_seconds": ours,
        "peer_step_seconds": peer,
        "part_seconds": parts,
        "sum_seconds": total,
        "share": {part: value / ours for part, value in {**parts, "sum": total}.items()},
        "difference": difference / ours,
        "difference_standard_error": error / ours,
        "recorder_bytes_a_sample": recorder,
        "sampler_bytes": held,
        "sampler_peak_bytes": peak,
    }
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
