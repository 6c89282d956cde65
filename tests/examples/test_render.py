"""Rendered videos: the same for a seed, boxes that fit the pixels, change that adds up."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from examples.tracker.data.sequences import usable_boxes
from examples.tracker.synthetic.motion import Drift, bounce, random_walk
from examples.tracker.synthetic.painting import RenderedFrames, paint, uncovered
from examples.tracker.synthetic.photos import TEST_PHOTOS, TRAIN_PHOTOS, photograph
from examples.tracker.synthetic.render import RenderConfig, render_videos

ALONE = RenderConfig(n_frames=60, n_distractors=0, n_occluders=0)


@pytest.fixture(scope="module")
def video():
    return render_videos("train", 1, config=ALONE)[0]


def test_photos_all_load_and_none_is_in_both_splits():
    assert not set(TRAIN_PHOTOS) & set(TEST_PHOTOS)
    for name in TRAIN_PHOTOS + TEST_PHOTOS:
        picture = photograph(name)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert max(picture.shape[:2]) <= 480
        assert not picture.flags.writeable
    with pytest.raises(ValueError, match="photograph must be one of"):
        photograph("lena")


def test_render_same_seed_gives_the_same_pixels_and_boxes():
    first, second = (render_videos("test", 2, seed=5)[1] for _ in range(2))
    np.testing.assert_array_equal(first.boxes, second.boxes)
    np.testing.assert_array_equal(first.visible, second.visible)
    for i in (0, 100, 239):
        np.testing.assert_array_equal(first.frames[i], second.frames[i])
        np.testing.assert_array_equal(first.frames[i], pickle.loads(pickle.dumps(first.frames))[i])


def test_render_other_seed_or_number_gives_other_videos():
    one, two = render_videos("train", 2, seed=5)
    other = render_videos("train", 1, seed=6)[0]
    assert not np.allclose(one.boxes, two.boxes)
    assert not np.allclose(one.boxes, other.boxes)
    np.testing.assert_array_equal(render_videos("train", 1, seed=5)[0].boxes, one.boxes)


def test_render_boxes_fit_the_painted_pixels(video):
    frames = video.frames
    for i in range(0, 60, 7):
        white, black = (np.full((180, 240, 3), value, dtype=np.uint8) for value in (255, 0))
        for canvas in (white, black):
            paint(canvas, frames.tracks[-1].at(i))
        covered = np.abs(white.astype(int) - black).max(axis=2) < 128  # the object hides the canvas
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        left, top, width, height = video.boxes[i]
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(found, [left, top, left + width, top + height], atol=1.3)


def test_render_pixels_differ_from_the_background_where_the_object_is(video):
    frames = video.frames
    empty = RenderedFrames(frames.size, frames.background, frames.window, (), frames.light)
    for i in (0, 30, 59):
        changed = np.abs(frames[i].astype(int) - empty[i]).max(axis=2) > 0
        left, top, width, height = video.boxes[i]
        inside = np.zeros_like(changed)
        inside[
            max(0, int(top) - 1) : int(top + height) + 2,
            max(0, int(left) - 1) : int(left + width) + 2,
        ] = True
        assert not (changed & ~inside).any()
        assert changed.sum() > 0.6 * width * height  # an ellipse fills pi / 4 of its box


def test_render_boxes_are_inside_the_frame():
    for sequence in render_videos("train", 4) + render_videos("test", 4):
        assert usable_boxes(sequence.boxes).all()
        assert (sequence.boxes[:, :2] >= 0).all()
        assert (sequence.boxes[:, :2] + sequence.boxes[:, 2:] <= [240, 180]).all()
        assert len(sequence) >= 220


def test_render_hidden_object_is_not_visible(video):
    target = video.frames.tracks[-1]
    lid = replace(target, radii=1.1 * target.radii)
    assert uncovered(target, (lid,)).max() == 0
    assert uncovered(target, ()).min() == 1
    half = replace(target, centre=target.centre + [1000, 0])
    assert uncovered(target, (half,)).min() == 1


def test_uncovered_half_hidden_disc_is_about_a_half(video):
    still = video.frames.tracks[-1].at(0)
    disc = replace(still, radii=np.array([[20.0, 20.0]]), angle=np.array([0.0]))
    wall = replace(disc, centre=disc.centre + [2000.0, 0], radii=np.array([[2000.0, 2000.0]]))
    assert uncovered(disc, (wall,))[0] == pytest.approx(0.5, abs=0.03)


def test_render_some_frames_are_occluded():
    shares = [sequence.visible.mean() for sequence in render_videos("train", 8)]
    assert 0.7 < np.mean(shares) < 1


def test_render_appearance_changes_more_over_longer_intervals():
    """Colour of the object's middle, by how far apart two frames are."""
    config = RenderConfig(n_distractors=0, n_occluders=0)
    gaps = {5: [], 50: [], 200: []}
    for sequence in render_videos("train", 12, config=config):
        for interval, found in gaps.items():
            for start in (0, 35):
                middles = []
                for i in (start, start + interval):
                    x, y = sequence.boxes[i, :2] + sequence.boxes[i, 2:] / 2
                    middles.append(
                        sequence.frames[i][int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].mean(
                            (0, 1)
                        )
                    )
                found.append(np.abs(middles[0] - middles[1]).mean())
    means = [np.mean(found) for found in gaps.values()]
    assert means[0] < 0.6 * means[1]
    assert means[1] < means[2]


def test_random_walk_spread_is_reached_after_200_frames():
    walks = np.array([random_walk(np.random.default_rng(i), 400, 3.0) for i in range(400)])
    assert (walks[:, 0] == 0).all()
    assert (walks[:, 300] - walks[:, 100]).std() == pytest.approx(3.0, rel=0.15)


def test_bounce_keeps_what_is_inside_and_reflects_the_rest():
    np.testing.assert_allclose(
        bounce(np.array([1.0, 2.5, 3.5, -0.5, 9.0]), 0.0, 3.0), [1, 2.5, 2.5, 0.5, 3.0]
    )


def test_render_bad_arguments_raise():
    with pytest.raises(ValueError, match="split must be 'train' or 'test'; got 'val'"):
        render_videos("val", 1)
    with pytest.raises(ValueError, match="n_videos must be at least 1; got 0"):
        render_videos("train", 0)
    with pytest.raises(ValueError, match="at least 96 x 96 pixels and 2 frames; got 50 x 180"):
        RenderConfig(width=50)
    assert Drift().slide > 0
