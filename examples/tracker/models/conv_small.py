"""A small convolutional Siamese tracker."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .base import Maps, TrackerModel, add_branches

MIDDLE = 6  # cells of the template, of 8, that are compared


def _block(n_in: int, n_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.GroupNorm(8, n_out),  # unlike batch norm the same for both crops, and after training
        nn.ReLU(inplace=True),
    )


class ConvSmall(TrackerModel):
    """The demo's network, 0.3 million parameters, trained from scratch in a minute.

    One backbone of stride 8 sees both crops. The head gets the search features, and how similar
    each cell of the template's middle is to each cell of the search crop.
    """

    template_size, search_size = 64, 128
    mean, std = (118.0,) * 3, (60.0,) * 3

    def __init__(self, width: int = 64) -> None:
        if width < 16 or width % 16:
            raise ValueError(f"width must be a positive multiple of 16; got {width}")
        super().__init__()
        self.backbone = nn.Sequential(
            _block(3, width // 2, 5, 2),
            _block(width // 2, width, stride=2),
            _block(width, width, stride=2),
            _block(width, width),
            nn.Conv2d(width, width, 1),
        )
        self.neck = nn.Sequential(_block(MIDDLE**2 + width, width), _block(width, width))
        add_branches(self, lambda: [_block(width, width // 2)], width // 2)

    def embed(self, template: Tensor) -> Tensor:
        """Unit vectors of the template's middle cells, (B, MIDDLE ** 2, C)."""
        features = self.backbone(self.normalise(template))
        start = (features.shape[-1] - MIDDLE) // 2
        middle = slice(start, start + MIDDLE)
        return functional.normalize(features[..., middle, middle].flatten(2), dim=1).transpose(1, 2)

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """Maps of 16 x 16 cells of 8 pixels."""
        features = self.backbone(self.normalise(search))
        joint = torch.cat([4.0 * correlate(embedded, features), features], dim=1)
        return self.read_maps(self.neck(joint))


def correlate(embedded: Tensor, features: Tensor) -> Tensor:
    """Cosine of unit vectors (B, n, C) and features (B, C, h, w), each with each: (B, n, h, w)."""
    unit = functional.normalize(features.flatten(2), dim=1)
    return torch.bmm(embedded, unit).unflatten(2, features.shape[-2:])
