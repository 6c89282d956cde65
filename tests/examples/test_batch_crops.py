"""Crops made in batches are those that the workers make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from examples.tracker.data.augment import draw_change
from examples.tracker.data.batch_crops import make_crops, pack_pair
from examples.tracker.data.crops import Change, CropConfig, CropError, crop_pair
from examples.tracker.data.degrade import KINDS, Degradation
from examples.tracker.data.frames import FrameStore
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.trainer import Trainer

from .conftest import textured

CONFIG = CropConfig(
    template_size=32,
    search_size=64,
    context=0.3,
    scale_jitter=0.4,
    grey=0.3,
    brightness=0.4,
    tint=0.2,
)


def detailed(rng, height, width):
    """A picture in which half a pixel makes a difference."""
    grain = rng.integers(-30, 31, size=(height, width, 3))
    return np.clip(textured(rng, height, width) + grain, 0, 255).astype(np.uint8)


def both(views, changes, config):
    """Crops of pairs by `crop_pair` and by `make_crops`, and the boxes, stacked."""
    by_pair = [crop_pair(*view, config, change) for view, change in zip(views, changes)]
    packed = [pack_pair(*view, config, change) for view, change in zip(views, changes)]
    batch = make_crops(default_collate(packed), config)
    expected = [np.stack(column) for column in zip(*by_pair)]
    found = [batch[name].permute(0, 2, 3, 1).numpy() for name in ("template", "search")]
    return expected, [*found, batch["box"].numpy()]


def usable(view, config, change):
    try:
        crop_pair(*view, config, change)
    except CropError:
        return False
    return True


def random_pairs(seed, count, config):
    """Pairs with boxes from 3 to 300 pixels, in, partly out of, and larger than their pictures."""
    rng = np.random.default_rng(seed)
    views, changes = [], []
    while len(views) < count:
        picture = detailed(rng, *rng.integers(80, 400, size=2))
        size = np.exp(rng.uniform(np.log(3), np.log(300), size=2))
        centre = rng.uniform(-0.1, 1.1, size=2) * picture.shape[1::-1]
        side = (picture, np.array([*(centre - size / 2), *size]))
        change = draw_change(rng, config)
        if usable((side, side), config, change):
            views.append((side, side))
            changes.append(change)
    return views, changes


@pytest.mark.parametrize("context", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("degrade", [0.0, 0.5])
def test_make_crops_equals_crop_pair(context, degrade):
    config = replace(CONFIG, context=context, degrade=degrade)
    expected, found = both(*random_pairs(5, 40, config), config)
    assert (expected[2] == found[2]).all()
    for ours, theirs in zip(found, expected[:2]):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.uint8
        close = np.abs(ours.astype(int) - theirs) <= 2
        assert close.mean(axis=(1, 2, 3)).min() > 0.99


@pytest.mark.parametrize(
    "change",
    [
        Change(),
        Change(flip=True),
        Change(grey=True),
        Change(brightness=(0.5, 1.6)),
        Change(tint=((1.2, 0.9, 0.8), (0.7, 1.0, 1.3))),
        Change(shift=(0.9, -1.2), scale=1.7),
    ],
)
@pytest.mark.parametrize("box", [(50, 40, 20, 30), (-5, 70, 33, 21), (10, 5, 150, 120)])
def test_make_crops_equals_crop_pair_in_each_change(change, box):
    picture = textured(np.random.default_rng(1), 120, 160)
    view = (picture, np.array(box, dtype=float))
    expected, found = both([(view, view)], [change], CONFIG)
    assert (expected[2] == found[2]).all()
    for ours, theirs in zip(found, expected[:2]):
        assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_make_crops_of_a_square_with_less_than_half_a_pixel_of_the_picture():
    picture = textured(np.random.default_rng(1), 90, 120)
    view = (picture, np.array([134.7, 30.0, 30.0, 30.0]))  # its template starts at 119.7
    expected, found = both([(view, view)], [Change()], CONFIG)
    assert len(np.unique(found[0].reshape(-1, 3), axis=0)) == 1
    for ours, theirs in zip(found, expected):
        assert np.abs(ours.astype(float) - theirs).max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_make_crops_leaves_degraded_crops_to_the_worker(kind):
    """They come through bit for bit."""
    picture = textured(np.random.default_rng(2))
    view = (picture, np.array([40.0, 30.0, 25.0, 18.0]))
    degraded = Degradation(kind, 0.5, 3)
    change = Change(flip=True, grey=True, brightness=(1.3, 0.8), degraded=(degraded, degraded))
    expected, found = both([(view, view)], [change], CONFIG)
    for ours, theirs in zip(found, expected):
        assert (ours == theirs).all()


@pytest.mark.parametrize(
    ("template", "search"),
    [
        ((10, 10, 0, 5), (10, 10, 5, 5)),
        ((500, 10, 9, 9), (10, 10, 9, 9)),
        ((10, 10, 9, 9), (500, 10, 9, 9)),
    ],
)
def test_pack_pair_refuses_what_crop_pair_refuses(template, search):
    picture = np.zeros((90, 120, 3), dtype=np.uint8)
    views = [(picture, np.array(box, dtype=float)) for box in (template, search)]
    with pytest.raises(CropError) as expected:
        crop_pair(*views, CONFIG)
    with pytest.raises(CropError) as found:
        pack_pair(*views, CONFIG, Change())
    assert str(found.value) == str(expected.value)


def packed_batches(store, config, workers):
    trainer = Trainer(replace(config, crop_on="device", num_workers=workers), store)
    return trainer, list(trainer._loader())


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # fork, on Python 3.12 and 3.13
@pytest.mark.parametrize("workers", [0, 1])
def test_trainer_makes_the_crops_of_a_batch_on_the_device(squares, tiny_config, workers):
    config = replace(tiny_config, crops=replace(tiny_config.crops, degrade=0.3))
    store = FrameStore(squares)
    by_worker = list(Trainer(config, store)._loader())
    trainer, by_device = packed_batches(store, config, workers)
    for expected, packed in zip(by_worker, by_device):
        found = make_crops(packed, trainer.dataset.config)
        for name in ("box", "bin", "number", "video"):
            assert torch.equal(found[name], expected[name])
        for name in ("template", "search"):
            assert (found[name].int() - expected[name].int()).abs().max() <= 2


class Noted(Trainer):
    """A trainer that remembers its losses."""

    def _step(self, batch):
        self.losses = [*getattr(self, "losses", []), super()._step(batch)]
        return self.losses[-1]


def test_trainer_has_the_same_losses_wherever_crops_are_made(squares, tiny_config):
    store = FrameStore(squares)
    trainers = [Noted(replace(tiny_config, crop_on=x), store) for x in ("worker", "device")]
    for trainer in trainers:
        assert not trainer.run(progress=False, max_steps=2)
    assert trainers[1].losses == pytest.approx(trainers[0].losses, rel=0.02)


def test_trainer_makes_crops_in_the_workers_unless_the_device_is_a_gpu(squares, tiny_config):
    trainer = Trainer(tiny_config, FrameStore(squares))
    assert not trainer.dataset.packed
    trainer.device = torch.device("cuda")
    assert trainer._crops_on_device
    trainer.config = replace(tiny_config, crop_on="worker")
    assert not trainer._crops_on_device


def test_trainer_goes_on_with_crops_made_elsewhere(squares, tiny_config):
    state = Trainer(tiny_config, FrameStore(squares)).state_dict()
    Trainer(replace(tiny_config, crop_on="device"), FrameStore(squares)).load_state_dict(state)


def test_train_config_unknown_place_of_crops_is_named():
    with pytest.raises(ValueError, match="crop_on must be one of auto, worker, device; got 'gpu'"):
        TrainConfig(crop_on="gpu")
