"""What a run tells while it runs: a progress bar, lines, TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, List, Optional

from torch import Tensor
from tqdm import tqdm

from sstrack_sched import EpochRecord

from .config import TrainConfig

EVENTS = "tensorboard"


def tensorboard_writer(folder: Path, step: int) -> Any:
    """A writer of TensorBoard's files that goes on at a step.

    Raises
    ------
    ImportError
        If TensorBoard is missing; says what to install.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("--tensorboard needs the package: pip install tensorboard") from error
    return SummaryWriter(str(folder), purge_step=step)


class Journal:
    """Tells of a run; a context manager.

    Parameters
    ----------
    config : TrainConfig
        Settings of the run.
    labels : list of str
        Name of each interval bin.
    step : int
        Steps that were done before.
    progress : bool
        Show a progress bar and a line an epoch, on stderr.
    events : Path, optional
        Folder for TensorBoard's files.
    """

    def __init__(
        self,
        config: TrainConfig,
        labels: List[str],
        step: int,
        *,
        progress: bool,
        events: Optional[Path] = None,
    ) -> None:
        self.config, self.labels = config, labels
        self.progress = progress
        self.writer = None if events is None else tensorboard_writer(events, step)
        self.bar = tqdm(
            total=config.epochs * config.steps_per_epoch,
            initial=step,
            disable=not progress,
            desc=config.mode,
            unit="step",
        )
        self._losses: List[float] = []

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def step(self, number: int, loss: float, iou: Tensor, rate: float) -> None:
        """Tell of a step.

        Parameters
        ----------
        number : int
            Of the step, from 0.
        loss : float
            Mean of the batch, before weighting.
        iou : Tensor, shape (B,)
            Overlaps.
        rate : float
            Learning rate.
        """
        self._losses.append(loss)
        self.bar.update()
        if self.writer is not None:
            self.writer.add_scalar("step/loss", loss, number)
            self.writer.add_scalar("step/iou", float(iou.mean()), number)
            self.writer.add_scalar("step/learning_rate", rate, number)

    def epoch(self, record: EpochRecord) -> None:
        """Tell of the epoch that has ended."""
        loss = f"{sum(self._losses) / len(self._losses):.3f}" if self._losses else "-"
        self._losses = []
        if self.writer is not None:
            for name, value in record.scalars(self.labels).items():
                self.writer.add_scalar(name, value, record.epoch)
        if self.progress:
            shares = " ".join(f"{100 * share:.0f}" for share in record.distribution)
            self.bar.write(
                f"  epoch {record.epoch + 1:2d}/{self.config.epochs}  loss {loss}  "
                f"IoU {record.mean_iou:.3f}  tau {record.threshold:.2f}  "
                f"d {record.redetection:.2f}  next, % by bin: {shares}",
                file=sys.stderr,
            )
