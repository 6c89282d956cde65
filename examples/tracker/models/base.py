"""Common interface of all tracker networks: training, export and tracking."""

from __future__ import annotations

from typing import Callable, ClassVar, Dict, Sequence, Tuple

import torch
from torch import Tensor, nn

Maps = Dict[str, Tensor]
HEAD = {"score": 1, "offset": 2, "size": 2}  # branches of the head and their channels
MAPS = tuple(f"{name}_map" for name in HEAD)


class TrackerModel(nn.Module):
    """Network that finds the target of a template crop in a search crop; both are uint8 RGB."""

    template_size: ClassVar[int]  # sides of the two crops, in pixels
    search_size: ClassVar[int]
    template_factor: ClassVar[float] = 2.0  # side that is cut, over the root of the box's area
    search_factor: ClassVar[float] = 4.0
    context: ClassVar[float] = 1.0  # how much shows outside the template's box, see `CropConfig`
    mean: ClassVar[Tuple[float, float, float]]  # of the colours, 0 to 255
    std: ClassVar[Tuple[float, float, float]]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_mean", torch.tensor(self.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(self.std).view(1, 3, 1, 1), persistent=False)

    def read_maps(self, joint: Tensor) -> Maps:
        return {f"{name}_map": getattr(self, name)(joint).sigmoid() for name in HEAD}

    def normalise(self, crops: Tensor) -> Tensor:
        """Crops as floats; channels last in memory, with which a CPU is about a quarter faster."""
        scaled = (crops.float() - self._mean) / self._std
        return scaled.contiguous(memory_format=torch.channels_last)

    def load_pretrained(self, source: str) -> None:
        """Start the backbone from a file, or by name, of weights trained on something else."""
        raise ValueError(f"{type(self).__name__} has no pretrained weights; got {source!r}")

    def freeze(self, n_stages: int) -> None:
        """Keep the stem and the first stages of the backbone as they are; 0: train everything."""
        if n_stages:
            raise ValueError(f"{type(self).__name__} has no stages to freeze; got {n_stages}")

    def see(self, crops: Tensor) -> Tensor:
        """Features that `embed` and `locate` also take in place of crops; here the crops."""
        return crops

    def embed(self, template: Tensor) -> Tensor:
        """Tensor of the template alone, (B, ...): a tracker computes it once per video."""
        raise NotImplementedError

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """The maps, all in (0, 1): ``score_map`` (B, 1, h, w), and two of (B, 2, h, w):

        ``offset_map``, x and y within the cell; ``size_map``, both sides over the crop's.
        """
        raise NotImplementedError

    def forward(self, template: Tensor, search: Tensor, strangers: bool = False) -> Maps:
        """The maps of `locate` and, where the score is highest, ``boxes`` of `boxes_at`, float32.

        With ``strangers`` also ``stranger_map``, the score map of each search crop for the template
        of the sample before it in the batch, whose target is not there.
        """
        embedded = self.embed(template)
        if strangers:
            search = self.see(search)  # the backbone's work serves both
        # Boxes of half precision would be too coarse.
        maps = {name: values.float() for name, values in self.locate(embedded, search).items()}
        best = maps["score_map"].flatten(1).argmax(dim=1)
        found = {**maps, "boxes": boxes_at(best, maps["offset_map"], maps["size_map"])}
        if strangers:
            found["stranger_map"] = self.locate(embedded.roll(1, 0), search)["score_map"].float()
        return found


def add_branches(head: nn.Module, layers: Callable[[], Sequence[nn.Module]], width: int) -> None:
    """Give a head its branches: layers that end in ``width`` channels, then a convolution."""
    for name, n_channels in HEAD.items():
        setattr(head, name, nn.Sequential(*layers(), nn.Conv2d(width, n_channels, 1)))
    nn.init.constant_(head.score[-1].bias, -4.0)  # 1 cell in some hundred
    nn.init.constant_(head.size[-1].bias, -1.1)  # 1/4 of the crop


def boxes_at(cells: Tensor, offset_map: Tensor, size_map: Tensor) -> Tensor:
    """Boxes (B, 4) at flat cells (B,): centre x, centre y, width, height over the crop's side."""
    height, width = offset_map.shape[-2:]
    where = cells.view(-1, 1, 1).expand(-1, 2, 1)
    offset = offset_map.flatten(2).gather(2, where).squeeze(2)
    size = size_map.flatten(2).gather(2, where).squeeze(2)
    corner = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=1)
    extent = torch.tensor([width, height], dtype=offset.dtype, device=offset.device)
    return torch.cat([(corner + offset) / extent, size], dim=1)
