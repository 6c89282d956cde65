"""What cameras, compression and distance do to a crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def _blur(crop: Picture, strength: float, _seed: int) -> Any:
    sigma = 0.5 + 2.0 * strength
    return cv2.GaussianBlur(crop, (0, 0), sigma)


def _shrink(crop: Picture, strength: float, _seed: int) -> Any:
    side = max(8, int(len(crop) / (1.5 + 2.5 * strength)))
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _compress(crop: Picture, strength: float, _seed: int) -> Any:
    quality = [cv2.IMWRITE_JPEG_QUALITY, round(70 - 50 * strength)]
    return cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)


def _noise(crop: Picture, strength: float, seed: int) -> Any:
    grain = np.random.default_rng(seed).standard_normal(crop.shape, dtype=np.float32)
    return np.clip(crop + (3 + 12 * strength) * grain + 0.5, 0, 255).astype(np.uint8)


def _motion(crop: Picture, strength: float, seed: int) -> Any:
    reach = 1 + int(len(crop) / 30 * strength)
    angle = np.random.default_rng(seed).uniform(0, np.pi)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    step = reach * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(int(value) for value in np.round(reach + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return cv2.filter2D(crop, -1, kernel / kernel.sum())


KINDS: Dict[str, Callable[[Picture, float, int], Any]] = {
    "blur": _blur,
    "shrink": _shrink,
    "compress": _compress,
    "noise": _noise,
    "motion": _motion,
}


@dataclass(frozen=True)
class Degradation:
    """One thing that happens to a crop.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``; empty: nothing.
    strength : float
        In [0, 1].
    seed : int
        Of noise and of the direction of motion.
    """

    kind: str = ""
    strength: float = 0.0
    seed: int = 0

    def apply(self, crop: Picture) -> Picture:
        """The crop (h, w, 3) after it."""
        if not self.kind:
            return crop
        return np.asarray(KINDS[self.kind](crop, self.strength, self.seed), dtype=np.uint8)
