"""Files of trained weights: what a network is, and its tensors in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import torch

from . import build_model
from .base import TrackerModel

FORMAT = 1


def save_weights(path: Path, model: TrackerModel, name: str, options: Dict[str, Any]) -> None:
    """Write weights to be shipped, of a network built by ``build_model(name, **options)``."""
    state = {
        key: value.cpu().half() if value.is_floating_point() else value.cpu()
        for key, value in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({"format": FORMAT, "model": name, "options": options, "state": state}, partial)
    partial.replace(path)


def load_weights(path: Path) -> TrackerModel:
    """The network of a file of weights, in float32 and evaluation mode; runs no code from it."""
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights {path}")
    content = _content(path)
    if content is None:
        raise ValueError(
            f"{path} must be a file of weights of format {FORMAT}, as save_weights writes it "
            "(a training run's is weights.pt)"
        )
    model = build_model(content["model"], **content["options"])
    _load(model, content["state"], f"{path} does not fit the model {content['model']!r}")
    return model.eval()


def start_from(model: TrackerModel, source: str) -> None:
    """Give a network its first weights: of a file of weights, or by ``load_pretrained``."""
    content = _content(Path(source)) if Path(source).is_file() else None
    if content is None:
        model.load_pretrained(source)
    else:
        _load(model, content["state"], f"{source} does not fit the model")


def _content(path: Path) -> Optional[Dict[str, Any]]:
    """Content of a file of weights; None if it is something else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001  # torch raises several kinds for what is no file of its
        return None
    parts = {"format": int, "model": str, "options": dict, "state": dict}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    return content if all(isinstance(content.get(k), v) for k, v in parts.items()) else None


def _load(model: TrackerModel, state: Dict[str, Any], words: str) -> None:
    try:
        model.load_state_dict(state)  # halves become what the model's tensors are
    except RuntimeError as error:
        raise ValueError(f"{words}: {error}") from None
