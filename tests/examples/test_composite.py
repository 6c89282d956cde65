"""Clips composited from a folder of photographs: boxes that are exact, clips that repeat."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from examples.tracker.synthetic.composite import composite_clip, composite_clips
from examples.tracker.synthetic.drift import Drift
from examples.tracker.synthetic.layers import (
    SIZE,
    CompositeFrames,
    Layer,
    Thing,
    paint,
    uncovered,
)
from examples.tracker.synthetic.library import (
    MASK,
    Library,
    Shape,
    blob,
    load,
    shape_of_mask,
    silhouette,
)
from examples.tracker.synthetic.things import draw_look

from .conftest import textured


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs, one of an object on a plain ground, and a cut-out."""
    root = tmp_path_factory.mktemp("free")
    rng = np.random.default_rng(0)
    (root / "photos").mkdir()
    for i in range(4):
        cv2.imwrite(str(root / "photos" / f"{i}.jpg"), textured(rng, 120, 160))
    plain = np.full((120, 160, 3), 200, np.uint8)
    cv2.rectangle(plain, (50, 30), (99, 79), (30, 60, 90), -1)
    cv2.imwrite(str(root / "plain.jpg"), plain, [cv2.IMWRITE_JPEG_QUALITY, 100])
    cutout = np.zeros((60, 60, 4), np.uint8)
    cv2.circle(cutout, (30, 30), 20, (10, 200, 30, 255), -1)
    cv2.imwrite(str(root / "thing.png"), cutout)
    return root


def still(position, half, shape, photo, n=1):
    """A layer that shows the middle of a photograph at one place in n frames."""
    pose = np.zeros((n, 2, 3))
    pose[:, 0, 0], pose[:, 1, 1], pose[:, :, 2] = half[0], half[1], position
    source = np.zeros((n, 2, 3))
    source[:, 0, 0], source[:, 1, 1], source[:, :, 2] = 20, 20, (60, 60)
    return Layer(photo, shape, pose, source, np.ones((n, 3)))


def test_library_sorts_photographs_and_cutouts(folder):
    library = Library.of_folder(folder)
    assert len(library.photos) == 5
    assert [path.rsplit("/", 1)[-1] for path in library.cutouts] == ["thing.png"]
    assert load(library.cutouts[0]).shape == (41, 41, 4)


def test_library_without_photographs_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        Library.of_folder(tmp_path / "missing")
    with pytest.raises(ValueError, match="needs at least two photographs"):
        Library.of_folder(tmp_path)


def test_shipped_photographs_are_pictures_and_none_is_in_both_splits():
    train, test = (Library.shipped(split).photos for split in ("train", "test"))
    assert len(train) == 8 and len(test) == 6 and not set(train) & set(test)
    for name in train + test:
        picture = load(name)
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert max(picture.shape) <= 480 and picture.std() > 5
    with pytest.raises(ValueError, match="split must be 'train' or 'test'; got 'val'"):
        composite_clips("val", 1)


def test_broken_photograph_raises(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"cannot read an image from .*broken\.jpg"):
        load(str(path))


def test_silhouette_finds_the_thing_on_a_plain_ground(folder):
    found = silhouette(str(folder / "plain.jpg"))
    assert found is not None
    np.testing.assert_allclose(found[1], (50, 30, 50, 50), atol=3)
    assert (found[0].mask > 127).mean() > 0.95
    assert silhouette(str(folder / "photos" / "0.jpg")) is None


@pytest.mark.parametrize("seed", range(12))
def test_blob_fills_its_square_and_its_outline_fits_its_mask(seed):
    shape = blob(np.random.default_rng(seed))
    np.testing.assert_allclose(shape.outline.min(axis=0), -1, atol=0.05)
    np.testing.assert_allclose(shape.outline.max(axis=0), 1, atol=0.05)
    hull = np.zeros((MASK, MASK), np.uint8)
    cv2.fillConvexPoly(hull, ((shape.outline + 1) * MASK / 2).astype(np.int32), 255)
    assert (hull[shape.mask > 200] > 0).mean() > 0.97


def test_shape_of_an_empty_mask_is_none():
    assert shape_of_mask(np.zeros((20, 20), np.uint8)) is None


def painted_box(before, after):
    rows, columns = np.nonzero((np.abs(after.astype(int) - before).sum(axis=2)) > 40)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("seed", range(8))
def test_boxes_are_around_what_is_painted(folder, seed):
    rng = np.random.default_rng(seed)
    layer = still((100, 80), (40, 25), blob(rng), str(folder / "photos" / "1.jpg"))
    turn = 0.1 * seed
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    layer.pose[0, :, :2] = linear @ layer.pose[0, :, :2]
    before = np.zeros((160, 200, 3), np.uint8)
    layer.gain[:] = 1.5
    after = before.copy()
    paint(after, layer, 0, np.zeros(2))
    left, top, width, height = Thing((layer,)).boxes()[0]
    expected = [left, top, left + width, top + height]
    np.testing.assert_allclose(painted_box(before, after), expected, atol=1.6)


def test_motion_smears_along_the_way_only(folder):
    layer = still((100, 80), (20, 20), blob(np.random.default_rng(0)), str(folder / "plain.jpg"))
    pictures = []
    for way in ((0.0, 0.0), (16.0, 0.0)):
        picture = np.zeros((160, 200, 3), np.uint8)
        paint(picture, layer, 0, np.array(way))
        pictures.append(painted_box(np.zeros_like(picture), picture))
    wider = pictures[1] - pictures[0]
    assert wider[0] < -3 and wider[2] > 3
    assert abs(wider[1]) <= 2 and abs(wider[3]) <= 2  # the round ends get paler


def test_uncovered_counts_occluders_and_the_edge_of_the_frame(folder):
    corners = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    square = Shape(np.full((MASK, MASK), 255, np.uint8), corners, corners)
    photo = str(folder / "plain.jpg")
    target = Thing((still((100, 100), (20, 20), square, photo),))
    half = Thing((still((120, 100), (20, 30), square, photo),))
    assert uncovered(target, ()) == pytest.approx(1.0)
    assert uncovered(target, (half,), n_points=900)[0] == pytest.approx(0.5, abs=0.05)
    edge = Thing((still((0, 100), (20, 20), square, photo),))
    assert uncovered(edge, (), n_points=900)[0] == pytest.approx(0.5, abs=0.05)


def test_clips_repeat_and_do_not_depend_on_how_many(folder):
    few, many = composite_clips(folder, 2), composite_clips(folder, 3)
    for first, second in zip(few, many):
        np.testing.assert_array_equal(first.boxes, second.boxes)
        np.testing.assert_array_equal(first.frames[100], second.frames[100])
    assert not np.array_equal(few[0].boxes, composite_clips(folder, 1, seed=1)[0].boxes)


def test_clip_frames_are_pictures_and_most_are_visible(folder):
    library = Library.of_folder(folder)
    clips = [composite_clip(str(i), (5, i), library) for i in range(10)]
    for clip in clips:
        frame = clip.frames[17]
        assert frame.shape == (SIZE[1], SIZE[0], 3) and frame.dtype == np.uint8
        assert frame.std() > 2
        assert len(clip) == 240
    assert 0.5 < np.mean([clip.visible.mean() for clip in clips]) <= 1
    with pytest.raises(IndexError):
        clips[0].frames[240]


def test_the_target_changes_with_time(folder):
    """Long intervals are harder: boxes of one clip overlap less the further apart they are."""
    clips = composite_clips(folder, 12)
    sizes = [np.log(clip.boxes[:, 2] * clip.boxes[:, 3]) for clip in clips]
    near = np.mean([np.abs(size[10:] - size[:-10]).mean() for size in sizes])
    far = np.mean([np.abs(size[150:] - size[:-150]).mean() for size in sizes])
    assert far > 2 * near


def test_looks_are_of_three_kinds(folder):
    library = Library.of_folder(folder)
    rng = np.random.default_rng(0)
    looks = [draw_look(rng, library) for _ in range(60)]
    assert {look.photo.rsplit(".", 1)[-1] for look in looks} == {"jpg", "png"}
    assert {look.slides for look in looks} == {True, False}


def test_library_like_is_of_the_same_folder_or_a_cutout():
    library = Library(("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/4.jpg"), ("a/5.png", "b/6.png"))
    assert library.like("a/2.jpg") == ("a/1.jpg", "a/3.jpg")
    assert library.like("a/5.png") == ("b/6.png",)
    assert library.like("b/4.jpg") == ("b/4.jpg",)  # nothing else of its kind


def test_twin_is_of_the_same_kind_and_another(folder, tmp_path):
    library, second = Library.of_folder(folder), tmp_path / "second.png"
    second.write_bytes((folder / "thing.png").read_bytes())
    library = Library(library.photos, (*library.cutouts, str(second)))
    rng, kinds = np.random.default_rng(0), set()
    for _ in range(40):
        look = draw_look(rng, library)
        twin = look.twin(rng, library)
        kinds.add((look.photo in library.cutouts, look.slides))
        if look.photo in library.cutouts:
            assert twin.photo in library.cutouts and twin.photo != look.photo
        elif look.slides:  # another piece of the same photograph, cut to the same shape
            assert twin.photo == look.photo and twin.shape is look.shape
            assert twin.centre != look.centre
        else:
            assert twin.photo in library.like(look.photo)
    assert kinds >= {(True, False), (False, True)}


@pytest.mark.parametrize("seed", range(6))
def test_look_alike_stays_near_the_target_and_changes_nothing_else(folder, seed):
    library, still_look = Library.of_folder(folder), Drift(0.0)
    none = composite_clip("c", (seed,), library, drift=still_look)
    rare = composite_clip("c", (seed,), library, drift=still_look, look_alikes=1e-9)
    clip = composite_clip("c", (seed,), library, drift=still_look, look_alikes=1.0)
    np.testing.assert_array_equal(rare.frames[100], none.frames[100])
    np.testing.assert_array_equal(clip.boxes, none.boxes)
    ways = {thing.layers[0].pose.tobytes() for thing in none.frames.things}
    new = [t for t in clip.frames.things if t.layers[0].pose.tobytes() not in ways]
    assert len(new) == 1 and len(clip.frames.things) == len(none.frames.things) + 1
    target = next(t for t in none.frames.things if np.array_equal(t.boxes(), none.boxes))
    rng = np.random.default_rng((seed,))
    *_, radius = (np.exp(rng.uniform(*np.log(ends))) for ends in ((0.25, 1.6), (30, 250), (9, 45)))
    apart = new[0].layers[0].pose[:, :, 2] - target.layers[0].pose[:, :, 2]
    distance = np.hypot(*apart.T) / radius
    assert distance.min() >= 0.3 and distance.max() <= 4
    assert any((clip.frames[i] != none.frames[i]).any() for i in range(0, 240, 20))


@pytest.mark.parametrize("n_clips", [0, -1])
def test_no_clips_raises(folder, n_clips):
    with pytest.raises(ValueError, match=f"n_clips must be at least 1; got {n_clips}"):
        composite_clips(folder, n_clips)


def test_frames_pickle_without_what_was_painted(folder):
    """Workers get the recipe, not the images."""
    import pickle

    clip = composite_clips(folder, 1)[0]
    frames = clip.frames
    assert isinstance(frames, CompositeFrames)
    first = frames[3]
    copy = pickle.loads(pickle.dumps(frames))
    assert "_scenery" in vars(frames) and "_scenery" not in vars(copy)
    np.testing.assert_array_equal(copy[3], first)
