"""Files of trained weights: what a network is, and its tensors in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import torch
from torch import Tensor

from . import build_model
from .base import TrackerModel

FORMAT = 1


def save_weights(path: Path, model: TrackerModel, name: str, options: Dict[str, Any]) -> None:
    """Write weights to be shipped.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    model : TrackerModel
        What to write; its floats are rounded to float16.
    name : str
        A key of ``MODELS``.
    options : dict
        What the network was built with.
    """
    state = {
        key: value.cpu().half() if value.is_floating_point() else value.cpu()
        for key, value in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({"format": FORMAT, "model": name, "options": options, "state": state}, partial)
    partial.replace(path)


def load_weights(path: Path) -> TrackerModel:
    """The network of a file of weights; runs no code from the file.

    Parameters
    ----------
    path : Path
        What `save_weights` wrote.

    Returns
    -------
    TrackerModel
        In float32, in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no such file, or its tensors do not fit the network that it names.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file of weights {path}")
    content = _content(path)
    if content is None:
        raise ValueError(
            f"{path} must be a file of weights of format {FORMAT}, as save_weights writes it "
            "(a training run's is weights.pt)"
        )
    model = build_model(content["model"], **content["options"])
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in content["state"].items()
    }
    problem = _misfit(model.state_dict(), state)
    if problem:
        raise ValueError(f"{path} does not fit the model {content['model']!r}: {problem}")
    model.load_state_dict(state)
    return model.eval()


def start_from(model: TrackerModel, source: str) -> None:
    """Give a network its first weights.

    Parameters
    ----------
    model : TrackerModel
        What is to be trained.
    source : str
        A file that `save_weights` wrote, to go on training a whole network; or whatever the
        network's own ``load_pretrained`` takes.

    Raises
    ------
    ValueError
        If the weights are of another network.
    """
    content = _content(Path(source)) if Path(source).is_file() else None
    if content is None:
        model.load_pretrained(source)
        return
    problem = _misfit(model.state_dict(), content["state"])
    if problem:
        raise ValueError(f"{source} does not fit the model: {problem}")
    model.load_state_dict(content["state"])  # halves become what the model's tensors are


def _content(path: Path) -> Optional[Dict[str, Any]]:
    """What a file of weights holds; None if it is something else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001  # torch raises several kinds for what is no file of its
        return None
    parts = {"format": int, "model": str, "options": dict, "state": dict}
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    return content if all(isinstance(content.get(k), v) for k, v in parts.items()) else None


def _misfit(mine: Dict[str, Tensor], theirs: Dict[str, Tensor]) -> str:
    """The first tensor by which two sets of weights differ, in words; empty if they agree."""
    for name in [*mine, *theirs]:
        here, there = (
            tuple(tensors[name].shape) if name in tensors else "missing"
            for tensors in (mine, theirs)
        )
        if here != there:
            return f"{name} is {there} in the file and {here} in the model"
    return ""
