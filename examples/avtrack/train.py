"""Train AVTrack with scheduled intervals; ``python examples/avtrack/train.py --help``."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples.lineage.checkout import SetupError, Tracker
from examples.lineage.launcher import main


def from_scratch() -> None:
    import timm.models._builder

    timm.models._builder.load_pretrained = lambda *_args, **_options: None  # would download weights


def check_config(cfg: Any, _args: argparse.Namespace) -> None:
    if cfg.TRAIN.BATCH_SIZE < 2:  # its mutual information loss pairs the samples of a batch
        raise SetupError(
            f"AVTrack needs TRAIN.BATCH_SIZE of at least 2; got {cfg.TRAIN.BATCH_SIZE}"
        )


def explain(error: Exception, processes: int) -> None:
    """Explain AVTrack's errors with several processes: it uses names that only distillation has,
    and reads attributes of the network from DistributedDataParallel."""
    own = isinstance(error, UnboundLocalError) or "DistributedDataParallel" in str(error)
    if processes > 1 and own and isinstance(error, (NameError, AttributeError)):
        raise SetupError(
            "AVTrack cannot train on several processes: its lib/train/train_script.py and "
            f"lib/train/actors/avtrack.py fail there ({error}). Start it without torchrun"
        ) from error


AVTRACK = Tracker(
    name="AVTrack",
    script="avtrack",
    repository="https://github.com/wuyou3474/AVTrack",
    commit="a907c5f",
    files=("lib/models/avtrack", "lib/train/actors/avtrack.py"),
    seed=3407,
    from_scratch=from_scratch,
    check_config=check_config,
    explain=explain,
)

if __name__ == "__main__":
    main(AVTRACK)
