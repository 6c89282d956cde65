"""Figures of a run (extra ``plot``: matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence

import numpy as np

from . import _checks
from ._record import EpochRecord
from ._types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_schedule(history: Sequence[EpochRecord], labels: Optional[Sequence[str]] = None) -> Figure:
    """Plot Q, loss weights and success rates by bin; tau, d and S as curves.

    Parameters
    ----------
    history : sequence of EpochRecord
        ``scheduler.history``, not empty. Success rates are plotted at the
        record's epoch, Q and loss weights at the next, for which they hold.
    labels : sequence of str, optional
        Name of each bin, such as ``bins.labels``. Default: bin numbers.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with ``figure.savefig(path)``. Global state is unchanged.

    Raises
    ------
    ValueError
        If the history is empty or `labels` is not one name per bin.
    """
    from matplotlib.figure import Figure

    _checks.require(len(history), "history", "hold at least one record", history)
    n_bins = len(history[0].distribution)
    names = [str(i) for i in range(n_bins)] if labels is None else list(labels)
    _checks.require(len(names) == n_bins, "labels", f"be {n_bins}, one per bin", len(names))
    figure = Figure(figsize=(11, 6.8), layout="constrained")
    (for_q, for_weights), (axes, for_success) = figure.subplots(2, 2)
    columns = {name: np.array([getattr(r, name) for r in history]) for name in vars(history[0])}
    epochs = columns["epoch"]
    _heat_map(for_q, "Sampling distribution Q", epochs + 1, names, columns["distribution"])
    _heat_map(for_weights, "Loss weight", epochs + 1, names, columns["loss_weights"])
    _heat_map(for_success, "Success rate in training", epochs, names, columns["success_rate"])
    axes.plot(epochs, columns["threshold"], "o-", ms=3, label=r"threshold $\tau$")
    axes.plot(epochs + 1, columns["redetection"], "s-", ms=3, label=r"re-detection $d$")
    axes.plot(epochs, columns["expected_success"], "^-", ms=3, label=r"expected success $S$")
    axes.set(title="Schedule", xlabel="epoch", ylim=(0, 1.02))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _heat_map(axes: Any, title: str, epochs: Array, names: Sequence[str], values: Array) -> None:
    """Draw one row per bin and one column per epoch."""
    extent = (epochs[0] - 0.5, epochs[-1] + 0.5, -0.5, len(names) - 0.5)
    options: Any = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    axes.figure.colorbar(axes.imshow(values.T, extent=extent, **options), ax=axes)
    ticks = np.unique(np.linspace(0, len(names) - 1, min(len(names), 12)).round().astype(int))
    axes.set_yticks(ticks, [names[i] for i in ticks])
    axes.set(title=title, xlabel="epoch", ylabel="interval bin (frames)")
    axes.xaxis.get_major_locator().set_params(integer=True)
