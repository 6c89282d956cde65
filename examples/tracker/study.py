"""Modes of training against each other, over seeds: ``python -m examples.tracker.study --out F``.

Each row, a mode and a seed, is a training run in a folder of its own. The same command again does
what is left; ``--modes weighted --seeds 1 --first-seed 3`` does that row, so that machines can
share the rows. First it prints how the shipped tracker's success falls with the interval: without
a fall there is nothing to schedule.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np

from sstrack_sched import IntervalBins

from .data.frames import GIB, FrameStore
from .data.readers import Problems, add_on_error, left_out
from .evaluation.comparison import fit, run_row
from .evaluation.evidence import Row, collect, picture, results, tables
from .evaluation.pairs import EvalConfig, HeldOutPairs
from .fall import success
from .inference.tracker import SHIPPED
from .models.weights import load_checkpoint, load_weights
from .train import add_settings, given_settings, load_videos
from .training.config import MODES, TrainConfig
from .training.features import KeptFeatures
from .training.interrupt import exit_status
from .training.trainer import CHECKPOINT, new_model

RESULTS, PICTURE, FEATURES = "results.json", "schedule.png", "features"


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.study", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for all rows")
    add("--modes", nargs="+", choices=tuple(MODES), default=list(MODES))
    add("--seeds", type=int, default=1, help="number of seeds; default: 1")
    add("--first-seed", type=int, default=0, help="first seed; default: 0")
    add("--pairs-per-bin", type=int, default=EvalConfig.pairs_per_bin, help="held-out pairs")
    add("--test-clips", type=int, default=0, help="held-out composited clips to report on")
    add("--compare", action="store_true", help="make the tables without training")
    add_on_error(parser)
    add_settings(parser, leave_out=("mode", "seed"))
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.first_seed < 0:
        parser.error("--seeds must be at least 1, --first-seed at least 0")
    words = sys.argv[1:] if arguments is None else arguments
    options.command = "python -m examples.tracker.study " + shlex.join(words)
    return options


class Study:
    """Rows that differ in mode and seed and in nothing else."""

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        *,
        n_test_clips: int,  # held-out clips beside the held-out videos
        pairs_per_bin: int,  # of the held-out clips and videos
        problems: Optional[Problems] = None,
    ) -> None:
        train_videos, test_videos = load_videos(
            config, n_test=40, n_test_clips=n_test_clips, problems=problems
        )
        print(f"{len(train_videos)} videos to train on, {len(test_videos)} to report on")
        self.config, self.out = fit(config, train_videos, test_videos), out
        self.store = FrameStore(train_videos, int(config.memory * GIB))
        out.mkdir(parents=True, exist_ok=True)  # fails now rather than after an epoch
        model = new_model(config)
        crops = config.crops.for_model(model)
        self.test_store = FrameStore(test_videos)
        bins, pairs = IntervalBins(self.config.max_interval, self.config.spacing), pairs_per_bin
        self.held_out = HeldOutPairs(self.test_store, bins, crops, EvalConfig(pairs_per_bin=pairs))
        self.kept: Optional[KeptFeatures] = None
        if config.keep_features:
            self.kept = KeptFeatures(out / FEATURES, self.store, crops, model)
            self.held_out.keep_features(model)

    def row(self, mode: str, seed: int) -> TrainConfig:
        drawn = drawn_on_average(self.out / f"scheduled-{seed}") if mode == "static" else ()
        return replace(self.config, mode=mode, seed=seed, distribution=drawn)

    def train(self, mode: str, seed: int) -> bool:
        """Train and test a row if it is not done; False if Ctrl-C stopped it."""
        folder = self.out / f"{mode}-{seed}"
        config, done = self.row(mode, seed), Row.load(folder)
        if done is not None:
            done.check(config)
            print(f"{folder.name}: done before")
            return True
        print(f"{folder.name}: {MODES[mode]}", flush=True)
        start = time.monotonic()
        how = {"kept": self.kept, "resume": (folder / CHECKPOINT).is_file()}
        evaluation = run_row(config, self.store, self.held_out, folder, **how)
        if evaluation is None:
            print("stopped; the same command goes on")
            return False
        Row.of(config, evaluation, self.held_out).save(folder)
        print(f"{folder.name}: {time.monotonic() - start:.0f} s")
        return True

    def say_fall(self) -> None:
        """Print how the shipped tracker's success falls with the interval on the test videos."""
        bins, n_pairs = self.held_out.bins, self.held_out.config.pairs_per_bin
        rates = success(load_weights(SHIPPED), self.test_store, bins, n_pairs)
        shown = " ".join(f"{rate:.2f}" for rate in rates)
        print(f"success of the shipped tracker on the test videos by interval: {shown}")
        print("where it does not fall, there is nothing to schedule", flush=True)


def drawn_on_average(folder: Path) -> Tuple[float, ...]:
    """Mean of the distributions that the epochs of a run drew from."""
    if Row.load(folder) is None:
        raise ValueError(f"a static row needs {folder.name}, which is not done: train it first")
    schedule = load_checkpoint(folder / CHECKPOINT)["curriculum"]["scheduler"]
    first = schedule["config"]["random_distribution"]
    # A record holds what the epoch after it draws from.
    used = [first, *(record["distribution"] for record in schedule["history"][:-1])]
    mean = np.mean(used, axis=0)
    return tuple((mean / mean.sum()).tolist())


def train_rows(options: argparse.Namespace) -> bool:
    """Train and test the rows that are asked for and not done; False if Ctrl-C stopped it."""
    study = Study(
        TrainConfig(**given_settings(options)),
        options.out,
        n_test_clips=options.test_clips,
        pairs_per_bin=options.pairs_per_bin,
        problems=options.problems,
    )
    study.say_fall()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        # The static row needs what the scheduled one drew.
        for mode in sorted(options.modes, key=list(MODES).index):
            if not study.train(mode, seed):
                return False
    return True


def show(out: Path, command: str) -> None:
    """Print the tables of all rows that are done, write ``results.json`` and ``schedule.png``."""
    rows, evaluations, seeds = collect(out)
    found = results(rows, evaluations, seeds, out, command)
    (out / RESULTS).write_text(json.dumps(found, indent=1) + "\n")
    for heading, table in tables(found).items():
        print(f"\n{heading}:\n\n{table}")
    picture(found).savefig(out / PICTURE, dpi=100)
    spare = len(rows) - len(seeds) * len(evaluations)
    left_out = f"; {spare} more rows are of seeds that not all modes have" if spare else ""
    print(f"seeds {', '.join(map(str, seeds))}{left_out}; tables and image are in {out}")


def run(options: argparse.Namespace) -> bool:
    if not options.compare and not train_rows(options):
        return False
    show(options.out, options.command)
    print(left_out(options.problems), end="")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse(arguments)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
