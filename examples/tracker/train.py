"""Train the tracker: ``python -m examples.tracker.train --out runs/mine``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from sstrack_sched.plotting import plot_schedule

from .data.frames import GIB, FrameStore
from .data.readers import Problems, add_on_error, left_out, read_sources
from .data.sequences import Sequence
from .models.weights import load_checkpoint
from .synthetic.composite import composite_clips
from .synthetic.drift import Drift
from .training.config import MODES, TrainConfig
from .training.devices import process_group
from .training.interrupt import exit_status
from .training.trainer import CHECKPOINT, train


def load_videos(
    config: TrainConfig, *, n_test: int = 24, n_test_clips: int = 0, problems: Problems = None
) -> Tuple[List[Sequence], List[Sequence]]:
    """Videos to train on and to report on: of ``config.data``, else ``n_test`` composited clips."""
    look = dict(drift=Drift(config.drift), look_alikes=config.look_alikes)
    if config.data:
        clips = {"n_clips": config.n_videos, "n_test_clips": n_test_clips, "look": look}
        options = {"held_out": config.held_out, "cache": config.cache, "problems": problems}
        train_videos, test_videos = read_sources(config.data, **clips, **options)
    else:
        train_videos = composite_clips("train", config.n_videos, **look)
        test_videos = composite_clips("test", n_test, **look)
    drawn = [video.visible & (np.arange(len(video)) % config.every == 0) for video in train_videos]
    return [replace(v, visible=visible) for v, visible in zip(train_videos, drawn)], test_videos


def add_settings(parser: argparse.ArgumentParser, *, leave_out: Tuple[str, ...] = ()) -> None:
    """An option for each setting of a run, but for some. One that is not given is None."""
    words = (
        "folder of videos (see docs/tracker.md) or COCO data, or photos:PATH for photographs "
        "to composite clips from; repeat the option for a weighted mix; default: clips of "
        "scikit-image's photographs"
    )
    parser.add_argument("--data", action="append", metavar="[photos:]PATH[=WEIGHT]", help=words)
    for item in fields(TrainConfig):
        default = item.default
        if item.name in (*leave_out, "data", "distribution"):  # which the study sets
            continue
        how: Dict[str, Any] = {"type": type(default), "help": f"default: {default!r}"}
        if item.name in ("crops", "model_options"):
            how = {"type": _object, "metavar": "JSON", "help": "default: {}"}
        elif isinstance(default, bool):
            how = {"action": "store_const", "const": True, "help": "default: off"}
        elif item.name == "mode":
            how["choices"] = tuple(MODES)
        elif default == "":
            how["help"] = "default: none"
        parser.add_argument("--" + item.name.replace("_", "-"), **how)


def given_settings(options: argparse.Namespace) -> Dict[str, Any]:
    names = {item.name for item in fields(TrainConfig)}
    return {k: v for k, v in vars(options).items() if k in names and v is not None}


def _object(text: str) -> Dict[str, Any]:
    try:
        return dict(json.loads(text).items())
    except (ValueError, AttributeError):
        raise argparse.ArgumentTypeError(f"must be such as '{{\"name\": 1}}'; got {text}") from None


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.train", description=__doc__)
    add = parser.add_argument
    words = "folder for checkpoint.pt, history.json, weights.pt, schedule.png"
    add("--out", type=Path, required=True, help=words)
    add("--resume", action="store_true", help="resume the checkpoint in --out with its settings")
    add("--tensorboard", action="store_true", help="log to OUT/tensorboard")
    add_on_error(parser)
    add_settings(parser)
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> TrainConfig:
    """Settings of the run: those given, else those of the checkpoint to resume, else defaults."""
    given, path = given_settings(options), options.out / CHECKPOINT
    if options.resume:
        return replace(TrainConfig.from_dict(load_checkpoint(path)["config"]), **given)
    if path.exists():
        raise ValueError(f"{path} is there already: give --resume or another --out")
    return TrainConfig(**given)


def run(options: argparse.Namespace) -> bool:
    config = settings(options)
    with process_group(config.device) as processes:
        with processes.first_alone():
            sequences, _ = load_videos(config, problems=options.problems)
        if processes.first:
            print(f"training on {len(sequences)} videos, {config.mode}: {MODES[config.mode]}")
        store = FrameStore(sequences, int(config.memory * GIB))
        options.out.mkdir(parents=True, exist_ok=True)  # fails now rather than after an epoch
        how = {"resume": options.resume, "tensorboard": options.tensorboard}
        trainer = train(config, store, out=options.out, **how)
        if processes.first:
            if trainer.history:
                figure = plot_schedule(trainer.history, labels=trainer.bins.labels)
                figure.savefig(options.out / "schedule.png", dpi=100)
            ending = "trained" if trainer.finished else "stopped; go on with --resume"
            print(f"{ending}: {options.out / CHECKPOINT}{left_out(options.problems)}")
    return trainer.finished


def main(arguments: Optional[List[str]] = None) -> int:
    return exit_status(lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
