"""Train a small tracker three ways and compare: ``python -m examples.tracker.demo``."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional

from .evaluation.evidence import Row, held_out, publish
from .evaluation.pairs import PAIRS_PER_BIN, THRESHOLD
from .study import Study
from .train import add_settings, given_settings
from .training.config import MODES, TrainConfig
from .training.interrupt import exit_status

QUICK: Dict[str, Any] = dict(
    epochs=2, samples_per_epoch=32, batch_size=8, n_videos=3, warmup_steps=1
)


def run(options: argparse.Namespace) -> bool:
    config, out = TrainConfig(**given_settings(options)), options.out
    n_test, pairs_per_bin = 40, PAIRS_PER_BIN
    if options.quick:
        config, n_test, pairs_per_bin = replace(config, **QUICK), 3, 8
    study = Study(config, out, n_test=n_test, pairs_per_bin=pairs_per_bin)
    print(f"three runs of {config.epochs} epochs x {config.samples_per_epoch} pairs, same weights")
    rows: Dict[str, List[Row]] = {}
    for mode in ("random", "scheduled", "weighted"):
        print(f"{mode}: {MODES[mode]}", flush=True)
        row = study.run(replace(study.config, mode=mode), out / mode)
        if row is None:
            print(f"stopped; python -m examples.tracker.train --resume --out {out / mode} goes on")
            return False
        rows[mode] = [row]
    report(rows, out)
    return True


def report(rows: Dict[str, List[Row]], out: Path) -> None:
    """Print and write what the runs found, in words that claim no more than they show."""
    first = rows["random"][0]
    found = {
        "settings": {**first.config.to_dict(), "mode": None},
        "seeds": [first.config.seed],
        "bins": first.labels,
        "held_out": {"held-out videos": held_out(rows)},
    }
    publish(found, out)
    ious = ", ".join(f"{mode} {row.iou.mean():.3f}" for mode, (row,) in rows.items())
    print(f"\nmean IoU of {len(first.iou)} pairs, as many for each interval: {ious}")
    middle = 100 * (first.middle > THRESHOLD).mean()
    print(f"success of always answering the middle of the crop: {middle:.1f}")
    print("One short run each: the 95 % intervals leave out how much another seed would change.")


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for the run")
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    add_settings(parser, leave_out=("mode", "keep_features"))
    options, start = parser.parse_args(arguments), time.monotonic()
    status = exit_status(lambda: run(options))
    if status == 0:
        seconds = time.monotonic() - start
        print(f"{seconds:.0f} s; histories, images and checkpoints are in {options.out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
