"""Weights of a ViT in timm's and MAE's formats, for OSTrack's backbone."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from examples.lineage.checkout import SetupError
from examples.ostrack import backbone

WIDTH = 192


class Vit(nn.Module):
    """As OSTrack's: a class token in pos_embed, parts of its own that no file has."""

    def __init__(self, patch_size=16, embed_dim=WIDTH, depth=12, num_heads=3, side=4, **options):
        super().__init__()
        self.made_with = {"depth": depth, "num_heads": num_heads, **options}
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side * side, embed_dim))
        self.pos_embed_z = nn.Parameter(torch.zeros(1, 4, embed_dim))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, embed_dim, patch_size, patch_size)
        self.blocks = nn.ModuleList([nn.LayerNorm(embed_dim) for _ in range(2)])


class VitCe(Vit):
    """With candidate elimination."""


def weights_of(side=4, n_extra=1, seed=1, width=WIDTH):
    """State of a ViT that was trained at another grid, with so many tokens before the patches."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.rand(value.shape, generator=generator)
        for name, value in Vit(embed_dim=width).state_dict().items()
        if name != "pos_embed_z"
    }
    state["pos_embed"] = torch.rand(1, n_extra + side * side, width, generator=generator)
    if not n_extra:
        del state["cls_token"]
    return state


FORMATS = {
    "timm": lambda state: {**state, "head.weight": torch.zeros(10, WIDTH)},
    "MAE": lambda state: {
        "model": {
            **state,
            "mask_token": torch.zeros(1, 1, 512),
            "decoder_pos_embed": torch.zeros(1, 197, 512),
            "decoder_blocks.0.weight": torch.zeros(512),
        }
    },
    "in state_dict, with a prefix": lambda state: {
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "epoch": 3,
    },
    "an encoder beside others": lambda state: {
        "model": {
            **{f"encoder.{name}": value for name, value in state.items()},
            **{f"teacher.encoder.{name}": value * 0 for name, value in state.items()},
        }
    },
}


@pytest.mark.parametrize("name", list(FORMATS))
def test_weights_are_found_in_every_format(tmp_path, name):
    state = weights_of()
    file = tmp_path / "weights.pth"
    torch.save(FORMATS[name](state), file)
    model = Vit()
    backbone.load_weights(model, backbone.read_weights(file), file)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state.get(key, torch.zeros_like(value))), key


@pytest.mark.parametrize("n_extra", [0, 1, 2], ids=["no class token", "one", "DeiT's two"])
def test_positions_of_the_same_grid_are_taken_as_they_are(n_extra):
    own, saved = torch.zeros(1, 17, WIDTH), weights_of(n_extra=n_extra)["pos_embed"]
    found = backbone.positions_for(saved, own)
    assert torch.equal(found[:, 1:], saved[:, n_extra:])
    first = saved[:, 0] if n_extra else torch.zeros(1, WIDTH)
    assert torch.equal(found[:, 0], first)


@pytest.mark.parametrize("n_extra", [0, 1, 2])
@pytest.mark.parametrize("side", [2, 7])
def test_positions_of_another_grid_are_resized_row_by_row_and_column_by_column(side, n_extra):
    """A ramp over the rows stays one, whatever the channel, and columns stay alike."""
    rows = torch.arange(side).repeat_interleave(side).float()[None, :, None]
    saved = torch.cat([torch.full((1, n_extra, WIDTH), 9.0), rows.expand(1, -1, WIDTH)], dim=1)
    found = backbone.positions_for(saved, torch.zeros(1, 17, WIDTH))
    grid = found[0, 1:].reshape(4, 4, WIDTH)
    assert torch.allclose(grid, grid[:, :1, :1].expand(4, 4, WIDTH), atol=1e-5)
    steps = grid[1:, 0, 0] - grid[:-1, 0, 0]
    assert (steps > 0).all()
    assert grid.mean().item() == pytest.approx((side - 1) / 2, abs=1e-4)
    assert found[0, 0].eq(9.0 if n_extra else 0.0).all()


def test_weights_in_half_precision_are_loaded_as_float32(tmp_path):
    state = {name: value.half() for name, value in weights_of(side=7).items()}
    torch.save(state, tmp_path / "half.pth")
    model = Vit()
    file = tmp_path / "half.pth"
    backbone.load_weights(model, backbone.read_weights(file), file)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.patch_embed.proj.weight, state["patch_embed.proj.weight"].float())


@pytest.mark.parametrize(
    "saved, words",
    [
        ({"conv1.weight": torch.zeros(1)}, ("timm's or MAE's", "patch_embed.proj.weight", "conv1")),
        (weights_of(width=384), (", 192)", ", 384)", "patch_size")),
        ({k: v for k, v in weights_of().items() if "blocks.1" not in k}, ("blocks.1.weight",)),
        ({k: v for k, v in weights_of().items() if k != "pos_embed"}, ("pos_embed",)),
    ],
    ids=["another network", "another width", "fewer blocks", "no positions"],
)
def test_weights_that_do_not_fit_are_refused_with_the_file_named(tmp_path, says, saved, words):
    file = tmp_path / "other.pth"
    torch.save(saved, file)
    model = Vit()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(SetupError, match=says("--pretrained", file, *words)):
        backbone.load_weights(model, backbone.read_weights(file), file)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.fixture
def ostrack(monkeypatch):
    """Modules in place of ``lib.models.ostrack``."""
    package = ModuleType("lib.models.ostrack")
    package.vit, package.vit_ce, package.ostrack = (ModuleType(n) for n in ("vit", "ce", "ostrack"))
    package.vit.VisionTransformer = Vit
    package.vit_ce.VisionTransformerCE = VitCe
    for name in ("vit_base_patch16_224", "vit_large_patch16_224_ce"):
        setattr(package.ostrack, name, lambda pretrained, **options: (pretrained, options))
    package.ostrack.build_box_head = untouched
    for name in ("lib", "lib.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name in ("vit", "vit_ce", "ostrack"):
        monkeypatch.setitem(sys.modules, f"lib.models.ostrack.{name}", getattr(package, name))
    monkeypatch.setitem(sys.modules, "lib.models.ostrack", package)
    return package.ostrack


def untouched():
    """A module that is no backbone."""


def test_vit_tiny_stands_where_the_config_says_base_or_large(ostrack):
    backbone.install_vit_tiny()
    made = ostrack.vit_base_patch16_224("mae.pth", drop_path_rate=0.1)
    assert type(made) is Vit
    assert made.made_with == {"depth": 12, "num_heads": 3, "drop_path_rate": 0.1}
    eliminating = ostrack.vit_large_patch16_224_ce("mae.pth", ce_loc=[3, 6, 9])
    assert type(eliminating) is VitCe and eliminating.made_with["ce_loc"] == [3, 6, 9]
    assert ostrack.build_box_head is untouched


def test_vit_tiny_takes_the_weights_of_the_file(ostrack, tmp_path, capsys):
    state = weights_of(side=7)
    torch.save({"model": state}, tmp_path / "tiny.pth")
    backbone.install_vit_tiny(tmp_path / "tiny.pth")
    made = ostrack.vit_base_patch16_224("mae.pth")
    assert torch.equal(made.blocks[1].weight, state["blocks.1.weight"])
    assert "loaded 8 of 9 tensors" in capsys.readouterr().out


def test_vit_tiny_without_a_file_says_that_it_starts_at_random(ostrack, capsys):
    backbone.install_vit_tiny()
    ostrack.vit_base_patch16_224("mae.pth")
    assert "random weights" in capsys.readouterr().out


def test_from_scratch_and_a_file_replace_what_the_config_names(ostrack, tmp_path):
    (tmp_path / "own.pth").touch()
    backbone.install_pretrained(tmp_path / "own.pth")
    assert ostrack.vit_base_patch16_224("mae.pth", a=1) == (str(tmp_path / "own.pth"), {"a": 1})
    backbone.from_scratch()
    assert ostrack.vit_base_patch16_224("mae.pth", a=1)[0] != "mae.pth"


@pytest.mark.parametrize("install", [backbone.install_vit_tiny, backbone.install_pretrained])
def test_a_file_that_is_not_there_is_said_before_anything_is_replaced(
    ostrack, tmp_path, says, install
):
    before = ostrack.vit_base_patch16_224
    with pytest.raises(SetupError, match=says("--pretrained", tmp_path / "none.pth")):
        install(tmp_path / "none.pth")
    assert ostrack.vit_base_patch16_224 is before
