"""The schedule as characters and as a table for notebooks, on light and on dark pages."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Iterable, Optional

from ._types import Floats

if TYPE_CHECKING:
    from .scheduler import SuccessAwareScheduler

_CELL = "text-align: left; white-space: nowrap; padding: 0 1em 0 0"
_BAR = "display: inline-block; height: .7em; background: currentColor; opacity: .5"


def spark(q: Floats) -> str:
    """Return a distribution as bars, one character per bin."""
    return "".join("▁▂▃▄▅▆▇█"[int(7.9 * share)] for share in q / q.max())


def schedule_table(
    scheduler: SuccessAwareScheduler, title: str, labels: Optional[Iterable[object]] = None
) -> str:
    """Return one row per bin: label, Q as a bar, success rate, loss weight; a dash for NaN."""
    columns = scheduler.distribution, scheduler.success_rate, scheduler.loss_weights
    names = range(scheduler.n_bins) if labels is None else labels
    rows = [["bin", "Q", "", "success rate", "loss weight"]]
    for name, q, success, weight in zip(names, *(column.tolist() for column in columns)):
        bar = f'<div style="{_BAR}; width: {8 * q / scheduler.distribution.max():.2f}em"></div>'
        rows.append([html.escape(str(name)), bar, *map(_number, (q, success, weight))])
    cells = [[f'<td style="{_CELL}">{cell}</td>' for cell in row] for row in rows]
    table = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    epoch = f"epoch {scheduler.epoch} of {scheduler.total_epochs}"
    state = f"d = {_number(scheduler.redetection)}, tau = {_number(scheduler.threshold)}"
    return f"<div>{html.escape(title)}<br>{epoch}, {state}<table>{table}</table></div>"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
