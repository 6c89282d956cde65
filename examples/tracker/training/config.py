"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, Tuple

from ..data.crops import CropConfig
from ..models import model_class

MODES = {
    "random": "the random sampler's distribution, kept",
    "scheduled": "the scheduler",
    "weighted": "the scheduler and its loss weights",
    "uniform": "all bins alike, kept",
    "static": "what a scheduled run drew on average, kept",
}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the defaults are the demo's.

    Parameters
    ----------
    mode : {"random", "scheduled", "weighted", "uniform", "static"}
        Keep the random sampler's distribution; schedule it; schedule it and weight the losses; draw
        all bins alike; draw them by ``distribution``.
    distribution : tuple of float
        Of mode "static": the share of each bin, kept to the end.
    data : tuple of str
        Places to read from, each ``[photos:]PATH[=WEIGHT]``, see `read_sources`; a single str is
        one place. None: rendered videos.
    held_out : float
        Share of the videos of a place that are not trained on; see `read_split`.
    n_videos : int
        Videos to render when there is no place to read from, and clips to composite for each
        ``photos:`` place.
    drift : float
        How much the look of composited things drifts: the strength of `Drift`.
    every : int
        Of each video, only every so many-th frame is used.
    keep_features : bool
        Make the crops of each frame once, and keep what a frozen backbone makes of them; see
        `KeptFeatures`. Only the study does.
    epochs, samples_per_epoch, batch_size : int
        Budget.
    learning_rate, weight_decay, clip_norm : float
        Of AdamW, and the largest norm of a gradient.
    pretrained : str
        Where the first weights come from: a file of weights, of the whole network, or what the
        model's ``load_pretrained`` takes for its backbone;
        empty: random.
    backbone_rate : float
        Factor on the learning rate of the model's ``backbone``, for one that is trained already.
    frozen_stages : int
        Of `Lite`: so many stages of its backbone, and the stem, stay as they are.
    average : float
        Decay of the running average of the weights, a step; the average is what is tested and
        shipped. 0: no average.
    warmup_steps : int
        Steps over which the learning rate rises; it then falls as a cosine.
    max_interval, spacing : int
        M and m of the interval bins, in frames.
    order : float
        Of the re-detection schedule; larger is faster.
    seed : int
        Of weights, pairs and crops.
    num_workers : int
        DataLoader processes; 0 reads in the main process. Changes speed, never the result.
    memory : float
        Most GiB of decoded pictures to keep, in each process. Changes speed, never the result.
    cache : str
        Folder that video files are decoded to; empty: the user's folder of caches.
    device : str
        Where the model is trained.
    amp : bool
        Mixed precision: bfloat16 where the device has it, else float16 with scaled losses.
    model : str
        Name of the network: a key of ``models.MODELS``.
    model_options : dict
        What its class takes, such as ``{"width": 64}``.
    crops : CropConfig
        Crops and their changes.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    mode: str = "weighted"
    distribution: Tuple[float, ...] = ()
    data: Tuple[str, ...] = ()
    held_out: float = 0.25
    n_videos: int = 32
    drift: float = 1.0
    every: int = 1
    keep_features: bool = False
    epochs: int = 14
    samples_per_epoch: int = 640
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    pretrained: str = ""
    backbone_rate: float = 1.0
    frozen_stages: int = 0
    average: float = 0.0
    warmup_steps: int = 30
    max_interval: int = 200
    spacing: int = 30
    order: float = 2.0
    seed: int = 0
    num_workers: int = 0
    memory: float = 1.0
    cache: str = ""
    device: str = "cpu"
    amp: bool = False
    model: str = "conv_small"
    model_options: Dict[str, Any] = field(default_factory=dict)
    crops: CropConfig = field(default_factory=CropConfig)

    def __post_init__(self) -> None:
        places = (self.data,) if isinstance(self.data, str) and self.data else tuple(self.data)
        object.__setattr__(self, "data", places)
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {self.mode!r}")
        object.__setattr__(self, "distribution", tuple(self.distribution))
        if bool(self.distribution) != (self.mode == "static"):
            raise ValueError(f"mode static, and no other, takes a distribution; got {self.mode!r}")
        model_class(self.model)
        for name in (
            "every",
            "n_videos",
            "epochs",
            "samples_per_epoch",
            "batch_size",
            "max_interval",
            "spacing",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("learning_rate", "backbone_rate", "clip_norm", "order"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in ("average", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1); got {getattr(self, name)}")
        for name in (
            "drift",
            "weight_decay",
            "frozen_stages",
            "warmup_steps",
            "num_workers",
            "memory",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name)}")

    @property
    def steps_per_epoch(self) -> int:
        """Batches in a whole epoch, the last of which may be smaller."""
        return -(-self.samples_per_epoch // self.batch_size)

    def to_dict(self) -> Dict[str, Any]:
        """Plain Python values, nested as the settings are."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> TrainConfig:
        """Settings from what `to_dict` returned.

        Parameters
        ----------
        values : dict
            Settings; one that an earlier version did not have is at its default.

        Returns
        -------
        TrainConfig

        Raises
        ------
        ValueError
            If a name is unknown.
        """
        unknown = set(values) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"settings unknown to this version: {sorted(unknown)}")
        return cls(**{**values, "crops": crops_of(values.get("crops", {}))})

    def differences(self, other: TrainConfig) -> Dict[str, Any]:
        """Settings that would make a resumed run another run: name -> (mine, the other's)."""
        mine, others = self.to_dict(), other.to_dict()
        harmless = ("num_workers", "memory", "cache", "device")
        return {k: (mine[k], others[k]) for k in mine if k not in harmless and mine[k] != others[k]}


def crops_of(values: Dict[str, Any]) -> CropConfig:
    """Settings of crops by name, the others at their defaults.

    Raises
    ------
    ValueError
        If a name is unknown, or a value out of range.
    """
    unknown = set(values) - {item.name for item in fields(CropConfig)}
    if unknown:
        raise ValueError(f"crops has no settings {sorted(unknown)}")
    return CropConfig(**values)
