"""The network: its size, its shapes, and that it reads its own maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from examples.tracker.models import build_model
from examples.tracker.models.base import boxes_at
from examples.tracker.models.conv_small import ConvSmall, correlate


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return ConvSmall()


def crops(n=2):
    generator = torch.Generator().manual_seed(n)
    return tuple(
        torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
        for size in (64, 128)
    )


def test_model_has_under_a_million_parameters(model):
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000


def test_model_outputs_have_the_stated_shapes_and_ranges(model):
    outputs = model(*crops(3))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {
        "score_map": (3, 1, 16, 16),
        "offset_map": (3, 2, 16, 16),
        "size_map": (3, 2, 16, 16),
        "boxes": (3, 4),
    }
    for value in outputs.values():
        assert ((value >= 0) & (value <= 1)).all()


def test_model_boxes_are_read_at_the_best_score(model):
    outputs = model(*crops(3))
    for i in range(3):
        row, column = np.unravel_index(outputs["score_map"][i, 0].argmax().item(), (16, 16))
        offset, size = (
            outputs["offset_map"][i, :, row, column],
            outputs["size_map"][i, :, row, column],
        )
        expected = [(column + offset[0].item()) / 16, (row + offset[1].item()) / 16, *size.tolist()]
        np.testing.assert_allclose(outputs["boxes"][i].tolist(), expected, rtol=1e-5)


def test_model_samples_of_a_batch_do_not_mix(model):
    template, search = crops(4)
    together = model(template, search)["score_map"]
    alone = model(template[2:3], search[2:3])["score_map"]
    torch.testing.assert_close(together[2:3], alone, rtol=1e-4, atol=1e-6)


def test_model_same_in_training_and_evaluation(model):
    pair = crops()
    training = model.train()(*pair)["boxes"]
    torch.testing.assert_close(model.eval()(*pair)["boxes"], training)


@pytest.mark.parametrize("name", ["conv_small", "lite", "vit_tiny"])
def test_stranger_map_is_of_the_template_of_the_sample_before(name):
    model = build_model(name).eval()
    template, search = (
        torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8)
        for side in (model.template_size, model.search_size)
    )
    with torch.no_grad():
        plain, found = model(template, search), model(template, search, strangers=True)
        for i in range(3):
            alone = model.locate(model.embed(template[[i - 1]]), search[[i]])["score_map"]
            torch.testing.assert_close(found["stranger_map"][[i]], alone, rtol=1e-3, atol=1e-5)
    assert set(found) == {*plain, "stranger_map"}
    for key, values in plain.items():
        torch.testing.assert_close(found[key], values)


def test_correlation_is_the_cosine_of_cells():
    generator = torch.Generator().manual_seed(0)
    template, search = (torch.randn(1, 64, side, side, generator=generator) for side in (8, 16))
    unit = functional.normalize(template.flatten(2), dim=1).transpose(1, 2)
    maps = correlate(unit, search)
    assert maps.shape == (1, 64, 16, 16)
    cell, where = template[0, :, 2, 4], search[0, :, 9, 3]
    expected = torch.dot(cell, where) / (cell.norm() * where.norm())
    assert maps[0, 2 * 8 + 4, 9, 3].item() == pytest.approx(expected.item(), rel=1e-5)


def test_boxes_at_has_a_gradient_for_both_maps():
    offset = torch.rand(2, 2, 4, 4, requires_grad=True)
    size = torch.rand(2, 2, 4, 4, requires_grad=True)
    boxes_at(torch.tensor([5, 0]), offset, size).sum().backward()
    assert (offset.grad != 0).sum() == (size.grad != 0).sum() == 4


@pytest.mark.parametrize("width", [0, 24])
def test_model_config_bad_width_raises(width):
    with pytest.raises(ValueError, match=f"width must be a positive multiple of 16; got {width}"):
        ConvSmall(width=width)
