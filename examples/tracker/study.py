"""Modes of training against each other, over seeds: ``python -m examples.tracker.study --out F``.

Each row, a mode and a seed, is a training run in a folder of its own. The same command again does
what is left; ``--modes weighted --seeds 3`` does that row, so that machines can share the rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import List, Optional

from sstrack_sched import IntervalBins

from .data.frames import GIB, FrameStore
from .evaluation.comparison import fit, run_row, write_results
from .evaluation.pairs import EvalConfig, HeldOutPairs
from .evaluation.report import summary
from .evaluation.rows import Row, collect
from .models import build_model
from .train import add_settings, given_settings, load_videos
from .training.config import MODES, TrainConfig
from .training.trainer import CHECKPOINT


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.study", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of all rows")
    parser.add_argument("--modes", nargs="+", choices=tuple(MODES), default=list(MODES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    parser.add_argument(
        "--pairs-per-bin", type=int, default=EvalConfig.pairs_per_bin, help="held-out pairs"
    )
    parser.add_argument("--compare", action="store_true", help="train nothing: only the table")
    add_settings(parser, leave_out=("mode", "seed"))
    return parser.parse_args(arguments)


def train_rows(options: argparse.Namespace) -> bool:
    """Train and test the rows that are asked for and not done; False if Ctrl-C stopped it."""
    config = TrainConfig(**given_settings(options))
    train_videos, test_videos = load_videos(config, n_test=40)
    print(f"{len(train_videos)} videos to train on, {len(test_videos)} to report on")
    config = fit(config, train_videos, test_videos)
    store = FrameStore(train_videos, int(config.memory * GIB))
    options.out.mkdir(parents=True, exist_ok=True)  # fails now rather than after an epoch
    held_out = HeldOutPairs(
        FrameStore(test_videos),
        IntervalBins(config.max_interval, config.spacing),
        config.crops.for_model(build_model(config.model, **config.model_options)),
        EvalConfig(pairs_per_bin=options.pairs_per_bin),
    )
    for seed in options.seeds:
        for mode in options.modes:
            row = replace(config, mode=mode, seed=seed)
            if not _train_row(row, store, held_out, options.out / f"{mode}-{seed}"):
                return False
    return True


def _train_row(
    config: TrainConfig, store: FrameStore, held_out: HeldOutPairs, folder: Path
) -> bool:
    done = Row.load(folder)
    if done is not None:
        done.check(config)
        print(f"{folder.name}: done before")
        return True
    print(f"{folder.name}: {MODES[config.mode]}", flush=True)
    resume = (folder / CHECKPOINT).is_file()
    evaluation = run_row(config, store, held_out, folder, resume=resume)
    if evaluation is None:
        print("stopped; the same command goes on")
        return False
    Row.of(config, evaluation, held_out).save(folder)
    return True


def show(out: Path) -> None:
    """Print the table of all rows that are done, write ``results.json`` and ``schedule.png``."""
    rows, evaluations, seeds = collect(out)
    first = rows[0]
    write_results(evaluations, first.config, first.labels, first.middle, out)
    print(summary(evaluations, first.labels, first.middle))
    spare = len(rows) - len(seeds) * len(evaluations)
    left_out = f"; {spare} more rows are of seeds that not all modes have" if spare else ""
    print(f"seeds {', '.join(map(str, seeds))}{left_out}; table and picture are in {out}")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when done, 1 where settings or data cannot be used, 130 when interrupted.
    """
    options = parse(arguments)
    try:
        if not options.compare and not train_rows(options):
            return 130
        show(options.out)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
