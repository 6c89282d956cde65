"""Settings of a training run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, Tuple

from ..data.crops import CropConfig, check
from ..models import model_class

MODES = {
    "random": "the random sampler's distribution, kept",
    "scheduled": "the scheduler",
    "weighted": "the scheduler and its loss weights",
    "uniform": "all bins alike, kept",
    "static": "what a scheduled run drew on average, kept",
}

RULES = {
    "be at least 1": "every n_videos epochs samples_per_epoch batch_size max_interval spacing",
    "be positive": "learning_rate backbone_rate clip_norm order",
    "be in [0, 1]": "look_alikes",
    "be in [0, 1)": "average held_out",
    "not be negative": "drift strangers weight_decay warmup_steps num_workers memory seed",
}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the defaults are the demo's."""

    mode: str = "weighted"  # a key of ``MODES``
    distribution: Tuple[float, ...] = ()  # of mode static: the share of each bin
    data: Tuple[str, ...] = ()  # places, [photos:]PATH[=WEIGHT], see `read_sources`; none: clips
    held_out: float = 0.25  # share of a place's videos that are not trained on
    n_videos: int = 16  # clips to composite, of the photographs of each place
    drift: float = 1.0  # how much the look of composited objects drifts
    look_alikes: float = 0.0  # share of composited clips with another of its kind by the target
    every: int = 1  # of each video, only every so many-th frame is used
    keep_features: bool = False  # make each frame's crops once, see `KeptFeatures`; the study's
    epochs: int = 14
    samples_per_epoch: int = 640
    batch_size: int = 32
    learning_rate: float = 1e-3  # of AdamW; rises over warmup_steps, then falls as a cosine
    weight_decay: float = 1e-4
    clip_norm: float = 5.0  # largest norm of a gradient
    pretrained: str = ""  # first weights: a whole network's, or what ``load_pretrained`` takes
    backbone_rate: float = 1.0  # factor on the learning rate of the backbone
    frozen_stages: int = 0  # of `Lite`: so many stages, and the stem, stay as they are
    average: float = 0.0  # decay per step of the running average of the weights that is shipped
    warmup_steps: int = 30
    max_interval: int = 200  # M, in frames
    spacing: int = 30  # m, in frames
    order: float = 2.0  # of the re-detection schedule; larger is faster
    seed: int = 0  # of weights, pairs and crops
    num_workers: int = 0  # processes that read frames; speed only
    memory: float = 1.0  # most GiB of decoded images in each process; speed only
    cache: str = ""  # where video files are decoded to; default: the user's caches
    device: str = "cpu"
    strangers: float = 0.0  # weight of the loss on search crops that do not show the target
    amp: bool = False  # mixed precision: bfloat16, or float16 on a GPU without it
    model: str = "conv_small"  # a key of ``MODELS``
    model_options: Dict[str, Any] = field(default_factory=dict)  # that its class takes
    crops: CropConfig = field(default_factory=CropConfig)

    def __post_init__(self) -> None:
        places = (self.data,) if isinstance(self.data, str) and self.data else tuple(self.data)
        object.__setattr__(self, "data", places)
        object.__setattr__(self, "distribution", tuple(self.distribution))
        if isinstance(self.crops, dict):  # of a file, or of a command line
            unknown = set(self.crops) - {item.name for item in fields(CropConfig)}
            if unknown:
                raise ValueError(f"crops has no settings {sorted(unknown)}")
            object.__setattr__(self, "crops", CropConfig(**self.crops))
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {self.mode!r}")
        if bool(self.distribution) != (self.mode == "static"):
            raise ValueError(f"mode static, and no other, takes a distribution; got {self.mode!r}")
        model_class(self.model)
        check(self, RULES)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.samples_per_epoch // self.batch_size)

    @property
    def n_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def rate_factor(self, step: int) -> float:
        """Factor on the learning rate: a linear warm-up, then a cosine down to 2 %."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        return warm * (0.51 + 0.49 * math.cos(math.pi * min(1.0, step / self.n_steps)))

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> TrainConfig:
        unknown = set(values) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"settings unknown to this version: {sorted(unknown)}")
        return cls(**values)

    def differences(self, other: TrainConfig) -> Dict[str, Any]:
        """Settings that would make a resumed run another run: name -> (mine, the other's)."""
        mine, others = self.to_dict(), other.to_dict()
        harmless = ("num_workers", "memory", "cache", "device")
        return {k: (mine[k], others[k]) for k in mine if k not in harmless and mine[k] != others[k]}
