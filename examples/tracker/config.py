"""Settings of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict

from .crops import CropConfig
from .model import ModelConfig

MODES = {
    "random": "the random sampler's distribution, kept",
    "scheduled": "the scheduler",
    "weighted": "the scheduler and its loss weights",
}


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the defaults are the demo's.

    Parameters
    ----------
    mode : {"random", "scheduled", "weighted"}
        Keep the random sampler's distribution; schedule it; schedule it and weight the losses.
    data : str
        Folder of sequences; empty: rendered videos.
    n_videos : int
        Rendered videos to train on, when there is no folder.
    epochs, samples_per_epoch, batch_size : int
        Budget.
    learning_rate, weight_decay, clip_norm : float
        Of AdamW, and the largest norm of a gradient.
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
    device : str
        Where the model is trained.
    model : ModelConfig
        Size of the tracker.
    crops : CropConfig
        Crops and their changes.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    mode: str = "weighted"
    data: str = ""
    n_videos: int = 32
    epochs: int = 14
    samples_per_epoch: int = 640
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    warmup_steps: int = 30
    max_interval: int = 200
    spacing: int = 30
    order: float = 2.0
    seed: int = 0
    num_workers: int = 0
    device: str = "cpu"
    model: ModelConfig = field(default_factory=ModelConfig)
    crops: CropConfig = field(default_factory=CropConfig)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {self.mode!r}")
        for name in (
            "n_videos",
            "epochs",
            "samples_per_epoch",
            "batch_size",
            "max_interval",
            "spacing",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm", "order"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in ("weight_decay", "warmup_steps", "num_workers", "seed"):
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
            All settings.

        Returns
        -------
        TrainConfig

        Raises
        ------
        ValueError
            If a name is missing or unknown.
        """
        names = {item.name for item in fields(cls)}
        if set(values) != names:
            raise ValueError(f"settings differ from this version's: {sorted(set(values) ^ names)}")
        nested = {"model": ModelConfig(**values["model"]), "crops": CropConfig(**values["crops"])}
        return cls(**{**values, **nested})

    def differences(self, other: TrainConfig) -> Dict[str, Any]:
        """Settings that would make a resumed run another run: name -> (mine, the other's)."""
        mine, others = self.to_dict(), other.to_dict()
        harmless = ("num_workers", "device")
        return {k: (mine[k], others[k]) for k in mine if k not in harmless and mine[k] != others[k]}
