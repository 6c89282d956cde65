"""Which intervals videos are long enough for."""

from __future__ import annotations

from typing import List, Tuple

import numpy as np

from sstrack_sched import IntervalBins, IntervalSampler

from .sequences import Sequence, video_index


def fit_bins(
    train_videos: List[Sequence], test_videos: List[Sequence], max_interval: int, spacing: int
) -> Tuple[int, int]:
    """The longest intervals, up to those asked for, that both sets of videos can fill.

    Parameters
    ----------
    train_videos, test_videos : list of Sequence
        Every bin must have pairs in both. Stills do not count.
    max_interval, spacing : int
        M and m asked for, in frames.

    Returns
    -------
    max_interval, spacing : int
        The same, or as many whole bins as can be filled; at least two bins, narrower if need be.

    Raises
    ------
    ValueError
        If one set has no two visible frames in any video.
    """
    train_videos, test_videos = (
        [sequence for sequence in videos if not sequence.is_image]
        for videos in (train_videos, test_videos)
    )
    spans = [
        max((_span(sequence) for sequence in videos), default=0)
        for videos in (train_videos, test_videos)
    ]
    longest = min(spans) + 1  # the upper edge of a bin is outside it
    if longest < 2:
        raise ValueError(
            "the videos need at least two visible frames each side of the split; they have not"
        )
    max_interval = min(max_interval, longest)
    spacing = min(spacing, max(1, max_interval // 2))
    indices = [video_index(train_videos), video_index(test_videos)]
    while max_interval > spacing:
        bins = IntervalBins(max_interval, spacing)
        if all(
            IntervalSampler(index, bins, direction="forward").feasible.all() for index in indices
        ):
            break
        max_interval = spacing * ((max_interval - 1) // spacing)
    return max_interval, spacing


def _span(sequence: Sequence) -> int:
    seen = np.flatnonzero(sequence.visible)
    return int(seen[-1] - seen[0]) if len(seen) else 0
