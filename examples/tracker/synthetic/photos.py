"""Photographs that come inside scikit-image's wheel: nothing is downloaded."""

from __future__ import annotations

from functools import lru_cache
from typing import Tuple

import numpy as np
from numpy.typing import NDArray

# Names of functions of skimage.data. No photograph is in both lists, so that held-out videos
# show neither objects nor backgrounds that training has seen.
TRAIN_PHOTOS = (
    "astronaut",
    "stereo_motorcycle",
    "chelsea",
    "camera",
    "brick",
    "coins",
    "hubble_deep_field",
    "moon",
)
TEST_PHOTOS = ("coffee", "immunohistochemistry", "rocket", "gravel", "grass", "retina")
LONG_SIDE = 480


@lru_cache(maxsize=None)
def photograph(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-image, at most ``LONG_SIDE`` pixels wide or high.

    Parameters
    ----------
    name : str
        One of ``TRAIN_PHOTOS`` or ``TEST_PHOTOS``.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB, read-only (every caller gets the same array).

    Raises
    ------
    ValueError
        If the name is in neither list.
    ImportError
        If scikit-image is missing.
    """
    if name not in TRAIN_PHOTOS + TEST_PHOTOS:
        raise ValueError(f"photograph must be one of {TRAIN_PHOTOS + TEST_PHOTOS}; got {name!r}")
    import cv2
    from skimage import data

    loaded = getattr(data, name)()
    picture = loaded[0] if isinstance(loaded, tuple) else loaded  # a stereo pair: its left picture
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    scale = LONG_SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.ascontiguousarray(picture, dtype=np.uint8)
    picture.flags.writeable = False
    return picture


def patch_centre(
    rng: np.random.Generator, name: str, half: float, *, n_candidates: int = 6
) -> Tuple[float, float]:
    """A place in a photograph with something to see: the most varied of a few random squares.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    name : str
        Photograph.
    half : float
        Half the side of the square, in pixels of the photograph.
    n_candidates : int, default=6
        Squares to choose from.

    Returns
    -------
    x, y : float
        Centre of the square, in pixels of the photograph.
    """
    picture = photograph(name)
    height, width = picture.shape[:2]
    best, centre = -1.0, (width / 2.0, height / 2.0)
    for _ in range(n_candidates):
        x, y = rng.uniform(half, width - half), rng.uniform(half, height - half)
        left, top, side = int(x - half), int(y - half), int(2 * half)
        contrast = float(picture[top : top + side, left : left + side].std())
        if contrast > best:
            best, centre = contrast, (x, y)
    return centre
