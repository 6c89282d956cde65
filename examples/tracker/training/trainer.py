"""A training run: the loop around model, data and curriculum."""

from __future__ import annotations

import json
import math
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Dict, List, Optional

import cv2
import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from sstrack_sched import EpochRecord, IntervalBins, IntervalSampler
from sstrack_sched.torch import Curriculum

from ..data.dataset import Item, PairDataset
from ..data.frames import FrameStore
from ..data.sequences import video_index
from ..models import TrackerModel, build_model
from ..models.weights import load_checkpoint, save_checkpoint, save_weights, start_from
from .config import TrainConfig
from .devices import Processes, checked_device
from .interrupt import Interrupt
from .losses import absence_loss, tracking_loss

CHECKPOINT, HISTORY, WEIGHTS, EVENTS = "checkpoint.pt", "history.json", "weights.pt", "tensorboard"
STATES = ("model", "averaged", "optimiser", "rates", "curriculum")


class Trainer:
    """A training run that can stop after any step and go on later; ``kept`` is `KeptFeatures`."""

    def __init__(self, config: TrainConfig, store: FrameStore, kept: Any = None) -> None:
        if config.keep_features != (kept is not None):
            raise ValueError("keep_features goes with the features: only the study makes them")
        self.config = config
        self.device = checked_device(config.device)
        self.processes = Processes.here()
        for name in ("batch_size", "samples_per_epoch"):
            total, size = getattr(config, name), self.processes.size
            if total % size:
                raise ValueError(f"{name} must be a multiple of the {size} processes; got {total}")
        self.model = new_model(config).to(memory_format=torch.channels_last)
        self.network = (
            self.model if self.processes.size == 1 else DistributedDataParallel(self.model)
        )
        average = get_ema_multi_avg_fn(config.average)
        self.averaged = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
        trained = [(k, v) for k, v in self.model.named_parameters() if v.requires_grad]
        backbone = [value for name, value in trained if name.startswith("backbone.")]
        rest = [value for name, value in trained if not name.startswith("backbone.")]
        slow = {"params": backbone, "lr": config.learning_rate * config.backbone_rate}
        groups = [{"params": rest, "lr": config.learning_rate}, slow]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self.rates = LambdaLR(self.optimiser, lambda step: config.rate_factor(step))  # noqa: PLW0108  (a method would be stored)
        # Mixed precision is bfloat16; on a GPU without it float16, whose losses are scaled.
        half = self.device.type == "cuda" and not torch.cuda.is_bf16_supported()
        dtype = torch.float16 if half else torch.bfloat16
        self.autocast = torch.autocast(self.device.type, dtype, enabled=config.amp)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.amp and half)
        stills = any(sequence.is_image for sequence in store.sequences)
        self.bins = IntervalBins(config.max_interval, config.spacing, image_bin=stills)
        source = IntervalSampler(video_index(store.sequences), self.bins, seed=config.seed)
        shares = {"uniform": source.feasible / source.feasible.sum(), "static": config.distribution}
        options = {"order": config.order, "random_distribution": shares.get(config.mode)}
        if config.mode not in ("scheduled", "weighted"):
            options["update_epochs"] = ()
        self.curriculum = Curriculum(source, config.epochs, config.samples_per_epoch, **options)
        crops = config.crops.for_model(self.model)
        self.dataset = PairDataset(store, source, crops, seed=config.seed, kept=kept)

    @property
    def finished(self) -> bool:
        return self.curriculum.scheduler.epoch >= self.config.epochs

    @property
    def history(self) -> List[EpochRecord]:
        return list(self.curriculum.scheduler.history)

    @property
    def trained(self) -> TrackerModel:
        """Network to test and ship: the running average of the weights, if there is one."""
        return self.averaged.module if self.config.average > 0 else self.model

    def run(
        self,
        out: Optional[Path] = None,
        *,
        progress: bool = True,
        max_steps: float = math.inf,
        tensorboard: bool = False,
    ) -> bool:
        """Train until all epochs are done, or Ctrl-C, or ``max_steps``; False if before the end."""
        if tensorboard and out is None:
            raise ValueError("tensorboard needs a folder, out")
        self.model.train()
        loader = self._loader()  # as a local it ends its workers when this returns, at once
        config, done, first = self.config, self.rates.last_epoch, self.processes.first
        writer = summary_writer(out / EVENTS, done) if tensorboard and first else nullcontext()
        shown = {"total": config.n_steps, "initial": done, "disable": not (progress and first)}
        bar = tqdm(desc=config.mode, unit="step", **shown)
        with Interrupt() as interrupt, writer as events, bar:
            while not self.finished:
                losses = []
                for batch in loader:
                    step, rate = self.rates.last_epoch, self.rates.get_last_lr()[0]
                    losses.append(self._step(batch))
                    bar.update()
                    if events:
                        events.add_scalar("step/loss", losses[-1], step)
                        events.add_scalar("step/iou", float(self._iou.mean()), step)
                        events.add_scalar("step/learning_rate", rate, step)
                    enough = self.rates.last_epoch - done >= max_steps
                    if self.processes.any(interrupt.requested or enough):
                        self.save(out)
                        return False
                self.curriculum.step()
                self.save(out)
                if out is not None and first:
                    save_weights(out / WEIGHTS, self.trained, config.model, config.model_options)
                record = self.history[-1]
                if events:
                    for name, value in record.scalars(self.bins.labels).items():
                        events.add_scalar(name, value, record.epoch)
                if not bar.disable:
                    bar.write(self._line(record, losses), file=sys.stderr)
        return True

    def _line(self, record: EpochRecord, losses: List[float]) -> str:
        # A run that was stopped after an epoch's last step has no losses when it goes on.
        loss = f"{np.mean(losses):.3f}" if losses else "-"
        shares = " ".join(f"{100 * share:.0f}" for share in record.distribution)
        learned = f"loss {loss}  IoU {record.mean_iou:.3f}  tau {record.threshold:.2f}"
        drawn = f"d {record.redetection:.2f}  next, % by bin: {shares}"
        return f"  epoch {record.epoch + 1:2d}/{self.config.epochs}  {learned}  {drawn}"

    def _loader(self) -> DataLoader[Item]:
        return DataLoader(
            self.dataset,
            batch_size=self.config.batch_size // self.processes.size,
            sampler=self.curriculum.sampler,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=start_worker,
        )

    def _step(self, batch: Item) -> float:
        """One optimiser step; returns the mean loss before weighting."""
        batch = {name: x.to(self.device, non_blocking=True) for name, x in batch.items()}
        bins, strangers = batch["bin"], self.config.strangers
        with self.autocast:
            outputs = self.network(batch["template"], batch["search"], strangers > 0)
        loss, self._iou = tracking_loss(outputs, batch["box"])
        mean = float(loss.detach().mean())
        if not math.isfinite(mean):
            raise FloatingPointError(f"loss is {mean} at step {self.rates.last_epoch}")
        weighted = self.curriculum.weigh(loss, bins) if self.config.mode == "weighted" else loss
        total = weighted.mean()
        if strangers:
            total += strangers * absence_loss(outputs["stranger_map"], batch["video"]).mean()
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.averaged.update_parameters(self.model)
        self.rates.step()
        self.curriculum.record(self._iou, bins)
        return mean

    def save(self, out: Optional[Path]) -> None:
        """Write checkpoint and history, if to a folder. All processes must call."""
        if out is None:
            return
        self.curriculum.synchronize()
        if self.processes.first:
            save_checkpoint(out / CHECKPOINT, self.state_dict())
            text = json.dumps([record.to_dict() for record in self.history], indent=1)
            (out / HISTORY).write_text(text + "\n")

    def state_dict(self) -> Dict[str, Any]:
        states = {name: getattr(self, name).state_dict() for name in STATES}
        return {"config": self.config.to_dict(), **states, "precision": self.scaler.state_dict()}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        differences = self.config.differences(TrainConfig.from_dict(state["config"]))
        words = [f"{k} {theirs!r} (now {mine!r})" for k, (mine, theirs) in differences.items()]
        if words:
            raise ValueError(f"the checkpoint is of a run with {', '.join(words)}")
        try:
            for name in STATES:
                getattr(self, name).load_state_dict(state[name])
        except RuntimeError as error:
            raise ValueError(f"the checkpoint does not fit {self.config.model}: {error}") from None
        if state.get("precision"):  # of scaled losses
            self.scaler.load_state_dict(state["precision"])


def summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("--tensorboard needs the package: pip install tensorboard") from error
    return SummaryWriter(str(folder), purge_step=step)


def new_model(config: TrainConfig) -> TrackerModel:
    """The network with its first weights, frozen as asked for; draws no number of the caller's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_model(config.model, **config.model_options)
    if config.pretrained:
        start_from(model, config.pretrained)
    model.freeze(config.frozen_stages)
    if config.keep_features and any(v.requires_grad for v in model.backbone.parameters()):
        raise ValueError("keep_features needs a backbone that is frozen: see frozen_stages")
    return model.to(checked_device(config.device))


def start_worker(_worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the main process ends it
    cv2.setNumThreads(0)  # as one of several, it has no core to spare


def train(
    config: TrainConfig,
    store: FrameStore,
    *,
    kept: Any = None,
    out: Optional[Path] = None,
    resume: bool = False,
    **options: Any,
) -> Trainer:
    """Train a tracker, or with ``resume`` go on from ``out``; options as `Trainer.run`."""
    trainer = Trainer(config, store, kept)
    if resume:
        trainer.load_state_dict(load_checkpoint(out / CHECKPOINT))
    trainer.run(out, **options)
    return trainer
