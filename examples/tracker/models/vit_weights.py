"""Weights of a ViT in the formats that exist, for `VitTiny`."""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping

import torch
import torch.nn.functional as functional
from torch import Tensor

MARK = "patch_embed.proj.weight"  # in every ViT of this kind
BRANCHES = {"ctr": "score", "offset": "offset", "size": "size"}  # of the head: OSTrack's, ours

Weights = Dict[str, Tensor]


def read_weights(source: str, own: Mapping[str, Tensor]) -> Weights:
    """Tensors of a file, by their names in `VitTiny`.

    Parameters
    ----------
    source : str
        File; see `VitTiny.load_pretrained`.
    own : mapping of str to Tensor
        The network's state: the names and shapes that are wanted.

    Returns
    -------
    dict of str to Tensor
        All of the backbone's, and the head's too if the file is OSTrack's. What the file has
        beyond that, such as a classifier, is left out.

    Raises
    ------
    ValueError
        If the file cannot be read or holds another network.
    """
    saved = _read(Path(source).expanduser())
    prefixes = [name[: -len(MARK)] for name in saved if name.endswith(MARK)]
    if not prefixes:
        raise ValueError(
            f"{source} must hold a ViT in timm's, MAE's or OSTrack's format; no {MARK} in it, in "
            f'its "model", "state_dict" or "net"; got {", ".join(list(saved)[:5]) or "no tensor"}'
        )
    prefix = min(prefixes, key=len)  # the encoder's, not that of a part beside it
    if f"{prefix}pos_embed_z" in saved:
        found, wanted = _from_ostrack(saved, prefix[: -len("backbone.")]), list(own)
    else:
        found = _from_encoder(saved, prefix, own)
        wanted = [name for name in own if name.startswith("backbone.")]
        if "backbone.norm.weight" not in found:  # where the classifier has a norm of its own
            wanted = [name for name in wanted if not name.startswith("backbone.norm.")]
    _check(found, own, wanted, source)
    return {name: found[name] for name in wanted}


def _read(file: Path) -> Weights:
    """The tensors of a file."""
    if not file.is_file():
        raise ValueError(f"pretrained weights must be a file; there is none at {file}")
    load = _load_safetensors if file.suffix == ".safetensors" else _load
    try:
        saved = load(file)
    except ImportError:
        raise  # says what to install
    except Exception as error:  # several kinds are raised for what is no such file
        raise ValueError(f"{file} is no file of weights: {error}") from error
    for key in ("model", "state_dict", "net"):
        if isinstance(saved, dict) and isinstance(saved.get(key), dict):
            saved = saved[key]
    if not isinstance(saved, dict):
        raise ValueError(f"{file} must hold tensors by name; got {type(saved).__name__}")
    return {str(name): value for name, value in saved.items() if isinstance(value, Tensor)}


def _load_safetensors(file: Path) -> Weights:
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
    """What torch saved; no code of the file runs, whatever classes it names."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

        names = get_unsafe_globals_in_checkpoint(file)
        with safe_globals([(_Unread, name) for name in names]):
            return torch.load(file, map_location="cpu", weights_only=True)


def _from_ostrack(saved: Weights, prefix: str) -> Weights:
    """OSTrack's tensors by our names; its head numbers the layers of each branch from 1."""

    def renamed(found: re.Match[str]) -> str:
        return f"head.{BRANCHES[found[2]]}.{int(found[1]) - 1}."

    pattern = re.compile(r"box_head\.conv(\d)_(ctr|offset|size)\.")
    return {pattern.sub(renamed, name[len(prefix) :]): value for name, value in saved.items()}


def _from_encoder(saved: Weights, prefix: str, own: Mapping[str, Tensor]) -> Weights:
    """A plain ViT's tensors by our names, its positions interpolated to both crops."""
    start = len(prefix)
    found = {f"backbone.{k[start:]}": v for k, v in saved.items() if k.startswith(prefix)}
    positions = found.get("backbone.pos_embed")
    if positions is not None and positions.dim() == 3:
        for name in ("backbone.pos_embed_z", "backbone.pos_embed_x"):
            found[name] = resize_positions(positions, math.isqrt(own[name].shape[1]))
    return found


def resize_positions(saved: Tensor, side: int) -> Tensor:
    """Position embeddings (1, tokens, C) for a grid of side x side, without class tokens."""
    saved_side = math.isqrt(saved.shape[1])
    cells = saved[:, saved.shape[1] - saved_side**2 :].float().transpose(1, 2)
    grid = functional.interpolate(
        cells.unflatten(2, (saved_side, saved_side)),
        (side, side),
        mode="bicubic",
        align_corners=False,
    )
    return grid.flatten(2).transpose(1, 2)


def _check(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], wanted: List[str], source: str
) -> None:
    for name in wanted:
        if name not in found:
            raise ValueError(f"{source} must hold a ViT-Tiny; it has nothing for {name}")
        shape, theirs = tuple(own[name].shape), tuple(found[name].shape)
        if theirs != shape:
            raise ValueError(
                f"{source} must hold a ViT-Tiny: {name} must have shape {shape}; got {theirs}"
            )
