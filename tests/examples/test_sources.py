"""Video files, stills, and mixes of several places."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from examples.tracker.data import frames
from examples.tracker.data.frames import FrameStore, decode_video, default_cache
from examples.tracker.data.readers import (
    find_instances,
    parse_source,
    read_coco,
    read_sequences,
    read_sources,
    read_split,
)
from examples.tracker.data.sequences import Sequence, fit_bins, video_index
from examples.tracker.train import load_videos
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.trainer import Trainer

from .conftest import moving_square, textured

BOX = (10, 12, 20, 16)


def write_clip(folder, n_frames=4, boxes=None, name="video.mp4"):
    """A clip whose frame i is grey of value 40 * (i + 1)."""
    folder.mkdir(parents=True, exist_ok=True)
    fourcc = cv2.VideoWriter_fourcc(*"mp4v")
    video = cv2.VideoWriter(str(folder / name), fourcc, 25.0, (64, 48))
    for i in range(n_frames):
        video.write(np.full((48, 64, 3), 40 * (i + 1), dtype=np.uint8))
    video.release()
    rows = [BOX] * n_frames if boxes is None else boxes
    (folder / "groundtruth.txt").write_text("".join(f"{','.join(map(str, b))}\n" for b in rows))


def write_coco(root, objects, *, split="train2017", pictures=None, size=(60, 80)):
    """Images 1.jpg, 2.jpg and an instances file with (image, bbox, more) objects."""
    folder = root / split if pictures is None else pictures
    folder.mkdir(parents=True, exist_ok=True)
    for i in (1, 2):
        cv2.imwrite(str(folder / f"{i}.jpg"), textured(np.random.default_rng(i), *size))
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": size[0], "width": size[1]} for i in (1, 2)
        ],
        "annotations": [
            {"id": 10 + k, "image_id": picture, "bbox": list(box), **more}
            for k, (picture, box, more) in enumerate(objects)
        ],
    }
    file = root / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def test_clip_frames_come_in_order_and_are_decoded_once(tmp_path, monkeypatch):
    write_clip(tmp_path / "data" / "a")
    (sequence,) = read_sequences(tmp_path / "data", cache=tmp_path / "cache")
    store = FrameStore([sequence])
    means = [store.frame(0, i).mean() for i in range(4)]
    np.testing.assert_allclose(means, [40, 80, 120, 160], atol=6)
    np.testing.assert_array_equal(sequence.boxes, [BOX] * 4)
    assert (sequence.name, sequence.layout) == ("a", "clip") and sequence.visible.all()

    def refuse(path):
        raise AssertionError(f"{path} is decoded again")

    monkeypatch.setattr(frames.cv2, "VideoCapture", refuse)
    (again,) = read_sequences(tmp_path / "data", cache=tmp_path / "cache")
    assert again.frames == sequence.frames
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_clip_that_changed_is_decoded_again(tmp_path):
    write_clip(tmp_path / "a", 3)
    assert len(decode_video(tmp_path / "a" / "video.mp4", tmp_path / "cache")) == 3
    write_clip(tmp_path / "a", 5)
    assert len(decode_video(tmp_path / "a" / "video.mp4", tmp_path / "cache")) == 5


def test_clip_tight_boxes_win_and_empty_ones_hide_the_frame(tmp_path):
    write_clip(tmp_path / "a")
    tight = [(12, 14, 10, 8), (0, 0, 0, 0), (12, 14, 10, 8), (12, 14, 10, 8)]
    text = "".join(f"{','.join(map(str, box))}\n" for box in tight)
    (tmp_path / "a" / "groundtruth_tight.txt").write_text(text)
    (tmp_path / "a" / "absence.label").write_text("0\n0\n0\n1\n")
    (sequence,) = read_sequences(tmp_path / "a", cache=tmp_path / "cache")
    np.testing.assert_array_equal(sequence.boxes, tight)
    assert sequence.visible.tolist() == [True, False, True, False]
    (tmp_path / "a" / "groundtruth_tight.txt").unlink()
    (loose,) = read_sequences(tmp_path / "a", cache=tmp_path / "cache")
    np.testing.assert_array_equal(loose.boxes, [BOX] * 4)
    assert loose.visible.tolist() == [True, True, True, False]


def test_clip_bad_file_or_count_is_named_and_leaves_nothing(tmp_path):
    write_clip(tmp_path / "a", 4, boxes=[BOX] * 3)
    with pytest.raises(ValueError, match=r"groundtruth\.txt: 3 boxes for 4 images in .*video\.mp4"):
        read_sequences(tmp_path / "a", cache=tmp_path / "cache")
    (tmp_path / "a" / "video.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"cannot read a frame from the video .*video\.mp4"):
        read_sequences(tmp_path / "a", cache=tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "sstrack-tracker"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache().parent.name == ".cache"


def test_coco_objects_are_stills_and_poor_ones_are_left_out(tmp_path):
    objects = [
        (1, (5, 6, 30, 20), {"iscrowd": 0}),
        (1, (5, 6, 30, 20), {"iscrowd": 1}),
        (2, (5, 6, 20, 12), {}),  # 240 pixels, under 16 x 16
        (2, (70, 6, 30, 20), {}),  # a third of it is in the image
        (2, (60, 10, 40, 20), {}),  # half of it is
    ]
    write_coco(tmp_path, objects)
    sequences = read_coco(find_instances(tmp_path))
    assert [sequence.name for sequence in sequences] == ["1-10", "2-14"]
    assert all(sequence.is_image and sequence.visible.all() for sequence in sequences)
    np.testing.assert_array_equal(sequences[1].boxes, [[60, 10, 40, 20]])
    assert FrameStore(sequences).frame(1, 0).shape == (60, 80, 3)


@pytest.mark.parametrize("place", ["train2017", "images/train2017", "images", "."])
def test_coco_pictures_are_found_in_each_usual_folder(tmp_path, place):
    file = write_coco(tmp_path, [(1, (5, 6, 30, 20), {})], pictures=tmp_path / place)
    for path in (tmp_path, file):
        assert read_coco(find_instances(path))[0].frames == (str(tmp_path / place / "1.jpg"),)


def test_coco_train_file_is_preferred(tmp_path):
    write_coco(tmp_path, [(1, (5, 6, 30, 20), {})], split="train2017")
    write_coco(tmp_path, [(2, (5, 6, 30, 20), {})], split="val2017")
    assert [sequence.name for sequence in read_coco(find_instances(tmp_path))] == ["1-10"]


def test_coco_bad_files_are_named(tmp_path):
    assert find_instances(tmp_path) is None
    file = write_coco(tmp_path, [(1, (5, 6, 4, 4), {})])
    with pytest.raises(ValueError, match=r"train2017\.json: no object of 16 pixels or more"):
        read_coco(find_instances(tmp_path))
    file.write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"train2017\.json must be a COCO instances file"):
        read_coco(find_instances(tmp_path))
    write_coco(tmp_path, [(1, (5, 6, 30, 20), {})])
    (tmp_path / "train2017" / "1.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image 1\.jpg in any of .*train2017"):
        read_coco(find_instances(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folder", ("folder", 1.0, False)),
        ("folder=2", ("folder", 2.0, False)),
        ("photos:a/b=0.5", ("a/b", 0.5, True)),
        ("lr=high", ("lr=high", 1.0, False)),
    ],
)
def test_source_is_parsed(text, expected):
    path, weight, photos = parse_source(text)
    assert (str(path), weight, photos) == expected


def test_source_that_exists_keeps_its_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fps=25").mkdir()
    assert str(parse_source("fps=25")[0]) == "fps=25"


@pytest.mark.parametrize("text", ["a=0", "a=-1", "a=nan", "a=inf"])
def test_source_bad_weight_is_named(text):
    with pytest.raises(ValueError, match="weight of data must be positive; got"):
        parse_source(text)
    with pytest.raises(ValueError, match="data must be a path"):
        parse_source("=2")


def test_mix_draws_places_by_weight_and_keeps_stills_for_training(tmp_path):
    for name in "abcd":
        write_clip(tmp_path / "clips" / name)
    write_coco(tmp_path / "coco", [(1, (5, 6, 30, 20), {}), (2, (5, 6, 30, 20), {})])
    texts = (f"{tmp_path / 'clips'}=3", str(tmp_path / "coco"))
    train, test = read_sources(texts, cache=tmp_path / "cache")
    assert [sequence.is_image for sequence in train] == [False] * 3 + [True] * 2
    assert len(test) == 1 and not test[0].is_image
    weight = video_index(train).weight
    np.testing.assert_allclose(weight / weight.sum(), [0.25, 0.25, 0.25, 0.125, 0.125])
    everything, none = read_sources(texts, cache=tmp_path / "cache", held_out=0)
    assert (len(everything), none) == (6, [])
    single, _ = read_sources(texts[:1], cache=tmp_path / "cache")
    assert video_index(single).weight is None


def test_mix_photographs_make_clips(tmp_path):
    for i in range(2):
        picture = textured(np.random.default_rng(i), 400, 500)
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), picture)
    train, test = read_sources((f"photos:{tmp_path}",), n_clips=2)
    assert (len(train), test) == (2, [])
    assert FrameStore(train).frame(1, 0).ndim == 3


def test_look_alikes_reach_the_clips_of_every_place(tmp_path):
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), textured(np.random.default_rng(i), 400, 500))

    def counts(data, look_alikes):
        config = TrainConfig(data=data, n_videos=1, drift=0.0, look_alikes=look_alikes)
        clips = load_videos(config, n_test=1, n_test_clips=1)
        return [len(clip.frames.things) for part in clips for clip in part]

    for data in ((), (f"photos:{tmp_path}",)):
        assert counts(data, 1.0) == [number + 1 for number in counts(data, 0.0)], data


@pytest.mark.parametrize("composited", [False, True])
def test_every_thins_what_is_trained_on_and_nothing_else(tmp_path, composited):
    for name in "ab":
        write_clip(tmp_path / "clips" / name, 6)
    data = () if composited else (str(tmp_path / "clips"),)
    config = TrainConfig(data=data, n_videos=1, every=3, cache=str(tmp_path / "cache"))
    train, test = load_videos(config, n_test=1)
    numbers = [set(np.flatnonzero(part[0].visible) % 3) for part in (train, test)]
    assert numbers == [{0}, {0, 1, 2}]


def test_split_listing_that_is_no_listing_is_named(tmp_path):
    write_clip(tmp_path / "a")
    (tmp_path / "sequences.json").write_text("[1]")
    with pytest.raises(ValueError, match=r'sequences\.json must hold \{"name": \{"split"'):
        read_split(tmp_path, cache=tmp_path / "cache")


def test_first_picture_that_is_none_is_named(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"no image")
    (tmp_path / "groundtruth.txt").write_text("1,2,3,4\n")
    with pytest.raises(ValueError, match=r"1\.jpg, the first of its video, is no image"):
        read_sequences(tmp_path)


def test_still_of_two_frames_raises():
    with pytest.raises(ValueError, match="still 's' must have one frame; got 2"):
        Sequence("s", ("a", "b"), np.array([BOX] * 2), np.ones(2), is_image=True)


def test_fit_bins_leaves_stills_out():
    still = Sequence("s", ("a",), np.array([BOX]), np.ones(1), is_image=True)
    videos = [moving_square("a", 60)]
    assert fit_bins([*videos, still], videos, 50, 10) == (50, 10)
    with pytest.raises(ValueError, match="at least two visible frames"):
        fit_bins([still], videos, 50, 10)


def test_train_stills_have_a_bin_of_their_own_and_their_share(tmp_path, squares, tiny_config):
    write_coco(tmp_path, [(1, (5, 6, 30, 20), {}), (2, (5, 6, 30, 20), {})])
    stills = read_coco(find_instances(tmp_path))
    trainer = Trainer(tiny_config, FrameStore([*squares, *stills]))
    assert trainer.bins.labels[0] == "image"
    pairs = trainer.curriculum.source.sample(trainer.curriculum.scheduler.distribution, 0, 0, 4000)
    share = (pairs.bin == 0).mean()
    assert share == pytest.approx(2 / 5, abs=0.04)  # as many as there are among the sequences
    assert set(pairs.video[pairs.bin == 0].tolist()) == {3, 4}
    item = trainer.dataset[next(pair for pair in pairs if pair.bin == 0)]
    assert item["template"].shape == (3, 64, 64)
    assert trainer.run(progress=False)
    assert trainer.history[0].count[0] > 0
