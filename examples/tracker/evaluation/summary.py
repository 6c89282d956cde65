"""Tables and numbers of an evaluation: trackers, sequences, means with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from .confidence import Interval, bootstrap_mean, paired_difference
from .measures import BY_FRAME, BY_SEQUENCE, Scores

Floats = NDArray[np.float64]

TITLES = {
    "auc": "AUC",
    "precision": "P 20 px",
    "normalised_precision": "NP 0.2",
    "normalised_precision_auc": "NP AUC",
    "ao": "AO",
    "sr50": "SR 0.5",
    "sr75": "SR 0.75",
    "frames_per_second": "frames/s",
}
# Columns of the benchmarks' own tables; of all others: success and precision.
COLUMNS = {
    "got10k": ("ao", "sr50", "sr75"),
    "lasot": ("auc", "normalised_precision", "precision"),
    "lasot_extension": ("auc", "normalised_precision", "precision"),
    "trackingnet": ("auc", "normalised_precision_auc", "precision"),
}
USUAL_COLUMNS = ("auc", "precision")
CURVES = ("success_curve", "precision_curve", "normalised_precision_curve")


@dataclass(frozen=True, eq=False)
class Outcome:
    """One tracker over all sequences.

    Parameters
    ----------
    scores : dict of str to Scores
        By sequence.
    frames_per_second : dict of str to float
        Updates per second, by sequence.
    """

    scores: Dict[str, Scores]
    frames_per_second: Dict[str, float]
    runs: Tuple[float, ...] = ()  # AUC of each run, the mean over sequences

    def values(self, measure: str) -> Floats:
        """One measure of every sequence, shape (n_sequences,)."""
        if measure == "frames_per_second":
            return np.array(list(self.frames_per_second.values()))
        return np.array([getattr(scores, measure) for scores in self.scores.values()])

    def weights(self, measure: str) -> Floats:
        """Weight of each sequence in the mean: frames for AO and SR, else 1."""
        if measure in BY_FRAME:
            return self.values("n_frames").astype(np.float64)
        return np.ones(len(self.scores))

    def mean(self, measure: str) -> Interval:
        """Mean over sequences (AO, SR: over frames) with a 95 % interval."""
        return bootstrap_mean(self.values(measure), self.weights(measure))

    def difference(self, other: Outcome, measure: str) -> Interval:
        """Mean of this less the other's on the same sequences, with a 95 % interval."""
        return paired_difference(self.values(measure), other.values(measure), self.weights(measure))

    def curve(self, name: str) -> Floats:
        """Mean of the sequences' curves; those without a frame that counts are left out."""
        curves = np.array([getattr(scores, name) for scores in self.scores.values()])
        counted = curves[np.isfinite(curves[:, 0])]
        return counted.mean(axis=0) if len(counted) else curves[0]


def sequence_table(outcomes: Dict[str, Outcome]) -> str:
    """Every sequence and tracker, one line each."""
    rows = [["sequence", "tracker", *TITLES.values()]]
    for sequence in next(iter(outcomes.values())).scores:
        for i, (tracker, outcome) in enumerate(outcomes.items()):
            scores = outcome.scores[sequence]
            values = [_number(getattr(scores, m), m) for m in (*BY_SEQUENCE, *BY_FRAME)]
            speed = _number(outcome.frames_per_second[sequence], "frames_per_second")
            rows.append([sequence if i == 0 else "", tracker, *values, speed])
    return layout(rows, words=2)


def mean_table(outcomes: Dict[str, Outcome]) -> str:
    """Every tracker, best AUC first: means, and 95 % intervals over sequences below them."""
    rows = [["tracker", *TITLES.values()]]
    for tracker in by_auc(outcomes):
        found = {measure: outcomes[tracker].mean(measure) for measure in TITLES}
        rows.append([tracker, *(_number(part.mean, m) for m, part in found.items())])
        rows.append(["", *(_ends(part, m) for m, part in found.items())])
    return layout(rows)


def _number(value: float, measure: str) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{0 if measure == 'frames_per_second' else 3}f}"


def _ends(interval: Interval, measure: str) -> str:
    if np.isnan(interval.low):
        return ""
    return f"{_number(interval.low, measure)}-{_number(interval.high, measure)}"


def difference_lines(outcomes: Dict[str, Outcome], measure: str = "auc") -> List[str]:
    """The first tracker against each other one, in words."""
    first, *others = outcomes
    lines = []
    for other in others:
        gap = outcomes[first].difference(outcomes[other], measure)
        lines.append(f"{TITLES[measure]} of {first} less {other}: {cell(gap, 3, sign='+')}")
    return lines


def run_lines(outcomes: Dict[str, Outcome]) -> List[str]:
    """Spread of the AUC over runs, a line per tracker with two runs or more."""
    return [
        f"AUC of {name} over {len(outcome.runs)} runs: mean {np.mean(outcome.runs):.3f}, "
        f"standard deviation {np.std(outcome.runs, ddof=1):.3f}, "
        f"lowest {min(outcome.runs):.3f}, highest {max(outcome.runs):.3f}"
        for name, outcome in outcomes.items()
        if len(outcome.runs) > 1
    ]


def benchmark_table(outcomes: Dict[str, Outcome], benchmark: str) -> str:
    """The columns that papers print for a benchmark, in percent, best AUC first."""
    measures = COLUMNS.get(benchmark, USUAL_COLUMNS)
    rows = [[benchmark, *(TITLES[measure] for measure in measures)]]
    for tracker in by_auc(outcomes):
        means = [100 * outcomes[tracker].mean(measure).mean for measure in measures]
        rows.append([tracker, *("-" if np.isnan(mean) else f"{mean:.1f}" for mean in means)])
    return layout(rows)


def by_auc(outcomes: Dict[str, Outcome]) -> List[str]:
    """Names of trackers, best AUC first."""
    return sorted(outcomes, key=lambda name: -np.nan_to_num(outcomes[name].mean("auc").mean))


def numbers(outcomes: Dict[str, Outcome]) -> Dict[str, Any]:
    """Everything as plain values for JSON; None where there is no number."""
    first = next(iter(outcomes.values()))
    return {
        tracker: {
            "mean": {m: plain(outcome.mean(m)) for m in TITLES},
            "sequences": {
                name: {
                    **{m: plain(getattr(scores, m)) for m in (*BY_SEQUENCE, *BY_FRAME)},
                    "frames": scores.n_frames,
                    "frames_per_second": plain(outcome.frames_per_second[name]),
                }
                for name, scores in outcome.scores.items()
            },
            "auc_of_runs": [plain(value) for value in outcome.runs],
            "curves": {name: plain(outcome.curve(name)) for name in CURVES},
            "first_less_this": {
                m: plain(first.difference(outcome, m)) for m in TITLES if outcome is not first
            },
        }
        for tracker, outcome in outcomes.items()
    }


def plain(value: Any) -> Any:
    """Numbers for JSON; an interval becomes mean, low, high."""
    if isinstance(value, Interval):
        return {key: plain(part) for key, part in value._asdict().items()}
    if isinstance(value, np.ndarray):
        return [plain(part) for part in value.tolist()]
    return round(float(value), 6) if np.isfinite(value) else None


def cell(value: Interval, digits: int = 3, sign: str = "") -> str:
    """``mean [low, high]``."""
    if np.isnan(value.mean):
        return "-"
    words = [f"{part:{sign}.{digits}f}" for part in value]
    return words[0] if np.isnan(value.low) else f"{words[0]} [{words[1]}, {words[2]}]"


def layout(rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Columns under their titles; the first ``words`` of them flush left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(width) if i < words else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
