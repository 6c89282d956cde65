"""The field's measures of boxes against annotated boxes: success, precision, overlap.

Where the benchmarks differ, this is what is done here:

========================== ============================================ =========================
measure                    frames that count                            mean over sequences
========================== ============================================ =========================
success, precision         visible ones, the first included (its box is each sequence once
(OTB, LaSOT, TrackingNet)  the annotated one)
AO, SR (GOT-10k)           visible ones, the first left out             each frame once (pooled)
========================== ============================================ =========================

Success means an overlap strictly above the threshold, precision an error at most as large as it.
Frames that are annotated with an empty box are never visible; got10k's toolkit counts those of OTB
(one of Board, one of Twinnings) as failures.
Boxes may be 0-based or 1-based as long as both are the same: every measure is one of differences.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import List, Optional, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.sequences import usable_boxes

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

OVERLAPS = np.linspace(0.0, 1.0, 21)  # 0:0.05:1 of OTB, LaSOT, TrackingNet
PIXELS = np.arange(51.0)  # 0:50
SHARES = np.arange(51) / 100.0  # 0:0.01:0.5 of the annotated box's size
PRECISE = 20  # index of 20 pixels, and of a share of 0.2


@dataclass(frozen=True, eq=False)
class Scores:
    """Measures of one run of a tracker over one sequence. NaN where no frame counts.

    Parameters
    ----------
    auc : float
        Mean of the success curve (OTB, LaSOT). At most 20 / 21: no overlap is above 1.
    precision : float
        Share of frames with the centre at most 20 pixels off.
    normalised_precision : float
        Share with the centre off by at most 0.2 of the annotated box's width and height (LaSOT).
    normalised_precision_auc : float
        Mean of that curve from 0 to 0.5. TrackingNet's figure is nearly this: it rounds boxes to
        whole pixels and takes 21 thresholds.
    ao, sr50, sr75 : float
        Mean overlap, and shares of frames with an overlap above 0.5 and 0.75 (GOT-10k).
    n_frames : int
        Frames that ``ao`` is a mean of.
    success_curve, precision_curve, normalised_precision_curve : ndarray of float
        At `OVERLAPS`, `PIXELS` and `SHARES`.
    """

    auc: float
    precision: float
    normalised_precision: float
    normalised_precision_auc: float
    ao: float
    sr50: float
    sr75: float
    n_frames: int
    success_curve: Floats
    precision_curve: Floats
    normalised_precision_curve: Floats


# Measures in the order of tables: those of each sequence once, those of each frame once.
BY_SEQUENCE = ("auc", "precision", "normalised_precision", "normalised_precision_auc")
BY_FRAME = ("ao", "sr50", "sr75")


def score(
    boxes: Floats,
    truth: Floats,
    visible: Flags,
    *,
    size: Optional[Tuple[int, int]] = None,
    absent_fail: bool = False,
) -> Scores:
    """All measures of one run over one sequence."""
    boxes, truth, visible = _checked(boxes, truth, visible)
    started = np.flatnonzero(visible)[:1]
    answers = carried_forward(np.where(_rows(started, visible)[:, None], truth, boxes))
    later = visible & ~_rows(started, visible)
    iou = overlap(answers, truth)
    if size is None:
        later_iou = iou[later]
    else:
        later_iou = overlap(cut_to_picture(answers, size), cut_to_picture(truth, size))[later]
    share = visible.mean() if absent_fail else 1.0
    success = share * success_curve(iou[visible])
    near = share * precision_curve(centre_error(answers, truth)[visible], PIXELS)
    near_by_size = share * precision_curve(normalised_error(answers, truth)[visible], SHARES)
    return Scores(
        auc=float(success.mean()),
        precision=float(near[PRECISE]),
        normalised_precision=float(near_by_size[PRECISE]),
        normalised_precision_auc=float(near_by_size.mean()),
        ao=_mean(later_iou),
        sr50=_mean(later_iou > 0.5),
        sr75=_mean(later_iou > 0.75),
        n_frames=len(later_iou),
        success_curve=success,
        precision_curve=near,
        normalised_precision_curve=near_by_size,
    )


def mean_scores(runs: List[Scores]) -> Scores:
    """Measure by measure, the mean over the runs of a tracker on one sequence."""
    values = {
        item.name: np.mean([getattr(run, item.name) for run in runs], axis=0)
        for item in fields(Scores)
    }
    numbers = {name: float(v) if v.ndim == 0 else v for name, v in values.items()}
    return Scores(**{**numbers, "n_frames": round(values["n_frames"])})


def success_auc(boxes: Floats, truth: Floats, visible: Optional[Flags] = None) -> float:
    """Area under the success curve of one sequence; `score` says how. NaN if nothing is visible."""
    if visible is None:
        visible = usable_boxes(np.asarray(truth, dtype=np.float64))
    return score(boxes, truth, visible).auc


def overlap(boxes: Floats, truth: Floats) -> Floats:
    """Intersection over union of boxes, one by one; 0 where one is empty or not finite."""
    usable = usable_boxes(boxes) & usable_boxes(truth)
    a, b = np.where(usable[:, None], boxes, 1.0), np.where(usable[:, None], truth, 1.0)
    corner = np.maximum(a[:, :2], b[:, :2])
    sides = np.clip(np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - corner, 0.0, None)
    both = sides.prod(axis=1)
    iou = both / (a[:, 2:].prod(axis=1) + b[:, 2:].prod(axis=1) - both)
    return np.asarray(np.where(usable, np.clip(iou, 0.0, 1.0), 0.0), dtype=np.float64)


def centre_error(boxes: Floats, truth: Floats) -> Floats:
    """Distance of the boxes' centres in pixels, shape (n,); NaN where a box is not finite."""
    return np.asarray(np.hypot(*_centre_offset(boxes, truth).T), dtype=np.float64)


def normalised_error(boxes: Floats, truth: Floats) -> Floats:
    """Distance of centres with x and y in units of the annotated width and height, shape (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = _centre_offset(boxes, truth) / truth[:, 2:]
    return np.asarray(np.hypot(*offset.T), dtype=np.float64)


def success_curve(iou: Floats, thresholds: Floats = OVERLAPS) -> Floats:
    """Share of frames with an overlap above each threshold; NaN without frames."""
    return _shares(iou[:, None] > thresholds)


def precision_curve(error: Floats, thresholds: Floats = PIXELS) -> Floats:
    """Share of frames with an error of at most each threshold; NaN without frames."""
    return _shares(error[:, None] <= thresholds)


def carried_forward(boxes: Floats) -> Floats:
    """Boxes with each one that is not finite or empty replaced by the last usable one before."""
    usable = usable_boxes(boxes)
    source = np.maximum.accumulate(np.where(usable, np.arange(len(boxes)), 0))
    return boxes[source]


def cut_to_picture(boxes: Floats, size: Tuple[int, int]) -> Floats:
    """Boxes cut to the picture in the way of GOT-10k's toolkit."""
    corner = np.clip(boxes[:, :2], 0.0, size)
    return np.concatenate([corner, np.clip(boxes[:, 2:], 0.0, size - corner)], axis=1)


def _checked(boxes: Floats, truth: Floats, visible: Flags) -> Tuple[Floats, Floats, Flags]:
    boxes, truth = np.asarray(boxes, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    visible = np.asarray(visible, dtype=bool)
    if truth.ndim != 2 or truth.shape[1:] != (4,) or not len(truth):
        raise ValueError(f"truth must have shape (n, 4) with n at least 1; got {truth.shape}")
    if boxes.shape != truth.shape or visible.shape != truth.shape[:1]:
        raise ValueError(
            f"truth of shape {truth.shape} needs boxes of the same shape and visible of shape "
            f"({len(truth)},); got {boxes.shape} and {visible.shape}"
        )
    return boxes, truth, visible & usable_boxes(truth)


def _rows(chosen: NDArray[np.int64], like: Flags) -> Flags:
    flags = np.zeros_like(like)
    flags[chosen] = True
    return flags


def _centre_offset(boxes: Floats, truth: Floats) -> Floats:
    return (boxes[:, :2] - truth[:, :2]) + (boxes[:, 2:] - truth[:, 2:]) / 2


def _shares(passed: Flags) -> Floats:
    return passed.mean(axis=0) if len(passed) else np.full(passed.shape[1], np.nan)


def _mean(values: NDArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
