"""Crops of a whole batch at once, on the device that trains: the same crops as `crop_pair` makes.

A worker only copies out the pixels that a crop needs (`pack_pair`); `make_crops` samples them and
changes their colours. A degraded crop is finished in the worker, and passes through as it is.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .crops import (
    Box,
    Change,
    CropConfig,
    Picture,
    Square,
    change_crop,
    crop_template,
    cut,
    cut_near,
    search_square,
    square_around,
    target_in,
)

View = Tuple[Picture, Box]  # a frame, and the target's box in it
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue, as OpenCV has it


def pack_pair(
    template: View, search: View, config: CropConfig, change: Change
) -> Dict[str, Tensor]:
    """What `make_crops` needs to make the two crops of a pair.

    Parameters
    ----------
    template, search, config, change
        As `crop_pair` takes them.

    Returns
    -------
    dict
        ``box`` (4,) as `crop_pair` returns it. For each ``name`` of template and search, of side s:
        ``name_patch`` (2s, 2s, 3) uint8, pixels of the frame; ``name_place`` (4,), factor and
        centre of the crop in it, x and y, both from -1 to 1; ``name_light`` (3,), factors on
        colours; ``name_grey``, bool. ``inside`` (4,): the target in the template crop.

    Raises
    ------
    CropError
        As `crop_pair`.
    """
    second, target = search_square(search[1], config, change)
    first = square_around(template[1], config.template_factor)
    size = config.template_size
    packed: Dict[str, Any] = {"box": target}
    if change.degraded[0].kind:
        packed.update(_finished("template", crop_template(*template, config), change, 0))
        packed["inside"] = np.array([0, 0, size, size])
    else:
        packed.update(_unfinished("template", template[0], first, size, change, 0))
        # In the middle of the crop, so mirroring it changes nothing.
        packed["inside"] = np.array(target_in(first, template[1], size))
    if change.degraded[1].kind:
        crop = cut(search[0], second, config.search_size)
        packed.update(_finished("search", crop, change, 1))
    else:
        packed.update(_unfinished("search", search[0], second, config.search_size, change, 1))
    return {name: torch.as_tensor(value) for name, value in packed.items()}


def _unfinished(
    name: str, picture: Picture, square: Square, size: int, change: Change, which: int
) -> Dict[str, Any]:
    patch, corner, side = _patch(picture, square, size)
    place = np.array([side, side, *(2 * corner + side)]) / len(patch)
    place -= (0, 0, 1, 1)
    if change.flip:
        place[0] = -place[0]
    light = np.float32(change.brightness[which]) * np.float32(change.tint[which])
    return _named(name, patch, place, light, change.grey)


def _finished(name: str, crop: Picture, change: Change, which: int) -> Dict[str, Any]:
    size = len(crop)
    patch = np.zeros((2 * size, 2 * size, 3), dtype=np.uint8)
    patch[:size, :size] = change_crop(crop, change, which)
    return _named(name, patch, np.array([0.5, 0.5, -0.5, -0.5]), np.ones(3, np.float32), False)


def _named(name: str, patch: Picture, place: Any, light: Any, grey: bool) -> Dict[str, Any]:
    return {
        f"{name}_patch": patch,
        f"{name}_place": place.astype(np.float32),
        f"{name}_light": light,
        f"{name}_grey": grey,
    }


def _patch(
    picture: Picture, square: Square, size: int
) -> Tuple[Picture, NDArray[np.float64], float]:
    """The pixels that a crop interpolates between, the square's left and top there, its side."""
    near, square, mean = cut_near(picture, square, size)
    corner, half = np.array([square.left, square.top]), square.side / size / 2
    # Centres of the first and last sample, from centres of pixels; one more pixel on the far side.
    low = np.floor(corner + half - 0.5).astype(int)
    high = np.floor(corner + square.side - half - 0.5).astype(int) + 2
    (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(high, near.shape[1::-1])
    if left >= right or top >= bottom:  # under half a pixel of the picture is in the square
        return np.full((2 * size, 2 * size, 3), np.rint(mean), np.uint8), corner - low, square.side
    x, y = left - low[0], top - low[1]
    patch = cv2.copyMakeBorder(
        near[top:bottom, left:right],
        *(y, 2 * size - y - (bottom - top), x, 2 * size - x - (right - left)),
        cv2.BORDER_CONSTANT,
        value=mean,
    )
    return np.asarray(patch, np.uint8), corner - low, square.side


def make_crops(batch: Dict[str, Tensor], config: CropConfig) -> Dict[str, Tensor]:
    """The crops of a batch, made on the device that its tensors are on.

    Parameters
    ----------
    batch : dict
        What `pack_pair` returned for each pair, stacked; and anything else.
    config : CropConfig
        As for `pack_pair`.

    Returns
    -------
    dict
        ``template`` (B, 3, s, s) and ``search`` (B, 3, t, t) uint8, and the batch.
    """
    template = _sampled(batch["template_patch"], batch["template_place"], config.template_size)
    if config.context < 1:
        template = _faded(template, batch["inside"], config.context)
    search = _sampled(batch["search_patch"], batch["search_place"], config.search_size)
    return {
        **batch,
        "template": _coloured(template, batch["template_grey"], batch["template_light"]),
        "search": _coloured(search, batch["search_grey"], batch["search_light"]),
    }


def _sampled(patches: Tensor, place: Tensor, size: int) -> Tensor:
    steps = (2 * torch.arange(size, device=place.device) + 1) / size - 1  # centres of pixels
    x, y = (steps * place[:, i, None] + place[:, i + 2, None] for i in (0, 1))
    shape = (len(place), size, size)
    grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=-1)
    pixels = patches.permute(0, 3, 1, 2).float()
    return functional.grid_sample(pixels, grid, mode="bilinear", align_corners=False).round()


def _faded(crops: Tensor, inside: Tensor, context: float) -> Tensor:
    """As `crop_template` does: the mean colour shows through outside the target."""
    mean = crops.mean(dim=(2, 3), keepdim=True).floor()
    faded = (context * crops + (1 - context) * mean).round()
    pixels = torch.arange(crops.shape[-1], device=crops.device)
    left, top, right, bottom = inside[:, :, None].unbind(1)
    columns, rows = (pixels >= left) & (pixels < right), (pixels >= top) & (pixels < bottom)
    return torch.where(columns[:, None, None, :] & rows[:, None, :, None], crops, faded)


def _coloured(crops: Tensor, grey: Tensor, light: Tensor) -> Tensor:
    luma = (crops * crops.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True).round()
    crops = torch.where(grey[:, None, None, None], luma, crops)
    return (crops * light[:, :, None, None]).round().clamp(0, 255).to(torch.uint8)
