"""Words and pictures about a comparison of trackers."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from .pairs import Evaluation


def table(evaluations: Dict[str, Evaluation], labels: Sequence[str]) -> str:
    """Success by interval bin, one column a tracker, with standard errors."""
    names = list(evaluations)
    first = evaluations[names[0]]
    rows = [["interval", "pairs", *names]]
    cells = {
        name: (e.by_bin(e.success), e.error_by_bin(e.success)) for name, e in evaluations.items()
    }
    for i, label in enumerate(labels):
        n_pairs = int((first.bin == i).sum())
        rows.append(
            [label, str(n_pairs), *(_cell(*(part[i] for part in cells[name])) for name in names)]
        )
    means = [_cell(e.success.mean(), e.error(e.success)) for e in evaluations.values()]
    rows.append(["mean", str(len(first.bin)), *means])
    ious = [f"{e.iou.mean():.3f}" for e in evaluations.values()]
    return _layout([*rows, ["mean IoU", "", *ious]])


def _cell(mean: float, error: float) -> str:
    if np.isnan(mean):
        return "-"
    return f"{100 * mean:.1f} ± {100 * error:.1f}" if np.isfinite(error) else f"{100 * mean:.1f}"


def _layout(rows: List[List[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [" | ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    rule = "-+-".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:-2], rule, *lines[-2:]])


def differences(evaluations: Dict[str, Evaluation], baseline: str) -> Dict[str, Dict[str, float]]:
    """Mean success less the baseline's, pair by pair."""
    base = evaluations[baseline]
    found = {}
    for name, evaluation in evaluations.items():
        if name != baseline:
            gap = evaluation.success - base.success
            found[name] = {
                "difference": float(gap.mean()),
                "standard_error": base.error(gap),
            }
    return found


def numbers(evaluations: Dict[str, Evaluation]) -> Dict[str, Dict[str, Any]]:
    """The same as plain values for JSON; None where there is no number."""
    found: Dict[str, Dict[str, Any]] = {}
    for name, e in evaluations.items():
        found[name] = {
            "success": _plain(e.by_bin(e.success)),
            "standard_error": _plain(e.error_by_bin(e.success)),
            "mean_iou": _plain(e.by_bin(e.iou)),
            "mean_success": float(e.success.mean()),
            "pairs": [int((e.bin == i).sum()) for i in range(e.n_bins)],
        }
    return found


def _plain(values: Any) -> List[Any]:
    return [None if np.isnan(value) else float(value) for value in values]


def overview(
    evaluations: Dict[str, Evaluation], labels: Sequence[str], chance: float, title: str
) -> Any:
    """Success by interval bin as lines with error bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    x = np.arange(len(labels))
    for k, (name, e) in enumerate(evaluations.items()):
        place = x + 0.08 * (
            k - (len(evaluations) - 1) / 2
        )  # side by side, so that bars can be told apart
        mean, error = 100 * e.by_bin(e.success), 100 * e.error_by_bin(e.success)
        axes.errorbar(place, mean, yerr=error, marker="o", markersize=4, capsize=3, label=name)
    axes.axhline(100 * chance, color="grey", linestyle=":", label="always the middle")
    axes.set_xticks(x, list(labels))
    axes.set_xlabel("frames between template and search")
    axes.set_ylabel("success on held-out videos, % (± standard error)")
    axes.set_ylim(0, 100)
    axes.set_title(title)
    axes.legend()
    return figure


def summary(evaluations: Dict[str, Evaluation], labels: Sequence[str], middle: Evaluation) -> str:
    """Result of a comparison, in words that claim no more than it shows."""
    n_runs = next(iter(evaluations.values())).n_runs
    over = "videos" if n_runs == 1 else "videos and seeds"
    title = (
        f"success (IoU > {middle.threshold:g}) on held-out videos, %, ± standard error over {over}"
    )
    lines = ["", title + ":", "", table(evaluations, labels), ""]
    gaps = differences(evaluations, "random") if "random" in evaluations else {}
    for name, gap in gaps.items():
        mean, error = 100 * gap["difference"], 100 * gap["standard_error"]
        lines.append(f"{name} less random, on the same pairs: {mean:+.1f} ± {error:.1f}")
    lines.append(f"always answering the middle of the crop: {100 * middle.success.mean():.1f}")
    if n_runs == 1:
        lines.append("One short run each: the errors leave out how much another seed would change.")
    else:
        lines.append(f"{n_runs} runs each, of as many seeds, the same for each.")
    return "\n".join(lines)
