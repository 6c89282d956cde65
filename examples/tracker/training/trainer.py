"""A training run: the loop around model, data and curriculum."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from sstrack_sched import EpochRecord, IntervalBins, IntervalSampler
from sstrack_sched.torch import Curriculum

from ..data.dataset import Item, PairDataset
from ..data.frames import FrameStore
from ..data.sequences import video_index
from ..models import TrackerModel, build_model
from ..models.weights import load_checkpoint, save_checkpoint, save_weights, start_from
from .config import TrainConfig
from .devices import Precision, Processes, checked_device
from .features import FeatureDataset, KeptFeatures
from .interrupt import Interrupt
from .journal import EVENTS, Journal
from .losses import absence_loss, tracking_loss

CHECKPOINT, HISTORY, WEIGHTS = "checkpoint.pt", "history.json", "weights.pt"


class Trainer:
    """A training run that can stop after any step and go on later."""

    def __init__(
        self, config: TrainConfig, store: FrameStore, kept: Optional[KeptFeatures] = None
    ) -> None:
        if config.keep_features != (kept is not None):
            raise ValueError("keep_features goes with the features: only the study makes them")
        self.config = config
        self.device = checked_device(config.device)
        self.processes = Processes.here()
        self.batch_size = self.processes.share("batch_size", config.batch_size)
        self.processes.share("samples_per_epoch", config.samples_per_epoch)
        self.model = new_model(config)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.model, config), weight_decay=config.weight_decay
        )
        alone = self.processes.size == 1
        self.network = self.model if alone else DistributedDataParallel(self.model)
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True
        )
        self.rates = LambdaLR(self.optimiser, warm_cosine(config))
        self.precision = Precision(self.device, config.amp)
        stills = any(sequence.is_image for sequence in store.sequences)
        self.bins = IntervalBins(config.max_interval, config.spacing, image_bin=stills)
        source = IntervalSampler(video_index(store.sequences), self.bins, seed=config.seed)
        options = {"order": config.order, **schedule_options(config, source.feasible)}
        self.curriculum = Curriculum(source, config.epochs, config.samples_per_epoch, **options)
        crops = config.crops.for_model(self.model)
        if kept:
            self.dataset: PairDataset = FeatureDataset(kept, source)
        else:
            self.dataset = PairDataset(store, source, crops, seed=config.seed)

    @property
    def finished(self) -> bool:
        return self.curriculum.scheduler.epoch >= self.config.epochs

    @property
    def history(self) -> List[EpochRecord]:
        return list(self.curriculum.scheduler.history)

    @property
    def trained(self) -> TrackerModel:
        """Network to test and ship: the running average of the weights, if there is one."""
        averaged: TrackerModel = self.averaged.module  # type: ignore[assignment]  # a Module to torch
        return averaged if self.config.average > 0 else self.model

    def run(
        self,
        out: Optional[Path] = None,
        *,
        progress: bool = True,
        max_steps: Optional[int] = None,
        tensorboard: bool = False,
    ) -> bool:
        """Train until all epochs are done, or Ctrl-C, or ``max_steps``; False if before the end.

        The folder gets ``checkpoint.pt`` (after each epoch and when stopped), ``history.json`` and
        ``weights.pt``, a file for `load_weights`.
        """
        if tensorboard and out is None:
            raise ValueError("tensorboard needs a folder, out")
        self.model.train()
        loader = self._loader()  # as a local it ends its workers when this returns, at once
        done, first = self.rates.last_epoch, self.processes.first
        last = math.inf if max_steps is None else done + max_steps
        events = out / EVENTS if out and tensorboard and first else None
        shown = progress and first
        journal = Journal(self.config, self.bins.labels, done, progress=shown, events=events)
        with Interrupt() as interrupt, journal:
            while not self.finished:
                for batch in loader:
                    step, rate = self.rates.last_epoch, self.rates.get_last_lr()[0]
                    loss = self._step(batch)
                    journal.step(step, loss, self._iou, rate)
                    if self.processes.any(interrupt.requested or self.rates.last_epoch >= last):
                        self.save(out)
                        return False
                self.curriculum.step()
                self.save(out)
                self._save_weights(out)
                journal.epoch(self.history[-1])
        return True

    def _loader(self) -> DataLoader[Item]:
        return DataLoader(
            self.dataset,
            batch_size=self.batch_size,
            sampler=self.curriculum.sampler,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=start_worker,
        )

    def _step(self, batch: Item) -> float:
        """One optimiser step; returns the mean loss before weighting."""
        batch = {name: x.to(self.device, non_blocking=True) for name, x in batch.items()}
        template, search, box, bins = (batch[name] for name in ("template", "search", "box", "bin"))
        strangers = self.config.strangers
        outputs = self.precision.forward(self.network, template, search, strangers > 0)
        loss, iou = tracking_loss(outputs, box)
        weighted = self.curriculum.weigh(loss, bins) if self.config.mode == "weighted" else loss
        mean = float(loss.detach().mean())
        if not math.isfinite(mean):
            raise FloatingPointError(f"loss is {mean} at step {self.rates.last_epoch}")
        total = weighted.mean()
        if strangers:
            absent = absence_loss(outputs["stranger_map"], batch["video"])
            total = total + strangers * absent.mean()
        self.precision.step(total, self.optimiser, self.model.parameters(), self.config.clip_norm)
        self.averaged.update_parameters(self.model)
        self.rates.step()
        self.curriculum.record(iou, bins)
        self._iou: Tensor = iou
        return mean

    def save(self, out: Optional[Path]) -> None:
        """Write the checkpoint and the history into a folder; None: nowhere. Collective."""
        if out is None:
            return
        self.curriculum.synchronize()
        if not self.processes.first:
            return
        save_checkpoint(out / CHECKPOINT, self.state_dict())
        text = json.dumps([record.to_dict() for record in self.history], indent=1)
        (out / HISTORY).write_text(text + "\n")

    def _save_weights(self, out: Optional[Path]) -> None:
        if out is not None and self.processes.first:
            save_weights(out / WEIGHTS, self.trained, self.config.model, self.config.model_options)

    def state_dict(self) -> Dict[str, Any]:
        """All that the rest of the run depends on: tensors and plain values."""
        names = ("model", "averaged", "optimiser", "rates", "precision", "curriculum")
        states = {name: getattr(self, name).state_dict() for name in names}
        return {"config": self.config.to_dict(), **states}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        differences = self.config.differences(TrainConfig.from_dict(state["config"]))
        words = [f"{k} {theirs!r} (now {mine!r})" for k, (mine, theirs) in differences.items()]
        if words:
            raise ValueError(f"the checkpoint is of a run with {', '.join(words)}")
        try:
            self.model.load_state_dict(state["model"])
            self.averaged.load_state_dict(state["averaged"])
        except RuntimeError as error:
            raise ValueError(f"the checkpoint does not fit {self.config.model}: {error}") from None
        for name in ("curriculum", "optimiser", "rates"):
            getattr(self, name).load_state_dict(state[name])
        self.precision.load_state_dict(state.get("precision", {}))


def new_model(config: TrainConfig) -> TrackerModel:
    """The network with its first weights, frozen as asked for; draws no number of the caller's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_model(config.model, **config.model_options)
    if config.pretrained:
        start_from(model, config.pretrained)
    model.freeze(config.frozen_stages)
    if config.keep_features:
        backbone = [v for name, v in model.named_parameters() if name.startswith("backbone.")]
        if not backbone or any(value.requires_grad for value in backbone):
            raise ValueError("keep_features needs a backbone that is frozen: see frozen_stages")
    return model.to(checked_device(config.device))


def parameter_groups(model: TrackerModel, config: TrainConfig) -> List[Dict[str, Any]]:
    """Parameters that are trained, the backbone's with a learning rate of their own."""
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    backbone = [value for name, value in trained if name.startswith("backbone.")]
    rest = [value for name, value in trained if not name.startswith("backbone.")]
    rates = (config.learning_rate, config.learning_rate * config.backbone_rate)
    return [{"params": found, "lr": rate} for found, rate in zip((rest, backbone), rates)]


def warm_cosine(config: TrainConfig) -> Callable[[int], float]:
    """Factor on the learning rate by step: a linear warm-up, then a cosine down to 2 %."""
    total = config.epochs * config.steps_per_epoch

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
        return warm * (0.51 + 0.49 * math.cos(math.pi * min(1.0, step / total)))

    return factor


def schedule_options(config: TrainConfig, feasible: NDArray[np.bool_]) -> Dict[str, Any]:
    if config.mode in ("scheduled", "weighted"):
        return {}
    if config.mode == "uniform":
        return {"update_epochs": (), "random_distribution": feasible / feasible.sum()}
    if config.mode == "static":
        return {"update_epochs": (), "random_distribution": np.array(config.distribution)}
    return {"update_epochs": ()}


def start_worker(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the main process ends it
    cv2.setNumThreads(0)  # as one of several, it has no core to spare


def train(
    config: TrainConfig,
    store: FrameStore,
    *,
    kept: Optional[KeptFeatures] = None,
    out: Optional[Path] = None,
    resume: bool = False,
    **options: Any,
) -> Trainer:
    """Train a tracker, or with ``resume`` go on from ``out``; options as `Trainer.run`.

    The result's ``finished`` is False if Ctrl-C stopped it.
    """
    trainer = Trainer(config, store, kept)
    if resume:
        if out is None:
            raise ValueError("resume needs a folder, out")
        trainer.load_state_dict(load_checkpoint(out / CHECKPOINT))
    trainer.run(out, **options)
    return trainer
