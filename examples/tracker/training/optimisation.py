"""Which parameters are trained, and how fast."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List

from ..models import TrackerModel
from .config import TrainConfig


def warm_cosine(config: TrainConfig) -> Callable[[int], float]:
    """Factor on the learning rate by step: a linear warm-up, then a cosine down to 2 %."""
    total = config.epochs * config.steps_per_epoch

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
        return warm * (0.51 + 0.49 * math.cos(math.pi * min(1.0, step / total)))

    return factor


def parameter_groups(model: TrackerModel, config: TrainConfig) -> List[Dict[str, Any]]:
    """Parameters that are trained, the backbone's with a learning rate of their own."""
    model.freeze(config.frozen_stages)
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    backbone = [value for name, value in trained if name.startswith("backbone.")]
    rest = [value for name, value in trained if not name.startswith("backbone.")]
    return [
        {"params": rest, "lr": config.learning_rate},
        {"params": backbone, "lr": config.learning_rate * config.backbone_rate},
    ]
