"""The field's measures of boxes against annotated boxes: success, precision, overlap.

Success and precision (OTB, LaSOT, TrackingNet) count all visible frames, the first included, whose
box is the annotated one; their means count each sequence once. AO and SR (GOT-10k) leave the first
frame out; their means count each frame once.
Success means an overlap strictly above the threshold, precision an error at most as large as it.
Frames that are annotated with an empty box are never visible; got10k's toolkit counts those of OTB
(one of Board, one of Twinnings) as failures.
Boxes may be 0-based or 1-based as long as both are the same: every measure is one of differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.sequences import usable_boxes

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

OVERLAPS = np.linspace(0.0, 1.0, 21)  # 0:0.05:1 of OTB, LaSOT, TrackingNet
PIXELS = np.arange(51.0)  # 0:50
SHARES = np.arange(51) / 100.0  # 0:0.01:0.5 of the annotated box's size
TENTHS = np.linspace(0.0, 1.0, 11)  # of a tracker's own score
PRECISE = 20  # index of 20 pixels, and of a share of 0.2


@dataclass(frozen=True, eq=False)
class Scores:
    """Measures of one run of a tracker over one sequence. NaN where no frame counts."""

    auc: float  # mean of the success curve (OTB, LaSOT); at most 20 / 21: no overlap is above 1
    precision: float  # share of frames with the centre at most 20 pixels off
    normalised_precision: float  # off by at most 0.2 of the annotated width and height (LaSOT)
    # Mean of that curve from 0 to 0.5. TrackingNet's figure is nearly this: it rounds boxes to
    # whole pixels and takes 21 thresholds.
    normalised_precision_auc: float
    ao: float  # mean overlap (GOT-10k)
    sr50: float  # shares of frames with an overlap above 0.5 and 0.75 (GOT-10k)
    sr75: float
    n_frames: int  # frames that ao is a mean of
    success_curve: Floats  # at OVERLAPS
    precision_curve: Floats  # at PIXELS
    normalised_precision_curve: Floats  # at SHARES
    frames_per_second: float = np.nan  # not of the boxes: who timed the run sets it
    by_score: Floats = field(default_factory=lambda: np.zeros((2, 10)))  # see `by_score`


BY_FRAME = ("ao", "sr50", "sr75")  # their means over sequences count each frame once


def score(
    boxes: Floats,
    truth: Floats,
    visible: Flags,
    *,
    size: Optional[Tuple[int, int]] = None,
    absent_fail: bool = False,
) -> Scores:
    """All measures of one run over one sequence.

    ``size``, the width and height of the images, cuts boxes to them for AO and SR. With
    ``absent_fail``, frames without a visible target are failures of success and precision.
    """
    visible = visible & usable_boxes(truth)
    later = visible & (np.cumsum(visible) > 1)  # all but the first
    answers = carried_forward(np.where((visible & ~later)[:, None], truth, boxes))
    cut = (answers, truth) if size is None else [cut_to_image(b, size) for b in (answers, truth)]
    iou = overlap(*cut)[later]
    share = visible.mean() if absent_fail else 1.0
    # Of the centres, in pixels and in units of the annotated width and height.
    offset = (answers - truth)[visible]
    offset = offset[:, :2] + offset[:, 2:] / 2
    pixels, sides = np.hypot(*offset.T), np.hypot(*(offset / truth[visible, 2:]).T)
    success = share * _mean(overlap(answers, truth)[visible, None] > OVERLAPS)
    near = share * _mean(pixels[:, None] <= PIXELS)
    near_by_size = share * _mean(sides[:, None] <= SHARES)
    return Scores(
        auc=float(success.mean()),
        precision=float(near[PRECISE]),
        normalised_precision=float(near_by_size[PRECISE]),
        normalised_precision_auc=float(near_by_size.mean()),
        ao=float(_mean(iou)),
        sr50=float(_mean(iou > 0.5)),
        sr75=float(_mean(iou > 0.75)),
        n_frames=len(iou),
        success_curve=success,
        precision_curve=near,
        normalised_precision_curve=near_by_size,
    )


def by_score(scores: Floats, boxes: Floats, truth: Floats, visible: Flags) -> Floats:
    """Frames with a score in each tenth, and those of them that are on target: (2, 10).

    On target is an overlap above 0.5; a frame without a visible target never is. The first frame,
    whose box is given, does not count.
    """
    hit = visible & (overlap(carried_forward(boxes), truth) > 0.5)
    scores, hit = scores[1:].clip(0, 1), hit[1:]
    return np.array([np.histogram(part, TENTHS)[0] for part in (scores, scores[hit])], np.float64)


def overlap(boxes: Floats, truth: Floats) -> Floats:
    """Intersection over union of boxes, one by one; 0 where one is empty or not finite."""
    usable = usable_boxes(boxes) & usable_boxes(truth)
    a, b = np.where(usable[:, None], boxes, 1.0), np.where(usable[:, None], truth, 1.0)
    corner = np.maximum(a[:, :2], b[:, :2])
    sides = np.clip(np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - corner, 0.0, None)
    both = sides.prod(axis=1)
    iou = both / (a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - both)
    return np.where(usable, np.clip(iou, 0.0, 1.0), 0.0)


def carried_forward(boxes: Floats) -> Floats:
    """Boxes with each one that is not finite or empty replaced by the last usable one before."""
    usable = usable_boxes(boxes)
    source = np.maximum.accumulate(np.where(usable, np.arange(len(boxes)), 0))
    return boxes[source]


def cut_to_image(boxes: Floats, size: Tuple[int, int]) -> Floats:
    """Boxes cut to the image in the way of GOT-10k's toolkit."""
    corner = np.clip(boxes[:, :2], 0.0, size)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0.0, size - corner)], axis=1)


def _mean(values: NDArray[Any]) -> Floats:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1:], np.nan)
