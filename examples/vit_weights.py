"""Weights of a ViT in timm's, MAE's and OSTrack's files, for the trackers that start from one."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any, Dict

import torch
import torch.nn.functional as functional
from torch import Tensor

MARK = "patch_embed.proj.weight"  # in every ViT of this kind

Weights = Dict[str, Tensor]


def read_tensors(file: Path) -> Weights:
    """Tensors of a file by name, be they plain or under "model", "state_dict" or "net".

    ``.safetensors``, or what `torch.save` wrote; no code of the file runs. Raises ValueError if it
    cannot be read or holds no ViT.
    """
    if not file.is_file():
        raise ValueError(f"pretrained weights must be a file; there is none at {file}")
    try:
        saved = _load_safetensors(file) if file.suffix == ".safetensors" else _load(file)
    except ImportError:
        raise  # says what to install
    except Exception as error:  # several kinds are raised for what is no such file
        raise ValueError(f"{file} is no file of weights: {error}") from error
    for key in ("model", "state_dict", "net"):
        if isinstance(saved, dict) and isinstance(saved.get(key), dict):
            saved = saved[key]
    if not isinstance(saved, dict):
        raise ValueError(f"{file} must hold tensors by name; got {type(saved).__name__}")
    tensors = {str(name): value for name, value in saved.items() if isinstance(value, Tensor)}
    if not any(name.endswith(MARK) for name in tensors):
        raise ValueError(
            f"{file} must hold a ViT in timm's or MAE's or OSTrack's format; no {MARK} in it, in "
            f'its "model", "state_dict" or "net"; got {", ".join(list(tensors)[:5]) or "no tensor"}'
        )
    return tensors


def prefix_of(tensors: Weights) -> str:
    """Prefix of the encoder's names: the shortest one, not that of a part beside it."""
    return min((name[: -len(MARK)] for name in tensors if name.endswith(MARK)), key=len)


def encoder_of(tensors: Weights) -> Weights:
    """The encoder's tensors, without their prefix."""
    prefix = prefix_of(tensors)
    start = len(prefix)
    return {name[start:]: value for name, value in tensors.items() if name.startswith(prefix)}


def resize_positions(saved: Tensor, side: int) -> Tensor:
    """Position embeddings (1, tokens, C) for a grid of side x side, without class tokens.

    Saved ones may have no class token, one, or a second, DeiT's.
    """
    own_side = math.isqrt(saved.shape[1])
    cells = saved[:, saved.shape[1] - own_side**2 :].float()
    if own_side == side:
        return cells
    grid = cells.transpose(1, 2).reshape(1, -1, own_side, own_side)
    grid = functional.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
    return grid.flatten(2).transpose(1, 2)


def _load_safetensors(file: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise ImportError(f"to read {file.name}: pip install safetensors") from None
    return load_file(str(file))


class _Unread:
    """Stands for an object that is no tensor, such as the settings in OSTrack's checkpoints."""

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


def _load(file: Path) -> Any:
    """Content of a file that torch saved; no code of the file runs."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except TypeError:  # torch before 1.13, on which OSTrack's own environment may be
        return torch.load(file, map_location="cpu")
    except pickle.UnpicklingError:
        from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

        names = get_unsafe_globals_in_checkpoint(file)
        with safe_globals([(_Unread, name) for name in names]):
            return torch.load(file, map_location="cpu", weights_only=True)
