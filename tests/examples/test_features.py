"""Kept features: what the backbone makes of the crops, and training that uses them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.tracker.data.crops import CropConfig
from examples.tracker.data.frames import FrameStore
from examples.tracker.evaluation.pairs import HeldOutPairs
from examples.tracker.models import build_model
from examples.tracker.training.features import NAMES, KeptFeatures
from examples.tracker.training.trainer import Trainer, new_model
from sstrack_sched import IntervalBins

from .conftest import moving_square


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_model("lite")
    model.freeze(5)
    return model.eval()


@pytest.fixture
def store():
    videos = [moving_square(f"v-{i}", 30, seed=i) for i in range(2)]
    thin = np.arange(30) % 6 == 0
    return FrameStore([replace(video, visible=thin) for video in videos])


@pytest.fixture
def kept(tmp_path, store, model):
    return KeptFeatures(tmp_path, store, CropConfig().for_model(model), model)


@pytest.mark.parametrize("side", [112, 224])
def test_a_backbone_that_sees_a_few_crops_at_once_sees_the_same(model, side):
    crops = torch.randint(0, 256, (9, 3, side, side), dtype=torch.uint8)
    with torch.no_grad():
        few = model.see(crops)
        model.at_once = 9
        torch.testing.assert_close(few, model.see(crops), rtol=1e-4, atol=1e-4)


def test_a_backbone_that_learns_sees_the_whole_batch(model, monkeypatch):
    model.requires_grad_(True)
    seen, whole = [], model.backbone.forward
    monkeypatch.setattr(model.backbone, "forward", lambda x: seen.append(len(x)) or whole(x))
    model.see(torch.zeros(6, 3, 64, 64, dtype=torch.uint8))
    assert seen == [6]


def test_features_of_crops_give_the_maps_that_crops_give(model):
    template, search = (
        torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8) for side in (112, 224)
    )
    with torch.no_grad():
        maps = model(template, search)
        again = model(model.see(template).half(), model.see(search).half())
    for name, values in maps.items():
        torch.testing.assert_close(again[name], values, rtol=0.01, atol=0.005)


def test_kept_features_are_of_the_frames_and_in_half_precision(kept, store, model):
    assert [kept.frames[i] for i in (0, 4, 5)] == [(0, 0), (0, 24), (1, 0)]
    first, second, box, usable = kept._crops(1, 12)
    found = kept.pair(1, 12, 12)
    assert usable and found["template"].dtype == torch.float16
    np.testing.assert_array_equal(found["box"], box)
    for name, crop in (("template", first), ("search", second)):
        with torch.no_grad():
            whole = model.see(torch.from_numpy(np.ascontiguousarray(crop))[None])[0]
        torch.testing.assert_close(found[name].float(), whole, rtol=1e-3, atol=1e-3)


def test_kept_features_are_made_once_and_anew_for_other_weights(
    kept, store, model, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(KeptFeatures, "_write", None)
        same = KeptFeatures(tmp_path, store, kept.config, model)
    assert same.folder == kept.folder
    assert {path.stem for path in kept.folder.iterdir()} == set(NAMES)
    with torch.no_grad():
        model.backbone.stem[0].weight.mul_(2)
    assert KeptFeatures(tmp_path, store, kept.config, model).folder != kept.folder


def test_a_frame_without_a_crop_makes_its_pairs_redrawn(tmp_path, store, model, tiny_config):
    store.sequences[0].boxes[6] = np.nan
    kept = KeptFeatures(tmp_path, store, CropConfig().for_model(model), model)
    config = replace(tiny_config, model="lite", frozen_stages=5, keep_features=True)
    trainer = Trainer(config, store, kept)
    pair = next(iter(trainer.curriculum.source.sample(np.array([1.0, 0, 0]), 0, 0, 1)))
    other = trainer.dataset[pair._replace(video=0, template=6, search=6)]
    assert other["template"].shape == (272, 7, 7)
    assert torch.isfinite(torch.as_tensor(other["box"])).all()


def test_training_on_kept_features_goes_on_exactly(kept, store, tiny_config, tmp_path):
    config = replace(
        tiny_config, model="lite", frozen_stages=5, keep_features=True, max_interval=24, spacing=12
    )
    whole, cut = Trainer(config, store, kept), Trainer(config, store, kept)
    assert whole.run(progress=False)
    assert not cut.run(progress=False, max_steps=4)
    again = Trainer(config, store, kept)
    again.load_state_dict(cut.state_dict())
    assert again.run(progress=False)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_features_go_with_their_setting(kept, store, tiny_config):
    with pytest.raises(ValueError, match="keep_features goes with the features"):
        Trainer(tiny_config, store, kept)
    with pytest.raises(ValueError, match="keep_features goes with the features"):
        Trainer(replace(tiny_config, keep_features=True), store)


@pytest.mark.parametrize("options", [{"model": "lite", "frozen_stages": 3}, {"frozen_stages": 1}])
def test_a_backbone_that_is_trained_keeps_no_features(tiny_config, options):
    with pytest.raises(ValueError, match=r"needs a backbone that is frozen|no stages to freeze"):
        new_model(replace(tiny_config, keep_features=True, **options))


def test_held_out_pairs_answer_alike_from_features(model):
    store = FrameStore([moving_square("t", 30)])
    crops = CropConfig().for_model(model)
    held_out = HeldOutPairs(store, IntervalBins(20, 10), crops, 3)
    before = held_out.evaluate(model)
    held_out.keep_features(model)
    np.testing.assert_allclose(held_out.evaluate(model), before, atol=0.02)
