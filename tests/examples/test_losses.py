"""Losses and overlap against slow loops, and on boxes that are hardly boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from examples.tracker.training.losses import (
    absence_loss,
    box_iou,
    focal_loss,
    giou_loss,
    heat_map,
    shift_radius,
    tracking_loss,
)


def reference_overlap(a, b):
    """IoU and generalised IoU of two boxes (centre x, centre y, w, h), in plain Python."""

    def sides(box):
        x, y, w, h = box
        w, h = max(w, 0.0), max(h, 0.0)
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2

    l1, t1, r1, b1 = sides(a)
    l2, t2, r2, b2 = sides(b)
    inter = max(0.0, min(r1, r2) - max(l1, l2)) * max(0.0, min(b1, b2) - max(t1, t2))
    union = (r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - inter
    hull = (max(r1, r2) - min(l1, l2)) * (max(b1, b2) - min(t1, t2))
    iou = inter / union if union > 0 else 0.0
    return iou, iou - ((hull - union) / hull if hull > 0 else 0.0)


def random_boxes(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 4, generator=generator, dtype=torch.float64) * torch.tensor(
        [1.0, 1.0, 0.6, 0.6]
    )


def test_overlap_random_boxes_match_the_reference():
    first, second = random_boxes(300, 0), random_boxes(300, 1)
    expected = np.array([reference_overlap(a, b) for a, b in zip(first.tolist(), second.tolist())])
    np.testing.assert_allclose(box_iou(first, second).numpy(), expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(giou_loss(first, second).numpy(), 1 - expected[:, 1], atol=1e-12)


def test_overlap_same_box_is_one_and_far_boxes_none():
    box = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    assert box_iou(box, box).item() == pytest.approx(1)
    assert giou_loss(box, box).item() == pytest.approx(0, abs=1e-6)
    assert box_iou(box, box + torch.tensor([5.0, 0, 0, 0])).item() == 0


@pytest.mark.parametrize(
    "predicted", [(0.5, 0.5, 0, 0), (0.5, 0.5, -1, 0.2), (0.1, 0.9, 0, 0.3), (0.2, 0.2, 0.1, 0.1)]
)
@pytest.mark.parametrize("target", [(0.5, 0.5, 0, 0), (0.2, 0.2, 0.1, 0.1), (0.5, 0.5, 0.3, 0)])
def test_overlap_degenerate_boxes_are_finite_with_their_gradients(predicted, target):
    boxes = torch.tensor([predicted], dtype=torch.float32, requires_grad=True)
    loss, iou = giou_loss(boxes, torch.tensor([target])), box_iou(boxes, torch.tensor([target]))
    (loss + iou).sum().backward()
    assert 0 <= iou.item() <= 1
    assert 0 <= loss.item() <= 2
    assert torch.isfinite(boxes.grad).all()


def test_overlap_never_exceeds_one_in_single_precision():
    boxes = torch.rand(20000, 4, generator=torch.Generator().manual_seed(0))
    iou = box_iou(boxes, boxes)
    assert iou.max() <= 1
    assert iou.min() >= 0


@pytest.mark.parametrize(("wide", "high"), [(4.0, 4.0), (2.0, 9.0), (0.5, 0.7)])
def test_shift_radius_gives_the_stated_overlap(wide, high):
    shift = shift_radius(torch.tensor([wide]), torch.tensor([high])).item()
    inter = (wide - shift) * (high - shift)
    assert inter / (2 * wide * high - inter) == pytest.approx(0.7, rel=1e-5)


def test_heat_map_peak_is_one_at_the_centre_cell_only():
    boxes = torch.tensor([[0.40, 0.70, 0.25, 0.25], [0.999, 0.0, 0.1, 0.5], [1.0, 1.0, 0.0, 0.0]])
    heat = heat_map(boxes, 16, 16)
    assert heat.shape == (3, 16, 16)
    assert (heat == 1).flatten(1).sum(1).tolist() == [1, 1, 1]
    assert heat[0, 11, 6] == heat[1, 0, 15] == heat[2, 15, 15] == 1
    sigma = max(shift_radius(torch.tensor([4.0]), torch.tensor([4.0])).item() / 3, 1 / 3)
    assert heat[0, 12, 8].item() == pytest.approx(math.exp(-5 / (2 * sigma**2)), rel=1e-5)


def test_focal_loss_matches_a_loop():
    scores = torch.rand(2, 1, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    heat = heat_map(
        torch.tensor([[0.4, 0.7, 0.5, 0.5], [0.1, 0.2, 0.4, 0.9]], dtype=torch.float64), 5, 6
    )
    for i in range(2):
        expected = 0.0
        for p, y in zip(scores[i, 0].flatten().tolist(), heat[i].flatten().tolist()):
            expected -= (
                (1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p)
            )
        assert focal_loss(scores, heat)[i].item() == pytest.approx(expected, rel=1e-9)


def test_focal_loss_extreme_scores_are_finite():
    heat = heat_map(torch.tensor([[0.5, 0.5, 0.25, 0.25]]), 16, 16)
    for value in (0.0, 1.0):
        assert torch.isfinite(focal_loss(torch.full((1, 1, 16, 16), value), heat)).all()


def test_tracking_loss_is_per_sample_and_sums_its_parts():
    generator = torch.Generator().manual_seed(0)
    outputs = {
        "score_map": torch.rand(3, 1, 16, 16, generator=generator),
        "offset_map": torch.rand(3, 2, 16, 16, generator=generator),
        "size_map": torch.rand(3, 2, 16, 16, generator=generator),
        "boxes": torch.rand(3, 4, generator=generator),
    }
    target = torch.tensor([[0.4, 0.7, 0.25, 0.2], [0.5, 0.5, 0.2, 0.3], [0.1, 0.9, 0.3, 0.3]])
    loss, iou = tracking_loss(outputs, target)
    assert loss.shape == iou.shape == (3,)
    row, column = 11, 6  # of the first target: 0.7 * 16 and 0.4 * 16
    offset, size = outputs["offset_map"][0, :, row, column], outputs["size_map"][0, :, row, column]
    box = torch.tensor([[(column + offset[0]) / 16, (row + offset[1]) / 16, size[0], size[1]]])
    expected = (
        2 * giou_loss(box, target[:1])
        + 5 * (box - target[:1]).abs().mean()
        + focal_loss(outputs["score_map"], heat_map(target, 16, 16))[0]
    )
    assert loss[0].item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(iou, box_iou(outputs["boxes"], target))
    alone, _ = tracking_loss({name: value[1:2] for name, value in outputs.items()}, target[1:2])
    assert loss[1].item() == pytest.approx(alone.item(), rel=1e-6)


def test_absence_loss_counts_other_videos_only_and_lowers_the_score():
    scores = torch.full((3, 1, 4, 4), 0.3, requires_grad=True)
    loss = absence_loss(scores, torch.tensor([7, 7, 8]))  # the first one's template is the last's
    expected = -16 * 0.3**2 * math.log(1 - 0.3)
    np.testing.assert_allclose(loss.detach(), [expected, 0, expected], rtol=1e-5)
    loss.sum().backward()
    assert (scores.grad[[0, 2]] > 0).all() and (scores.grad[1] == 0).all()
