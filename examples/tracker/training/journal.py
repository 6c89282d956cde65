"""Progress of a run: a bar and a line per epoch on stderr, and TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from torch import Tensor
from tqdm import tqdm

from sstrack_sched import EpochRecord

from .config import TrainConfig

EVENTS = "tensorboard"


class Journal:
    """Reports a run that goes on at ``step``; a context manager."""

    def __init__(
        self,
        config: TrainConfig,
        labels: List[str],
        step: int,
        *,
        progress: bool,
        events: Optional[Path] = None,
    ) -> None:
        self.config, self.labels, self.progress = config, labels, progress
        self._losses: List[float] = []
        self.writer: Any = None
        if events is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                words = "--tensorboard needs the package: pip install tensorboard"
                raise ImportError(words) from error
            self.writer = SummaryWriter(str(events), purge_step=step)
        total = config.epochs * config.steps_per_epoch
        counted = {"total": total, "initial": step, "unit": "step"}
        self.bar = tqdm(desc=config.mode, disable=not progress, **counted)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def step(self, number: int, loss: float, iou: Tensor, rate: float) -> None:
        """Report step ``number``: its mean loss before weighting, overlaps, learning rate."""
        self._losses.append(loss)
        self.bar.update()
        values = {"loss": loss, "iou": float(iou.mean()), "learning_rate": rate}
        self._log({f"step/{name}": value for name, value in values.items()}, number)

    def _log(self, values: Dict[str, float], number: int) -> None:
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, number)

    def epoch(self, record: EpochRecord) -> None:
        loss = f"{sum(self._losses) / len(self._losses):.3f}" if self._losses else "-"
        self._losses = []
        self._log(record.scalars(self.labels), record.epoch)
        if self.progress:
            shares = " ".join(f"{100 * share:.0f}" for share in record.distribution)
            self.bar.write(
                f"  epoch {record.epoch + 1:2d}/{self.config.epochs}  loss {loss}  "
                f"IoU {record.mean_iou:.3f}  tau {record.threshold:.2f}  "
                f"d {record.redetection:.2f}  next, % by bin: {shares}",
                file=sys.stderr,
            )
