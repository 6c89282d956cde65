"""Train a STARK-based tracker from an unmodified checkout: ``main(tracker)``."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import torch
import torch.distributed as dist

from . import modern
from .checkout import (
    DATA,
    SetupError,
    Tracker,
    check_checkout,
    flag,
    import_checkout,
    install_environment,
    open_checkout,
)
from .config import install_config
from .index import index_datasets
from .pairs import PairDataset, pair_loader
from .schedule import SAMPLERS, check_options, describe, make_curriculum
from .trainer import scheduled_trainer


def main(tracker: Tracker, argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line of a tracker's ``train.py``."""
    args = parse(tracker, argv)
    try:
        run(tracker, args)
    except SetupError as error:
        sys.exit(f"error: {error}")


def parse(tracker: Tracker, argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=f"Train {tracker.name} with template-search intervals scheduled by success.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--checkout", type=_folder, required=True, help=f"clone of {tracker.repository}")
    add("--config", required=True, help=f"name of a file in experiments/{tracker.script}")
    add("--save-dir", type=_folder, required=True, help="folder of checkpoints, logs, figure")
    add("--resume", action="store_true", help="resume from the newest checkpoint in --save-dir")
    for option, what in DATA.items():
        add(flag(option), type=_folder, metavar="DIR", help=what)
    add("--lmdb", action="store_true", help="the data folders hold LMDB files")
    modes = "; ".join(f"{name}: {what}" for name, what in SAMPLERS.items())
    add("--sampler", choices=list(SAMPLERS), default="weighted", help=modes)
    add("--max-interval", type=int, default=200, help="M, end of the last bin, in frames")
    add("--spacing", type=int, default=30, help="m, width of a bin, in frames")
    add("--order", type=float, default=2.0, help="order of the re-detection probability")
    add("--threshold", type=_threshold, default="mean", help="tau: mean or a number in [0, 1)")
    add("--epochs", type=int, metavar="N", help="overrides the config's TRAIN.EPOCH")
    add("--samples-per-epoch", type=int, metavar="N", help="overrides the config's")
    add(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override other values of the config",
    )
    add("--seed", type=int, default=tracker.seed, help="seed of all random numbers")
    add("--from-scratch", action="store_true", help="load no pretrained weights")
    add(
        "--save-every-epoch",
        action="store_true",
        help="save a checkpoint after each epoch; without it, after some epochs only (checkpoints "
        "are never deleted, and each is three times the size of the network)",
    )
    add("--cache", type=_folder, default=_default_cache(), help="folder for cached data indices")
    tracker.add_arguments(parser)
    return parser.parse_args(argv)


def run(tracker: Tracker, args: argparse.Namespace) -> None:
    """Apply the replacements to the imported checkout and start its training."""
    check_options(args)
    check_checkout(tracker, args.checkout, args.config)
    _check_save_dir(tracker, args)
    patches = modern.apply_before_import()
    open_checkout(args.checkout)
    folders = install_environment(args)
    modules = import_checkout(tracker)
    patches += modern.apply_after_import()
    install_config(modules["config"], args, folders, tracker.check_config)
    install_sampler(modules, args)
    if args.from_scratch:
        tracker.from_scratch()
    tracker.prepare(args)
    rank, processes = _join_processes()
    if rank in (-1, 0) and patches:
        print(f"patched for this environment: {', '.join(patches)}")
    try:
        modules["run_training"].run_training(
            tracker.script,
            args.config,
            local_rank=rank,
            save_dir=str(args.save_dir),
            base_seed=args.seed,
            use_lmdb=args.lmdb,
        )
    except Exception as error:
        explain_download(error)
        tracker.explain(error, processes)
        raise
    if processes > 1:
        dist.destroy_process_group()


def install_sampler(modules: Dict[str, ModuleType], args: argparse.Namespace) -> None:
    """Replace the training loader and the trainer of the imported checkout."""
    script: Any = modules["train_script"]
    build = script.build_dataloaders

    def build_dataloaders(cfg: Any, settings: Any) -> Any:
        if args.save_every_epoch:
            settings.save_every_epoch = True  # the checkout's trainer reads it
        try:
            train, *others = build(cfg, settings)
        except FileNotFoundError as error:
            raise SetupError(f"a data set is incomplete: {error}") from error
        if args.sampler != "upstream":
            train = scheduled_loader(train, cfg, args, modules["utils"].TensorDict)
        return (train, *others)

    script.build_dataloaders = build_dataloaders
    overlap = modules["box_ops"].generalized_box_iou
    script.LTRTrainer = scheduled_trainer(script.LTRTrainer, overlap)


def scheduled_loader(loader: Any, cfg: Any, args: argparse.Namespace, make_sample: Any) -> Any:
    """Return the training loader over scheduled pairs, with its curriculum as attribute."""
    source = loader.dataset
    first = not dist.is_initialized() or dist.get_rank() == 0
    if not first:
        dist.barrier()  # the first process writes the cache, the others read it
    videos = index_datasets(source.datasets, source.p_datasets, args.cache)
    if first and dist.is_initialized():
        dist.barrier()
    curriculum = make_curriculum(args, cfg, videos, seed=args.seed or 0)
    if first:
        print(describe(curriculum), flush=True)
    pairs = PairDataset(source, curriculum.source, make_sample)
    scheduled = pair_loader(loader, pairs, curriculum.sampler)
    scheduled.curriculum = curriculum
    return scheduled


def explain_download(error: Exception) -> None:
    """Explain a failed download of pretrained weights by torch.hub or timm."""
    if type(error).__module__.split(".")[0] in ("urllib", "requests", "httpx", "huggingface_hub"):
        raise SetupError(
            f"the backbone's pretrained weights cannot be downloaded ({error}); --from-scratch "
            "trains without"
        ) from error


def _join_processes() -> Tuple[int, int]:
    """Return local rank and number of processes; (-1, 1) without torchrun."""
    rank = int(os.environ.get("LOCAL_RANK", "-1"))
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(max(rank, 0))
    if rank == -1:
        return -1, 1
    # The others wait while the first process parses large data sets.
    patience = dt.timedelta(hours=2)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=patience)
    return rank, dist.get_world_size()


def _check_save_dir(tracker: Tracker, args: argparse.Namespace) -> None:
    """Refuse to resume from earlier checkpoints unless asked; the checkout would do so."""
    folder = args.save_dir / "checkpoints" / "train" / tracker.script / args.config
    found = sorted(folder.glob("*_ep*.pth.tar"))
    if found and not args.resume:
        raise SetupError(
            f"--save-dir holds {found[-1].name} of an earlier run in {folder}: use --resume to "
            "continue it, or another --save-dir"
        )


def _folder(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _threshold(text: str) -> Union[str, float]:
    return text if text == "mean" else float(text)


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _folder(home) / "sstrack_sched"
