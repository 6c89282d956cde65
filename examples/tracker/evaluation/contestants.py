"""Trackers by the names that the command line gives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence

from . import peers
from .one_pass import AnyTracker

SHIPPED = "lite"


@dataclass(frozen=True)
class Settings:
    """Settings that trackers run with.

    Parameters
    ----------
    nano, vit : Path, optional
        Folder of NanoTrack's weights, file of TrackerVit's.
    threads : int, optional
        CPU threads; default: what each tracker takes. OpenCV has one number for all of a process,
        which the caller sets.
    engine, precision : str
        Of our own tracker, see `Tracker`.
    """

    nano: Optional[Path] = None
    vit: Optional[Path] = None
    threads: Optional[int] = None
    engine: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True)
class Contestant:
    """A tracker to evaluate.

    Parameters
    ----------
    name : str
        In tables, plots and folders.
    identity : str
        What its answers and its speed depend on; a kept run of another identity is not used.
    make : callable
        Makes it.
    """

    name: str
    identity: str
    make: Callable[[], AnyTracker]


def find_contestants(names: Sequence[str], settings: Settings) -> List[Contestant]:
    """Trackers by name."""
    if settings.threads is not None and settings.threads < 1:
        raise ValueError(f"threads must be at least 1; got {settings.threads}")
    found = [_peer(n, settings) if n in peers.NAMES else _own(n, settings) for n in names]
    used = [contestant.name for contestant in found]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise ValueError(f"two trackers are named {twice[0]!r}: rename a file of weights")
    return found


def _peer(name: str, settings: Settings) -> Contestant:
    import cv2

    tracker = peers.make_peer(name, nano_folder=settings.nano, vit_file=settings.vit)
    identity = f"{name}, OpenCV {cv2.__version__}, {_threads(settings)}"
    if name == "nano" and settings.nano is not None:
        identity += f", weights {_digest(*(settings.nano / file for file in peers.NANO_FILES))}"
    if name == "vit" and settings.vit is not None:
        identity += f", weights {_digest(settings.vit)}"
    return Contestant(name, identity, lambda: tracker)


def _own(name: str, settings: Settings) -> Contestant:
    from ..inference.tracker import DEFAULTS, Tracker

    shipped = Path(__file__).parents[1] / "weights" / f"{SHIPPED}.pt"
    path = shipped if name == SHIPPED else Path(name)
    if not path.exists():
        raise FileNotFoundError(
            f"no file of weights {path}; a tracker is {SHIPPED}, {', '.join(peers.NAMES)}, "
            "a file of weights or a folder of an exported network"
        )
    options: Any = {key: getattr(settings, key) for key in ("engine", "precision", "threads")}
    identity = (
        f"weights {_digest(path)}, engine {settings.engine}, precision {settings.precision}, "
        f"{_threads(settings)}, {DEFAULTS}"
    )
    return Contestant(path.stem, identity, lambda: Tracker(str(path), colour="rgb", **options))


def _threads(settings: Settings) -> str:
    return f"threads {settings.threads or 'not set'}"


def _digest(*paths: Path) -> str:
    content = hashlib.sha256()
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (file for file in inside if file.is_file()):
            content.update(file.read_bytes())
    return content.hexdigest()[:12]
