"""Train HiT with scheduled intervals; ``python examples/hit/train.py --help``."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples.lineage.checkout import SetupError, Tracker
from examples.lineage.launcher import main


def from_scratch() -> None:
    from lib.models.HiT import levit, pvt

    for module in (levit, pvt):  # both download weights
        module.load_pretrained = lambda *_args, **_options: None


def check_config(cfg: Any, _args: argparse.Namespace) -> None:
    if cfg.TRAIN.NUM_WORKER < 1:  # its collate function writes to memory that only workers allocate
        raise SetupError(f"HiT needs TRAIN.NUM_WORKER of at least 1; got {cfg.TRAIN.NUM_WORKER}")


HIT = Tracker(
    name="HiT",
    script="HiT",
    repository="https://github.com/kangben258/HiT",
    commit="a37d704",
    files=("lib/models/HiT", "lib/train/actors/HiT.py"),
    seed=None,
    from_scratch=from_scratch,
    check_config=check_config,
)

if __name__ == "__main__":
    main(HIT)
