"""Evaluate trackers on annotated sequences: ``python -m examples.tracker.evaluate --data FOLDER``.

Every sequence is saved as soon as it is done; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

import cv2
import numpy as np

from .data.frames import FrameError, FrameStore
from .data.readers import add_on_error, left_out, read_sequences, read_split
from .data.sequences import Sequence
from .evaluation import plots, summary
from .evaluation.measures import Scores, by_score, score
from .evaluation.raw_results import write_results
from .evaluation.runs import LABELS, Contestant, Track, many_runs, start_of_run, track_and_keep
from .evaluation.summary import Outcome
from .evaluation.trackers import NAMES, Settings, find_contestants
from .inference.tracker import add_settings_option

TRACKS, TIMES, RAW = "tracks", "by_time", "raw"
Run = Tuple[Track, Scores]


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
    runs_help = "runs over each sequence, from later and slightly shifted boxes; tables have means"
    add("--runs", type=int, default=1, help=runs_help)
    add("--threads", type=int, help="CPU threads of each tracker")
    add("--engine", default="auto", help="engine of our tracker: auto, openvino, torch")
    add("--precision", default="auto", help="precision: auto, float32, bfloat16, int8")
    add_settings_option(parser)
    absent_help = "count frames without a visible target as failures, like LaSOT's toolkit"
    add("--absent-fail", action="store_true", help=absent_help + "; default: ignore them")
    add("--by-time", action="store_true", help="also report success by template age")
    add("--every", type=int, default=30, help="--by-time: frames between starts")
    add("--run-frames", type=int, default=230, help="--by-time: frames per run")
    add("--out", type=Path, default=Path("runs/eval"), help="folder for results")
    add("--fresh", action="store_true", help="run these trackers again")
    return parser.parse_args(arguments)


def choose_sequences(options: argparse.Namespace) -> List[Sequence]:
    """Sequences to evaluate on."""
    folder, split = options.data, options.split
    if split is None:
        split = "test" if (folder / "sequences.json").is_file() else "all"
    if split == "all":
        return read_sequences(folder, problems=options.problems)
    return read_split(folder, problems=options.problems)[("train", "test").index(split)]


def one_pass(
    contestants: List[Contestant], sequences: List[Sequence], options: argparse.Namespace
) -> Dict[str, Outcome]:
    """Run each tracker over each sequence; write raw results of run 0.

    With ``--on-error skip``, a sequence with a frame that cannot be read leaves ``sequences``.
    """
    found: Dict[str, Dict[str, List[Run]]] = {c.name: {} for c in contestants}
    for sequence in list(sequences):
        try:
            # Tracker by tracker within a sequence, so that what else the machine does hits all.
            runs = {c.name: runs_over(sequence, c, options) for c in contestants}
        except FrameError as error:
            if options.problems is None:
                raise
            options.problems.append(f"{sequence.name}: {error}")
            sequences.remove(sequence)
            continue
        for name, part in runs.items():
            found[name][sequence.name] = part
    if not sequences:
        raise ValueError("no sequence is left")
    for name, of_tracker in found.items():
        write_results(options.out / RAW, name, {n: runs[0][0] for n, runs in of_tracker.items()})
    return {
        name: Outcome({n: [scores for _, scores in runs] for n, runs in of_tracker.items()})
        for name, of_tracker in found.items()
    }


def runs_over(sequence: Sequence, contestant: Contestant, options: argparse.Namespace) -> List[Run]:
    """Run a tracker over a sequence as often as asked; each run is kept in a file."""
    height, width = FrameStore([sequence], limit=0).frame(0, 0).shape[:2]
    # One box alone is a test set's first: there is nothing to compare the answers with.
    judged = sequence.visible if sequence.visible.sum() > 1 else np.zeros(len(sequence), bool)
    found = []
    for run in range(options.runs):
        name = f"{sequence.name}.{run}" if run else sequence.name
        path = options.out / TRACKS / contestant.name / f"{name}.npz"
        track, was_there = track_and_keep(contestant, sequence, path, run=run)
        start = start_of_run(sequence, run)[0] if run else 0
        arrays = (track.boxes[start:], sequence.boxes[start:], judged[start:])
        scores = score(*arrays, size=(width, height), absent_fail=options.absent_fail)
        speed, note = track.frames_per_second, " (kept)" if was_there else ""
        words = f"{name}: {contestant.name} AUC {scores.auc:.3f}, {speed:.0f} frames/s{note}"
        print(words, flush=True)
        shares = by_score(track.scores[start:], *arrays)
        found.append((track, replace(scores, frames_per_second=speed, by_score=shares)))
    return found


def say_one_pass(outcomes: Dict[str, Outcome], layouts: Set[str], absent_fail: bool) -> None:
    """Print the tables of one-pass evaluation on sequences of some benchmarks' layouts."""
    print("\n" + summary.sequence_table(outcomes))
    print("\nmean and 95 % interval over sequences\n" + summary.mean_table(outcomes))
    for line in (*summary.run_lines(outcomes), *summary.difference_lines(outcomes)):
        print(line)
    if len(layouts) == 1:
        (benchmark,) = layouts
        print("\nas papers print it\n" + summary.benchmark_table(outcomes, benchmark))
        if "lasot" in benchmark and not absent_fail:
            print("LaSOT's toolkit counts frames without the target as failures: --absent-fail")


def draw_one_pass(outcomes: Dict[str, Outcome], out: Path, threads: Optional[int]) -> None:
    """Write the plots of one-pass evaluation."""
    for kind in plots.CURVES:
        plots.curves(outcomes, kind).savefig(out / f"{kind}.png", dpi=120)
    plots.calibration(outcomes).savefig(out / "calibration.png", dpi=120)
    words = "" if threads is None else f"{threads} CPU thread{'s' if threads > 1 else ''}"
    plots.speed_accuracy(outcomes, words).savefig(out / "speed.png", dpi=120)


def by_time(
    contestants: List[Contestant], sequences: List[Sequence], options: argparse.Namespace
) -> Dict[str, Any]:
    """Run each tracker from many starts; print and draw its success by time, give its numbers."""
    asked = {"every": options.every, "n_frames": options.run_frames}
    runs = {
        c.name: [
            many_runs(c, s, options.out / TIMES / c.name / f"{s.name}.npz", **asked)
            for s in sequences
        ]
        for c in contestants
    }
    success = {name: summary.mean_by_group(part, 0.5) for name, part in runs.items()}
    iou = {name: summary.mean_by_group(part) for name, part in runs.items()}
    counts = np.isfinite([r.by_group() for r in runs[contestants[0].name]]).sum(axis=0).tolist()
    print("\nsuccess rate (IoU > 0.5), mean over sequences [95 % interval]")
    print(summary.time_table(success, LABELS, counts))
    plots.by_time(success, LABELS, counts).savefig(options.out / "by_time.png", dpi=120)
    return {
        "settings": asked,
        "groups": LABELS,
        "sequences": counts,
        "success": {name: summary.plain(part) for name, part in success.items()},
        "mean_iou": {name: summary.plain(part) for name, part in iou.items()},
        "runs": {name: sum(len(r.starts) for r in part) for name, part in runs.items()},
    }


def run(options: argparse.Namespace) -> None:
    """Evaluate as the command line says, print tables, write everything."""
    settings = Settings(*(getattr(options, name) for name in Settings._fields))
    out = options.out
    for name in ("runs", "every", "run_frames"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name} must be at least 1; got {getattr(options, name)}")
    contestants = find_contestants(options.tracker, settings)
    if options.threads is not None:
        cv2.setNumThreads(options.threads)
    sequences = choose_sequences(options)
    if options.fresh:
        for folder in (out / part / c.name for part in (TRACKS, TIMES) for c in contestants):
            shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    outcomes = one_pass(contestants, sequences, options)
    say_one_pass(outcomes, {sequence.layout for sequence in sequences}, options.absent_fail)
    draw_one_pass(outcomes, out, options.threads)
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
