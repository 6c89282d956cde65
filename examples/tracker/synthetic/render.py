"""Videos rendered from photographs: an object that moves, turns, grows, fades and gets covered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Tuple

import numpy as np

from ..data.sequences import Sequence
from .motion import Array, Drift, Track, make_track, random_walk
from .painting import RenderedFrames, uncovered
from .photos import TEST_PHOTOS, TRAIN_PHOTOS, patch_centre, photograph


@dataclass(frozen=True)
class RenderConfig:
    """What rendered videos are like.

    Parameters
    ----------
    width, height : int
        Size of a frame, in pixels.
    n_frames : int
        Length of a video.
    n_distractors, n_occluders : int
        Other pieces of the object's photograph, behind it; and things that pass in front of it.
    min_visible : float
        Share of the object that must be uncovered for it to count as visible, in (0, 1].
    drift : Drift
        How much the object and its distractors change over time.

    Raises
    ------
    ValueError
        If the frame is under 96 pixels or the video under 2 frames: objects would not fit.
    """

    width: int = 240
    height: int = 180
    n_frames: int = 240
    n_distractors: int = 5
    n_occluders: int = 2
    min_visible: float = 0.5
    drift: Drift = field(default_factory=Drift)

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 96 or self.n_frames < 2:
            raise ValueError(
                "a rendered video needs at least 96 x 96 pixels and 2 frames; "
                f"got {self.width} x {self.height} and {self.n_frames}"
            )


def render_video(
    name: str, seed: Tuple[int, ...], photos: Tuple[str, ...], config: RenderConfig
) -> Sequence:
    """One video with exact boxes, the same for the same seed.

    Parameters
    ----------
    name : str
        Of the sequence.
    seed : tuple of int
        Words that name the video among all.
    photos : tuple of str
        Photographs to take the object and the background from, at least two.
    config : RenderConfig
        What the video is like.

    Returns
    -------
    Sequence
        ``boxes`` are the upright rectangles around the whole object, also where it is partly
        covered; ``visible`` is False where less than ``config.min_visible`` of it shows.
    """
    rng = np.random.default_rng(seed)
    thing, scenery = rng.permutation(photos)[:2]
    size, n = (config.width, config.height), config.n_frames
    radius = rng.uniform(0.08, 0.15) * min(size)

    def piece(photo: str, radius: float, drift: Drift) -> Track:
        half = radius * rng.uniform(0.9, 1.6)
        return make_track(
            rng, str(photo), patch_centre(rng, str(photo), half), half, radius, n, size, drift
        )

    distractors = [
        piece(thing, radius * rng.uniform(0.8, 1.2), config.drift)
        for _ in range(config.n_distractors)
    ]
    target = piece(thing, radius, config.drift)
    passing = Drift(position=3 * config.drift.position)
    occluders = tuple(
        piece(scenery, radius * rng.uniform(0.6, 1.0), passing) for _ in range(config.n_occluders)
    )
    window = _pan(rng, str(scenery), size, n)
    light = np.exp(np.clip(random_walk(rng, n, 0.2), -0.6, 0.4))
    frames = RenderedFrames(size, str(scenery), window, (*distractors, target, *occluders), light)
    return Sequence(
        name, frames, target.boxes(), uncovered(target, occluders) >= config.min_visible
    )


def _pan(rng: np.random.Generator, photo: str, size: Tuple[int, int], n_frames: int) -> Array:
    """A slow camera: where the frame's corner lies in the background, and its zoom."""
    height, width = photograph(photo).shape[:2]
    fit = min(width / size[0], height / size[1])
    zoom = fit * rng.uniform(0.6, 0.9) * np.exp(random_walk(rng, n_frames, 0.1))
    x = rng.uniform(0, 0.3) * width + random_walk(rng, n_frames, 40.0)
    y = rng.uniform(0, 0.3) * height + random_walk(rng, n_frames, 30.0)
    return np.stack([x, y, zoom], axis=1)


def render_videos(
    split: str, n_videos: int, *, seed: int = 0, config: RenderConfig = RenderConfig()
) -> List[Sequence]:
    """A set of rendered videos.

    Parameters
    ----------
    split : {"train", "test"}
        Which photographs to use: the two sets have none in common.
    n_videos : int
        How many; the first ``k`` are the same for any ``n_videos >= k``.
    seed : int, default=0
        Another seed, other videos.
    config : RenderConfig, optional
        What they are like.

    Returns
    -------
    list of Sequence
        Frames are painted when read, about a millisecond each.

    Raises
    ------
    ValueError
        If the split is neither of the two, or ``n_videos`` is under 1.
    """
    photos = {"train": TRAIN_PHOTOS, "test": TEST_PHOTOS}.get(split)
    if photos is None:
        raise ValueError(f"split must be 'train' or 'test'; got {split!r}")
    if n_videos < 1:
        raise ValueError(f"n_videos must be at least 1; got {n_videos}")
    tag = len(split)
    return [
        render_video(f"{split}-{i:03d}", (seed, tag, i), photos, config) for i in range(n_videos)
    ]
