"""Pairs that training does per minute, three ways: ``python -m examples.tracker.training_speed``.

The ways take turns, on one thread. Settings are those of ``study``; the backbone must be frozen.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import torch

from .data.frames import GIB, FrameStore
from .study import first_model
from .train import add_settings, given_settings, load_videos
from .training.config import TrainConfig
from .training.features import KeptFeatures
from .training.trainer import Trainer

WAYS = {
    "whole batches": "the backbone sees a batch of crops at once, as it did at first",
    "few at once": "a frozen backbone sees four crops at once",
    "kept features": "what it makes of each frame's crops is computed before, and kept",
}
WHOLE = 1 << 30


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.tracker.training_speed", description=__doc__
    )
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    parser.add_argument("--steps", type=int, default=10, help="steps per round; default: 10")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds; default: 3")
    add_settings(parser)
    return parser.parse_args(arguments)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of PyTorch."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measure(config: TrainConfig, steps: int, rounds: int) -> Dict[str, Any]:
    """Time steps of training in each way."""
    store = FrameStore(load_videos(config)[0], int(config.memory * GIB))
    plain, keeping = (replace(config, keep_features=keeps) for keeps in (False, True))
    model = first_model(keeping)
    with tempfile.TemporaryDirectory() as folder, one_thread():
        start = time.process_time()
        kept = KeptFeatures(Path(folder), store, config.crops.for_model(model), model)
        per_frame = (time.process_time() - start) / len(kept.frames)
        trainers = {
            "whole batches": Trainer(plain, store),
            "few at once": Trainer(plain, store),
            "kept features": Trainer(keeping, store, kept),
        }
        trainers["whole batches"].model.at_once = WHOLE  # type: ignore[assignment]  # of Lite
        times: Dict[str, List[Any]] = {way: [] for way in trainers}
        for trainer in trainers.values():
            trainer.run(progress=False, max_steps=2)
        for _ in range(rounds):
            for way, trainer in trainers.items():
                before = (time.process_time(), time.monotonic())
                trainer.run(progress=False, max_steps=steps)
                after = (time.process_time(), time.monotonic())
                times[way].append([b - a for a, b in zip(before, after)])
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


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    try:
        found = measure(TrainConfig(**given_settings(options)), options.steps, options.rounds)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rates = found["pairs_per_minute_of_processor"]
    for way, rate in rates.items():
        print(
            f"{way:15} {rate:7.0f} pairs per minute of processor time, "
            f"x {rate / rates['whole batches']:.1f}: {WAYS[way]}"
        )
    print(f"features: {found['features_ms_per_frame']:.0f} ms per frame, {found['frames']} frames")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
