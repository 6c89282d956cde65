"""OpenCV's own trackers behind ``init`` and ``update``, to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]

# Names that the two files of weights may have, as published for OpenCV.
NANO_FILES = ("nanotrack_backbone_sim.onnx", "nanotrack_head_sim.onnx")


class OpenCVTracker:
    """One of OpenCV's trackers, fed RGB frames and fractional boxes.

    Parameters
    ----------
    create : callable
        Makes a tracker of OpenCV; called at each `init`, since they cannot be started twice.

    Notes
    -----
    OpenCV takes whole pixels to start from: the box is rounded, and cut to the picture. Where a
    tracker says that it lost the target, the last box is kept, with score 0. MIL draws samples from
    a generator that OpenCV gives no seed for: its answers differ from run to run.
    """

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create
        self._tracker: Any = None
        self._box = np.zeros(4)

    def init(self, frame: Picture, box: Floats) -> None:
        """Start on a frame."""
        self._tracker = self._create()
        self._box = np.array(box, dtype=np.float64)
        self._tracker.init(_bgr(frame), whole_pixels(self._box, frame.shape[1], frame.shape[0]))

    def update(self, frame: Picture) -> Tuple[Floats, float]:
        """Box and score in the next frame."""
        if self._tracker is None:
            raise RuntimeError("update needs a tracker that was started: call init first")
        found, box = self._tracker.update(_bgr(frame))
        if not found:
            return self._box.copy(), 0.0
        self._box = np.array(box, dtype=np.float64)
        score = getattr(self._tracker, "getTrackingScore", lambda: -1.0)()
        return self._box.copy(), float(score) if score >= 0 else 1.0  # below 0: it has none


def whole_pixels(box: Floats, width: int, height: int) -> Tuple[int, int, int, int]:
    """A box rounded to whole pixels, at least one pixel large and inside the picture."""
    left, top = (round(min(max(v, 0), limit - 1)) for v, limit in zip(box[:2], (width, height)))
    right = min(max(round(box[0] + box[2]), left + 1), width)
    bottom = min(max(round(box[1] + box[3]), top + 1), height)
    return left, top, right - left, bottom - top


def csrt() -> Any:
    """Channel and spatial reliability (CSR-DCF)."""
    return _class("TrackerCSRT").create()


def kcf() -> Any:
    """Kernelised correlation filter that always answers.

    With OpenCV's own threshold, 0.5, it gives up after a few frames of many videos.
    """
    kind = _class("TrackerKCF")
    parameters = _parameters("TrackerKCF")
    parameters.detect_thresh = 0.0
    return kind.create(parameters)


def mil() -> Any:
    """Multiple-instance learning."""
    return _class("TrackerMIL").create()


def nano(folder: Path) -> Callable[[], Any]:
    """NanoTrack; the folder holds its two ONNX files."""
    for name in NANO_FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"NanoTrack needs {name} in {folder}")
    parameters = _parameters("TrackerNano")
    parameters.backbone, parameters.neckhead = (str(folder / name) for name in NANO_FILES)
    return lambda: _class("TrackerNano").create(parameters)


def vit(file: Path) -> Callable[[], Any]:
    """OpenCV's TrackerVit; ``file`` is its ONNX file. Raises FileNotFoundError without it."""
    if not file.is_file():
        raise FileNotFoundError(f"TrackerVit needs its ONNX file; there is no {file}")
    parameters = _parameters("TrackerVit")
    parameters.net = str(file)
    return lambda: _class("TrackerVit").create(parameters)


PEERS: Dict[str, Callable[[], Any]] = {"csrt": csrt, "kcf": kcf, "mil": mil}
NAMES = (*PEERS, "nano", "vit")


def make_peer(
    name: str, *, nano_folder: Optional[Path] = None, vit_file: Optional[Path] = None
) -> OpenCVTracker:
    """One of OpenCV's trackers."""
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}; got {name!r}")
    if name in PEERS:
        create = PEERS[name]
    elif name == "nano":
        if nano_folder is None:
            raise ValueError("nano needs the folder of its weights (--nano FOLDER); got none")
        create = nano(Path(nano_folder))
    else:
        if vit_file is None:
            raise ValueError("vit needs the file of its weights (--vit FILE); got none")
        create = vit(Path(vit_file))
    create()  # so that a missing tracker is told before a run, not in the middle of it
    return OpenCVTracker(create)


def _bgr(frame: Picture) -> Picture:
    return np.ascontiguousarray(frame[:, :, ::-1])


def _class(name: str) -> Any:
    """A class of trackers, in ``cv2`` or, in some builds, in ``cv2.legacy``."""
    for module in (cv2, getattr(cv2, "legacy", None)):
        if hasattr(module, name) and hasattr(getattr(module, name), "create"):
            return getattr(module, name)
    raise ImportError(
        f"this OpenCV ({cv2.__version__}) has no {name}: "
        "pip install opencv-contrib-python-headless instead of opencv-python-headless"
    )


def _parameters(name: str) -> Any:
    _class(name)
    nested = getattr(cv2, f"{name}_Params", None)
    return nested() if nested else _class(name).Params()
