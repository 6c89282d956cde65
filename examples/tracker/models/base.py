"""What every tracker network here is asked: one interface for training, export and tracking."""

from __future__ import annotations

from typing import ClassVar, Dict, Tuple

import torch
from torch import Tensor, nn

Maps = Dict[str, Tensor]
MAPS = ("score_map", "offset_map", "size_map")


class TrackerModel(nn.Module):
    """Where in the search crop is the thing in the template crop?

    A subclass sets the class attributes and defines `embed` and `locate`. What `embed` returns
    depends on the template alone, so that a tracker computes it once per video.

    Attributes
    ----------
    template_size, search_size : int
        Sides of the two crops, in pixels.
    template_factor, search_factor : float
        Side of the square that is cut from the frame, over the square root of the box's area.
    context : float
        How much of the template's surroundings shows, in [0, 1]: outside the box the crop fades
        to its mean colour, which tells the network what the box is. 1 leaves it as it is.
    mean, std : tuple of float
        Of red, green and blue (0 to 255), taken off the crops and divided by.
    """

    template_size: ClassVar[int]
    search_size: ClassVar[int]
    template_factor: ClassVar[float] = 2.0
    search_factor: ClassVar[float] = 4.0
    context: ClassVar[float] = 1.0
    mean: ClassVar[Tuple[float, float, float]]
    std: ClassVar[Tuple[float, float, float]]

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "std"):
            values = torch.tensor(getattr(type(self), name)).view(1, 3, 1, 1)
            self.register_buffer(f"_{name}", values, persistent=False)

    def normalise(self, crops: Tensor) -> Tensor:
        """uint8 crops (B, 3, h, w) as floats of about zero mean and unit variance.

        Channels last in memory: convolutions on a CPU are about a quarter faster so.
        """
        scaled = (crops.float() - self._mean) / self._std
        return scaled.contiguous(memory_format=torch.channels_last)

    def load_pretrained(self, source: str) -> None:
        """Start the backbone from weights that were trained on something else.

        Parameters
        ----------
        source : str
            What the network knows: a file, or a name.

        Raises
        ------
        ValueError
            If the network knows no such source, or the weights are of another network.
        """
        raise ValueError(f"{type(self).__name__} has no pretrained weights; got {source!r}")

    def freeze(self, n_stages: int) -> None:
        """Keep the first stages of a pretrained backbone as they are; 0: train everything.

        Raises
        ------
        ValueError
            If the network has not so many stages to freeze.
        """
        if n_stages:
            raise ValueError(f"{type(self).__name__} has no stages to freeze; got {n_stages}")

    def see(self, crops: Tensor) -> Tensor:
        """What a backbone makes of crops; `embed` and `locate` take it in the crops' place.

        Raises
        ------
        ValueError
            If the network has no backbone that could stay as it is.
        """
        raise ValueError(
            f"{type(self).__name__} has no features of {tuple(crops.shape)} crops to keep"
        )

    def embed(self, template: Tensor) -> Tensor:
        """The template's part of the work.

        Parameters
        ----------
        template : Tensor of uint8, shape (B, 3, template_size, template_size)
            Crops, RGB.

        Returns
        -------
        Tensor, shape (B, ...)
            For `locate`.
        """
        raise NotImplementedError

    def locate(self, embedded: Tensor, search: Tensor) -> Maps:
        """The rest of the work.

        Parameters
        ----------
        embedded : Tensor, shape (B, ...)
            What `embed` returned.
        search : Tensor of uint8, shape (B, 3, search_size, search_size)
            Crops, RGB.

        Returns
        -------
        dict of str to Tensor
            ``score_map`` (B, 1, h, w), in (0, 1); ``offset_map`` and ``size_map`` (B, 2, h, w),
            in (0, 1): x and y within the cell, width and height over the crop's side.
        """
        raise NotImplementedError

    def forward(self, template: Tensor, search: Tensor) -> Maps:
        """Find the target: the maps of `locate`, and the box that they tell.

        Returns
        -------
        dict of str to Tensor
            The maps, and ``boxes`` (B, 4): centre x, centre y, width, height over the crop's side,
            read where the score is highest.
        """
        maps = self.locate(self.embed(template), search)
        best = maps["score_map"].flatten(1).argmax(dim=1)
        return {**maps, "boxes": boxes_at(best, maps["offset_map"], maps["size_map"])}


def boxes_at(cells: Tensor, offset_map: Tensor, size_map: Tensor) -> Tensor:
    """Boxes that the maps hold at given cells.

    Parameters
    ----------
    cells : Tensor of int64, shape (B,)
        Flat cell of each sample, row by row.
    offset_map, size_map : Tensor, shape (B, 2, h, w)
        As `TrackerModel.locate` returns them.

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
