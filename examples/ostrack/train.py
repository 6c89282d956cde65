"""Train OSTrack with scheduled intervals; ``python examples/ostrack/train.py --help``."""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples.lineage.checkout import SetupError, Tracker
from examples.lineage.launcher import main
from examples.ostrack import backbone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone",
        choices=["config", "vit_tiny"],
        default="config",
        help="the config's backbone or ViT-Tiny",
    )
    parser.add_argument("--pretrained", type=Path, metavar="FILE", help="weights of the backbone")


def prepare(args: argparse.Namespace) -> None:
    if args.from_scratch and args.pretrained is not None:
        raise SetupError("--from-scratch and --pretrained cannot be combined")
    if args.backbone == "vit_tiny":
        backbone.install_vit_tiny(args.pretrained)
    elif args.pretrained is not None:
        backbone.install_pretrained(args.pretrained)


def check_config(cfg: Any, args: argparse.Namespace) -> None:
    """Refuse a config whose weights are missing."""
    if args.from_scratch or args.pretrained is not None or args.backbone != "config":
        return
    name = cfg.MODEL.PRETRAIN_FILE or ""
    # As in OSTrack, its own checkpoints are given by path.
    path = Path(name) if "OSTrack" in name else args.checkout / "pretrained_models" / name
    if name and not path.is_file():
        raise SetupError(
            f"MODEL.PRETRAIN_FILE of {args.config}: no file {path}; --pretrained FILE names "
            "another file, --from-scratch trains without"
        )


OSTRACK = Tracker(
    name="OSTrack",
    script="ostrack",
    repository="https://github.com/botaoye/OSTrack",
    commit="33b5e12",
    files=("lib/models/ostrack/ostrack.py", "lib/train/actors/ostrack.py"),
    seed=42,
    from_scratch=backbone.from_scratch,
    add_arguments=add_arguments,
    prepare=prepare,
    check_config=check_config,
)

if __name__ == "__main__":
    main(OSTRACK)
