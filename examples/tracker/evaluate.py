"""Evaluate trackers on annotated sequences: ``python -m examples.tracker.evaluate --data FOLDER``.

Every sequence is saved as soon as it is done; the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

import cv2
import numpy as np

from .data.crops import check
from .data.frames import FrameError, FrameStore
from .data.readers import add_on_error, left_out, read_sequences, read_split
from .data.sequences import Sequence
from .evaluation import plots, runs, summary
from .evaluation.measures import Scores, by_score, score
from .evaluation.summary import Outcome, Outcomes, bootstrap_mean, plain
from .evaluation.trackers import NAMES, Settings, find_contestants
from .inference.tracker import add_settings_option
from .training.interrupt import exit_status

TRACKS, TIMES = "tracks", "by_time"  # folders of kept runs
Contestants = List[runs.Contestant]
Runs = Tuple[runs.Track, List[Scores]]  # the first run, and the scores of all


def parse(arguments: Optional[List[str]] = None) -> Namespace:
    parser = ArgumentParser(prog="python -m examples.tracker.evaluate", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sequences, see docs/tracker.md")
    add_on_error(parser)
    words = "default: test if the folder has a sequences.json, else all"
    add("--split", choices=("test", "train", "all"), help=words)
    words = (
        f"lite (the shipped weights), OpenCV's {', '.join(NAMES)}, files of weights or folders of "
        "exported networks; differences are the first minus each other one"
    )
    add("--tracker", nargs="+", default=["lite"], metavar="NAME", help=words)
    add("--nano", type=Path, metavar="FOLDER", help="folder with NanoTrack's two ONNX files")
    add("--vit", type=Path, metavar="FILE", help="ONNX file of OpenCV's TrackerVit")
    words = "runs over each sequence, from later and slightly shifted boxes; tables have means"
    add("--runs", type=int, default=1, help=words)
    add("--threads", type=int, help="CPU threads of each tracker")
    add("--engine", default="auto", help="engine of our tracker: auto, openvino, torch")
    add("--precision", default="auto", help="precision: auto, float32, bfloat16, int8")
    add_settings_option(parser)
    words = "count frames without a visible target as failures, like LaSOT's toolkit"
    add("--absent-fail", action="store_true", help=words)
    add("--by-time", action="store_true", help="also report success by template age")
    add("--every", type=int, default=30, help="--by-time: frames between starts")
    add("--run-frames", type=int, default=230, help="--by-time: frames per run")
    add("--out", type=Path, default=Path("runs/eval"), help="folder for results")
    add("--fresh", action="store_true", help="run these trackers again")
    return parser.parse_args(arguments)


def choose_sequences(options: Namespace) -> List[Sequence]:
    split = options.split or ("test" if (options.data / "sequences.json").is_file() else "all")
    if split == "all":
        return read_sequences(options.data, problems=options.problems)
    train, test = read_split(options.data, problems=options.problems)
    return train if split == "train" else test


def one_pass(contestants: Contestants, sequences: List[Sequence], options: Namespace) -> Outcomes:
    """Run each tracker over each sequence; write raw results of run 0.

    With ``--on-error skip``, a sequence with a frame that cannot be read leaves ``sequences``.
    """
    tracks: Dict[str, Dict[str, runs.Track]] = {c.name: {} for c in contestants}
    scores: Dict[str, Dict[str, List[Scores]]] = {c.name: {} for c in contestants}
    for sequence in list(sequences):
        try:
            # Tracker by tracker within a sequence, so that what else the machine does hits all.
            found = [runs_over(sequence, contestant, options) for contestant in contestants]
        except FrameError as error:
            if options.problems is None:
                raise
            options.problems.append(f"{sequence.name}: {error}")
            sequences.remove(sequence)
            continue
        for contestant, (first, of_runs) in zip(contestants, found):
            tracks[contestant.name][sequence.name] = first
            scores[contestant.name][sequence.name] = of_runs
    if not sequences:
        raise ValueError("no sequence is left")
    for name, of_tracker in tracks.items():
        runs.write_results(options.out / "raw", name, of_tracker)
    return {name: Outcome(of_tracker) for name, of_tracker in scores.items()}


def runs_over(sequence: Sequence, contestant: runs.Contestant, options: Namespace) -> Runs:
    """Run a tracker over a sequence as often as asked."""
    height, width = FrameStore([sequence], limit=0).frame(0, 0).shape[:2]
    # One box alone is a test set's first: there is nothing to compare the answers with.
    judged = sequence.visible if sequence.visible.sum() > 1 else np.zeros(len(sequence), bool)
    found = []
    for run in range(options.runs):
        name = f"{sequence.name}.{run}" if run else sequence.name
        path = options.out / TRACKS / contestant.name / f"{name}.npz"
        track, was_there = runs.track_and_keep(contestant, sequence, path, run=run)
        start = np.flatnonzero(np.isfinite(track.scores))[0] if run else 0
        arrays = (track.boxes[start:], sequence.boxes[start:], judged[start:])
        scores = score(*arrays, size=(width, height), absent_fail=options.absent_fail)
        shares, speed = by_score(track.scores[start:], *arrays), track.frames_per_second
        found.append((track, replace(scores, frames_per_second=speed, by_score=shares)))
        words = f"AUC {scores.auc:.3f}, {speed:.0f} frames/s{' (kept)' if was_there else ''}"
        print(f"{name}: {contestant.name} {words}", flush=True)
    return found[0][0], [scores for _, scores in found]


def report(outcomes: Outcomes, benchmarks: Set[str], options: Namespace) -> None:
    """Print the tables of one-pass evaluation, write its plots."""
    print("\n" + summary.sequence_table(outcomes))
    print("\nmean and 95 % interval over sequences\n" + summary.mean_table(outcomes))
    for line in summary.auc_lines(outcomes):
        print(line)
    if len(benchmarks) == 1:
        (benchmark,) = benchmarks
        print("\nas papers print it\n" + summary.benchmark_table(outcomes, benchmark))
        if "lasot" in benchmark and not options.absent_fail:
            print("LaSOT's toolkit counts frames without the target as failures: --absent-fail")
    threads = f"CPU threads: {options.threads}" if options.threads else ""
    figures = {kind: plots.curves(outcomes, kind) for kind in plots.CURVES}
    figures["calibration"] = plots.calibration(outcomes)
    figures["speed"] = plots.speed_accuracy(outcomes, threads)
    for name, figure in figures.items():
        figure.savefig(options.out / f"{name}.png", dpi=120)


def by_time(contestants: Contestants, sequences: List[Sequence], options: Namespace) -> Any:
    """Run each tracker from many starts; print and draw its success by time, give its numbers."""
    asked = {"every": options.every, "n_frames": options.run_frames}
    found: Dict[str, List[Any]] = {}
    for c in contestants:
        place = options.out / TIMES / c.name
        found[c.name] = [runs.many_runs(c, s, place / f"{s.name}.npz", **asked) for s in sequences]

    def by_group(name: str, threshold: Optional[float] = None) -> Any:  # (n_sequences, n_groups)
        return np.array([runs.by_group(iou, threshold) for iou in found[name]])

    success = {name: list(map(bootstrap_mean, by_group(name, 0.5).T)) for name in found}
    overlap = {name: list(map(bootstrap_mean, by_group(name).T)) for name in found}
    counts = np.isfinite(by_group(contestants[0].name)).sum(axis=0).tolist()
    print("\nsuccess rate (IoU > 0.5), mean over sequences [95 % interval]")
    print(summary.time_table(success, runs.LABELS, counts))
    plots.by_time(success, runs.LABELS, counts).savefig(options.out / "by_time.png", dpi=120)
    return {
        "settings": asked,
        "groups": runs.LABELS,
        "sequences": counts,
        "success": {name: plain(part) for name, part in success.items()},
        "mean_iou": {name: plain(part) for name, part in overlap.items()},
        "runs": {name: sum(map(len, part)) for name, part in found.items()},
    }


def run(options: Namespace) -> bool:
    out = options.out
    check(options, {"be at least 1": "runs every run_frames"})
    settings = Settings(*(getattr(options, name) for name in Settings._fields))
    contestants = find_contestants(options.tracker, settings)
    if options.threads is not None:
        cv2.setNumThreads(options.threads)
    sequences = choose_sequences(options)
    if options.fresh:
        for contestant in contestants:
            for kept in (TRACKS, TIMES):
                shutil.rmtree(out / kept / contestant.name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    outcomes = one_pass(contestants, sequences, options)
    report(outcomes, {sequence.layout for sequence in sequences}, options)
    results = {
        "trackers": {c.name: c.identity for c in contestants},
        "absent_fail": options.absent_fail,
        "opencv": cv2.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "one_pass": summary.numbers(outcomes),
    }
    if options.by_time:
        results["by_time"] = by_time(contestants, sequences, options)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nresults.json, plots and raw results are in {out}{left_out(options.problems)}")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse(arguments)
    status = exit_status(lambda: run(options))
    if status == 130:
        print(f"stopped; the same command goes on from {options.out}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
