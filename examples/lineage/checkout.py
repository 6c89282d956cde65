"""Checks of a tracker's checkout, and preparations for importing it."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, Dict, Optional, Sequence, Tuple


class SetupError(Exception):
    """Error in the user's set-up, printed without a traceback."""


def nothing(*_args: Any) -> None:
    """Do nothing: the default of a tracker's additional steps."""


@dataclass(frozen=True)
class Tracker:
    """Special properties of a tracker based on STARK.

    `files` identify its checkout. `add_arguments(parser)` adds options, `prepare(args)` applies
    them once the checkout can be imported, `check_config(cfg, args)` refuses unsupported configs
    before data is read, and `explain(error, processes)` may replace the error of a known fault of
    the tracker by an explanation.
    """

    name: str
    script: str  # experiments/<script>, lib/config/<script>
    repository: str
    commit: str  # the tested version
    files: Sequence[str]
    seed: Optional[int]
    from_scratch: Callable[[], None]
    add_arguments: Callable[[argparse.ArgumentParser], None] = nothing
    prepare: Callable[[argparse.Namespace], None] = nothing
    check_config: Callable[[Any, argparse.Namespace], None] = nothing
    explain: Callable[[Exception, int], None] = nothing


# Help text of each data option. Its attribute in the checkout's settings is `<name>_dir`, or, with
# --lmdb, `<name>_lmdb_dir`.
DATA = {
    "lasot": "LaSOT: folder of the classes",
    "got10k": "GOT-10k: folder `train`, with list.txt",
    "got10k_val": "GOT-10k: folder `val`",
    "coco": "COCO 2017: folder with images/ and annotations/",
    "trackingnet": "TrackingNet: folder with TRAIN_0 to TRAIN_11",
    "imagenet": "ImageNet VID",
}

# Names that are replaced or called here; checking them at the start detects other versions.
_NEEDED = {
    "lib.train.run_training": ("run_training",),
    "lib.train.train_script": ("run", "build_dataloaders", "LTRTrainer"),
    "lib.train.data.sampler": ("TrackingSampler",),
    "lib.utils": ("TensorDict",),
    "lib.utils.box_ops": ("generalized_box_iou",),
}


def check_checkout(tracker: Tracker, root: Path, config: str) -> None:
    """Refuse a folder that is not a checkout of this tracker, and an unknown config."""
    if not root.is_dir():
        raise SetupError(f"--checkout must be a clone of {tracker.repository}; no folder {root}")
    shared = ("lib/train/run_training.py", "lib/train/train_script.py")
    missing = [name for name in (*shared, *tracker.files) if not (root / name).exists()]
    if missing:
        raise SetupError(
            f"--checkout must be a clone of {tracker.repository}; {root} has no "
            + ", no ".join(missing)
        )
    folder = root / "experiments" / tracker.script
    if not (folder / f"{config}.yaml").is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
        raise SetupError(f"--config: no file {folder / config}.yaml; there are: {known}")


def open_checkout(root: Path) -> None:
    """Make ``lib`` of the checkout importable, without writing compiled files into it."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # for spawned worker processes
    sys.path.insert(0, str(root))
    sys.path.append(str(root / "lib" / "train"))  # run_training imports _init_paths from there


def import_checkout(tracker: Tracker) -> Dict[str, ModuleType]:
    """Import the used modules; an error names the attribute that this version lacks."""
    config = f"lib.config.{tracker.script}.config"
    modules = {}
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    needed = {**_NEEDED, config: ("cfg", "update_config_from_file")}
    with warnings.catch_warnings():  # AVTrack's import disables all warnings permanently
        for name in needed:
            modules[name.rsplit(".", 1)[-1]] = importlib.import_module(name)
    for attributes, module in zip(needed.values(), modules.values()):
        for attribute in attributes:
            if not hasattr(module, attribute):
                raise SetupError(
                    f"this version of {tracker.name} is not known: {module.__file__} has no "
                    f"{attribute}, unlike commit {tracker.commit}"
                )
    if devices is not None:  # AVTrack's import sets it to 0
        os.environ["CUDA_VISIBLE_DEVICES"] = devices
    return modules


def install_environment(args: argparse.Namespace) -> Dict[str, Tuple[str, str]]:
    """Replace ``lib/train/admin/local.py``: given data folders override its own.

    Returns the folder of each option and its origin. The settings are a SimpleNamespace, because
    they are pickled into every checkpoint, which must also load without a local.py.
    """
    name = "lib.train.admin.local"
    paths: Dict[str, Any] = {}
    if (args.checkout / "lib/train/admin/local.py").is_file():
        paths = dict(vars(importlib.import_module(name).EnvironmentSettings()))
    folders = {}
    for option in DATA:
        attribute = f"{option}_lmdb_dir" if args.lmdb else f"{option}_dir"
        given = getattr(args, option)
        if given is not None:
            paths[attribute], origin = str(given), "the command line"
        elif attribute in paths:
            origin = "the checkout's lib/train/admin/local.py"
        else:
            paths[attribute], origin = "", "nothing, because it was not given"
        folders[option] = (paths[attribute], origin)
    paths.update(
        workspace_dir=str(args.save_dir), tensorboard_dir=str(args.save_dir / "tensorboard")
    )
    paths.setdefault("pretrained_networks", str(args.save_dir / "pretrained_networks"))
    module = ModuleType(name)
    # mypy does not know the attribute of a module created here.
    module.EnvironmentSettings = lambda: SimpleNamespace(**paths)  # type: ignore[attr-defined]
    sys.modules[name] = module
    return folders


def flag(option: str) -> str:
    """Return the command-line name of an option."""
    return "--" + option.replace("_", "-")
