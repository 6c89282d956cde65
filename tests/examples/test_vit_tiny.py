"""ViT-Tiny: its size, candidate elimination against a slow reference, training and export."""

from __future__ import annotations

import math

import pytest
import torch

from examples.tracker.models import build_model, vit_tiny
from examples.tracker.models.vit_tiny import DEPTH, ELIMINATING, HEADS, WIDTH, VitTiny
from examples.tracker.models.weights import load_weights, save_weights
from examples.tracker.training.losses import tracking_loss


class Small(VitTiny):
    """The same network on crops of half the side, to be quick: 4 x 4 and 8 x 8 cells."""

    template_size, search_size = 64, 128


def make(keep_ratio=1.0, kind=Small, seed=0):
    """A network whose attention is not even and whose batch norms are not the identity."""
    torch.manual_seed(seed)
    model = kind(keep_ratio)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("qkv.weight"):
                value.mul_(8)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture
def shallow(monkeypatch):
    """Three blocks, two of which drop candidates, to be quick."""
    monkeypatch.setattr(vit_tiny, "DEPTH", 3)
    monkeypatch.setattr(vit_tiny, "ELIMINATING", (1, 2))


def crops(model, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sides = model.template_size, model.search_size
    return tuple(
        torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)
        for side in sides
    )


@pytest.mark.parametrize(("keep_ratio", "macs"), [(1.0, 2.85), (0.7, 2.20)])
def test_vit_tiny_has_the_papers_size(keep_ratio, macs):
    counting = pytest.importorskip("torch.utils.flop_counter")
    attention = pytest.importorskip("torch.nn.attention")
    with torch.device("meta"):  # shapes only
        model = VitTiny(keep_ratio).eval()
        template, search = (torch.empty(1, 3, side, side, dtype=torch.uint8) for side in (128, 256))
    positions = WIDTH * (8 * 8 + 16 * 16)
    assert sum(value.numel() for value in model.parameters()) - positions == 7_979_205
    counter = counting.FlopCounterMode(display=False)
    with counter, attention.sdpa_kernel(attention.SDPBackend.MATH):
        model(template, search)
    assert round(counter.get_total_flops() / 2e9, 2) == macs


@pytest.mark.parametrize(("keep_ratio", "macs"), [(1.0, 2.39), (0.7, 1.92)])
def test_vit_tiny_macs_are_the_papers_as_ostrack_counts(keep_ratio, macs):
    thop = pytest.importorskip("thop", reason="not installed: thop")
    model = VitTiny(keep_ratio).eval()
    counted, parameters = thop.profile(model, inputs=crops(model, 1), verbose=False)
    assert (round(counted / 1e9, 2), parameters) == (macs, 7_979_205)


@pytest.mark.parametrize("keep_ratio", [1.0, 0.7])
@pytest.mark.parametrize("training", [False, True])
def test_vit_tiny_outputs_have_the_stated_shapes_and_ranges(shallow, keep_ratio, training):
    model = make(keep_ratio).train(training)
    outputs = model(*crops(model, 3))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {
        "score_map": (3, 1, 8, 8),
        "offset_map": (3, 2, 8, 8),
        "size_map": (3, 2, 8, 8),
        "boxes": (3, 4),
    }
    for name in ("score_map", "offset_map", "size_map"):
        assert ((outputs[name] > 0) & (outputs[name] < 1)).all()


@pytest.mark.parametrize("keep_ratio", [1.0, 0.7])
def test_vit_tiny_samples_of_a_batch_do_not_mix(shallow, keep_ratio):
    model = make(keep_ratio)
    template, search = crops(model, 4)
    together, alone = model(template, search), model(template[2:3], search[2:3])
    for name, value in alone.items():
        torch.testing.assert_close(together[name][2:3], value, rtol=1e-4, atol=1e-5)


def masked_forward(backbone, template, search, keep_ratio):
    """The transformer on all tokens, where those that were dropped are hidden from the others."""
    n_template, n_cells = template.shape[1], search.shape[1]
    tokens = torch.cat([template, search], dim=1)
    alive = torch.ones(tokens.shape[:2], dtype=torch.bool)
    side = math.isqrt(n_template)
    middle = (side // 2 - 1) * side + side // 2 - 1  # the upper left one of the four in the middle
    n_kept = n_cells
    for i in range(DEPTH):
        block = backbone.blocks[i]
        query, key, value = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in block.attn.qkv(block.norm1(tokens)).chunk(3, dim=2)
        )
        products = query @ key.transpose(2, 3) / math.sqrt(WIDTH / HEADS)
        weights = products.masked_fill(~alive[:, None, None, :], -math.inf).softmax(dim=3)
        tokens = tokens + block.attn.proj((weights @ value).transpose(1, 2).flatten(2))
        if i in ELIMINATING:
            n_kept = math.ceil(keep_ratio * n_kept)
            for sample in range(len(tokens)):
                looked_at = weights[sample, :, middle, n_template:].mean(dim=0)
                looked_at[~alive[sample, n_template:]] = -1
                best = looked_at.argsort(descending=True)[:n_kept]
                alive[sample, n_template:] = False
                alive[sample, n_template + best] = True
        tokens = tokens + block.mlp(block.norm2(tokens))
    return backbone.norm(tokens)[:, n_template:] * alive[:, n_template:, None]


@pytest.mark.parametrize(("keep_ratio", "n_left"), [(1.0, 64), (0.7, 23), (0.35, 4)])
def test_candidate_elimination_hides_what_the_templates_middle_looks_at_least(keep_ratio, n_left):
    model = make().double()
    generator = torch.Generator().manual_seed(1)
    tokens = [torch.randn(3, n, WIDTH, generator=generator).double() for n in (16, 64)]
    with torch.no_grad():
        found = model.backbone(*tokens, keep_ratio)
        expected = masked_forward(model.backbone, *tokens, keep_ratio)
    torch.testing.assert_close(found, expected)
    assert (found != 0).any(dim=2).sum(dim=1).tolist() == [n_left] * 3
    assert keep_ratio == 1 or not torch.equal(found[0] != 0, found[1] != 0)


def test_keep_ratio_can_be_lowered_while_training(shallow):
    model = make(1.0)
    pair = crops(model)
    before = model(*pair)["score_map"]
    model.keep_ratio = 0.5
    assert not torch.equal(model(*pair)["score_map"], before)
    torch.testing.assert_close(model(*pair), make(0.5)(*pair))


@pytest.mark.parametrize("keep_ratio", [0, -0.5, 1.01, math.nan])
def test_vit_tiny_bad_keep_ratio_raises(keep_ratio):
    with pytest.raises(ValueError, match=rf"keep_ratio must be in \(0, 1\]; got {keep_ratio}"):
        build_model("vit_tiny", keep_ratio=keep_ratio)


def test_vit_tiny_weights_of_a_file_keep_their_ratio(tmp_path, shallow):
    save_weights(tmp_path / "vit.pt", VitTiny(0.6), "vit_tiny", {"keep_ratio": 0.6})
    model = load_weights(tmp_path / "vit.pt")
    assert isinstance(model, VitTiny) and model.keep_ratio == 0.6
    assert "keep_ratio=0.6" in repr(model)


@pytest.mark.parametrize("keep_ratio", [1.0, 0.7])
def test_vit_tiny_every_parameter_gets_a_gradient(shallow, keep_ratio):
    model = make(keep_ratio).train()
    boxes = torch.tensor([[0.4, 0.6, 0.3, 0.2]] * 3)
    loss, _ = tracking_loss(model(*crops(model, 3)), boxes)
    loss.mean().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), name
        assert value.grad.any(), name


def test_offset_that_left_its_cell_is_led_back():
    head = make().train().head
    features = torch.randn(2, WIDTH, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head.offset[-1].bias.fill_(50.0)
    offset = head(features)["offset_map"]
    assert (offset > 0.999).all()
    offset.mean().backward()
    assert (head.offset[-1].bias.grad > 0.1).all()


def test_vit_tiny_learns_a_batch_by_heart(shallow):
    torch.manual_seed(0)
    model = Small().train()
    template, search = (torch.full_like(crop, 60) for crop in crops(model))
    boxes = torch.tensor([[0.3, 0.4, 0.25, 0.25], [0.7, 0.6, 0.25, 0.25]])
    for i, colour in enumerate((140, 240)):
        template[i, :, 16:48, 16:48] = colour
        x, y = (int(128 * value) for value in boxes[i, :2])
        search[i, :, y - 16 : y + 16, x - 16 : x + 16] = colour
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(20):
        loss = tracking_loss(model(template, search), boxes)[0].mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0], losses
