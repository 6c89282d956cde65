"""A training run: the loop around model, data and curriculum."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from sstrack_sched import EpochRecord, IntervalBins
from sstrack_sched.torch import Curriculum

from ..data.dataset import Item, PairDataset
from ..data.frames import FrameStore
from ..data.sequences import video_index
from ..models import TrackerModel, build_model
from .checkpoint import Interrupt, load_checkpoint, save_checkpoint, start_worker
from .config import TrainConfig
from .losses import tracking_loss

CHECKPOINT, HISTORY = "checkpoint.pt", "history.json"


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


class Trainer:
    """A training run that can stop after any step and go on later.

    Parameters
    ----------
    config : TrainConfig
        Settings.
    store : FrameStore
        Videos to train on. Runs on the same videos may share one, and what it has decoded.

    Raises
    ------
    ValueError
        If the videos have no pair of any bin.
    """

    def __init__(self, config: TrainConfig, store: FrameStore) -> None:
        self.config = config
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            torch.manual_seed(config.seed)
            self.model = build_model(config.model, **config.model_options).to(config.device)
        if config.pretrained:
            self.model.load_pretrained(config.pretrained)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.model, config), weight_decay=config.weight_decay
        )
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True
        )
        self.rates = torch.optim.lr_scheduler.LambdaLR(self.optimiser, warm_cosine(config))
        options: Dict[str, Any] = {"update_epochs": ()} if config.mode == "random" else {}
        self.bins = IntervalBins(config.max_interval, config.spacing)
        self.curriculum = Curriculum(
            video_index(store.sequences),
            self.bins,
            config.epochs,
            config.samples_per_epoch,
            seed=config.seed,
            order=config.order,
            **options,
        )
        self.dataset = PairDataset(
            store,
            self.curriculum.interval_sampler,
            config.crops.for_model(self.model),
            seed=config.seed,
        )

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.curriculum.scheduler.epoch >= self.config.epochs

    @property
    def history(self) -> List[EpochRecord]:
        """One record an epoch."""
        return list(self.curriculum.scheduler.history)

    def run(
        self, out: Optional[Path] = None, *, progress: bool = True, max_steps: Optional[int] = None
    ) -> bool:
        """Train until all epochs are done, or Ctrl-C.

        Parameters
        ----------
        out : Path, optional
            Folder for ``checkpoint.pt`` (after each epoch and on Ctrl-C) and ``history.json``.
        progress : bool, default=True
            Show a progress bar and a line an epoch, on stderr.
        max_steps : int, optional
            Stop after so many steps, as on Ctrl-C.

        Returns
        -------
        bool
            False if it stopped before the end.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        self.model.train()
        loader = self._loader()  # as a local it ends its workers when this returns, at once
        total = self.config.epochs * self.config.steps_per_epoch
        last = math.inf if max_steps is None else self.rates.last_epoch + max_steps
        bar = tqdm(
            total=total,
            initial=self.rates.last_epoch,
            disable=not progress,
            desc=self.config.mode,
            unit="step",
        )
        with Interrupt() as interrupt, bar:
            while not self.finished:
                losses = []
                for batch in loader:
                    losses.append(self._step(batch))
                    bar.update()
                    if interrupt.requested or self.rates.last_epoch >= last:
                        self.save(out)
                        return False
                self.curriculum.step()
                self.save(out)
                if progress:
                    bar.write(self._line(losses), file=sys.stderr)
        return True

    def _loader(self) -> DataLoader[Item]:
        return DataLoader(
            self.dataset,
            batch_size=self.config.batch_size,
            sampler=self.curriculum.sampler,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
            worker_init_fn=start_worker,
        )

    def _step(self, batch: Item) -> float:
        """One optimiser step; returns the mean loss before weighting."""
        device = self.config.device
        template, search = (
            batch["template"].to(device),
            batch["search"].to(device),
        )
        bins = batch["bin"].to(device)
        loss, iou = tracking_loss(self.model(template, search), batch["box"].to(device))
        weighted = self.curriculum.weigh(loss, bins) if self.config.mode == "weighted" else loss
        mean = float(loss.detach().mean())
        if not math.isfinite(mean):
            raise FloatingPointError(f"loss is {mean} at step {self.rates.last_epoch}")
        self.optimiser.zero_grad(set_to_none=True)
        weighted.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        self.rates.step()
        self.curriculum.record(iou, bins)
        return mean

    def _line(self, losses: List[float]) -> str:
        record = self.history[-1]
        loss = f"{sum(losses) / len(losses):.3f}" if losses else "-"
        shares = " ".join(f"{100 * share:.0f}" for share in self.curriculum.scheduler.distribution)
        return (
            f"  epoch {record.epoch + 1:2d}/{self.config.epochs}  loss {loss}  "
            f"IoU {record.mean_iou:.3f}  tau {record.threshold:.2f}  d {record.redetection:.2f}  "
            f"next, % by bin: {shares}"
        )

    def save(self, out: Optional[Path]) -> None:
        """Write the checkpoint and the history into a folder; None: nowhere."""
        if out is None:
            return
        save_checkpoint(out / CHECKPOINT, self.state_dict())
        text = json.dumps([record.to_dict() for record in self.history], indent=1)
        (out / HISTORY).write_text(text + "\n")

    def state_dict(self) -> Dict[str, Any]:
        """All that the rest of the run depends on: tensors and plain values."""
        return {
            "config": self.config.to_dict(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rates": self.rates.state_dict(),
            "curriculum": self.curriculum.state_dict(),
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go on from a state.

        Parameters
        ----------
        state : dict
            From `state_dict`, of a run with these settings and videos.

        Raises
        ------
        ValueError
            If the settings differ, but for ``num_workers`` and ``device``; names them.
        """
        differences = self.config.differences(TrainConfig.from_dict(state["config"]))
        if differences:
            words = ", ".join(
                f"{name} {theirs!r} (now {mine!r})" for name, (mine, theirs) in differences.items()
            )
            raise ValueError(f"the checkpoint is of a run with {words}")
        self.curriculum.load_state_dict(state["curriculum"])
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rates.load_state_dict(state["rates"])


def train(
    config: TrainConfig,
    store: FrameStore,
    *,
    out: Optional[Path] = None,
    resume: bool = False,
    progress: bool = True,
) -> Trainer:
    """Train a tracker.

    Parameters
    ----------
    config : TrainConfig
        Settings.
    store : FrameStore
        Videos to train on.
    out : Path, optional
        Folder of the run.
    resume : bool, default=False
        Go on from the checkpoint in ``out``.
    progress : bool, default=True
        Show a progress bar.

    Returns
    -------
    Trainer
        Its ``finished`` is False if Ctrl-C stopped it.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no checkpoint to go on from, or it is of another run.
    """
    trainer = Trainer(config, store)
    if resume:
        if out is None:
            raise ValueError("resume needs a folder, out")
        trainer.load_state_dict(load_checkpoint(out / CHECKPOINT))
    trainer.run(out, progress=progress)
    return trainer
