"""Pairs per minute of the example tracker's training, in three ways.

The ways take turns, on one thread. Options are those of a training run, and the backbone must be
frozen; without options `lite` learns from composited clips with five stages frozen.

    python benchmarks/training_speed.py [--json FILE] [--data FOLDER ...]
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

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the examples

from examples.tracker.data.frames import GIB, FrameStore
from examples.tracker.train import add_settings, given_settings, load_videos
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.features import KeptFeatures
from examples.tracker.training.interrupt import exit_status
from examples.tracker.training.trainer import Trainer, new_model

WAYS = {
    "whole batches": "the backbone sees a batch of crops at once, as it did at first",
    "few at once": "a frozen backbone sees four crops at once",
    "kept features": "what it makes of each frame's crops is computed before, and kept",
}
WHOLE = 1 << 30


def measure(config, steps, rounds):
    """Return the rates of the three ways, and what they were measured with."""
    store = FrameStore(load_videos(config)[0], int(config.memory * GIB))
    plain, keeping = (replace(config, keep_features=keeps) for keeps in (False, True))
    model = new_model(keeping)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        kept = KeptFeatures(Path(folder), store, config.crops.for_model(model), model)
        per_frame = (time.process_time() - start) / len(kept.frames)
        trainers = {
            "whole batches": Trainer(plain, store),
            "few at once": Trainer(plain, store),
            "kept features": Trainer(keeping, store, kept),
        }
        trainers["whole batches"].model.at_once = WHOLE  # of Lite
        times = {way: [] for way in trainers}
        for trainer in trainers.values():
            trainer.run(progress=False, max_steps=2)
        for _ in range(rounds):
            for way, trainer in trainers.items():
                processor, clock = time.process_time(), time.monotonic()
                trainer.run(progress=False, max_steps=steps)
                took = (time.process_time() - processor, time.monotonic() - clock)
                times[way].append(took)
    pairs = 60 * steps * config.batch_size
    middle = {way: sorted(found)[len(found) // 2] for way, found in times.items()}
    return {
        "pairs_per_minute_of_processor": {way: pairs / t[0] for way, t in middle.items()},
        "pairs_per_minute": {way: pairs / t[1] for way, t in middle.items()},
        "features_ms_per_frame": 1000 * per_frame,
        "frames": len(kept.frames),
        "torch": torch.__version__,
        "processor": platform.machine(),
        "settings": config.to_dict(),
    }


def run(options):
    """Measure, print the table and write JSON; return True."""
    found = measure(TrainConfig(**given_settings(options)), options.steps, options.rounds)
    rates = found["pairs_per_minute_of_processor"]
    for way, rate in rates.items():
        gain = rate / rates["whole batches"]
        words = f"pairs per minute of processor time, x {gain:.1f}: {WAYS[way]}"
        print(f"{way:15} {rate:7.0f} {words}")
    print(f"features: {found['features_ms_per_frame']:.0f} ms per frame, {found['frames']} frames")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return True


def main(arguments=None):
    """Parse the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    parser.add_argument("--steps", type=int, default=10, help="steps per round; default: 10")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds; default: 3")
    add_settings(parser)
    parser.set_defaults(model="lite", frozen_stages=5, every=16)
    options, threads = parser.parse_args(arguments), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return exit_status(lambda: run(options))
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    sys.exit(main())
