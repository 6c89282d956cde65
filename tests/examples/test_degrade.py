"""Degradations of crops: shapes stay, strength counts, chance repeats."""

from __future__ import annotations

import numpy as np
import pytest

from examples.tracker.data.augment import KINDS, Degradation, draw_change, pair_generator
from examples.tracker.data.crops import CropConfig, crop_pair

from .conftest import textured


@pytest.fixture
def crop():
    rng = np.random.default_rng(0)
    return np.clip(textured(rng, 96, 96) + rng.normal(0, 30, (96, 96, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_degraded_crop_keeps_its_shape_and_differs_more_when_stronger(crop, kind):
    weak, strong = (Degradation(kind, strength, 7).apply(crop) for strength in (0.0, 1.0))
    assert weak.shape == strong.shape == crop.shape and weak.dtype == strong.dtype == np.uint8
    distances = [np.abs(other.astype(int) - crop).mean() for other in (weak, strong)]
    assert 0 < distances[0] < distances[1]
    assert abs(strong.mean() - crop.mean()) < 4  # no change of brightness


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_degradation_repeats(crop, kind):
    first, second = (Degradation(kind, 0.5, 3).apply(crop) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_no_degradation_is_the_crop_itself(crop):
    assert Degradation().apply(crop) is crop


def test_degradations_come_as_often_as_asked():
    config = CropConfig(degrade=0.3)
    changes = [draw_change(pair_generator(0, 0, i), config) for i in range(2000)]
    for side in range(2):
        kinds = [change.degraded[side].kind for change in changes]
        share = np.mean([kind != "" for kind in kinds])
        assert share == pytest.approx(0.3, abs=4 * (0.21 / 2000) ** 0.5)
        assert set(kinds) == {"", *KINDS}


def test_without_it_a_pair_is_what_it_was():
    """Strengths of 0 change nothing, and the other draws do not depend on them."""
    plain, strong = (
        draw_change(pair_generator(1, 2, 3), CropConfig(degrade=p, tint=p)) for p in (0.0, 1.0)
    )
    assert plain.tint == ((1.0,) * 3, (1.0,) * 3)
    assert plain.degraded == (Degradation(), Degradation())
    for name in ("shift", "scale", "flip", "grey", "brightness"):
        assert getattr(plain, name) == getattr(strong, name)
    assert all(abs(factor - 1) <= 1 for tint in strong.tint for factor in tint)


def test_template_fades_outside_the_box_only():
    rng = np.random.default_rng(0)
    picture = textured(rng, 200, 200)
    box = np.array([70.0, 90.0, 60.0, 20.0])
    whole, faded = (
        crop_pair((picture, box), (picture, box), CropConfig(context=context))[0]
        for context in (1.0, 0.0)
    )
    changed = np.abs(whole.astype(int) - faded).sum(axis=2) > 0
    unit = 64 / (2 * np.sqrt(60 * 20))  # crop pixels per frame pixel
    rows, columns = slice(*_span(20 * unit)), slice(*_span(60 * unit))
    assert not changed[rows, columns].any()
    outside = np.ones((64, 64), bool)
    outside[rows, columns] = False
    assert changed[outside].mean() > 0.9
    assert len(np.unique(faded[outside].reshape(-1, 3), axis=0)) == 1


def _span(length):
    return round(32 - length / 2), round(32 + length / 2)
