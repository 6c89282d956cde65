"""Drift of composited objects: slow, the same for a seed, and with boxes that stay exact."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from examples.tracker import fall
from examples.tracker.synthetic.composite import composite_clips
from examples.tracker.synthetic.drift import Drift, Skin, draw_grade, draw_skin, turn_in_space
from examples.tracker.synthetic.layers import Layer, Thing, paint
from examples.tracker.synthetic.library import blob

from .test_composite import folder, painted_box, still  # noqa: F401  # a fixture


def test_processes_have_the_correlation_that_they_state():
    drift = Drift(strength=0.5, correlation=40.0)
    paths = drift.wander(np.random.default_rng(0), 90, *[2.0] * 4000)
    assert paths.std(axis=1) == pytest.approx(np.ones(90), abs=0.06)  # stationary from the start
    for interval in (40, 80):
        alike = (paths[interval] * paths[0]).mean()
        assert alike == pytest.approx(np.exp(-interval / 40), abs=0.08)
    assert np.abs(np.diff(paths, axis=0)).mean() < 0.1  # it does not flicker


@pytest.mark.parametrize("name, value", [("strength", -0.1), ("correlation", 0.0)])
def test_drift_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must .*; got {value}"):
        Drift(**{name: value})


def test_clips_repeat_frame_by_frame_whatever_was_painted_before(folder):  # noqa: F811
    first, second = (composite_clips(folder, 2)[1] for _ in range(2))
    np.testing.assert_array_equal(first.boxes, second.boxes)
    for frame in (3, 200):
        assert first.frames[frame].any()
    np.testing.assert_array_equal(first.frames[200], second.frames[200])
    np.testing.assert_array_equal(first.frames[3], second.frames[3])


def test_drift_changes_looks_and_not_the_way(folder):  # noqa: F811
    plain, drifting = (composite_clips(folder, 3, drift=Drift(s)) for s in (0.0, 1.0))
    for first, second in zip(plain, drifting):
        middles = [clip.boxes[:, :2] + clip.boxes[:, 2:] / 2 for clip in (first, second)]
        size = np.sqrt(first.boxes[:, 2:].prod(axis=1))
        assert np.median(np.hypot(*(middles[0] - middles[1]).T) / size) < 0.5
        assert not np.array_equal(first.frames[50], second.frames[50])


def bent_layer(seed, bend, shape=None):
    rng = np.random.default_rng(seed)
    skin = draw_skin(rng, Drift(), 1, "none", np.zeros((2, 3)))
    flat = Skin(np.array([bend]), 0 * skin.shade, np.ones(1), np.zeros(1), "none", skin.source)
    return blob(rng) if shape is None else shape, flat


@pytest.mark.parametrize("seed", range(8))
def test_boxes_are_around_what_is_painted_when_it_bends(folder, seed):  # noqa: F811
    bend = np.random.default_rng(seed).uniform(-0.07, 0.07, 4)
    shape, skin = bent_layer(seed, bend)
    plain = still((100, 80), (40, 25), shape, str(folder / "photos" / "1.jpg"))
    layer = Layer(plain.photo, shape, plain.pose, plain.source, 1.5 * plain.gain, skin)
    before = np.zeros((160, 200, 3), np.uint8)
    after = before.copy()
    paint(after, layer, 0, np.zeros(2))
    left, top, width, height = Thing((layer,)).boxes()[0]
    expected = [left, top, left + width, top + height]
    np.testing.assert_allclose(painted_box(before, after), expected, atol=1.6)


def test_without_bend_a_skin_shows_what_a_plain_layer_does(folder):  # noqa: F811
    shape, skin = bent_layer(0, np.zeros(4))
    plain = still((100, 80), (40, 25), shape, str(folder / "photos" / "1.jpg"))
    pictures = []
    for one in (None, skin):
        picture = np.zeros((160, 200, 3), np.uint8)
        layer = Layer(plain.photo, shape, plain.pose, plain.source, plain.gain, one)
        paint(picture, layer, 0, np.zeros(2))
        pictures.append(picture.astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 4  # of OpenCV's two ways to interpolate


def test_bends_never_fold_and_other_processes_stay_in_range():
    rng = np.random.default_rng(0)
    strong = Drift(10.0)
    skin = draw_skin(rng, strong, 2000, "none", np.zeros((2, 3)))
    slope = np.pi * np.hypot(*skin.bend.reshape(2000, 2, 2).transpose(2, 0, 1))
    assert (slope[:, 0] * slope[:, 1]).max() < 1  # the map's determinant stays positive
    assert skin.turned.min() == 0 and skin.turned.max() == 1
    turns = turn_in_space(rng, strong, 2000)
    sizes = np.linalg.svd(turns, compute_uv=False)
    assert sizes.min() > 0.2 and sizes.max() < 2.1
    assert draw_grade(rng, strong, 2000)[:, 3].max() <= 2.0


def likeness(clip, interval):
    """Mean correlation of what is in the target's box, this many frames apart."""
    found = []
    for start in range(0, 240 - interval, 24):
        patches = []
        for frame in (start, start + interval):
            left, top, width, height = clip.boxes[frame].round().astype(int)
            picture = cv2.copyMakeBorder(clip.frames[frame], 200, 200, 200, 200, cv2.BORDER_REFLECT)
            patch = picture[top + 200 : top + 200 + height, left + 200 : left + 200 + width]
            patches.append(cv2.resize(patch, (16, 16), interpolation=cv2.INTER_AREA).ravel())
        if clip.visible[start] and clip.visible[start + interval]:
            found.append(np.corrcoef(*patches)[0, 1])
    return np.mean(found) if found else np.nan


def test_likeness_falls_with_the_interval_and_levels_off(folder):  # noqa: F811
    clips = composite_clips(folder, 8, drift=Drift())
    alike = [np.nanmean([likeness(clip, interval) for clip in clips]) for interval in (3, 45, 165)]
    assert alike[0] > 0.85
    assert alike[0] - alike[1] > 0.15
    assert alike[1] > alike[2] - 0.1


def test_fall_is_printed_by_strength_beside_a_real_tracker(folder, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "fall.json"
    words = ["--clips", "2", "--pairs-per-bin", "1", "--strengths", "0.5", "--out", str(out)]
    assert fall.main([str(folder), *words]) == 0
    found = json.loads(out.read_text())
    assert list(found["drift"]) == ["0.5"] and len(found["drift"]["0.5"]) == 7
    assert fall.table(found) in capsys.readouterr().out
    assert fall.main([str(tmp_path / "none"), *words]) == 1
    assert "no folder" in capsys.readouterr().err
