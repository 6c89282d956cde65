"""Modes of training against each other, over seeds: ``python -m examples.tracker.study --out F``.

Each row, a mode and a seed, is a training run in a folder of its own. The same command again does
what is left; ``--modes weighted --seeds 1 --first-seed 3`` does that row, so that machines can
share the rows. First it prints how the shipped tracker's success falls with the interval: without
a fall there is nothing to schedule.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np

from sstrack_sched import IntervalBins
from sstrack_sched.plotting import plot_schedule

from .data.frames import GIB, FrameStore
from .data.readers import add_on_error, left_out
from .data.sequences import fit_bins
from .evaluation.evidence import ROW, Row, collect, publish, results
from .evaluation.pairs import PAIRS_PER_BIN, HeldOutPairs, success_by_bin
from .inference.tracker import SHIPPED
from .models.weights import load_checkpoint, load_weights
from .train import add_settings, given_settings, load_videos
from .training.config import MODES, TrainConfig
from .training.features import KeptFeatures
from .training.interrupt import exit_status
from .training.trainer import CHECKPOINT, new_model, train


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.study", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for all rows")
    add("--modes", nargs="+", choices=tuple(MODES), default=list(MODES))
    add("--seeds", type=int, default=1, help="number of seeds; default: 1")
    add("--first-seed", type=int, default=0, help="first seed; default: 0")
    add("--pairs-per-bin", type=int, default=PAIRS_PER_BIN, help="held-out pairs")
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
    """Training runs on the same videos, tested on the same pairs of others."""

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        *,
        pairs_per_bin: int = PAIRS_PER_BIN,
        n_test: int = 40,
        **videos: Any,  # of `load_videos`, as is ``n_test``
    ) -> None:
        train_videos, test_videos = load_videos(config, n_test=n_test, **videos)
        source = ", ".join(config.data) or "composited clips"
        print(f"{source}: {len(train_videos)} to train on, {len(test_videos)} to report on")
        asked = (config.max_interval, config.spacing)
        longest, spacing = fit_bins(train_videos, test_videos, *asked)
        if (longest, spacing) != asked:
            print(f"the videos are short: M = {longest} in bins of m = {spacing} frames")
        self.config = replace(config, max_interval=longest, spacing=spacing)
        self.out, self.pairs_per_bin = out, pairs_per_bin
        out.mkdir(parents=True, exist_ok=True)  # fails now rather than after an epoch
        model = new_model(config)
        crops = config.crops.for_model(model)
        self.store = FrameStore(train_videos, int(config.memory * GIB))
        self.test_store, self.bins = FrameStore(test_videos), IntervalBins(longest, spacing)
        self.held_out = HeldOutPairs(self.test_store, self.bins, crops, pairs_per_bin)
        self.kept: Optional[KeptFeatures] = None
        if config.keep_features:
            self.kept = KeptFeatures(out / "features", self.store, crops, model)
            self.held_out.keep_features(model)

    def run(self, config: TrainConfig, folder: Path, *, resume: bool = False) -> Optional[Row]:
        """Train once and test; None if Ctrl-C stopped it."""
        trainer = train(config, self.store, kept=self.kept, out=folder, resume=resume)
        if not trainer.finished:
            return None
        figure = plot_schedule(trainer.history, labels=trainer.bins.labels)
        figure.savefig(folder / "schedule.png", dpi=100)
        pairs = self.held_out
        asked = (pairs.labels, pairs.names, pairs.bin, pairs.video, pairs.middle())
        return Row(config, *asked, pairs.evaluate(trainer.trained))

    def row(self, mode: str, seed: int) -> TrainConfig:
        """Settings of a row, which differ from another's in mode and seed and in nothing else."""
        drawn = drawn_on_average(self.out / f"scheduled-{seed}") if mode == "static" else ()
        return replace(self.config, mode=mode, seed=seed, distribution=drawn)

    def train(self, mode: str, seed: int) -> bool:
        """Train and test a row if it is not done; False if Ctrl-C stopped it."""
        folder, config = self.out / f"{mode}-{seed}", self.row(mode, seed)
        if (folder / ROW).is_file():
            Row.load(folder).check(config)
            print(f"{folder.name}: done before")
            return True
        print(f"{folder.name}: {MODES[mode]}", flush=True)
        start = time.monotonic()
        row = self.run(config, folder, resume=(folder / CHECKPOINT).is_file())
        if row is None:
            print("stopped; the same command goes on")
            return False
        row.save(folder)
        print(f"{folder.name}: {time.monotonic() - start:.0f} s")
        return True

    def say_fall(self) -> None:
        """Print how the shipped tracker's success falls with the interval on the test videos."""
        shipped = load_weights(SHIPPED)
        rates = success_by_bin(shipped, self.test_store, self.bins, self.pairs_per_bin)
        shown = " ".join(f"{rate:.2f}" for rate in rates)
        print(f"success of the shipped tracker on the test videos by interval: {shown}")
        print("where it does not fall, there is nothing to schedule", flush=True)


def drawn_on_average(folder: Path) -> Tuple[float, ...]:
    """Mean of the distributions that the epochs of a run drew from."""
    if not (folder / ROW).is_file():
        raise ValueError(f"a static row needs {folder.name}, which is not done: train it first")
    schedule = load_checkpoint(folder / CHECKPOINT)["curriculum"]["scheduler"]
    first = schedule["config"]["random_distribution"]
    # A record holds what the epoch after it draws from.
    used = [first, *(record["distribution"] for record in schedule["history"][:-1])]
    mean = np.mean(used, axis=0)
    return tuple((mean / mean.sum()).tolist())


def run(options: argparse.Namespace) -> bool:
    if not options.compare:
        config = TrainConfig(**given_settings(options))
        videos = {"n_test_clips": options.test_clips, "problems": options.problems}
        study = Study(config, options.out, pairs_per_bin=options.pairs_per_bin, **videos)
        study.say_fall()
        # The static row needs what the scheduled one drew.
        modes = sorted(options.modes, key=list(MODES).index)
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        if not all(study.train(mode, seed) for seed in seeds for mode in modes):
            return False
    rows, n_spare = collect(options.out)
    found = results(rows, options.out, options.command)
    publish(found, options.out)
    spare = f"; {n_spare} more rows are of seeds that not all modes have" if n_spare else ""
    words = ", ".join(map(str, found["seeds"]))
    print(f"seeds {words}{spare}; tables and image are in {options.out}")
    print(left_out(options.problems), end="")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse(arguments)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
