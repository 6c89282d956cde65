"""The causal sampler's law on a small data set, counted pair by pair in fractions."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Dict, Sequence


def interval_law(visible: Sequence[bool], max_gap: int) -> Dict[int, Fraction]:
    """Probability of each interval in one video.

    The template is a visible frame, any but the last one; the search frame a visible one among the
    ``max_gap - 1`` after it. A template without any is drawn anew.
    """
    partners = {}
    for template in range(len(visible) - 1):
        window = range(template + 1, min(template + max_gap, len(visible)))
        found = [frame for frame in window if visible[frame]]
        if visible[template] and found:
            partners[template] = found
    law: Dict[int, Fraction] = defaultdict(Fraction)
    for template, frames in partners.items():
        for frame in frames:
            law[frame - template] += Fraction(1, len(partners) * len(frames))
    return law


def is_drawn(visible: Sequence[bool]) -> bool:
    """True if upstream takes a video: 20 frames, and more than 2 * (1 + 1) visible ones."""
    return len(visible) >= 20 and sum(visible) > 4


def bin_law(
    datasets: Sequence[Sequence[Sequence[bool]]],
    shares: Sequence[Fraction],
    max_gap: int,
    edges: Sequence[int],
) -> list:
    """Probability of each bin ``[edges[i], edges[i + 1])``, of the pairs that are in one."""
    mass = [Fraction(0)] * (len(edges) - 1)
    for videos, share in zip(datasets, shares):
        taken = [visible for visible in videos if is_drawn(visible)]
        for visible in taken:
            for interval, probability in interval_law(visible, max_gap).items():
                for i, (low, high) in enumerate(zip(edges, edges[1:])):
                    if low <= interval < high:
                        mass[i] += share / len(taken) * probability
    return [value / sum(mass) for value in mass]
