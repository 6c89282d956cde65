"""Time of each part of loading a training pair, and pairs per second with and without training.

The parts are timed in one process. Per pair: reading and decoding two images, cutting two crops,
augmentation. Per batch: collating, moving to the device, the training step. Then the loader alone
and complete training are timed with 0, 1 and 2 workers. If training is much slower than the loader
alone, loading does not limit it.

Without ``--data``, the images are JPEG files of ``--size`` with as much detail as photographs.
Nothing is kept between pairs (``--memory 0``), as for a data set much larger than memory.

    python benchmarks/loader.py [--data FOLDER] [--device cuda] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the examples

from examples.tracker.data.augment import Change, draw_change, pair_generator
from examples.tracker.data.crops import crop_pair
from examples.tracker.data.frames import GIB, FrameStore
from examples.tracker.data.sequences import Sequence
from examples.tracker.data.sources import read_sources
from examples.tracker.synthetic.library import SHIPPED, load
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.trainer import Trainer, start_worker

READ, CUT, CHANGE = "read and decode", "cut crops", "change crops"
COLLATE, MOVE, STEP = "put a batch together", "move to the device", "training step"


def picture_files(folder, width, height, n_videos=4, n_frames=60):
    """Make sequences of JPEG files of a moving photograph."""
    sequences = []
    for video in range(n_videos):
        scene = cv2.resize(load(SHIPPED + "astronaut"), (width + n_frames, height + n_frames))
        paths, boxes = [], []
        for i in range(n_frames):
            path = folder / f"{video}-{i}.jpg"
            cv2.imwrite(str(path), scene[i : i + height, i : i + width], [1, 92])
            paths.append(str(path))
            boxes.append((width * 0.4, height * 0.4, width * 0.15, height * 0.2))
        visible = np.ones(n_frames, dtype=bool)
        sequences.append(Sequence(f"{video}", tuple(paths), np.array(boxes), visible))
    return sequences


class Clock:
    """Seconds of each call of each part."""

    def __init__(self, device):
        self.device, self.seconds = torch.device(device), {}

    def time(self, part, function, *values):
        start = time.perf_counter()
        result = function(*values)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds.setdefault(part, []).append(time.perf_counter() - start)
        return result

    def median(self, part):
        return float(np.median(self.seconds[part]))


def parts(trainer, n_batches):
    """Measure microseconds per pair of each part; medians exclude other programs' turns."""
    clock, config, dataset = Clock(trainer.config.device), trainer.config, trainer.dataset
    store = dataset.store
    pairs = iter(trainer.curriculum.sampler)
    for number in range(n_batches + 1):
        if number == 1:
            clock.seconds.clear()  # the first batch warms up
        items = []
        for _ in range(config.batch_size):
            pair = next(pairs)
            change = draw_change(pair_generator(0, pair.epoch, pair.number), dataset.config)
            boxes = store.sequences[pair.video].boxes
            frames = [
                (clock.time(READ, store.frame, pair.video, k), boxes[k])
                for k in (pair.template, pair.search)
            ]
            still = Change(shift=change.shift, scale=change.scale)
            clock.time(CUT, crop_pair, *frames, dataset.config, still)
            clock.time(CHANGE, crop_pair, *frames, dataset.config, change)
            items.append(dataset._item(pair, change))
        batch = clock.time(COLLATE, default_collate, items)
        moved = clock.time(MOVE, to_device, batch, config.device)
        clock.time(STEP, trainer._step, moved)
    found = {READ: 2 * clock.median(READ), CUT: clock.median(CUT)}
    found[CHANGE] = max(clock.median(CHANGE) - found[CUT], 0.0)
    found.update({part: clock.median(part) / config.batch_size for part in (COLLATE, MOVE, STEP)})
    return {part: 1e6 * value for part, value in found.items()}


def to_device(batch, device):
    return {name: values.to(device) for name, values in batch.items()}


def rate(trainer, workers, n_batches, *, train):
    """Measure pairs per second of the loader alone, or of training; skip the first batch."""
    size = trainer.config.batch_size
    loader = DataLoader(
        trainer.dataset,
        batch_size=size,
        sampler=trainer.curriculum.sampler,
        num_workers=workers,
        pin_memory=trainer.device.type == "cuda",
        worker_init_fn=start_worker,
    )
    batches = iter(loader)
    for number in range(n_batches + 1):
        batch = next(batches)
        if train:
            trainer._step(batch)
        if number == 0:
            start = time.perf_counter()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)
    return n_batches * size / (time.perf_counter() - start)


def measure(config, sequences, n_batches):
    """Measure all figures."""
    store = FrameStore(sequences, int(config.memory * GIB))

    def fresh():
        return Trainer(config, store)

    found = {"pairs_a_second": {}}
    found["us_a_pair"] = parts(fresh(), n_batches)
    for workers in (0, 1, 2):
        found["pairs_a_second"][workers] = {
            name: rate(fresh(), workers, n_batches, train=train)
            for name, train in (("loader alone", False), ("training", True))
        }
    return found


def show(figures):
    """Print the tables."""
    total = sum(figures["us_a_pair"].values())
    print(f"{'part':<24}{'us per pair':>12}{'share':>8}")
    for part, value in figures["us_a_pair"].items():
        print(f"{part:<24}{value:>12.0f}{value / total:>8.1%}")
    print(f"\n{'workers':<10}{'loader alone':>16}{'training':>12}   pairs per second")
    for workers, rates in figures["pairs_a_second"].items():
        print(f"{workers:<10}{rates['loader alone']:>16.0f}{rates['training']:>12.0f}")


def main():
    """Measure, print the tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", action="append", help="data as for examples.tracker.train")
    parser.add_argument("--size", nargs=2, type=int, default=(640, 480), help="size of made images")
    parser.add_argument("--memory", type=float, default=0.0, help="GiB of decoded images to keep")
    parser.add_argument("--model", default="conv_small")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()

    n_batches = 2 if options.quick else 20
    config = TrainConfig(
        model=options.model,
        batch_size=4 if options.quick else options.batch_size,
        memory=options.memory,
        device=options.device,
        max_interval=50,
        spacing=10,
    )
    config = replace(config, samples_per_epoch=(n_batches + 3) * config.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        if options.data:
            sequences, _ = read_sources(options.data, n_clips=32, held_out=0.0)
        else:
            sequences = picture_files(Path(folder), *options.size)
        print(f"batches of {config.batch_size}, {torch.get_num_threads()} threads\n", flush=True)
        figures = measure(config, sequences, n_batches)
    show(figures)
    if options.json:
        about = {
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "model": options.model,
            "device": options.device,
        }
        text = json.dumps({**about, **figures}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
