"""Losses and overlap per sample, so that each sample can be weighted.

Boxes here are centre x, centre y, width, height, in units of the search crop's side.
"""

from __future__ import annotations

from typing import Dict, Tuple

import torch
from torch import Tensor

from ..models.base import boxes_at

MIN_OVERLAP = 0.7  # a box shifted by the heat map's radius still overlaps the target by this


def _areas(first: Tensor, second: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Intersection, union and hull of boxes, one by one."""
    boxes = torch.stack([first, second])
    centres, half = boxes[..., :2], boxes[..., 2:].clamp(min=0) / 2
    low, high = centres - half, centres + half
    intersection = (high.amin(dim=0) - low.amax(dim=0)).clamp(min=0).prod(dim=1)
    union = (high - low).prod(dim=2).sum(dim=0) - intersection
    return intersection, union, (high.amax(dim=0) - low.amin(dim=0)).prod(dim=1)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where the whole is nothing; gradients stay finite there too."""
    some = torch.where(whole > 0, whole, torch.ones_like(whole))
    return torch.where(whole > 0, part / some, torch.zeros_like(part))


def box_iou(predicted: Tensor, target: Tensor) -> Tensor:
    intersection, union, _ = _areas(predicted, target)
    return _ratio(intersection, union).clamp(0, 1)


def giou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - generalised IoU (Rezatofighi et al., CVPR 2019)."""
    intersection, union, hull = _areas(predicted, target)
    return 1 - _ratio(intersection, union) + _ratio(hull - union, hull)


def target_cells(boxes: Tensor, height: int, width: int) -> Tensor:
    """Number (B,) of the cell in which each box's centre lies, row by row."""
    column = (boxes[:, 0] * width).long().clamp(0, width - 1)
    row = (boxes[:, 1] * height).long().clamp(0, height - 1)
    return row * width + column


def heat_map(boxes: Tensor, height: int, width: int) -> Tensor:
    """Target of the score map: 1 in the centre's cell, a Gaussian around it."""
    cells = target_cells(boxes, height, width)
    column, row = cells % width, torch.div(cells, width, rounding_mode="floor")
    wide, high = boxes[:, 2].clamp(min=0) * width, boxes[:, 3].clamp(min=0) * height
    sigma = (shift_radius(wide, high) / 3).clamp(min=1 / 3)
    x = torch.arange(width, device=boxes.device)[None, None, :] - column[:, None, None]
    y = torch.arange(height, device=boxes.device)[None, :, None] - row[:, None, None]
    return torch.exp(-(x**2 + y**2) / (2 * sigma[:, None, None] ** 2))


def shift_radius(wide: Tensor, high: Tensor) -> Tensor:
    """Shift r along both axes at which equal boxes overlap by o = 0.7."""
    kept = 2 * MIN_OVERLAP / (1 + MIN_OVERLAP)  # (w - r)(h - r) = kept w h: the smaller root
    total = wide + high
    return (total - torch.sqrt((total**2 - 4 * (1 - kept) * wide * high).clamp(min=0))) / 2


def focal_loss(score_map: Tensor, heat: Tensor) -> Tensor:
    """Focal loss against a heat map (CornerNet, ECCV 2018, eq. 1, alpha 2, beta 4)."""
    score = score_map.squeeze(1).clamp(1e-4, 1 - 1e-4)
    at_centre = torch.log(score) * (1 - score) ** 2
    elsewhere = torch.log(1 - score) * score**2 * (1 - heat) ** 4
    return -torch.where(heat == 1, at_centre, elsewhere).flatten(1).sum(dim=1)


def absence_loss(score_map: Tensor, video: Tensor) -> Tensor:
    """Focal loss of a ``stranger_map``, which should be 0; none for the same video."""
    return focal_loss(score_map, torch.zeros_like(score_map[:, 0])) * (video != video.roll(1, 0))


def tracking_loss(outputs: Dict[str, Tensor], target: Tensor) -> Tuple[Tensor, Tensor]:
    """Loss, 2 GIoU + 5 L1 + focal, and IoU of the tracker's answer."""
    height, width = outputs["score_map"].shape[-2:]
    # Where the target is, wherever the score is highest: a useful gradient from the first step.
    cells = target_cells(target, height, width)
    boxes = boxes_at(cells, outputs["offset_map"], outputs["size_map"])
    loss = 2 * giou_loss(boxes, target) + 5 * (boxes - target).abs().mean(dim=1)
    loss += focal_loss(outputs["score_map"], heat_map(target, height, width))
    return loss, box_iou(outputs["boxes"].detach(), target)
