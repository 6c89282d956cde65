"""Reports of the schedule: log line, TensorBoard and figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sstrack_sched.plotting import plot_schedule
from sstrack_sched.torch import Curriculum


def report(curriculum: Curriculum, settings: Any, writer: Any) -> None:
    """Log the last step and plot the history; `writer` is TensorBoard's.

    Epochs are numbered from 1, as in the trackers.
    """
    records = [replace(r, epoch=r.epoch + 1) for r in curriculum.scheduler.history]
    labels = curriculum.source.bins.labels
    line = epoch_line(records[-1])
    print(line, flush=True)
    with Path(settings.log_file).open("a") as file:
        file.write(line + "\n")
    for name, value in records[-1].scalars(labels).items():
        writer.add_scalar(name, value, records[-1].epoch)
    picture = Path(settings.save_dir) / "schedule.png"
    partial = picture.with_name(".schedule.partial")  # readers never see an incomplete figure
    figure = plot_schedule(records, labels)
    figure.suptitle(settings.project_path)
    figure.savefig(partial, format="png", dpi=100)
    partial.replace(picture)


def epoch_line(record: Any) -> str:
    """Format tau and S of this epoch, and d, Q and the loss weights of the next."""
    q = " ".join(f"{value:.3f}" for value in record.distribution)
    weights = " ".join(f"{value:.2f}" for value in record.loss_weights)
    return (
        f"[schedule: {record.epoch}] tau: {record.threshold:.4f}  d: {record.redetection:.4f}  "
        f"S: {record.expected_success:.4f}  Q: {q}  weights: {weights}"
    )
