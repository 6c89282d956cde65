"""IoU of boxes by their corners, against areas of sets of points in exact fractions."""

from fractions import Fraction
from itertools import product

import pytest
import torch

from examples.lineage.losses import iou

VALUES = (0, Fraction(1, 4), 1)


def exact(box, other):
    """Area of the common points over that of all; a box whose corners are swapped has none."""

    def cells(corners):
        left, top, right, bottom = corners
        inside = [
            [low <= a and b <= high for a, b in zip(VALUES, VALUES[1:])]
            for low, high in ((left, right), (top, bottom))
        ]
        return {(i, j) for i, j in product(range(2), range(2)) if inside[0][i] and inside[1][j]}

    def area(found):
        sides = [b - a for a, b in zip(VALUES, VALUES[1:])]
        return sum((sides[i] * sides[j] for i, j in found), Fraction(0))

    one, two = cells(box), cells(other)
    union = area(one | two)
    return area(one & two) / union if union else Fraction(0)


def test_every_pair_of_boxes_on_a_grid_has_the_exact_iou():
    """Degenerate, swapped, touching, nested and equal boxes among them."""
    boxes = list(product(VALUES, repeat=4))
    pairs = list(product(boxes, boxes))
    first, second = (torch.tensor([[*map(float, p[i])] for p in pairs]) for i in (0, 1))
    expected = torch.tensor([float(exact(*pair)) for pair in pairs])
    torch.testing.assert_close(iou(first, second), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((0.5, 0.5, 0.5, 0.5), id="a point"),
        pytest.param((0.2, 0.5, 0.8, 0.5), id="a line"),
        pytest.param((0.8, 0.8, 0.2, 0.2), id="both corners swapped"),
        pytest.param((0.8, 0.2, 0.2, 0.8), id="left and right swapped"),
    ],
)
def test_a_box_without_area_overlaps_nothing_not_even_itself(box):
    whole = (0.0, 0.0, 1.0, 1.0)
    found = iou(torch.tensor([box, box, whole]), torch.tensor([whole, box, box]))
    assert found.tolist() == [0, 0, 0]


def test_one_bad_box_does_not_touch_the_others():
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.9, 0.9, 0.1, 0.1], [0.0, 0.0, 0.5, 1.0]])
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 3)
    assert iou(boxes, whole).tolist() == [1, 0, 0.5]


def test_iou_never_exceeds_1_and_of_a_box_with_itself_is_1():
    boxes = torch.rand(20_000, 4, generator=torch.Generator().manual_seed(0))
    boxes[:, 2:] += boxes[:, :2]
    assert iou(boxes, boxes).eq(1).all()
    nearly = boxes * (1 + 1e-7)
    assert iou(boxes, nearly).max() <= 1


def test_boxes_in_half_precision_and_with_gradients_give_plain_float32():
    boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0]], dtype=torch.float16, requires_grad=True)
    found = iou(boxes, torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    assert found.dtype == torch.float32 and not found.requires_grad
    assert found.tolist() == [0.5]
