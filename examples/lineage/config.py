"""The checkout's config: overrides by the command line, and checks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Dict, Tuple

import yaml

from .checkout import SetupError, flag, nothing

_FOLDERS = {  # name in DATASETS_NAME -> option
    "LASOT": "lasot",
    "GOT10K_vottrain": "got10k",
    "GOT10K_votval": "got10k",
    "GOT10K_train_full": "got10k",
    "GOT10K_official_val": "got10k_val",
    "COCO17": "coco",
    "TRACKINGNET": "trackingnet",
    "VID": "imagenet",
}

# q^R is known for their causal sampler of one template and one search frame.
_ONLY = {
    "DATA.SAMPLER_MODE": "causal",
    "DATA.LOADER": "tracking",
    "DATA.TEMPLATE.NUMBER": 1,
    "DATA.SEARCH.NUMBER": 1,
    "TRAIN.TRAIN_CLS": False,
}
_NEEDED = (
    "TRAIN.EPOCH",
    "TRAIN.BATCH_SIZE",
    "DATA.MAX_SAMPLE_INTERVAL",
    "DATA.TRAIN.DATASETS_NAME",
    "DATA.TRAIN.SAMPLE_PER_EPOCH",
)


def install_config(
    module: ModuleType,
    args: argparse.Namespace,
    folders: Dict[str, Tuple[str, str]],
    check: Callable[[Any, argparse.Namespace], None] = nothing,
) -> None:
    """Make ``update_config_from_file`` of the checkout apply the command line's values.

    `check` is the tracker's own check of its config.
    """
    read = module.update_config_from_file

    def update_config_from_file(filename: str, *rest: Any) -> None:
        read(filename, *rest)
        for key, value in overrides(args).items():
            _set(module.cfg, key, value, filename)
        if args.sampler != "upstream":
            check_config(module.cfg, filename)
            check_sizes(module.cfg)
        check(module.cfg, args)
        check_folders(module.cfg, args, folders)

    module.update_config_from_file = update_config_from_file  # type: ignore[attr-defined]  # theirs


def overrides(args: argparse.Namespace) -> Dict[str, Any]:
    """Return the values of ``--set``, ``--epochs`` and ``--samples-per-epoch`` by dotted key."""
    values = {}
    for text in args.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise SetupError(f"--set takes KEY=VALUE, such as TRAIN.BATCH_SIZE=8; got {text!r}")
        values[key] = yaml.safe_load(value)
    if args.epochs is not None:
        values["TRAIN.EPOCH"] = args.epochs
    if args.samples_per_epoch is not None:
        values["DATA.TRAIN.SAMPLE_PER_EPOCH"] = args.samples_per_epoch
    return values


def look_up(cfg: Any, key: str, default: Any = None) -> Any:
    """Return the value of a dotted key."""
    for part in key.split("."):
        if not isinstance(cfg, dict) or part not in cfg:
            return default
        cfg = cfg[part]
    return cfg


def _set(cfg: Any, key: str, value: Any, filename: str) -> None:
    *parents, last = key.split(".")
    node = look_up(cfg, ".".join(parents)) if parents else cfg
    if not isinstance(node, dict) or last not in node:
        raise SetupError(f"--set {key}: there is no such key in {filename} or its defaults")
    node[last] = value


def check_config(cfg: Any, filename: str) -> None:
    """Refuse configs that cannot be scheduled."""
    for key in _NEEDED:
        if look_up(cfg, key) is None:
            raise SetupError(f"{filename} and its defaults have no {key}, which is needed")
    for key, only in _ONLY.items():
        value = look_up(cfg, key, only)
        if value != only:
            raise SetupError(
                f"{key} must be {only!r} for pairs of one template and one search frame; "
                f"{filename} has {value!r} (--sampler upstream accepts it)"
            )
    gap = cfg.DATA.MAX_SAMPLE_INTERVAL
    if not isinstance(gap, int) or gap < 2:
        raise SetupError(f"DATA.MAX_SAMPLE_INTERVAL must be an int above 1; {filename} has {gap!r}")


def check_sizes(cfg: Any) -> None:
    """Refuse inconsistent numbers before data is read."""
    samples = ("DATA.TRAIN.SAMPLE_PER_EPOCH", "DATA.VAL.SAMPLE_PER_EPOCH")
    for key in ("TRAIN.EPOCH", "TRAIN.BATCH_SIZE", *samples):
        value = look_up(cfg, key)
        if not isinstance(value, int) or value < 1:
            raise SetupError(f"{key} must be an int of at least 1; got {value!r}")
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun
    for part in ("TRAIN", "VAL"):
        names = look_up(cfg, f"DATA.{part}.DATASETS_NAME", [])
        ratio = look_up(cfg, f"DATA.{part}.DATASETS_RATIO", [])
        if len(names) != len(ratio):
            raise SetupError(
                f"DATA.{part}.DATASETS_RATIO must have one number for each of {names}; got {ratio}"
            )
        n = cfg.DATA[part].SAMPLE_PER_EPOCH
        if n < cfg.TRAIN.BATCH_SIZE * processes:  # the checkout divides by the number of batches
            raise SetupError(
                f"DATA.{part}.SAMPLE_PER_EPOCH must be at least TRAIN.BATCH_SIZE times the number "
                f"of processes, {cfg.TRAIN.BATCH_SIZE} * {processes}; got {n}"
            )
    n = cfg.DATA.TRAIN.SAMPLE_PER_EPOCH
    spare = n % processes
    if spare:
        raise SetupError(
            "DATA.TRAIN.SAMPLE_PER_EPOCH must be a multiple of the number of processes, "
            f"{processes}, such as {n - spare} or {n - spare + processes}; got {n}"
        )


def check_folders(cfg: Any, args: argparse.Namespace, folders: Dict[str, Tuple[str, str]]) -> None:
    """Refuse data sets whose folders do not exist."""
    for part in ("TRAIN", "VAL"):
        for name in look_up(cfg, f"DATA.{part}.DATASETS_NAME", []):
            option = _FOLDERS.get(name)
            if option is None:  # a data set unknown to these plug-ins
                continue
            folder, origin = folders[option]
            if not folder or not Path(folder).is_dir():
                raise SetupError(
                    f"{args.config} needs {name} (DATA.{part}.DATASETS_NAME): {flag(option)} must "
                    f"be its folder; got {folder!r}, from {origin}"
                )
