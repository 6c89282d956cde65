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
from .evaluation.comparison import compare, fit, write_results
from .evaluation.pairs import EvalConfig, HeldOutPairs
from .evaluation.report import summary
from .train import load_videos
from .training.config import TrainConfig

QUICK: Dict[str, Any] = {
    "epochs": 2,
    "samples_per_epoch": 32,
    "batch_size": 8,
    "n_videos": 3,
    "warmup_steps": 1,
}
DATA_WORDS = "folder of sequences, see docs/tracker.md; default: rendered videos"
# Settings of the runs that have an option here, with words for --help.
OPTIONS = {
    "epochs": "epochs of each run",
    "samples_per_epoch": "pairs per epoch",
    "max_interval": "end of the last bin, in frames",
    "spacing": "width of a bin, in frames",
    "seed": "seed of weights, pairs and crops",
    "num_workers": "processes that read frames; affects only speed",
}


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the run")
    parser.add_argument("--data", action="append", default=[], help=DATA_WORDS)
    for name, words in OPTIONS.items():
        default = getattr(TrainConfig(), name)
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=type(default), default=default, help=words)
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    return parser.parse_args(arguments)


def configure(options: argparse.Namespace) -> Tuple[TrainConfig, EvalConfig, int]:
    """Settings of the runs, of the evaluation, and the number of rendered held-out videos."""
    config = TrainConfig(**{name: getattr(options, name) for name in ("data", *OPTIONS)})
    if options.quick:
        return replace(config, **QUICK), EvalConfig(pairs_per_bin=8), 3
    return config, EvalConfig(), 40


def run(config: TrainConfig, questions: EvalConfig, n_test: int, out: Path) -> bool:
    """Train, test, print and write everything."""
    train_videos, test_videos = load_videos(config, n_test=n_test)
    source = (
        f"sequences in {', '.join(config.data)}"
        if config.data
        else "videos rendered from photographs"
    )
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
    """Run the command line."""
    start = time.monotonic()
    options = parse(arguments)
    try:
        finished = run(*configure(options), options.out)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not finished:
        return 130
    seconds = time.monotonic() - start
    print(f"{seconds:.0f} s; histories, pictures and checkpoints are in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
