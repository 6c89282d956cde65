"""Train the tracker: ``python -m examples.tracker.train --out runs/mine``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

from .data.frames import FrameStore
from .data.readers import read_split
from .data.sequences import Sequence
from .synthetic.render import render_videos
from .training.checkpoint import load_checkpoint
from .training.config import MODES, TrainConfig
from .training.trainer import CHECKPOINT, train


def load_videos(config: TrainConfig, *, n_test: int = 24) -> Tuple[List[Sequence], List[Sequence]]:
    """Videos to train on and to report on: of ``config.data``, or rendered.

    Parameters
    ----------
    config : TrainConfig
        Its ``data``, ``n_videos`` and ``seed`` count.
    n_test : int, default=24
        Rendered videos to report on.

    Returns
    -------
    train, test : list of Sequence
    """
    if config.data:
        return read_split(Path(config.data))
    return render_videos("train", config.n_videos), render_videos("test", n_test)


def _settings() -> Iterator[Tuple[str, Any]]:
    """Settings that have an option: name and default."""
    for item in fields(TrainConfig):
        if isinstance(item.default, (str, int, float)):
            yield item.name, item.default


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module. A setting that is not given is None."""
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.train", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoint.pt and history.json"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint there, with its settings"
    )
    for name, default in _settings():
        choices = tuple(MODES) if name == "mode" else None
        words = f"default: {default!r}" if default != "" else "folder; default: rendered videos"
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=type(default), choices=choices, help=words)
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> TrainConfig:
    """Settings of the run: those given, else those of the checkpoint to resume, else defaults.

    Raises
    ------
    ValueError
        If the folder holds another run that would be lost.
    """
    given = {name: getattr(options, name) for name, _ in _settings()}
    given = {name: value for name, value in given.items() if value is not None}
    path = options.out / CHECKPOINT
    if options.resume:
        return replace(TrainConfig.from_dict(load_checkpoint(path)["config"]), **given)
    if path.exists():
        raise ValueError(f"{path} is there already: give --resume or another --out")
    return TrainConfig(**given)


def run(options: argparse.Namespace) -> bool:
    """Train as the command line says; returns False if Ctrl-C stopped it."""
    config = settings(options)
    sequences, _ = load_videos(config)
    print(f"training on {len(sequences)} videos, {config.mode}: {MODES[config.mode]}")
    trainer = train(config, FrameStore(sequences), out=options.out, resume=options.resume)
    ending = "trained" if trainer.finished else "stopped; go on with --resume"
    print(f"{ending}: {options.out / CHECKPOINT}")
    return trainer.finished


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when trained, 1 where settings or data cannot be used, 130 when interrupted.
    """
    try:
        finished = run(parse(arguments))
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if finished else 130


if __name__ == "__main__":
    sys.exit(main())
