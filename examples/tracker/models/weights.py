"""Files of tensors that run no code when read: trained weights, and checkpoints of runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Optional

import torch

from . import build_model
from .base import TrackerModel

FORMAT = 1
WEIGHTS = {"model": str, "options": dict, "state": dict}  # what such a file holds


def save_weights(path: Path, model: TrackerModel, name: str, options: Dict[str, Any]) -> None:
    """Write weights in half precision, of a network built by ``build_model(name, **options)``."""
    tensors = model.state_dict().items()
    state = {k: (v.half() if v.is_floating_point() else v).cpu() for k, v in tensors}
    save_checkpoint(path, {"model": name, "options": options, "state": state})


def load_weights(path: Path) -> TrackerModel:
    """The network of a file of weights, in float32 and evaluation mode."""
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights {path}")
    content = _read(path, WEIGHTS)
    if content is None:
        words = "as save_weights writes it (a training run's is weights.pt)"
        raise ValueError(f"{path} must be a file of weights of format {FORMAT}, {words}")
    model = build_model(content["model"], **content["options"])
    _load(model, content["state"], f"{path} does not fit the model {content['model']!r}")
    return model.eval()


def start_from(model: TrackerModel, source: str) -> None:
    """Give a network its first weights: of a file of weights, or by ``load_pretrained``."""
    content = _read(Path(source), WEIGHTS) if Path(source).is_file() else None
    if content is None:
        model.load_pretrained(source)
    else:
        _load(model, content["state"], f"{source} does not fit the model")


def save_checkpoint(path: Path, state: Dict[str, Any]) -> None:
    """Write tensors and plain values; an interrupted write never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> Dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    content = _read(path, {"config": dict, "curriculum": dict})
    if content is None:
        raise ValueError(f"{path} must be the checkpoint of a run, of format {FORMAT}")
    return content


def _read(path: Path, kinds: Dict[str, type]) -> Optional[Dict[str, Any]]:
    """Content of a file that holds such parts; None if it is something else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  # torch raises several kinds for what is no file of its
        return None
    fits = isinstance(content, dict) and content.get("format") == FORMAT
    fits = fits and all(isinstance(content.get(name), kind) for name, kind in kinds.items())
    return content if fits else None


def _load(model: TrackerModel, state: Dict[str, Any], words: str) -> None:
    try:
        model.load_state_dict(state)  # halves become what the model's tensors are
    except RuntimeError as error:
        raise ValueError(f"{words}: {error}") from None
