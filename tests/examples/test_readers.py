"""Readers of folder layouts, on small trees that the tests write."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from examples.tracker.data.frames import FrameError, FrameStore
from examples.tracker.data.layouts import read_boxes
from examples.tracker.data.readers import read_sequences, read_split
from examples.tracker.data.sequences import Sequence, inside_share, usable_boxes, video_index

from .conftest import ROOT

BOXES = [(10, 12, 20, 16), (11, 12, 20, 16), (12.5, 13, 20, 16)]


def write_pictures(folder, n, *, digits=8, grey=False, size=(40, 60)):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(n)
    for i in range(n):
        shape = size if grey else (*size, 3)
        cv2.imwrite(
            str(folder / f"{i + 1:0{digits}d}.jpg"), rng.integers(0, 255, shape, dtype=np.uint8)
        )


def lines(boxes, separator=","):
    return "\n".join(separator.join(f"{value:g}" for value in box) for box in boxes) + "\n"


def write_got10k(folder, boxes=BOXES, absent=None):
    write_pictures(folder, len(boxes))
    (folder / "groundtruth.txt").write_text(lines(boxes))
    if absent is not None:
        (folder / "absence.label").write_text("\n".join(map(str, absent)) + "\n")


def test_boxes_not_finite_or_outside_the_picture_are_not_visible(tmp_path):
    nan = float("nan")
    boxes = [
        BOXES[0],
        (nan, nan, nan, nan),
        (55, 10, 20, 16),
        (-15, 10, 20, 16),
        (50, 10, 20, 16),
        (5, 5, -3, 4),
    ]
    write_got10k(tmp_path / "a", boxes)
    (sequence,) = read_sequences(
        tmp_path
    )  # images are 60 wide: shares inside are 1, -, 0.25, 0.25, 0.5, -
    assert sequence.visible.tolist() == [True, False, False, False, True, False]
    assert video_index([sequence]).lengths.tolist() == [6]


def test_inside_share_matches_counting_pixels():
    boxes = np.array([[2.0, 3, 4, 5], [-2, -1, 4, 4], [8, 6, 5, 9], [20, 20, 3, 3]])
    grid_y, grid_x = np.mgrid[-30:60, -30:60]
    for box, share in zip(boxes, inside_share(boxes, 10, 8)):
        left, top, wide, high = box
        inside = (grid_x >= left) & (grid_x < left + wide) & (grid_y >= top) & (grid_y < top + high)
        picture = (grid_x >= 0) & (grid_x < 10) & (grid_y >= 0) & (grid_y < 8)
        assert share == pytest.approx((inside & picture).sum() / inside.sum())


def test_usable_boxes_infinite_value_is_not():
    assert usable_boxes(np.array([[0.0, 0, 1, 1], [np.inf, 0, 1, 1], [0, 0, 0, 1]])).tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1,2,3,4\n1,2,3\n",
            r"groundtruth\.txt, line 2: expected 4 numbers \(x, y, w, h\) or .*; got '1 2 3'",
        ),
        ("1,2,3,x\n", "line 1: expected 4 numbers"),
        ("\n", "no box in it"),
    ],
)
def test_boxes_bad_file_is_named_with_the_line(tmp_path, text, message):
    path = tmp_path / "groundtruth.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_boxes(path)


def test_folder_missing_or_empty_says_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        read_sequences(tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match=r"no video found in .*groundtruth\.txt \(lasot\).*anno/\*\.txt \(track"
    ):
        read_sequences(tmp_path)


def test_flags_that_are_too_few_are_named(tmp_path):
    write_got10k(tmp_path / "a", absent=[0, 1])
    with pytest.raises(ValueError, match=r"absence\.label: expected 3 flags 0 or 1; got 2"):
        read_sequences(tmp_path)


def test_names_that_repeat_raise(tmp_path):
    write_got10k(tmp_path / "x" / "a")
    write_got10k(tmp_path / "y" / "a")
    with pytest.raises(ValueError, match="more than one video is named 'a'"):
        read_sequences(tmp_path)


def test_split_listing_decides_where_there_is_one(tmp_path):
    for name in "abc":
        write_got10k(tmp_path / name)
    listing = {"a": {"split": "test"}, "b": {"split": "train"}, "c": {"split": "test"}}
    (tmp_path / "sequences.json").write_text(json.dumps(listing))
    train, test = read_split(tmp_path)
    assert ([s.name for s in train], [s.name for s in test]) == (["b"], ["a", "c"])
    del listing["c"]
    (tmp_path / "sequences.json").write_text(json.dumps(listing))
    with pytest.raises(ValueError, match="'c' needs split 'train' or 'test'; got None"):
        read_split(tmp_path)


def test_split_by_hash_hardly_depends_on_the_rest_and_keeps_both_sides(tmp_path):
    for name in "abcdefgh":
        write_got10k(tmp_path / name)
    train, test = read_split(tmp_path)
    assert (len(train), len(test)) == (6, 2)
    fewer, _ = read_split(tmp_path, 0.125)
    assert {s.name for s in train} < {s.name for s in fewer}
    with pytest.raises(ValueError, match="no sequence to test on among 1"):
        read_split(tmp_path / "a")


def test_sequence_shapes_that_differ_raise():
    with pytest.raises(ValueError, match=r"2 frames need boxes of shape \(2, 4\)"):
        Sequence("a", ("x", "y"), np.zeros((3, 4)), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="has no frame"):
        Sequence("a", (), np.zeros((0, 4)), np.ones(0, dtype=bool))


def test_frames_grey_file_has_three_channels(tmp_path):
    write_pictures(tmp_path, 2, grey=True)
    sequence = Sequence(
        "g", tuple(map(str, sorted(tmp_path.iterdir()))), np.array([[1.0, 1, 5, 5]] * 2), np.ones(2)
    )
    frame = FrameStore([sequence]).frame(0, 1)
    assert frame.shape == (40, 60, 3)
    assert frame.dtype == np.uint8
    assert (frame[..., 0] == frame[..., 2]).all()


def test_frames_are_rgb(tmp_path):
    red = np.zeros((8, 8, 3), dtype=np.uint8)
    red[..., 2] = 255  # OpenCV writes blue, green, red
    cv2.imwrite(str(tmp_path / "1.png"), red)
    sequence = Sequence("r", (str(tmp_path / "1.png"),), np.array([[1.0, 1, 5, 5]]), np.ones(1))
    assert FrameStore([sequence]).frame(0, 0)[0, 0].tolist() == [255, 0, 0]


def test_frames_memory_stays_under_the_limit(tmp_path):
    write_pictures(tmp_path, 5)
    sequence = Sequence(
        "m", tuple(map(str, sorted(tmp_path.iterdir()))), np.array([[1.0, 1, 5, 5]] * 5), np.ones(5)
    )
    one = 40 * 60 * 3
    store = FrameStore([sequence], limit=2 * one + 5)
    first = store.frame(0, 0)
    for i in (1, 0, 2, 3):
        store.frame(0, i)
        assert store.used <= store.limit
    assert store.frame(0, 3) is store.frame(0, 3)
    assert store.frame(0, 0) is not first
    np.testing.assert_array_equal(store.frame(0, 0), first)


def test_frames_broken_file_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    sequence = Sequence(
        "b", (str(tmp_path / "broken.jpg"),), np.array([[1.0, 1, 5, 5]]), np.ones(1)
    )
    with pytest.raises(FrameError, match=r"cannot read an image from .*broken\.jpg"):
        FrameStore([sequence]).frame(0, 0)


def test_shared_sequences_match_their_listing():
    folder = ROOT.parent / "shared" / "data" / "sequences"
    if not folder.is_dir():
        pytest.skip("no shared data beside the repository")
    train, test = read_split(folder)
    listing = json.loads((folder / "sequences.json").read_text())
    assert (len(train), len(test)) == (13, 8)
    for sequence in train + test:
        entry = listing[sequence.name]
        assert len(sequence) == entry["frames"]
        assert entry["absent"] <= (~sequence.visible).sum() <= entry["absent"] + 5
