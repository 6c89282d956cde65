"""Time per frame of the example tracker, by engine and precision, and of OpenCV's trackers.

The script times the complete ``update`` call, from the frame in memory to the box. The trackers
take turns of some frames on the same videos; results are medians over all frames. For each of our
engines the table also has the mean IoU of its boxes with those of torch in float32: with the "same
previous box", and "free-running", tracking independently from the first frame on, where a
difference of a hundredth of a pixel affects all later crops. int8 is calibrated on other videos
than the tracked ones.

    python benchmarks/tracker_speed.py [--weights FILE] [--data FOLDER] [--nano FOLDER]
    python benchmarks/tracker_speed.py --memory
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads must not slow the next tracker

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the examples

from examples.tracker.data.crops import CropConfig, cut, square_around
from examples.tracker.data.frames import FrameStore
from examples.tracker.data.readers import read_split
from examples.tracker.evaluation import trackers as peers
from examples.tracker.evaluation.measures import overlap
from examples.tracker.inference.engines import ENGINES, Exported
from examples.tracker.inference.tracker import SHIPPED, Tracker, open_network
from examples.tracker.synthetic.composite import composite_clips

BASE = "torch float32"
COMPARE_EVERY = 5  # every so many frames, trackers get the same box and motion
TURN = 20  # frames per turn of a tracker
BIG = {"1280 x 720": (720, 1280), "1920 x 1080": (1080, 1920), "3840 x 2160": (2160, 3840)}


def load_videos(options):
    """Load videos for calibration, and lists of BGR frames with the first box for tracking."""
    if options.data:
        train, test = read_split(options.data)
    else:
        train = composite_clips("train", 4)
        test = composite_clips("test", 2 if options.quick else 6)
    store, videos = FrameStore(test), []
    for i, sequence in enumerate(test):
        first = int(np.flatnonzero(sequence.visible)[0])
        indices = range(first, len(sequence))[: options.frames]
        frames = [np.ascontiguousarray(store.frame(i, k)[:, :, ::-1]) for k in indices]
        videos.append((sequence.name, frames, sequence.boxes[first]))
    return train, videos


def calibrated(network, train, folder, n_pairs):
    """Return the network in int8, or None after printing the reason."""
    from examples.tracker.inference.export import calibration_crops, quantise

    try:
        crops = calibration_crops(train, CropConfig().for_model(network), n_pairs)
        return quantise(network, crops, folder / "int8")
    except ImportError as error:
        print(f"skipped: int8: {error}")
        return None


def our_trackers(network, int8, threads):
    """Return every engine in every precision that works here, by name."""
    found = {}
    for kind in reversed(list(ENGINES.values())):  # torch first, as the reference
        for precision in kind.able:
            source = int8 if precision == "int8" else network
            name = f"{kind.name} {precision}"
            if source is None:
                continue
            try:
                found[name] = Tracker(
                    source, engine=kind.name, precision=precision, threads=threads
                )
            except (ImportError, ValueError) as error:
                print(f"skipped: {name}: {error}")
    return found


def opencv_trackers(nano):
    """Return the available trackers of OpenCV by name; they also get BGR frames."""
    peers._bgr = lambda frame: frame
    found = {}
    for name in peers.NAMES:
        try:
            found[name] = peers.make_peer(name, peers.Settings(nano=nano))
        except (FileNotFoundError, ImportError, ValueError) as error:
            print(f"skipped: {name}: {error}")
    return found


def race(trackers, videos):
    """Return the seconds of every update and all boxes, by tracker."""
    seconds = {name: [] for name in trackers}
    boxes = {name: [] for name in trackers}
    for _, frames, box in videos:
        for tracker in trackers.values():
            tracker.init(frames[0], box)
        for start in range(1, len(frames), TURN):
            for name, tracker in trackers.items():
                for frame in frames[start : start + TURN]:
                    begin = time.perf_counter()
                    found, _ = tracker.update(frame)
                    seconds[name].append(time.perf_counter() - begin)
                    boxes[name].append(found)
    return seconds, {name: np.array(found) for name, found in boxes.items()}


def from_same_previous_box(trackers, videos):
    """Return the mean IoU with the base's boxes, given its previous boxes, by tracker."""
    found = {name: [] for name in trackers}
    base = trackers[BASE]
    for _, frames, box in videos:
        for tracker in trackers.values():
            tracker.init(frames[0], box)
        for i in range(1, len(frames)):
            before = base._box.copy(), base._square, base._n_lost
            motion = copy.copy(base._motion)
            truth, _ = base.update(frames[i])
            for name, tracker in trackers.items() if i % COMPARE_EVERY == 0 else ():
                if tracker is not base:
                    tracker._box, tracker._square, tracker._n_lost = before
                    tracker._motion = copy.copy(motion)
                    found[name].append(overlap(tracker.update(frames[i])[0][None], truth[None])[0])
    return {name: float(np.mean(values)) if values else 1.0 for name, values in found.items()}


def run(options, network, int8, videos, threads):
    """Return one row per tracker."""
    cv2.setNumThreads(threads)
    ours = our_trackers(network, int8, threads)
    trackers = {**ours, **opencv_trackers(options.nano)}
    frames, box = videos[0][1:]
    race(trackers, [("warm-up", frames[:6], box)])
    seconds, boxes = race(trackers, videos)
    same = from_same_previous_box(ours, videos)
    rows = []
    for name in trackers:
        median = float(np.median(seconds[name]))
        rows.append(
            {
                "tracker": name,
                "threads": threads,
                "milliseconds": 1e3 * median,
                "per_second": len(seconds[name]) / sum(seconds[name]),
                "ratio": float(np.median(seconds[BASE])) / median,
                "iou_same_previous": same.get(name),
                "iou_free_running": float(overlap(boxes[name], boxes[BASE]).mean()),
                "peer": name in peers.NAMES,
            }
        )
    return rows


def show(rows):
    """Print the table."""
    print(
        f"{'tracker':<22}{'threads':>8}{'ms':>9}{'frames/s':>10}{'times':>8}"
        f"{'IoU, same previous box':>24}{'IoU, free-running':>19}"
    )
    for row in rows:
        ious = ("-", "-")
        if not row["peer"]:
            ious = (f"{row['iou_same_previous']:.3f}", f"{row['iou_free_running']:.3f}")
        print(
            f"{row['tracker']:<22}{row['threads']:>8}{row['milliseconds']:>9.2f}"
            f"{row['per_second']:>10.1f}{row['ratio']:>8.2f}"
            f"{ious[0]:>24}{ious[1]:>19}"
        )


def parts(network, videos):
    """Time the parts of the default tracker, and a crop of a large frame, in ms."""
    cv2.setNumThreads(1)
    tracker, spent = Tracker(network, threads=1), []
    locate = tracker.engine.locate

    def timed(*inputs):
        begin = time.perf_counter()
        maps = locate(*inputs)
        spent.append(time.perf_counter() - begin)
        return maps

    tracker.engine.locate = timed
    seconds, boxes = race({"it": tracker}, videos[:2])
    config = CropConfig().for_model(network)
    frame, box = videos[0][1][0], boxes["it"][0]
    crop = median_ms(
        lambda: cut(frame, square_around(box, config.search_factor), config.search_size)
    )
    whole, engine = 1e3 * np.median(seconds["it"]), 1e3 * np.median(spent)
    figures = {"update": whole, "network": engine, "crop": crop, "rest": whole - engine - crop}
    for name, size in BIG.items():
        big = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        square = square_around(np.array([300.0, 200.0, 100.0, 100.0]), config.search_factor)
        figures[f"crop of {name}"] = median_ms(
            lambda b=big, s=square: cut(b, s, config.search_size)
        )
    print(f"\n{tracker.engine}, ms: " + ", ".join(f"{k} {v:.2f}" for k, v in figures.items()))
    return figures


def median_ms(function, repeats=50):
    """Return the median time of a call in milliseconds."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(seconds))


def memory(network, videos, n_frames):
    """Track n_frames times; return resident memory in MB by number of frames."""
    tracker = Tracker(network, threads=1)
    _, frames, box = videos[0]
    tracker.init(frames[0], box)
    held = {}
    for i in range(1, n_frames + 1):
        tracker.update(frames[i % len(frames)])
        if i % (n_frames // 10) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            held[i] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
            print(f"{i:>7} frames  {held[i]:8.1f} MB", flush=True)
    return held


def main():
    """Measure, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="default: shipped weights")
    parser.add_argument("--data", type=Path, help="folder of sequences; default: composited clips")
    parser.add_argument("--nano", type=Path, help="folder with NanoTrack's two ONNX files")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, help="maximum number of frames per video")
    parser.add_argument("--memory", action="store_true", help="only measure memory")
    parser.add_argument("--quick", action="store_true", help="small sizes, as a check")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    options.frames = options.frames or (12 if options.quick else None)

    try:
        network = open_network(options.weights)
        if isinstance(network, Exported):
            raise ValueError("weights must be a file: torch cannot run an exported network")
        train, videos = load_videos(options)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    figures = {"machine": platform.processor() or platform.machine(), "opencv": cv2.__version__}
    if options.memory:
        figures["memory_mb"] = memory(network, videos, 200 if options.quick else 10_000)
    else:
        with tempfile.TemporaryDirectory() as folder:
            int8 = calibrated(network, train, Path(folder), 8 if options.quick else 128)
            figures["rows"] = []
            for threads in options.threads:
                figures["rows"] += run(options, network, int8, videos, threads)
        show(figures["rows"])
        figures["parts_ms"] = parts(network, videos)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
