"""Numbers and tables of an evaluation: means over sequences with their confidence intervals.

An interval is a percentile bootstrap over whole sequences: frames of one video are alike, so
sequences are drawn, not frames. Where only a few sequences are averaged (ten, say) such intervals
are too narrow: they know of no video unlike those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from .measures import BY_FRAME, Floats, Scores

N_RESAMPLES, SEED = 10_000, 2025
ENDS = (0.025, 0.975)  # of a 95 % interval
SPEED = "frames_per_second"
TITLES = {
    "auc": "AUC",
    "precision": "P 20 px",
    "normalised_precision": "NP 0.2",
    "normalised_precision_auc": "NP AUC",
    "ao": "AO",
    "sr50": "SR 0.5",
    "sr75": "SR 0.75",
    SPEED: "frames/s",
}
COLUMNS = {  # of the benchmarks' own tables
    "got10k": ("ao", "sr50", "sr75"),
    "lasot": ("auc", "normalised_precision", "precision"),
    "lasot_extension": ("auc", "normalised_precision", "precision"),
    "trackingnet": ("auc", "normalised_precision_auc", "precision"),
}
CURVES = ("success_curve", "precision_curve", "normalised_precision_curve")


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval; NaN where there are too few sequences."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: Floats, weights: Optional[Floats] = None) -> Interval:
    """Weighted mean over sequences; those without a value or a weight are left out."""
    weights = np.ones(len(values)) if weights is None else weights
    weights = np.where(np.isfinite(values), weights, 0.0)
    return bootstrap_crossed(np.nan_to_num(values)[None] * weights, weights)


def bootstrap_crossed(sums: Floats, counts: Floats) -> Interval:
    """Mean over runs and sequences together: sums (n_runs, n_sequences) by counts (n_sequences,).

    Every run is asked about every sequence, so a draw is a set of runs crossed with a set of
    sequences. Give differences between two rows of runs with the same seeds, and the pairs cancel
    what they have in common.
    """
    sums, counts = sums[:, counts > 0], counts[counts > 0]
    n_runs, n_sequences = sums.shape
    if not n_sequences:
        return Interval(np.nan, np.nan, np.nan)
    mean = float(sums.sum() / (n_runs * counts.sum()))
    if n_sequences < 2:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(SEED)
    # How often each run and each sequence is drawn: counts need no copy of the values.
    runs, sequences = (
        rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES) for n in (n_runs, n_sequences)
    )
    means = ((runs @ sums) * sequences).sum(axis=1) / (n_runs * (sequences @ counts))
    low, high = np.quantile(means, ENDS)
    return Interval(mean, float(low), float(high))


@dataclass(frozen=True, eq=False)
class Outcome:
    """One tracker over all sequences."""

    scores: Dict[str, List[Scores]]  # those of the runs over each sequence

    def by_run(self, measure: str) -> Floats:
        """One measure, or curve, of every sequence and run, shape (n_sequences, n_runs, ...)."""
        return np.array([[getattr(run, measure) for run in runs] for runs in self.scores.values()])

    def values(self, measure: str) -> Floats:
        """Means over runs, shape (n_sequences, ...)."""
        return self.by_run(measure).mean(axis=1)

    def mean(self, measure: str, less: Optional[Outcome] = None) -> Interval:
        """Mean over sequences (AO, SR: over frames), of the difference if there is another."""
        values = self.values(measure) - (less.values(measure) if less else 0.0)
        return bootstrap_mean(values, self.values("n_frames") if measure in BY_FRAME else None)

    def curve(self, name: str) -> Floats:
        return _over_sequences(self.values(name))

    @property
    def calibration(self) -> List[Interval]:
        """Share of frames on target in each tenth of the score, with a 95 % interval."""
        frames, hits = self.by_run("by_score").sum(axis=1).transpose(1, 2, 0)
        return [bootstrap_crossed(hit[None], count) for hit, count in zip(hits, frames)]


def _over_sequences(values: Floats) -> Floats:
    """Mean over sequences, without those in which no frame counts; NaN if all are such."""
    counted = values[np.isfinite(values).all(axis=1)]
    return counted.mean(axis=0) if len(counted) else values[0]


Outcomes = Dict[str, Outcome]  # by tracker


def ranked(outcomes: Outcomes, measure: str) -> List[str]:
    return sorted(outcomes, key=lambda name: -np.nan_to_num(outcomes[name].mean(measure).mean))


def sequence_table(outcomes: Outcomes) -> str:
    first, *_ = outcomes
    rows = [["sequence", "tracker", *TITLES.values()]]
    for i, sequence in enumerate(outcomes[first].scores):
        for tracker, outcome in outcomes.items():
            cells = [_number(outcome.values(measure)[i], measure) for measure in TITLES]
            rows.append([sequence if tracker == first else "", tracker, *cells])
    return layout(rows, words=2)


def mean_table(outcomes: Outcomes) -> str:
    """Every tracker, best AUC first: means, and 95 % intervals over sequences below them."""
    rows = [["tracker", *TITLES.values()]]
    for tracker in ranked(outcomes, "auc"):
        found = {measure: outcomes[tracker].mean(measure) for measure in TITLES}
        rows.append([tracker, *(_number(part.mean, m) for m, part in found.items())])
        ends = {m: f"{_number(p.low, m)}-{_number(p.high, m)}" for m, p in found.items()}
        rows.append(["", *("" if np.isnan(found[m].low) else ends[m] for m in found)])
    return layout(rows)


def benchmark_table(outcomes: Outcomes, benchmark: str) -> str:
    """The columns that papers print for a benchmark, in percent, best AUC first."""
    measures = COLUMNS.get(benchmark, ("auc", "precision"))
    rows = [[benchmark, *(TITLES[measure] for measure in measures)]]
    for tracker in ranked(outcomes, "auc"):
        means = [100 * outcomes[tracker].mean(measure).mean for measure in measures]
        rows.append([tracker, *("-" if np.isnan(mean) else f"{mean:.1f}" for mean in means)])
    return layout(rows)


def auc_lines(outcomes: Outcomes) -> List[str]:
    """Spread of each tracker's AUC over its runs, and AUC of the first one less each other's."""
    lines = []
    for name, outcome in outcomes.items():
        aucs = _over_sequences(outcome.by_run("auc"))
        if len(aucs) > 1 and np.isfinite(aucs).all():
            words = f"mean {aucs.mean():.3f}, standard deviation {aucs.std(ddof=1):.3f}, "
            words += f"lowest {aucs.min():.3f}, highest {aucs.max():.3f}"
            lines.append(f"AUC of {name} over {len(aucs)} runs: {words}")
    first, *others = outcomes
    for other in others:
        gap = outcomes[first].mean("auc", less=outcomes[other])
        lines.append(f"AUC of {first} less {other}: {cell(gap, sign='+')}")
    return lines


def time_table(success: Dict[str, Any], labels: Sequence[str], n_sequences: Sequence[int]) -> str:
    """Success of each tracker by frames since the template."""
    rows = [["frames since template", "sequences", *success]]
    for label, count, *values in zip(labels, n_sequences, *success.values()):
        rows.append([label, str(count), *map(cell, values)])
    return layout(rows)


def numbers(outcomes: Outcomes) -> Dict[str, Any]:
    first, found = next(iter(outcomes.values())), {}
    for tracker, outcome in outcomes.items():
        values = {measure: plain(outcome.values(measure)) for measure in TITLES}
        values["frames"] = [round(count) for count in outcome.values("n_frames")]
        gaps = {} if outcome is first else {m: first.mean(m, less=outcome) for m in TITLES}
        found[tracker] = {
            "mean": {m: plain(outcome.mean(m)) for m in TITLES},
            "sequences": {
                name: dict(zip(values, row))
                for name, row in zip(outcome.scores, zip(*values.values()))
            },
            "auc_of_runs": plain(_over_sequences(outcome.by_run("auc"))),
            "on_target_by_score": plain(outcome.calibration),
            "curves": {name: plain(outcome.curve(name)) for name in CURVES},
            "first_less_this": {m: plain(gap) for m, gap in gaps.items()},
        }
    return found


def plain(value: Any) -> Any:
    """Numbers for JSON, None where there is none; an interval becomes mean, low, high."""
    if isinstance(value, Interval):
        return {key: plain(part) for key, part in value._asdict().items()}
    if np.ndim(value):
        return [plain(part) for part in value]
    return round(float(value), 6) if np.isfinite(value) else None


def cell(value: Interval, sign: str = "") -> str:
    if np.isnan(value.mean):
        return "-"
    mean, low, high = (f"{part:{sign}.3f}" for part in value)
    return mean if np.isnan(value.low) else f"{mean} [{low}, {high}]"


def layout(rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Columns under their titles; the first ``words`` of them flush left."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    sides = [str.ljust if i < words else str.rjust for i in range(len(widths))]
    title, *lines = (
        "  ".join(side(text, width) for side, text, width in zip(sides, row, widths)).rstrip()
        for row in rows
    )
    return "\n".join([title, "-" * max(map(len, [title, *lines])), *lines])


def _number(value: float, measure: str) -> str:
    return "-" if np.isnan(value) else f"{value:.{0 if measure == SPEED else 3}f}"
