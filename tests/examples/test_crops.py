"""Crops: where objects land, and that chance depends on the pair alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from examples.tracker.data.augment import Change, draw_change, pair_generator
from examples.tracker.data.crops import (
    CropConfig,
    CropError,
    Square,
    crop_pair,
    cut,
    square_around,
)
from examples.tracker.data.dataset import PairDataset
from examples.tracker.data.frames import FrameStore
from examples.tracker.data.sequences import Sequence, video_index
from examples.tracker.training.trainer import start_worker
from sstrack_sched import IntervalBins, IntervalSampler, Pair

from .conftest import moving_square

STILL = CropConfig(centre_jitter=0, scale_jitter=0, flip=0, grey=0, brightness=0)


def extent(mask):
    """Left, top, right, bottom of True pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def red_rectangle(box, size=(180, 240)):
    picture = np.full((*size, 3), 90, dtype=np.uint8)
    left, top, width, height = box
    picture[top : top + height, left : left + width] = (255, 0, 0)
    return picture


def test_cut_integer_square_equals_slicing():
    picture = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(picture, Square(10, 5, 32), 32), picture[5:37, 10:42])


def test_cut_outside_part_has_the_mean_colour():
    picture = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    crop = cut(picture, Square(-16, -16, 32), 32)
    np.testing.assert_allclose(
        crop[:15, :15].reshape(-1, 3).mean(axis=0), picture.mean(axis=(0, 1)), atol=1
    )
    np.testing.assert_array_equal(crop[16:, 16:], picture[:16, :16])


@pytest.mark.parametrize("shrink", [2, 3.3, 5])
def test_cut_much_larger_square_averages_pixels(shrink):
    picture = np.zeros((400, 400, 3), dtype=np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 200  # sampling without averaging would see 0 or 200
    crop = cut(picture, Square(20, 20, 64 * shrink), 64)
    assert abs(float(crop.mean()) - 100) < 3
    assert crop.std() < 45


def test_cut_square_outside_the_picture_raises():
    with pytest.raises(CropError, match="outside a 70 x 50 image"):
        cut(np.zeros((50, 70, 3), dtype=np.uint8), Square(80, 0, 10), 8)


@pytest.mark.parametrize(
    "box", [(100, 70, 24, 24), (60, 90, 40, 18), (10, 8, 15, 30), (205, 150, 30, 28)]
)
@pytest.mark.parametrize(
    "change",
    [
        Change(),
        Change(shift=(0.7, -0.4), scale=1.2),
        Change(shift=(-1.3, 1.1), scale=0.8),
        Change(flip=True),
    ],
)
def test_crop_pair_rectangle_lands_where_the_box_says(box, change):
    picture = red_rectangle(box)
    target = np.array(box, dtype=float)
    template, search, found = crop_pair((picture, target), (picture, target), STILL, change)
    centre, size = found[:2] * 128, found[2:] * 128
    expected = np.clip(np.concatenate([centre - size / 2, centre + size / 2]), 0, 128)
    np.testing.assert_allclose(extent(search[..., 0] > 172), expected, atol=1.01)
    # By hand: the template crop is twice the square root of the area wide, around the target.
    side = 2 * np.sqrt(box[2] * box[3])
    half = 64 * np.array([box[2], box[3]]) / side / 2
    np.testing.assert_allclose(
        extent(template[..., 0] > 172), [*(32 - half), *(32 + half)], atol=1.01
    )


def test_crop_pair_box_matches_a_hand_computation():
    box = np.array(
        [50.0, 40.0, 16.0, 36.0]
    )  # square root of the area: 24; side 4 * 24 * 1.25 = 120
    picture = red_rectangle((50, 40, 16, 36))
    change = Change(shift=(0.5, -0.25), scale=1.25)
    _, _, found = crop_pair((picture, box), (picture, box), STILL, change)
    left, top = 58 + 0.5 * 30 - 60, 58 - 0.25 * 30 - 60
    np.testing.assert_allclose(
        found, [(58 - left) / 120, (58 - top) / 120, 16 / 120, 36 / 120], rtol=1e-6
    )


def test_crop_pair_flip_mirrors_pictures_and_box():
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    box = np.array([60.0, 40.0, 20.0, 28.0])
    shift = Change(shift=(0.3, 0.2))
    plain = crop_pair((picture, box), (picture, box), STILL, shift)
    flipped = crop_pair((picture, box), (picture, box), STILL, Change(shift=(0.3, 0.2), flip=True))
    np.testing.assert_array_equal(flipped[0], plain[0][:, ::-1])
    np.testing.assert_array_equal(flipped[1], plain[1][:, ::-1])
    np.testing.assert_allclose(flipped[2], [1 - plain[2][0], *plain[2][1:]], rtol=1e-6)


def test_crop_pair_grey_and_brightness_change_colours_only():
    picture = np.random.default_rng(3).integers(0, 120, (120, 160, 3), dtype=np.uint8)
    box = np.array([60.0, 40.0, 20.0, 28.0])
    plain = crop_pair((picture, box), (picture, box), STILL)
    changed = crop_pair(
        (picture, box), (picture, box), STILL, Change(grey=True, brightness=(0.5, 2.0))
    )
    assert (changed[0][..., 0] == changed[0][..., 2]).all()
    grey = cv2.cvtColor(plain[1], cv2.COLOR_RGB2GRAY).astype(float)
    np.testing.assert_allclose(changed[1][..., 0], np.minimum(2 * grey, 255), atol=1)
    np.testing.assert_array_equal(changed[2], plain[2])


@pytest.mark.parametrize(
    "box", [(5, 5, 0, 4), (5, 5, -3, 4), (np.nan, 5, 4, 4), (5, 5, np.inf, 4), (5, 5, 0.1, 0.1)]
)
def test_square_around_degenerate_box_raises(box):
    with pytest.raises(CropError, match=r"empty or not finite|under 4"):
        square_around(np.array(box, dtype=float), 4.0)


def test_draw_change_defaults_stay_in_range():
    config = CropConfig()
    changes = [draw_change(pair_generator(0, 0, i), config) for i in range(2000)]
    shifts = np.array([change.shift for change in changes])
    assert np.abs(shifts).max() <= 1.5
    assert np.abs(shifts.mean()) < 0.05
    assert np.log([c.scale for c in changes]).std() == pytest.approx(0.25 / np.sqrt(2), rel=0.1)
    assert np.mean([c.flip for c in changes]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([c.grey for c in changes]) == pytest.approx(0.05, abs=0.02)
    assert np.abs(np.array([c.brightness for c in changes]) - 1).max() <= 0.2


def test_pair_generator_depends_on_each_word():
    def words(seed, epoch, number):
        return tuple(pair_generator(seed, epoch, number).integers(0, 2**32, 4).tolist())

    assert words(1, 2, 3) == words(1, 2, 3)
    assert (
        len(
            {
                words(1, 2, 3),
                words(0, 2, 3),
                words(1, 0, 3),
                words(1, 2, 0),
                words(2, 1, 3),
                words(1, 2, 4),
            }
        )
        == 6
    )


@pytest.mark.parametrize("name", ["template_size", "search_factor"])
def test_crop_config_bad_value_is_named(name):
    with pytest.raises(ValueError, match=f"{name} must be positive; got 0"):
        CropConfig(**{name: 0})
    with pytest.raises(ValueError, match=r"flip must be in \[0, 1\]; got 2"):
        CropConfig(flip=2)


def make_dataset(sequences, seed=0):
    sampler = IntervalSampler(video_index(sequences), IntervalBins(30, 10), seed=seed)
    return PairDataset(FrameStore(sequences), sampler, CropConfig(), seed=seed), sampler


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # fork, on Python 3.12 and 3.13
def test_dataset_any_worker_count_gives_the_same_crops(squares):
    dataset, sampler = make_dataset(squares)
    pairs = list(sampler.sample([0.3, 0.3, 0.4], 2, 0, 24))

    def batches(workers):
        return list(
            DataLoader(dataset, 8, sampler=pairs, num_workers=workers, worker_init_fn=start_worker)
        )

    for here, there in zip(batches(0), batches(2)):
        assert here.keys() == there.keys()
        for name in here:
            assert torch.equal(here[name], there[name]), name


def test_dataset_order_of_reading_does_not_matter(squares):
    dataset, sampler = make_dataset(squares)
    pairs = list(sampler.sample([0.3, 0.3, 0.4], 0, 0, 6))
    forward = [dataset[pair] for pair in pairs]
    for pair, item in zip(pairs[::-1], forward[::-1]):
        assert torch.equal(dataset[pair]["search"], item["search"])


def test_dataset_unusable_pair_is_redrawn_in_its_bin(squares):
    broken = Sequence("broken", ("missing-1.jpg",) * 40, squares[0].boxes, np.ones(40, dtype=bool))
    dataset, sampler = make_dataset([broken, *squares])
    pairs = [pair for pair in sampler.sample([0, 1, 0], 0, 0, 30) if pair.video == 0]
    assert pairs
    for pair in pairs:
        item = dataset[pair]
        assert item["video"] != 0
        assert (item["bin"], item["number"]) == (1, pair.number)
        assert torch.equal(item["search"], dataset[pair]["search"])


def test_dataset_nothing_usable_raises_with_the_files():
    broken = Sequence(
        "broken",
        tuple(f"missing-{i}.jpg" for i in range(40)),
        moving_square("x").boxes,
        np.ones(40),
    )
    dataset, _ = make_dataset([broken])
    with pytest.raises(
        RuntimeError,
        match=r"(?s)no usable pair of bin 0 in 8 attempts.*missing-3\.jpg and missing-5",
    ):
        dataset[Pair(0, 3, 5, 0, 0, 0)]
