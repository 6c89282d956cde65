"""Curriculum of a run: bins, q^R of the config's sampler, and scheduler."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

from sstrack_sched import (
    IntervalBins,
    IntervalSampler,
    SuccessAwareScheduler,
    VideoIndex,
    random_sampler_distribution,
)
from sstrack_sched.torch import Curriculum

from .checkout import SetupError

SAMPLERS = {
    "upstream": "the checkout's own sampler",
    "random": "our pairs at q^R in all epochs, the matched control",
    "scheduled": "the scheduler",
    "weighted": "the scheduler with loss weights",
}

_OPTIONS: Dict[str, Dict[str, Any]] = {
    "random": {"update_epochs": ()},
    "scheduled": {"max_weight": 1.0},  # every weight is 1
    "weighted": {},
}


def check_options(args: Any) -> None:
    """Refuse invalid numbers of the command line before data is read."""
    if args.max_interval < 2:
        raise SetupError(
            "--max-interval must be at least 2, because bins end before it and the checkout's "
            f"intervals begin at 1; got {args.max_interval}"
        )
    try:
        bins = IntervalBins(args.max_interval, args.spacing)
        SuccessAwareScheduler(len(bins), 1, order=args.order, threshold=args.threshold)
    except (TypeError, ValueError) as error:
        raise SetupError(str(error)) from error


def make_curriculum(args: Any, cfg: Any, videos: VideoIndex, seed: int) -> Curriculum:
    """Create the curriculum from the command line and the checkout's config."""
    bins = IntervalBins(args.max_interval, args.spacing, image_bin=bool(videos.is_image.any()))
    return Curriculum(
        IntervalSampler(videos, bins, seed=seed),
        cfg.TRAIN.EPOCH,
        cfg.DATA.TRAIN.SAMPLE_PER_EPOCH,
        order=args.order,
        threshold=args.threshold,
        random_distribution=causal_distribution(videos, bins, cfg.DATA.MAX_SAMPLE_INTERVAL),
        **_OPTIONS[args.sampler],
    )


def causal_distribution(videos: VideoIndex, bins: IntervalBins, max_gap: int) -> np.ndarray:
    """Return q^R of the causal sampler, whose search frame is 1 to ``max_gap - 1`` frames later.

    Longer intervals get 0. If the bins end earlier, q^R is conditional on a pair in a bin. The
    sampler's growing gap, used if it finds no frame, is not modelled.
    """
    end = int(bins.edges[-1])
    edges = sorted({int(edge) for edge in bins.edges if edge < max_gap} | {max_gap})
    window = IntervalBins.from_edges(edges, image_bin=bins.image_bin)
    shares = random_sampler_distribution(videos, window, "causal")
    if max_gap > end:
        shares = shares[:-1]
    q_random = np.zeros(len(bins))
    q_random[: len(shares)] = shares / shares.sum()
    return q_random


def describe(curriculum: Curriculum) -> str:
    """Format a table of the bins: q^R, and number of videos and templates with a pair."""
    sampler = curriculum.source
    coverage = sampler.coverage()
    lines = [f"{'interval':>12} {'q^R':>7} {'videos':>9} {'templates':>12}"]
    rows = zip(
        sampler.bins.labels,
        curriculum.scheduler.random_distribution,
        coverage.videos,
        coverage.templates,
    )
    lines += [f"{label:>12} {q:7.4f} {videos:9d} {n:12d}" for label, q, videos, n in rows]
    return "\n".join(lines)
