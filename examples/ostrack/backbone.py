"""Backbone for OSTrack: the paper's ViT-Tiny, with weights in the formats of timm and MAE."""

from __future__ import annotations

from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any, Callable, Optional

import torch

from examples.lineage.checkout import SetupError
from examples.vit_weights import Weights, encoder_of, read_tensors, resize_positions

VIT_TINY = {"patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3}


def install_vit_tiny(file: Optional[Path] = None) -> None:
    """Make OSTrack build ViT-Tiny instead of the config's ViT-Base or ViT-Large.

    It has candidate elimination if the config's backbone has it (``_ce``).
    """
    from lib.models.ostrack import vit, vit_ce

    _check_file(file)
    _replace_builders(
        lambda name, _original: partial(
            _vit_tiny,
            vit_ce.VisionTransformerCE if name.endswith("_ce") else vit.VisionTransformer,
            file,
        )
    )


def install_pretrained(file: Path) -> None:
    """Make OSTrack load this file instead of the config's MODEL.PRETRAIN_FILE."""
    _check_file(file)
    _replace_builders(lambda _name, original: partial(_from_file, original, str(file)))


def from_scratch() -> None:
    """Make OSTrack load no weights."""
    _replace_builders(lambda _name, original: partial(_from_file, original, ""))


def _replace_builders(replacement: Callable[[str, Any], Any]) -> None:
    """Replace the functions with which ``build_ostrack`` creates the backbone."""
    from lib.models.ostrack import ostrack

    for name in [name for name in vars(ostrack) if name.startswith("vit_") and "patch" in name]:
        setattr(ostrack, name, replacement(name, getattr(ostrack, name)))


def _from_file(build: Any, file: str, _pretrained: str, **options: Any) -> Any:
    return build(file, **options)


def _vit_tiny(make: Any, file: Optional[Path], _pretrained: str, **options: Any) -> Any:
    model = make(**VIT_TINY, **options)
    if file is None:
        print("ViT-Tiny starts from random weights, for --pretrained was not given")
    else:
        load_weights(model, read_weights(file), file)
    return model


def _check_file(file: Optional[Path]) -> None:
    if file is not None and not file.is_file():
        raise SetupError(f"--pretrained must be a file; got {file}, which does not exist")


def read_weights(file: Path) -> Weights:
    """Read ViT weights of timm (the dict itself) or MAE (under "model"), with any prefix."""
    try:
        return encoder_of(read_tensors(file))
    except ValueError as error:
        raise SetupError(f"--pretrained: {error}") from None


def load_weights(model: Any, weights: Weights, file: Path) -> None:
    """Load the weights of the model; ignore those of a decoder or a classifier."""
    own = model.state_dict()
    needed = [name for name in own if name.split(".")[0] in ("patch_embed", "pos_embed", "blocks")]
    missing = [name for name in needed if name not in weights]
    if missing:
        raise SetupError(f"--pretrained {file} has no weights for {', '.join(missing[:5])}")
    fitting = {name: value for name, value in weights.items() if name in own}
    if weights["pos_embed"].shape[-1] == own["pos_embed"].shape[-1]:
        fitting["pos_embed"] = positions_for(weights["pos_embed"], own["pos_embed"])
    for name, value in fitting.items():
        if value.shape != own[name].shape:
            raise SetupError(
                f"--pretrained {file} must be of a ViT of {VIT_TINY}: {name} must have shape "
                f"{tuple(own[name].shape)}; got {tuple(value.shape)}"
            )
    model.load_state_dict(fitting, strict=False)
    print(f"loaded {len(fitting)} of {len(own)} tensors from {file}")


def positions_for(saved: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Resize position embeddings (1, tokens, C) to OSTrack's square grid and one class token.

    The class token is 0 if none was saved; it is not used then.
    """
    grid = resize_positions(saved, isqrt(own.shape[1]))
    has_class = saved.shape[1] > isqrt(saved.shape[1]) ** 2
    first = saved[:, :1] if has_class else torch.zeros_like(own[:, :1])
    return torch.cat([first.to(grid), grid], dim=1)
