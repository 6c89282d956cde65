"""A small convolutional Siamese tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

STRIDE = 8


@dataclass(frozen=True)
class ModelConfig:
    """Size of `ConvSmall`.

    Parameters
    ----------
    width : int
        Channels of the features; a multiple of 16.
    template_cells : int
        Side of the middle part of the template's features that is searched for. The template crop
        is twice as wide as the target, so its middle half is the target.

    Raises
    ------
    ValueError
        If the width is not a positive multiple of 16 or ``template_cells`` is under 1.
    """

    width: int = 64
    template_cells: int = 6

    def __post_init__(self) -> None:
        if self.width < 16 or self.width % 16:
            raise ValueError(f"width must be a positive multiple of 16; got {self.width}")
        if self.template_cells < 1:
            raise ValueError(f"template_cells must be at least 1; got {self.template_cells}")


def _block(n_in: int, n_out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.GroupNorm(
            8, n_out
        ),  # unlike batch norm it treats template and search alike, in training and after
        nn.ReLU(inplace=True),
    )


class ConvSmall(nn.Module):
    """Where in the search crop is the thing in the template crop?

    One backbone of stride 8 sees both crops. Every cell of the template's middle is compared with
    every cell of the search crop (a pixel-wise correlation of unit vectors), and the maps that
    result, with the search features, go to a head that tells the target's centre: a score map, an
    offset within the cell, and a size.

    Parameters
    ----------
    config : ModelConfig, optional
        Its size.
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.backbone = nn.Sequential(
            _block(3, width // 2, 5, 2),
            _block(width // 2, width, 3, 2),
            _block(width, width, 3, 2),
            _block(width, width, 3, 1),
            nn.Conv2d(width, width, 1),
        )
        self.neck = nn.Sequential(
            _block(config.template_cells**2 + width, width, 3, 1),
            _block(width, width, 3, 1),
        )
        self.score = self._branch(width, 1)
        self.offset = self._branch(width, 2)
        self.size = self._branch(width, 2)
        with torch.no_grad():
            self.score[-1].bias.fill_(-4.0)  # type: ignore[operator]  # 1 cell in 256
            self.size[-1].bias.fill_(-1.1)  # type: ignore[operator]  # 1/4 of the crop

    @staticmethod
    def _branch(width: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(_block(width, width // 2, 3, 1), nn.Conv2d(width // 2, n_out, 1))

    def correlate(self, template: Tensor, search: Tensor) -> Tensor:
        """Cosine similarity of each template cell with each search cell.

        Parameters
        ----------
        template : Tensor, shape (B, C, s, s)
            Features; the middle ``template_cells`` cells count.
        search : Tensor, shape (B, C, t, t)
            Features.

        Returns
        -------
        Tensor, shape (B, template_cells ** 2, t, t)
            In [-1, 1].
        """
        cells = self.config.template_cells
        start = (template.shape[-1] - cells) // 2
        middle = template[..., start : start + cells, start : start + cells].flatten(2)
        middle = functional.normalize(middle, dim=1)
        flat = functional.normalize(search.flatten(2), dim=1)
        maps = torch.bmm(middle.transpose(1, 2), flat)
        return maps.reshape(len(maps), -1, *search.shape[-2:])

    def forward(self, template: Tensor, search: Tensor) -> Dict[str, Tensor]:
        """Find the target.

        Parameters
        ----------
        template : Tensor, shape (B, 3, 64, 64)
            Normalised crops (`normalise`).
        search : Tensor, shape (B, 3, 128, 128)
            Normalised crops.

        Returns
        -------
        dict of str to Tensor
            ``score_map`` (B, 1, 16, 16), in (0, 1); ``offset_map`` and ``size_map`` (B, 2, 16, 16),
            in (0, 1): x and y within the cell, width and height over the crop's side; ``boxes``
            (B, 4): centre x, centre y, width, height over the crop's side, read where the score is
            highest.
        """
        features = self.backbone(search)
        maps = self.correlate(self.backbone(template), features)
        joint = self.neck(torch.cat([4.0 * maps, features], dim=1))
        score = torch.sigmoid(self.score(joint))
        offset, size = torch.sigmoid(self.offset(joint)), torch.sigmoid(self.size(joint))
        best = score.flatten(1).argmax(dim=1)
        return {
            "score_map": score,
            "offset_map": offset,
            "size_map": size,
            "boxes": boxes_at(best, offset, size),
        }


def boxes_at(cells: Tensor, offset_map: Tensor, size_map: Tensor) -> Tensor:
    """Boxes that the maps hold at given cells.

    Parameters
    ----------
    cells : Tensor of int64, shape (B,)
        Flat cell of each sample, row by row.
    offset_map, size_map : Tensor, shape (B, 2, h, w)
        As `ConvSmall` returns them.

    Returns
    -------
    Tensor, shape (B, 4)
        Centre x, centre y, width, height over the crop's side.
    """
    height, width = offset_map.shape[-2:]
    where = cells.view(-1, 1, 1).expand(-1, 2, 1)
    offset = offset_map.flatten(2).gather(2, where).squeeze(2)
    size = size_map.flatten(2).gather(2, where).squeeze(2)
    corner = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=1)
    extent = torch.tensor([width, height], dtype=offset.dtype, device=offset.device)
    return torch.cat([(corner + offset) / extent, size], dim=1)


def normalise(crops: Tensor) -> Tensor:
    """uint8 crops (B, 3, h, w) as floats of about zero mean and unit variance.

    Channels last in memory: convolutions on a CPU are about a quarter faster so.
    """
    return ((crops.float() - 118.0) / 60.0).contiguous(memory_format=torch.channels_last)
