"""Figures of a run (extra ``plot``: matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence

import numpy as np

from ._types import Array, ArrayLike
from .scheduler import EpochRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = "interval bin (frames)"


def plot_schedule(
    history: Sequence[EpochRecord],
    labels: Optional[Sequence[str]] = None,
    success: Optional[Mapping[str, ArrayLike]] = None,
    *,
    title: Optional[str] = None,
) -> Figure:
    """Draw what the scheduler did: Q and loss weights as heat maps, tau, d and S, success by bin.

    Parameters
    ----------
    history : sequence of EpochRecord
        ``scheduler.history``, at least one record. Q and weights are drawn at the epoch in which
        they were in force, the one after the record's; success at the record's.
    labels : sequence of str, optional
        Name of each bin, such as ``bins.labels``. Default: numbers.
    success : mapping of str to array_like of float, shape (n_bins,), optional
        Success rates on held-out videos, one line per name, in a panel of their own.
    title : str, optional
        Heading of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``; no global state is touched.

    Raises
    ------
    ValueError
        If the history is empty or `labels` does not fit it.
    """
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("history must hold at least one record; got none")
    n_bins = len(history[0].distribution)
    names = [str(i) for i in range(n_bins)] if labels is None else list(labels)
    if len(names) != n_bins:
        raise ValueError(f"labels must be {n_bins}, one per bin; got {len(names)}")
    n_rows = 2 if success is None else 3
    figure = Figure(figsize=(11, 3.4 * n_rows), layout="constrained")
    grid = figure.add_gridspec(n_rows, 2)
    columns = {
        name: np.array([getattr(record, name) for record in history]) for name in vars(history[0])
    }
    epochs = columns["epoch"]
    for place, heading, name, at in (
        ((0, 0), "Sampling distribution Q", "distribution", epochs + 1),
        ((0, 1), "Loss weight", "loss_weights", epochs + 1),
        ((1, 1), "Success rate in training", "success_rate", epochs),
    ):
        axes = figure.add_subplot(grid[place])
        _heat_map(axes, at, names, columns[name].T)
        axes.set_title(heading)
    axes = figure.add_subplot(grid[1, 0])
    axes.plot(epochs, columns["threshold"], "o-", ms=3, label=r"threshold $\tau$")
    axes.plot(epochs + 1, columns["redetection"], "s-", ms=3, label=r"re-detection $d$")
    axes.plot(epochs, columns["expected_success"], "^-", ms=3, label=r"expected success $S$")
    _finish(axes, title="Schedule", xlabel="epoch", ylim=(0, 1.02))
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if success is not None:
        axes = figure.add_subplot(grid[2, :])
        for label, rates in success.items():
            axes.plot(range(n_bins), np.asarray(rates), marker="o", label=label)
        axes.set_xticks(range(n_bins), names)
        heading = "Success on held-out videos"
        _finish(axes, title=heading, xlabel=_BINS, ylabel="success rate", ylim=(0, 1))
    if title:
        figure.suptitle(title)
    return figure


def _heat_map(axes: Axes, epochs: Array, names: Sequence[str], values: Array) -> None:
    extent = (epochs[0] - 0.5, epochs[-1] + 0.5, -0.5, len(names) - 0.5)
    image = axes.imshow(
        values, origin="lower", aspect="auto", extent=extent, interpolation="nearest"
    )
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)
    ticks = np.unique(np.linspace(0, len(names) - 1, min(len(names), 12)).round().astype(int))
    axes.set_yticks(ticks, [names[i] for i in ticks])
    axes.set(xlabel="epoch", ylabel=_BINS)
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _finish(axes: Axes, **settings: Any) -> None:
    axes.set(**settings)
    axes.grid(alpha=0.3)
    axes.legend()
