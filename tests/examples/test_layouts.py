"""Each benchmark's folder, made up after the official one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from examples.tracker.data.layouts import UAV_STARTS
from examples.tracker.data.readers import read_sequences

BOXES = [(10, 12, 20, 16), (11, 12, 20, 16), (12, 13, 20, 16)]
ONE_LESS = np.array(BOXES) - [1, 1, 0, 0]
PICTURE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def lines(boxes=BOXES, separator=","):
    return "".join(separator.join(f"{value:g}" for value in box) + "\n" for box in boxes)


def write(path, text=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((lines() if text is None else text).encode())


def pictures(folder, numbers=(1, 2, 3), name="{:08d}.jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        path = folder / name.format(number)
        path.write_bytes(cv2.imencode(path.suffix.lower(), PICTURE)[1].tobytes())


def got10k(folder, text=None):
    pictures(folder)
    write(folder / "groundtruth.txt", text)


def names(sequence):
    return [frame.rpartition("/")[2] for frame in sequence.frames]


def by_name(root):
    return {sequence.name: sequence for sequence in read_sequences(root)}


def test_lasot_starts_at_one_and_its_extension_at_zero(tmp_path):
    for name in ("cat/cat-1", "atv/atv-10"):
        pictures(tmp_path / name / "img")
        write(tmp_path / name / "groundtruth.txt")
        write(tmp_path / name / "full_occlusion.txt", "0,1,0")
        write(tmp_path / name / "out_of_view.txt", "0,0,1\n")
        write(tmp_path / name / "nlp.txt", "white cat")
    found = by_name(tmp_path)
    assert {name: s.layout for name, s in found.items()} == {
        "cat-1": "lasot",
        "atv-10": "lasot_extension",
    }
    np.testing.assert_array_equal(found["cat-1"].boxes, ONE_LESS)
    np.testing.assert_array_equal(found["atv-10"].boxes, BOXES)
    assert all(s.visible.tolist() == [True, False, False] for s in found.values())


def test_lasot_pictures_past_the_last_box_are_left_out_and_missing_ones_named(tmp_path):
    pictures(tmp_path / "monkey-17" / "img", range(1, 6))
    write(tmp_path / "monkey-17" / "groundtruth.txt")
    assert names(read_sequences(tmp_path)[0]) == [f"{i:08d}.jpg" for i in (1, 2, 3)]
    write(tmp_path / "monkey-17" / "groundtruth.txt", lines() + lines())
    with pytest.raises(ValueError, match=r"groundtruth\.txt: 6 boxes for 5 images"):
        read_sequences(tmp_path)


def test_got10k_has_labels_to_train_on_and_one_box_to_test_on(tmp_path):
    for i in (1, 2):
        got10k(tmp_path / "train" / f"GOT-10k_Train_00000{i}")
        write(tmp_path / "train" / f"GOT-10k_Train_00000{i}" / "absence.label", "0\n1\n0\n")
        write(tmp_path / "train" / f"GOT-10k_Train_00000{i}" / "cover.label", "8\n0\n8\n")
    write(tmp_path / "train" / "list.txt", "GOT-10k_Train_000002\n")
    got10k(tmp_path / "test" / "GOT-10k_Test_000001", "10.0000,12.0000,20.0000,16.0000\n")
    write(tmp_path / "test" / "list.txt", "GOT-10k_Test_000001\n")
    found = by_name(tmp_path)
    assert sorted(found) == ["GOT-10k_Test_000001", "GOT-10k_Train_000002"]
    np.testing.assert_array_equal(found["GOT-10k_Train_000002"].boxes, BOXES)
    assert found["GOT-10k_Train_000002"].visible.tolist() == [True, False, True]
    assert found["GOT-10k_Test_000001"].visible.tolist() == [True, False, False]


def test_trackingnet_odd_names_and_pictures_from_zero_without_leading_zeros(tmp_path):
    odd = ("-_0aB-x7kQ8_0", "0-6LB4FqxoE_1", "__C9_a-b_10")
    for name in odd:
        pictures(tmp_path / "TRAIN_11" / "frames" / name, range(11), "{}.jpg")
        write(tmp_path / "TRAIN_11" / "anno" / f"{name}.txt", lines([BOXES[0]] * 10 + [(0,) * 4]))
    pictures(tmp_path / "TEST" / "frames" / "zZ_0", range(4), "{}.jpg")
    write(tmp_path / "TEST" / "anno" / "zZ_0.txt", "10,12,20,16")
    (tmp_path / "TEST" / "zips").mkdir()
    found = by_name(tmp_path)
    assert sorted(found) == sorted([*odd, "zZ_0"])
    assert names(found[odd[0]]) == [f"{i}.jpg" for i in range(11)]
    np.testing.assert_array_equal(found[odd[1]].boxes[0], BOXES[0])
    assert found[odd[2]].visible.tolist() == [True] * 10 + [False]
    assert found["zZ_0"].visible.tolist() == [True, False, False, False]


def nfs_line(frame, box, lost=0):
    left, top, width, height = box
    return f'0 {left} {top} {left + width} {top + height} {frame} {int(lost)} 0 1 "ball"\n'


@pytest.mark.parametrize("first", [0, 1])
def test_nfs_has_corners_frames_without_a_line_and_one_file_for_both_rates(tmp_path, first):
    boxes = {i: (10 + i, 12, 20, 16) for i in range(20) if i not in (3, 8)}
    text = "".join(nfs_line(i + first, box, lost=i == 5) for i, box in boxes.items())
    for rate, count in ((240, 20), (30, 3)):
        pictures(tmp_path / "ball" / str(rate) / "ball", range(1, count + 1), "{:05d}.jpg")
        write(tmp_path / "ball" / str(rate) / "ball.txt", text)
    (slow,), (fast,) = read_sequences(tmp_path), read_sequences(tmp_path / "240")
    assert (slow.layout, fast.layout) == ("nfs30", "nfs240")
    np.testing.assert_array_equal(fast.boxes[7], boxes[7])
    assert np.flatnonzero(~fast.visible).tolist() == [3, 5, 8]
    np.testing.assert_array_equal(slow.boxes[[0, 2]], [boxes[0], boxes[16]])
    assert slow.visible.tolist() == [True, False, True]


def test_nfs_boxes_for_frames_that_are_not_there_are_named(tmp_path):
    pictures(tmp_path / "ball" / "30" / "ball")
    write(tmp_path / "ball" / "30" / "ball.txt", nfs_line(1, BOXES[0]) + nfs_line(5, BOXES[0]))
    with pytest.raises(ValueError, match=r"ball\.txt: 5 boxes for 3 images"):
        read_sequences(tmp_path)


def test_nfs_copy_of_pytracking_has_width_and_height(tmp_path):
    pictures(tmp_path / "sequences" / "ball", name="{:05d}.jpg")
    write(tmp_path / "anno" / "nfs_ball.txt", lines(separator="\t"))
    (sequence,) = read_sequences(tmp_path)
    assert (sequence.name, sequence.layout) == ("ball", "nfs30")
    np.testing.assert_array_equal(sequence.boxes, BOXES)


def test_otb_ranges_several_targets_and_any_separator(tmp_path):
    pictures(tmp_path / "David" / "img", range(1, 771), "{:04d}.jpg")
    write(tmp_path / "David" / "groundtruth_rect.txt", lines([BOXES[0]] * 471, "\t"))
    for name, count, annotated in (("Football1", 76, 74), ("Diving", 231, 215)):
        pictures(tmp_path / name / "img", range(1, count + 1), "{:04d}.jpg")
        write(tmp_path / name / "groundtruth_rect.txt", lines([BOXES[0]] * annotated))
    pictures(tmp_path / "Tiger1" / "img", range(1, 355), "{:04d}.jpg")
    write(tmp_path / "Tiger1" / "groundtruth_rect.txt", lines([BOXES[0]] * 354, ", "))
    pictures(tmp_path / "BlurCar1" / "img", range(247, 250), "{:04d}.jpg")
    write(tmp_path / "BlurCar1" / "groundtruth_rect.txt", lines(separator=" "))
    for i in (1, 2):
        pictures(tmp_path / "Jogging" / "img", name="{:04d}.jpg")
        write(tmp_path / "Jogging" / f"groundtruth_rect.{i}.txt")
    pictures(tmp_path / "Human4" / "img", name="{:04d}.jpg")
    write(tmp_path / "Human4" / "groundtruth_rect.1.txt", "\n")
    write(tmp_path / "Human4" / "groundtruth_rect.2.txt")
    found = by_name(tmp_path)
    ends = {name: (names(s)[0][:4], names(s)[-1][:4]) for name, s in found.items()}
    assert ends == {
        "BlurCar1": ("0247", "0249"),
        "David": ("0300", "0770"),
        "Diving": ("0001", "0215"),
        "Football1": ("0001", "0074"),
        "Human4-2": ("0001", "0003"),
        "Jogging-1": ("0001", "0003"),
        "Jogging-2": ("0001", "0003"),
        "Tiger1": ("0006", "0354"),
    }
    np.testing.assert_array_equal(found["BlurCar1"].boxes, ONE_LESS)


def test_otb_pictures_of_the_annotated_range_alone_are_taken_whole(tmp_path):
    pictures(tmp_path / "David" / "img", range(1, 4), "{:04d}.jpg")
    write(tmp_path / "David" / "groundtruth_rect.txt")
    assert names(read_sequences(tmp_path)[0]) == ["0001.jpg", "0002.jpg", "0003.jpg"]


def test_dtb70_lies_as_otb_does(tmp_path):
    pictures(tmp_path / "Animal1" / "img", name="{:05d}.jpg")
    write(tmp_path / "Animal1" / "groundtruth_rect.txt")
    (sequence,) = read_sequences(tmp_path)
    assert sequence.name == "Animal1"
    np.testing.assert_array_equal(sequence.boxes, ONE_LESS)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("UAV123", {"bird1_1": 1, "bird1_2": 775, "bird1_3": 1573, "uav1_3": 2473}),
        ("UAV123_10fps", {"bird1_1": 1, "bird1_2": 259, "bird1_3": 525, "uav1_3": 825}),
    ],
)
def test_uav123_sequences_are_ranges_of_a_folder_and_nan_is_absent(tmp_path, name, starts):
    for folder in ("bird1", "uav1"):
        near = {max(1, start + i) for start in starts.values() for i in range(-3, 5)}
        pictures(tmp_path / "data_seq" / name / folder, sorted(near), "{:06d}.jpg")
    for part in starts:
        boxes = lines(BOXES[:2]) + "NaN,NaN,NaN,NaN\n"
        write(tmp_path / "anno" / name / f"{part}.txt", boxes)
        write(tmp_path / "anno" / name / "att" / f"{part}.txt", "0,1,0")
    pictures(tmp_path / "data_seq" / name / "car1_s", name="{:06d}.jpg")
    write(tmp_path / "anno" / name / "car1_s.txt")
    write(tmp_path / "anno" / "UAV20L" / "bird1.txt")
    found = by_name(tmp_path)
    assert sorted(found) == sorted([*starts, "car1_s"])
    for part, start in starts.items():
        assert names(found[part]) == [f"{start + i:06d}.jpg" for i in range(3)]
        assert f"/{part.partition('_')[0]}/" in found[part].frames[0]
        assert found[part].visible.tolist() == [True, True, False]
    assert "/car1_s/" in found["car1_s"].frames[0]
    np.testing.assert_array_equal(found["car1_s"].boxes, ONE_LESS)
    assert found["car1_s"].layout == name.lower()


def test_uav123_pictures_that_were_numbered_from_zero_are_one_earlier(tmp_path):
    pictures(tmp_path / "data_seq" / "UAV123" / "car8", range(1362), "{:06d}.jpg")
    write(tmp_path / "anno" / "UAV123" / "car8_2.txt")
    assert names(read_sequences(tmp_path)[0]) == [f"00135{i}.jpg" for i in (6, 7, 8)]


def test_uav123_has_its_parts_and_a_range_that_is_too_short_is_named(tmp_path):
    assert len(UAV_STARTS) == 51  # of 123; the other 72 are whole folders
    pictures(tmp_path / "data_seq" / "UAV123" / "car1", range(1, 753), "{:06d}.jpg")
    write(tmp_path / "anno" / "UAV123" / "car1_2.txt")
    with pytest.raises(ValueError, match=r"car1_2\.txt: 3 boxes for 2 images in .*car1"):
        read_sequences(tmp_path)


def test_uavtrack112_and_the_boxes_of_112l_for_the_same_pictures(tmp_path):
    pictures(tmp_path / "data_seq" / "air conditioning box1", range(1, 6), "{:05d}.jpg")
    write(tmp_path / "anno" / "air conditioning box1.txt")
    write(tmp_path / "anno_l" / "air conditioning box1.txt", lines(BOXES[::-1]))
    (short,), (long,) = read_sequences(tmp_path), read_sequences(tmp_path / "anno_l")
    assert (short.layout, long.layout) == ("uavtrack112", "uavtrack112l")
    assert names(short) == names(long) == ["00001.jpg", "00002.jpg", "00003.jpg"]
    np.testing.assert_array_equal(short.boxes, ONE_LESS)
    np.testing.assert_array_equal(long.boxes, ONE_LESS[::-1])
    (tmp_path / "anno").rename(tmp_path / "no anno")
    (alone,) = read_sequences(tmp_path)
    assert (alone.layout, alone.frames) == ("uavtrack112l", short.frames)
    np.testing.assert_array_equal(alone.boxes, long.boxes)


@pytest.mark.parametrize(
    ("boxes", "frames"),
    [
        ("UAV-benchmark-SOT_v1.0/anno", "UAV-benchmark-S"),
        ("UAV-benchmark-SOT_v1.0/anno", "."),
        ("anno", "."),
    ],
)
def test_uavdt_boxes_lie_beside_the_pictures(tmp_path, boxes, frames):
    pictures(tmp_path / frames / "S0101", name="img{:06d}.jpg")
    write(tmp_path / boxes / "S0101_gt.txt")
    write(tmp_path / boxes / "att" / "S0101_att.txt", "1,0")
    (sequence,) = read_sequences(tmp_path)
    assert (sequence.name, sequence.layout) == ("S0101", "uavdt")
    np.testing.assert_array_equal(sequence.boxes, ONE_LESS)


def test_vot_polygons_masks_codes_and_the_list(tmp_path):
    polygon = "10,12,30,12,30,28,10,28\n"
    texts = {"ants1": 3 * polygon, "bag": "m10,12,20,16,0,320\n0\n" + polygon, "ball": polygon}
    for name, text in {**texts, "spare": polygon}.items():
        pictures(tmp_path / "sequences" / name / "color")
        write(tmp_path / "sequences" / name / "groundtruth.txt", text)
    write(tmp_path / "sequences" / "list.txt", "\r\n".join(texts))
    found = by_name(tmp_path)
    assert sorted(found) == sorted(texts) and found["bag"].layout == "vot"
    np.testing.assert_array_equal(found["ants1"].boxes, [BOXES[0]] * 3)
    np.testing.assert_array_equal(found["bag"].boxes[[0, 2]], [BOXES[0]] * 2)
    assert found["bag"].visible.tolist() == [True, False, True]
    assert found["ball"].visible.tolist() == [True, False, False]  # the rest has no box


def test_vot_before_2017_has_its_pictures_beside_the_polygons(tmp_path):
    got10k(tmp_path / "bag", 3 * "10.5,12,30.5,20,28,28,8,20\n")
    np.testing.assert_array_equal(read_sequences(tmp_path)[0].boxes, [(8, 12, 22.5, 16)] * 3)
