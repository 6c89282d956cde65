"""Trackers by the names of the command line: ours, and OpenCV's own to compare with."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..inference import tracker as ours
from ..inference.images import Floats, Image
from .runs import Contestant

PEERS = {"csrt": "CSRT", "kcf": "KCF", "mil": "MIL", "nano": "Nano", "vit": "Vit"}  # in OpenCV
NAMES = tuple(PEERS)
NANO_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")  # as OpenCV has them
FILE_PARAMETERS = {"nano": ("backbone", "neckhead"), "vit": ("net",)}  # of OpenCV, by tracker


class Settings(NamedTuple):
    """Settings that trackers run with; their options have the same names."""

    nano: Optional[Path] = None
    vit: Optional[Path] = None
    threads: Optional[int] = None  # OpenCV has one number for all of a process: the caller sets it
    engine: str = "auto"
    precision: str = "auto"
    settings: ours.TrackSettings = ours.DEFAULTS


def find_contestants(names: Sequence[str], settings: Settings) -> List[Contestant]:
    if settings.threads is not None and settings.threads < 1:
        raise ValueError(f"threads must be at least 1; got {settings.threads}")
    found = [_peer(n, settings) if n in NAMES else _own(n, settings) for n in names]
    name, count = Counter(contestant.name for contestant in found).most_common(1)[0]
    if count > 1:
        raise ValueError(f"two trackers are named {name!r}: rename a file of weights")
    return found


def _peer(name: str, settings: Settings) -> Contestant:
    tracker = make_peer(name, settings)
    identity = f"{name}, OpenCV {cv2.__version__}, threads {settings.threads or 'not set'}"
    if name in FILE_PARAMETERS:
        identity += f", weights {_digest(*_weight_files(name, settings))}"
    return Contestant(name, identity, lambda: tracker)


def _own(name: str, settings: Settings) -> Contestant:
    path = ours.SHIPPED if name == "lite" else Path(name)
    if not path.exists():
        raise FileNotFoundError(
            f"no file of weights {path}; a tracker is lite, {', '.join(NAMES)}, "
            "a file of weights or a folder of an exported network"
        )
    names = ("engine", "precision", "threads", "settings")
    options: Any = {name: getattr(settings, name) for name in names}
    identity = (
        f"weights {_digest(path)}, engine {settings.engine}, precision {settings.precision}, "
        f"threads {settings.threads or 'not set'}, {settings.settings}"
    )
    return Contestant(path.stem, identity, lambda: ours.Tracker(str(path), colour="rgb", **options))


def _digest(*paths: Path) -> str:
    content = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                content.update(file.read_bytes())
    return content.hexdigest()[:12]


class OpenCVTracker:
    """One of OpenCV's trackers, fed RGB frames and fractional boxes.

    They cannot be started twice: ``create`` makes a new one for each video. OpenCV takes whole
    pixels to start from: the box is rounded, and cut to the image. Where a tracker says that it
    lost the target, the last box is kept, with score 0. MIL draws samples from a generator that
    OpenCV gives no seed for: its answers differ from run to run.
    """

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create

    def init(self, frame: Image, box: Floats) -> None:
        self._tracker = self._create()
        self._box = np.array(box, dtype=np.float64)
        self._tracker.init(_bgr(frame), whole_pixels(self._box, frame.shape[1], frame.shape[0]))

    def update(self, frame: Image) -> Tuple[Floats, float]:
        found, box = self._tracker.update(_bgr(frame))
        if not found:
            return self._box.copy(), 0.0
        self._box = np.array(box, dtype=np.float64)
        score = getattr(self._tracker, "getTrackingScore", lambda: -1.0)()
        return self._box.copy(), float(score) if score >= 0 else 1.0  # below 0: it has none


def _bgr(frame: Image) -> Image:
    return np.ascontiguousarray(frame[:, :, ::-1])


def whole_pixels(box: Floats, width: int, height: int) -> Tuple[int, int, int, int]:
    """A box rounded to whole pixels, at least one pixel large and inside the image."""
    left, top = (round(min(max(v, 0), limit - 1)) for v, limit in zip(box[:2], (width, height)))
    right = min(max(round(box[0] + box[2]), left + 1), width)
    bottom = min(max(round(box[1] + box[3]), top + 1), height)
    return left, top, right - left, bottom - top


def make_peer(name: str, settings: Settings) -> OpenCVTracker:
    """One of OpenCV's trackers; raises where OpenCV lacks it or a file of weights is missing."""
    # With OpenCV's own threshold, 0.5, KCF gives up after a few frames of many videos.
    changes: Dict[str, Any] = {"detect_thresh": 0.0} if name == "kcf" else {}
    if name in FILE_PARAMETERS:
        changes.update(zip(FILE_PARAMETERS[name], map(str, _weight_files(name, settings))))
    create = partial(_create, f"Tracker{PEERS[name]}", changes)
    create()  # so that a missing tracker is told before a run, not in the middle of it
    return OpenCVTracker(create)


def _weight_files(name: str, settings: Settings) -> List[Path]:
    place: Optional[Path] = getattr(settings, name)
    if place is None:
        raise ValueError(f"{name} needs the place of its weights: --{name}")
    files = [place / file for file in NANO_FILES] if name == "nano" else [place]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{name} needs its ONNX file; there is no {file}")
    return files


def _create(name: str, changes: Dict[str, Any]) -> Any:
    """Make a tracker of a class, in ``cv2`` or, in some builds, in ``cv2.legacy``."""
    found = [getattr(module, name, None) for module in (cv2, getattr(cv2, "legacy", None))]
    kind = next((kind for kind in found if hasattr(kind, "create")), None)
    if kind is None:
        raise ImportError(
            f"this OpenCV ({cv2.__version__}) has no {name}: "
            "pip install opencv-contrib-python-headless instead of opencv-python-headless"
        )
    if not changes:
        return kind.create()
    parameters = (getattr(cv2, f"{name}_Params", None) or kind.Params)()
    for key, value in changes.items():
        setattr(parameters, key, value)
    return kind.create(parameters)
