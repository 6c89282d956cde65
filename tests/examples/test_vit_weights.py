"""Weights of a ViT in timm's, MAE's and OSTrack's formats."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.nn import functional

from examples.tracker.models import vit_tiny
from examples.tracker.models.vit_tiny import VitTiny


@pytest.fixture(autouse=True)
def shallow(monkeypatch):
    """Two blocks, to be quick."""
    monkeypatch.setattr(vit_tiny, "DEPTH", 2)


def random_like(state, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(value.shape, generator=generator) for name, value in state.items()}


def encoder(n_extra=1, side=14):
    """State of a plain ViT-Tiny as timm names it, made up."""
    own = VitTiny().backbone.state_dict()
    state = {name: value for name, value in random_like(own).items() if "pos_embed" not in name}
    cells = random_like({"cells": torch.empty(1, side**2, 192)})["cells"]
    extra = torch.full((1, n_extra, 192), 1e6)  # must leak nowhere
    return {**state, "pos_embed": torch.cat([extra, cells], dim=1)}


FORMATS = {
    "timm": lambda state: {**state, "head.weight": torch.zeros(10, 192)},
    "MAE": lambda state: {"model": {**state, "decoder_pos_embed": torch.zeros(1, 197, 512)}},
    "in state_dict, with a prefix": lambda state: {
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "epoch": 3,
    },
    "in half precision": lambda state: {name: value.half() for name, value in state.items()},
}


@pytest.mark.parametrize("name", list(FORMATS))
def test_encoder_is_found_in_every_format(tmp_path, name):
    state = encoder()
    torch.save(FORMATS[name](state), tmp_path / "vit.pth")
    model = VitTiny()
    head = {key: value.clone() for key, value in model.head.state_dict().items()}
    model.load_pretrained(str(tmp_path / "vit.pth"))
    for key, value in model.backbone.state_dict().items():
        if "pos_embed" not in key:
            torch.testing.assert_close(value, state[key], rtol=1e-3, atol=1e-3)
    for key, value in model.head.state_dict().items():
        assert torch.equal(value, head[key]), key


@pytest.mark.parametrize("n_extra", [0, 1, 2])
def test_positions_are_interpolated_to_both_crops_without_class_tokens(tmp_path, n_extra):
    state = encoder(n_extra)
    torch.save(state, tmp_path / "vit.pth")
    model = VitTiny()
    model.load_pretrained(str(tmp_path / "vit.pth"))
    grid = state["pos_embed"][0, n_extra:].reshape(14, 14, 192).permute(2, 0, 1)[None]
    for own, side in ((model.backbone.pos_embed_z, 8), (model.backbone.pos_embed_x, 16)):
        resized = functional.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
        for row, column in ((0, 0), (2, 5), (side - 1, 0)):
            expected = resized[0, :, row, column]
            torch.testing.assert_close(own[0, row * side + column].detach(), expected)


def test_encoder_without_its_last_norm_is_accepted(tmp_path):
    state = {name: value for name, value in encoder().items() if not name.startswith("norm.")}
    torch.save(state, tmp_path / "vit.pth")
    model = VitTiny()
    model.load_pretrained(str(tmp_path / "vit.pth"))
    assert torch.equal(model.backbone.norm.weight, torch.ones(192))
    assert torch.equal(model.backbone.blocks[0].norm1.weight, state["blocks.0.norm1.weight"])


def test_encoder_in_safetensors_is_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="not installed: safetensors")
    state = {name: value.contiguous() for name, value in encoder().items()}
    safetensors.save_file(state, str(tmp_path / "vit.safetensors"))
    model = VitTiny()
    model.load_pretrained(str(tmp_path / "vit.safetensors"))
    assert torch.equal(model.backbone.norm.weight, state["norm.weight"])


def as_ostrack(state):
    """Names of OSTrack, with what it keeps of its pretrained ViT."""
    names = {"score": "ctr", "offset": "offset", "size": "size"}
    renamed = {"backbone.cls_token": torch.zeros(1, 1, 192), "backbone.pos_embed": torch.zeros(1)}
    for name, value in state.items():
        part, *rest = name.split(".")
        if part == "head":
            branch, layer, *last = rest
            name = ".".join(["box_head", f"conv{int(layer) + 1}_{names[branch]}", *last])
        renamed[name] = value
    return renamed


class Trap:
    """Leaves a file behind where it is unpickled as pickle does."""

    def __reduce__(self):
        return (open, ("trapped", "w"))


def test_checkpoint_of_ostrack_is_read_and_its_objects_are_not(tmp_path, monkeypatch):
    if not hasattr(torch.serialization, "safe_globals"):
        pytest.skip("reading such a file needs torch 2.6")
    monkeypatch.chdir(tmp_path)
    settings = type("Settings", (), {"__module__": "lib_of_ostrack", "__qualname__": "Settings"})
    module = ModuleType("lib_of_ostrack")
    module.Settings = settings
    monkeypatch.setitem(sys.modules, "lib_of_ostrack", module)
    held = settings()
    held.values, held.trap = {"a": 1}, Trap()
    state = random_like(VitTiny().state_dict())
    torch.save({"epoch": 1, "net": as_ostrack(state), "settings": held}, "ostrack.pth.tar")
    monkeypatch.delitem(sys.modules, "lib_of_ostrack")

    model = VitTiny()
    model.load_pretrained("ostrack.pth.tar")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, state[name].to(value.dtype), msg=name)
    assert not Path("trapped").exists()


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


BAD = {
    "no_vit": (lambda: {"conv.weight": torch.ones(1)}, "no patch_embed.proj.weight in it"),
    "no_dict": (lambda: [1, 2], "must hold tensors by name; got list"),
    "wide": (
        lambda: {**encoder(), "blocks.0.mlp.fc1.bias": torch.ones(1536)},
        r"fc1.bias must have shape \(768,\); got \(1536,\)",
    ),
    "shallow": (
        lambda: without(encoder(), "blocks.1.norm1.weight"),
        "it has nothing for backbone.blocks.1.norm1.weight",
    ),
    "no_positions": (
        lambda: without(encoder(), "pos_embed"),
        "it has nothing for backbone.pos_embed_z",
    ),
    "flat_positions": (
        lambda: {**encoder(), "pos_embed": torch.ones(197, 192)},
        "it has nothing for backbone.pos_embed_z",
    ),
    "corner_head": (
        lambda: without(as_ostrack(VitTiny().state_dict()), "box_head.conv5_ctr.bias"),
        "it has nothing for head.score.4.bias",
    ),
}


@pytest.mark.parametrize("name", list(BAD))
def test_weights_of_another_network_raise_and_change_nothing(tmp_path, name):
    content, message = BAD[name]
    file = tmp_path / f"{name}.pth"
    torch.save(content(), file)
    model = VitTiny()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message) as caught:
        model.load_pretrained(str(file))
    assert str(file) in str(caught.value)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("content", [b"no weights at all", b"", pickle.dumps({"a": 1})])
def test_file_that_torch_did_not_write_raises(tmp_path, content):
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.pth"):
        VitTiny().load_pretrained(str(tmp_path / "file.pth"))


def test_missing_file_of_weights_raises():
    with pytest.raises(ValueError, match="must be a file; there is none at imagenet"):
        VitTiny().load_pretrained("imagenet")
