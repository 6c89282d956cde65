"""The networks, by name."""

from __future__ import annotations

from typing import Any, Dict, Type

from .base import TrackerModel
from .conv_small import ConvSmall
from .lite import Lite
from .vit_tiny import VitTiny

MODELS: Dict[str, Type[TrackerModel]] = {"conv_small": ConvSmall, "lite": Lite, "vit_tiny": VitTiny}


def model_class(name: str) -> Type[TrackerModel]:
    if name not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {name!r}")
    return MODELS[name]


def build_model(name: str, **options: Any) -> TrackerModel:
    """A network with random weights; options of its class, such as ``width``."""
    try:
        return model_class(name)(**options)
    except TypeError as error:
        raise ValueError(f"options of model {name!r}: {error}") from None
