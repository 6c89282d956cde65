"""Simulated videos of an identity whose appearance drifts.

A video has an identity, a constant random vector, and a nuisance, an Ornstein-Uhlenbeck path. A
random network, one per seed, renders both into observations. Each frame has two observations with
independent noise, one as template and one as search frame, so that they differ at interval 0, too.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib

import numpy as np
from scipy.signal import lfilter

from sstrack_sched import VideoIndex

from .settings import Setting

N_IDENTITY, N_NUISANCE, N_HIDDEN, N_SEEN = 8, 24, 64, 48
NOISE = 0.1
N_ARENAS, N_RIVALS, N_TEST_FRAMES = 8, 16, 300  # test arenas, videos per arena, frames


@dataclasses.dataclass(frozen=True)
class World:
    """Concatenated training videos, and test videos in arenas.

    The videos of an arena run at the same time, and each is a distractor for the others.
    """

    videos: VideoIndex
    frames: np.ndarray  # (2 n_frames, N_SEEN): all as templates, then all as search frames
    test_templates: np.ndarray  # (N_ARENAS, N_RIVALS, N_TEST_FRAMES, N_SEEN)
    test_searches: np.ndarray  # (N_ARENAS, N_RIVALS, N_TEST_FRAMES, N_SEEN)

    @functools.cached_property
    def digest(self):
        """Hash of all frames; copy it before updating it."""
        digest = hashlib.blake2b(digest_size=6)
        for array in (self.frames, self.test_templates, self.test_searches):
            digest.update(np.ascontiguousarray(array))
        return digest


def make_world(setting: Setting, seed: int) -> World:
    """Make the world of a seed; settings that differ only in drift share all random numbers."""
    stream = np.random.SeedSequence(seed).spawn(4)
    rng, train_rng, test_rng, length_rng = (np.random.default_rng(s) for s in stream)
    render = Renderer(rng)
    shortest, longest = setting.lengths
    logarithms = length_rng.uniform(np.log(shortest), np.log(longest), setting.n_videos)
    lengths = np.exp(logarithms).round().astype(int)
    appearance = appearances(setting, setting.n_videos, longest, train_rng)
    shown = np.arange(longest) < lengths[:, None]
    frames = np.concatenate([render(appearance[shown], train_rng) for _ in range(2)])
    test = appearances(setting, N_ARENAS * N_RIVALS, N_TEST_FRAMES, test_rng)
    test = test.reshape(N_ARENAS, N_RIVALS, N_TEST_FRAMES, -1)
    test_templates, test_searches = (render(test, test_rng) for _ in range(2))
    return World(VideoIndex(lengths), frames, test_templates, test_searches)


def appearances(setting, n_videos, n_frames, rng):
    """Draw identity and nuisance per frame, (n_videos, n_frames, N_IDENTITY + N_NUISANCE)."""
    identity = rng.normal(size=(n_videos, 1, N_IDENTITY)).repeat(n_frames, axis=1)
    kept = np.exp(-1 / setting.correlation)
    fresh = np.sqrt(1 - kept**2)
    change = rng.normal(size=(n_videos, n_frames, N_NUISANCE))
    change[:, 1:] *= fresh  # the path starts in its stationary distribution
    nuisance = lfilter([1.0], [1.0, -kept], change, axis=1)
    return np.concatenate([identity, setting.drift * nuisance], axis=2).astype(np.float32)


class Renderer:
    """A fixed random network from appearance to observation."""

    def __init__(self, rng: np.random.Generator) -> None:
        n_inputs = N_IDENTITY + N_NUISANCE
        self.first = rng.normal(0, n_inputs**-0.5, (n_inputs, N_HIDDEN)).astype(np.float32)
        self.second = rng.normal(0, N_HIDDEN**-0.5, (N_HIDDEN, N_SEEN)).astype(np.float32)

    def __call__(self, appearance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        clean = np.tanh(appearance @ self.first) @ self.second
        return clean + np.float32(NOISE) * rng.standard_normal(clean.shape, dtype=np.float32)
