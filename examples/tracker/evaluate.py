"""Evaluate trackers on annotated sequences: ``python -m examples.tracker.evaluate --data FOLDER``.

Every sequence is saved as soon as it is done; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional

import cv2
import numpy as np

from .data.frames import FrameError, FrameStore
from .data.readers import Problems, add_on_error, left_out, read_sequences, read_split
from .data.sequences import Sequence
from .evaluation import by_time, plots, summary
from .evaluation.by_time import TimeConfig
from .evaluation.contestants import Contestant, Settings, find_contestants
from .evaluation.measures import Scores, mean_scores, score
from .evaluation.one_pass import AnyTracker, Track, start_of_run, track_and_keep
from .evaluation.peers import NAMES
from .evaluation.results import LAYOUTS, write_results
from .evaluation.summary import Outcome

TRACKS, TIMES, RAW = "tracks", "by_time", "raw"


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    words = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m examples.tracker.evaluate", description=words[0], epilog=words[1]
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sequences, see docs/tracker.md")
    add_on_error(parser)
    add(
        "--split",
        choices=("test", "train", "all"),
        help="sequences to use; default: test if the folder has a sequences.json, else all",
    )
    add(
        "--tracker",
        nargs="+",
        default=["lite"],
        metavar="NAME",
        help=f"lite (the shipped weights), OpenCV's {', '.join(NAMES)}, files of weights or "
        "folders of exported networks; differences are the first minus each other one",
    )
    add("--nano", type=Path, metavar="FOLDER", help="folder with NanoTrack's two ONNX files")
    add("--vit", type=Path, metavar="FILE", help="ONNX file of OpenCV's TrackerVit")
    add(
        "--runs",
        type=int,
        default=1,
        help="runs over each sequence, from later frames and boxes shifted by up to a pixel; "
        "the tables then have the mean over runs; default: %(default)s",
    )
    add("--threads", type=int, help="CPU threads of each tracker")
    add("--engine", default="auto", help="engine of our tracker: auto, openvino, torch")
    add("--precision", default="auto", help="precision: auto, float32, bfloat16, int8")
    add(
        "--absent-fail",
        action="store_true",
        help="count frames without a visible target as failures of success and precision, "
        "like LaSOT's toolkit; default: ignore them",
    )
    add("--by-time", action="store_true", help="also report success by template age")
    time = TimeConfig()
    add("--every", type=int, default=time.every, help="--by-time: frames between starts")
    add("--run-frames", type=int, default=time.n_frames, help="--by-time: frames per run")
    add("--out", type=Path, default=Path("runs/eval"), help="folder for results")
    add("--fresh", action="store_true", help="run these trackers again")
    return parser.parse_args(arguments)


def choose_sequences(
    folder: Path, split: Optional[str], problems: Optional[Problems] = None
) -> List[Sequence]:
    """Sequences to evaluate on; what cannot be read goes to ``problems``, or raises."""
    if split is None:
        split = "test" if (folder / "sequences.json").is_file() else "all"
    if split == "all":
        return read_sequences(folder, problems=problems)
    return read_split(folder, problems=problems)[("train", "test").index(split)]


class Evaluation:
    """Trackers over sequences, each run kept in a file below ``out``.

    Parameters
    ----------
    contestants : list of Contestant
        Trackers.
    sequences : list of Sequence
        What to run them on.
    out : Path
        Folder.
    problems : list of str, optional
        Where a frame that cannot be read goes; its sequence is left out. Default: it raises.
    """

    def __init__(
        self,
        contestants: List[Contestant],
        sequences: List[Sequence],
        out: Path,
        problems: Optional[Problems] = None,
        *,
        n_runs: int = 1,
    ) -> None:
        if n_runs < 1:
            raise ValueError(f"runs must be at least 1; got {n_runs}")
        self.n_runs = n_runs
        self.contestants, self.sequences, self.out = contestants, list(sequences), out
        self.problems = problems
        self._made: Dict[str, AnyTracker] = {}

    def forget(self) -> None:
        """Remove the runs of these trackers."""
        for contestant in self.contestants:
            for part in (TRACKS, TIMES):
                shutil.rmtree(self.out / part / contestant.name, ignore_errors=True)

    def one_pass(self, *, absent_fail: bool = False) -> Dict[str, Outcome]:
        """Run each tracker over each sequence; write raw results of run 0. Options: see `score`."""
        tracks: Dict[str, Dict[str, List[Track]]] = {c.name: {} for c in self.contestants}
        scores: Dict[str, Dict[str, List[Scores]]] = {c.name: {} for c in self.contestants}
        for sequence in list(self.sequences):
            try:
                self._pass(sequence, tracks, scores, absent_fail)
            except FrameError as error:
                if self.problems is None:
                    raise
                self.problems.append(f"{sequence.name}: {error}")
                self.sequences.remove(sequence)
                for part in (*tracks.values(), *scores.values()):
                    part.pop(sequence.name, None)
        if not self.sequences:
            raise ValueError("no sequence is left")
        for layout in LAYOUTS:
            for name, runs in tracks.items():
                write_results(self.out / RAW, layout, name, {n: r[0] for n, r in runs.items()})
        return {name: _outcome(scores[name], runs) for name, runs in tracks.items()}

    def _pass(
        self,
        sequence: Sequence,
        tracks: Dict[str, Dict[str, List[Track]]],
        scores: Dict[str, Dict[str, List[Scores]]],
        absent_fail: bool,
    ) -> None:
        """Run each tracker over one sequence, as often as asked."""
        height, width = FrameStore([sequence], limit=0).frame(0, 0).shape[:2]
        # Tracker by tracker within a sequence, so that what else the machine does hits all.
        # One box alone is a test set's first: there is nothing to compare the answers with.
        judged = sequence.visible if sequence.visible.sum() > 1 else np.zeros(len(sequence), bool)
        for contestant in self.contestants:
            for run in range(self.n_runs):
                name = f"{sequence.name}.{run}" if run else sequence.name
                track, was_there = track_and_keep(
                    lambda c=contestant: self._make(c),
                    sequence,
                    self.out / TRACKS / contestant.name / f"{name}.npz",
                    contestant.identity,
                    run=run,
                )
                part = slice(start_of_run(sequence, run)[0] if run else 0, None)
                found = score(
                    track.boxes[part],
                    sequence.boxes[part],
                    judged[part],
                    size=(width, height),
                    absent_fail=absent_fail,
                )
                tracks[contestant.name].setdefault(sequence.name, []).append(track)
                scores[contestant.name].setdefault(sequence.name, []).append(found)
                _say(name, contestant, found.auc, track.frames_per_second, was_there)

    def from_many_starts(self, config: TimeConfig) -> Dict[str, Dict[str, by_time.Runs]]:
        """Run each tracker from many starts of each sequence."""
        found: Dict[str, Dict[str, by_time.Runs]] = {c.name: {} for c in self.contestants}
        for sequence in self.sequences:
            n_starts = len(config.starts(sequence))
            for contestant in self.contestants:
                path = self.out / TIMES / contestant.name / f"{sequence.name}.npz"
                print(f"{sequence.name}: {n_starts} starts, {contestant.name}", flush=True)
                found[contestant.name][sequence.name] = by_time.run_and_keep(
                    lambda c=contestant: self._make(c), sequence, config, path, contestant.identity
                )
        return found

    def _make(self, contestant: Contestant) -> AnyTracker:
        """Make a tracker when it is first needed, and only then."""
        if contestant.name not in self._made:
            self._made[contestant.name] = contestant.make()
        return self._made[contestant.name]


def _outcome(scores: Dict[str, List[Scores]], tracks: Dict[str, List[Track]]) -> Outcome:
    """Means over the runs of one tracker."""
    speeds = {n: float(np.mean([t.frames_per_second for t in runs])) for n, runs in tracks.items()}
    aucs = np.array([[run.auc for run in runs] for runs in scores.values()])
    aucs = aucs[np.isfinite(aucs).all(axis=1)]
    return Outcome(
        {name: mean_scores(runs) for name, runs in scores.items()},
        speeds,
        tuple(aucs.mean(axis=0).tolist()) if len(aucs) else (),
    )


def _say(name: str, contestant: Contestant, auc: float, speed: float, was_there: bool) -> None:
    note = " (kept)" if was_there else ""
    print(f"{name}: {contestant.name} AUC {auc:.3f}, {speed:.0f} frames/s{note}", flush=True)


def write_pictures(outcomes: Dict[str, Outcome], out: Path, threads: Optional[int]) -> None:
    """Write the plots of one-pass evaluation."""
    for kind in plots.CURVES:
        plots.curves(outcomes, kind).savefig(out / f"{kind}.png", dpi=120)
    words = "" if threads is None else f"{threads} CPU thread{'s' if threads > 1 else ''}"
    plots.speed_accuracy(outcomes, words).savefig(out / "speed.png", dpi=120)


def report_by_time(
    runs: Dict[str, Dict[str, by_time.Runs]], config: TimeConfig, out: Path
) -> Dict[str, Any]:
    """Print the table of success by time, draw it, and give its numbers."""
    parts = {name: by_time.summarise(part, config) for name, part in runs.items()}
    success = {name: part[0] for name, part in parts.items()}
    counts = next(iter(parts.values()))[2]
    rows = [["frames since template", "sequences", *parts]]
    for i, label in enumerate(config.labels):
        cells = [summary.cell(values[i], 3) for values in success.values()]
        rows.append([label, str(counts[i]), *cells])
    print("\nsuccess rate (IoU > 0.5), mean over sequences [95 % interval]")
    print(summary.layout(rows))
    plots.by_time(success, config.labels, counts).savefig(out / "by_time.png", dpi=120)
    return {
        "settings": asdict(config),
        "groups": config.labels,
        "sequences": counts,
        "success": {n: [summary.plain(v) for v in part[0]] for n, part in parts.items()},
        "mean_iou": {n: [summary.plain(v) for v in part[1]] for n, part in parts.items()},
        "runs": {n: sum(len(r.starts) for r in part.values()) for n, part in runs.items()},
    }


def run(options: argparse.Namespace) -> None:
    """Evaluate as the command line says, print tables, write everything."""
    settings = Settings(
        options.nano, options.vit, options.threads, options.engine, options.precision
    )
    config = TimeConfig(every=options.every, n_frames=options.run_frames)
    contestants = find_contestants(options.tracker, settings)
    if options.threads is not None:
        cv2.setNumThreads(options.threads)
    sequences = choose_sequences(options.data, options.split, options.problems)
    evaluation = Evaluation(
        contestants, sequences, options.out, options.problems, n_runs=options.runs
    )
    if options.fresh:
        evaluation.forget()
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes = evaluation.one_pass(absent_fail=options.absent_fail)
    print("\n" + summary.sequence_table(outcomes))
    print("\nmean and 95 % interval over sequences\n" + summary.mean_table(outcomes))
    for line in (*summary.run_lines(outcomes), *summary.difference_lines(outcomes)):
        print(line)
    benchmarks = {sequence.layout for sequence in evaluation.sequences}
    if len(benchmarks) == 1:
        print("\nas papers print it\n" + summary.benchmark_table(outcomes, *benchmarks))
        if "lasot" in next(iter(benchmarks)) and not options.absent_fail:
            print("LaSOT's toolkit counts frames without the target as failures: --absent-fail")
    write_pictures(outcomes, options.out, options.threads)
    results = {
        "trackers": {c.name: c.identity for c in contestants},
        "absent_fail": options.absent_fail,
        "opencv": cv2.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "one_pass": summary.numbers(outcomes),
    }
    if options.by_time:
        results["by_time"] = report_by_time(
            evaluation.from_many_starts(config), config, options.out
        )
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nresults.json, plots and raw results are in {options.out}{left_out(options.problems)}")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    try:
        run(options)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {options.out}", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
