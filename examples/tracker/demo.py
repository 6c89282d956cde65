"""Train a small tracker three ways and compare: ``python -m examples.tracker.demo``."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from sstrack_sched import IntervalBins

from .data.frames import FrameStore
from .evaluation.comparison import compare, fit, summary, write_results
from .evaluation.pairs import EvalConfig, HeldOutPairs
from .train import add_settings, given_settings, load_videos
from .training.config import TrainConfig
from .training.interrupt import exit_status

QUICK: Dict[str, Any] = dict(
    epochs=2, samples_per_epoch=32, batch_size=8, n_videos=3, warmup_steps=1
)


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the run")
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    add_settings(parser, leave_out=("mode", "keep_features"))
    return parser.parse_args(arguments)


def configure(options: argparse.Namespace) -> Tuple[TrainConfig, EvalConfig, int]:
    """Settings of the runs, of the evaluation, and the number of rendered held-out videos."""
    config = TrainConfig(**given_settings(options))
    if options.quick:
        return replace(config, **QUICK), EvalConfig(pairs_per_bin=8), 3
    return config, EvalConfig(), 40


def run(config: TrainConfig, questions: EvalConfig, n_test: int, out: Path) -> bool:
    train_videos, test_videos = load_videos(config, n_test=n_test)
    places = ", ".join(config.data)
    source = f"sequences in {places}" if places else "videos rendered from photographs"
    print(f"{source}: {len(train_videos)} to train on, {len(test_videos)} to report on")
    config = fit(config, train_videos, test_videos)
    bins = IntervalBins(config.max_interval, config.spacing)
    held_out = HeldOutPairs(FrameStore(test_videos), bins, config.crops, questions)
    print(f"three runs of {config.epochs} epochs x {config.samples_per_epoch} pairs, same weights")
    evaluations = compare(config, FrameStore(train_videos), held_out, out)
    if evaluations is None:
        return False
    middle = held_out.middle()
    write_results(evaluations, config, bins.labels, middle, out)
    print(summary(evaluations, bins.labels, middle))
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    start = time.monotonic()
    options = parse(arguments)
    status = exit_status(lambda: run(*configure(options), options.out))
    if status == 0:
        seconds = time.monotonic() - start
        print(f"{seconds:.0f} s; histories, images and checkpoints are in {options.out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
