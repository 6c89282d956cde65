"""Random changes to crops, the same for a pair whichever process makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
# Last counter word of this random stream: that of the pairs has the same key, and a zero there.
CROP_STREAM = 0x63726F70
KINDS = ("blur", "shrink", "compress", "noise", "motion")


def smear(image: NDArray[Any], reach: int, step: NDArray[np.float64]) -> NDArray[Any]:
    """Average an image along a line from minus ``step`` to ``step``, of ``reach`` at most."""
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    ends = [tuple(int(value) for value in np.round(reach + sign * step)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _as_bytes(values: NDArray[Any]) -> Image:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Degradation:
    """One degradation of a crop: one of ``KINDS`` or nothing, its strength in [0, 1]."""

    kind: str = ""
    strength: float = 0.0
    seed: int = 0  # of noise and of the direction of motion

    def apply(self, crop: Image) -> Image:
        kind, strength = self.kind, self.strength
        if not kind:
            return crop
        if kind == "blur":
            return cv2.GaussianBlur(crop, (0, 0), 0.5 + 2.0 * strength)
        if kind == "shrink":
            side = max(8, int(len(crop) / (1.5 + 2.5 * strength)))
            small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
            return cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        if kind == "compress":
            quality = [cv2.IMWRITE_JPEG_QUALITY, round(70 - 50 * strength)]
            return cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
        rng = np.random.default_rng(self.seed)
        if kind == "noise":
            grain = rng.standard_normal(crop.shape, dtype=np.float32)
            return _as_bytes(crop + (3 + 12 * strength) * grain)
        reach, angle = 1 + int(len(crop) / 30 * strength), rng.uniform(0, np.pi)
        return smear(crop, reach, reach * np.array([np.cos(angle), np.sin(angle)]))


@dataclass(frozen=True)
class Change:
    """Changes to one pair in training, drawn beforehand; of two values, the template's is first."""

    shift: Tuple[float, float] = (0.0, 0.0)  # of the search crop's centre, in roots of the area
    scale: float = 1.0  # of the search crop's side
    flip: bool = False
    grey: bool = False
    brightness: Tuple[float, float] = (1.0, 1.0)
    tint: Tuple[Any, Any] = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))  # factors on red, green, blue
    degraded: Tuple[Degradation, Degradation] = (Degradation(), Degradation())

    def apply(self, crop: Image, which: int) -> Image:
        """A cut crop after it; ``which``: 0 the template, 1 the search crop."""
        gain, tint = self.brightness[which], self.tint[which]
        if self.flip:
            crop = np.ascontiguousarray(crop[:, ::-1])
        if self.grey:
            crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if set(tint) == {1.0}:
            lit = cv2.convertScaleAbs(crop, alpha=gain)
        else:
            lit = _as_bytes(crop * np.float32(gain) * np.float32(tint))
        return self.degraded[which].apply(lit)


def pair_generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    """The random stream of one pair's crops: no two pairs, epochs or seeds share a word of it."""
    key = np.array([seed, epoch], dtype=np.uint64)
    counter = np.array([0, 0, number, CROP_STREAM], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def draw_change(rng: np.random.Generator, config: Any) -> Change:
    """Draw the changes of one pair by the strengths of a `CropConfig`; always as many draws."""
    stretch = rng.standard_normal(2) * config.scale_jitter
    shift = (rng.random(2) - 0.5) * config.centre_jitter
    flip, grey = (rng.random(2) < (config.flip, config.grey)).tolist()
    bright = 1 + (2 * rng.random(2) - 1) * config.brightness
    tint = 1 + (2 * rng.random((2, 3)) - 1) * config.tint
    degraded = []
    for chance, kind, strength, seed in rng.random((2, 4)):
        some = Degradation(KINDS[int(kind * len(KINDS))], float(strength), int(seed * 2**32))
        degraded.append(some if chance < config.degrade else Degradation())
    scale = float(np.exp(stretch.mean()))  # the side follows the area of the stretched box
    pairs = (tuple(values) for values in (bright.tolist(), map(tuple, tint.tolist()), degraded))
    return Change(tuple(shift.tolist()), scale, flip, grey, *pairs)
