"""Pairs per second on one core by number of videos, with and without visibility masks.

Videos are simulated at the sizes of LaSOT, TrackingNet and GOT-10k, then more of the same mixture
up to 10^7. Batches have 60,000 pairs (an epoch of OSTrack) with equally likely bins, from an index
and tables opened from disk; weights are uniform, one per dataset, or one per video. The peer, in
the same run and in turns, is torch's WeightedRandomSampler over the same videos and weights. It
draws only a video, without bin and frames, and refuses more than 2^24 videos.

"build" computes and saves index and tables; "open" maps files that were just written.

With a checkout of OSTrack (``--ostrack``, or OSTRACK_ROOT in the environment), its unmodified
TrackingSampler is another peer, on the lengths and absences of LaSOT's training set
(``--annotations``, as in lasot.py). Only its choice of video and frames is timed: a replacement of
its dataset keeps the annotations in memory and reads no files. The bins are drawn by q^R of the
same scheme there.

    python benchmarks/sampling.py [--quick] [--json FILE] [--ostrack DIR] [--annotations FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from sstrack_sched import (
    IntervalBins,
    IntervalSampler,
    VideoIndex,
    empirical_distribution,
    random_sampler_distribution,
)

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _ostrack import Annotations, accept, load_tracking_sampler
from lasot import read_annotations

BINS = IntervalBins(200, 30)
DATASETS = {"LaSOT": (1_120, 2_500), "TrackingNet": (30_132, 470), "GOT-10k": (9_335, 150)}
N_VIDEOS = sum(count for count, _ in DATASETS.values())
N_ROUNDS = 7
# Number of videos, masks
CASES = ((N_VIDEOS, False), (N_VIDEOS, True), (10**5, False), (10**6, False), (10**7, False))
WEIGHTS = ("uniform", "dataset", "own")
QUICK_CASES = ((1_000, False), (1_000, True), (10_000, False))

COLUMNS = {  # title, width, format
    "videos": ("videos", 10, ","),
    "masks": ("masks", 7, ""),
    "weights": ("weights", 9, ""),
    "pairs_per_second": ("pairs/s", 12, ",.0f"),
    "torch_samples_per_second": ("torch/s", 12, ",.0f"),
    "build_seconds": ("build s", 9, ".3f"),
    "open_index_ms": ("open index ms", 15, ".2f"),
    "open_sampler_ms": ("open sampler ms", 17, ".2f"),
    "index_mb": ("index MB", 10, ".2f"),
    "tables_mb": ("tables MB", 11, ".2f"),
}


def made_up(n_videos, masks):
    """Simulate lengths, visibility and weights per video, in proportion to the real sizes."""
    rng = np.random.default_rng(0)
    counts, means = np.array(list(DATASETS.values())).T
    ends = np.round(counts.cumsum() * (n_videos / N_VIDEOS)).astype(int)
    parts = []
    for n, mean in zip(np.diff(ends, prepend=0), means):
        lengths = np.maximum(mean * rng.lognormal(-0.08, 0.4, n), 30).astype(np.int64)
        visible = None
        if masks:
            absent = rng.random(lengths.sum()) < 0.001  # starts of absences of 40 frames
            visible = np.convolve(absent, np.ones(40), mode="same") == 0
        parts.append((lengths, visible, rng.uniform(0.5, 1.5, n)))
    return parts


def build(parts, weights, path):
    """Compute and save index and eligibility tables."""
    indices = [
        VideoIndex(lengths, visible, weight=own if weights == "own" else None)
        for lengths, visible, own in parts
    ]
    dataset_weights = (1, 1, 1) if weights == "dataset" else None
    videos = VideoIndex.concatenate(indices, dataset_weights)
    videos.save(path)
    IntervalSampler(VideoIndex.load(path), BINS).save_tables()


def timed(function):
    """Return result and seconds of a call."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def fastest(*functions, n_rounds=3):
    """Return results and seconds of the fastest call of each function, called in turns."""
    rounds = [[timed(function) for function in functions] for _ in range(n_rounds)]
    return [min(calls, key=lambda call: call[1]) for calls in zip(*rounds)]


def megabytes(paths):
    """Return the size of files."""
    return sum(path.stat().st_size for path in paths) / 1e6


def measure(n_videos, masks, weights, n_pairs):
    """Measure one row of the table."""
    parts = made_up(n_videos, masks)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "index")
        _, build_seconds = timed(lambda: build(parts, weights, path))
        table_files = set(path.parent.glob("*.tables"))
        videos, open_index = fastest(lambda: VideoIndex.load(path))[0]
        sampler, open_sampler = fastest(lambda: IntervalSampler(videos, BINS))[0]
        weight = np.ones(n_videos) if videos.weight is None else np.array(videos.weight)
        peer = WeightedRandomSampler(torch.from_numpy(weight), n_pairs)
        q = sampler.feasible / sampler.feasible.sum()
        epochs = iter(range(N_ROUNDS))  # new pairs in each round, to avoid cached ones
        (_, ours), (_, theirs) = fastest(
            lambda: sampler.sample(q, next(epochs), 0, n_pairs),
            lambda: list(peer),
            n_rounds=N_ROUNDS,
        )
        return {
            "videos": n_videos,
            "masks": "yes" if masks else "no",
            "weights": weights,
            "pairs_per_second": n_pairs / ours,
            "torch_samples_per_second": n_pairs / theirs,
            "build_seconds": build_seconds,
            "open_index_ms": open_index * 1e3,
            "open_sampler_ms": open_sampler * 1e3,
            "index_mb": megabytes([path]),
            "tables_mb": megabytes(table_files),
        }


def measure_ostrack(tracking_sampler, annotations, n_pairs, n_peer_pairs):
    """Measure seconds per pair of ours and OSTrack's, and the distance of its bins from q^R."""
    lengths, visible = read_annotations(annotations)
    dataset, max_gap = Annotations(lengths, visible), int(BINS.upper[-1])
    peer = tracking_sampler([dataset], [1], n_peer_pairs, max_gap, 1, 1, accept, "causal")
    videos = VideoIndex(lengths, visible)
    sampler = IntervalSampler(videos, BINS)
    q = random_sampler_distribution(videos, BINS, "causal")
    epochs, intervals = iter(range(N_ROUNDS)), []

    def draw():
        for _ in range(n_peer_pairs):
            data = peer[0]
            intervals.append(data["search_anno"][0] - data["template_anno"][0])

    (_, ours), (_, theirs) = fastest(
        lambda: sampler.sample(q, next(epochs), 0, n_pairs), draw, n_rounds=N_ROUNDS
    )
    within = [interval for interval in intervals if interval < BINS.upper[-1]]
    drawn = empirical_distribution(BINS.assign(within), len(BINS))
    return {
        "videos": len(lengths),
        "frames": int(lengths.sum()),
        "source": "simulated" if annotations is None else annotations.name,
        "pair_seconds": ours / n_pairs,
        "ostrack_pair_seconds": theirs / n_peer_pairs,
        "ratio": theirs / n_peer_pairs / (ours / n_pairs),
        "ostrack_pairs": len(intervals),
        "distance_from_q_random": np.abs(drawn - q).sum() / 2,
    }


def show_ostrack(figures):
    """Print the results of `measure_ostrack`."""
    print(
        f"\nOSTrack's TrackingSampler, index selection only: {figures['videos']:,} videos, "
        f"{figures['frames']:,} frames ({figures['source']})"
    )
    print(f"a pair, ours    {figures['pair_seconds'] * 1e6:>12.3f} us")
    theirs, ratio = figures["ostrack_pair_seconds"], figures["ratio"]
    print(f"a pair, OSTrack {theirs * 1e6:>12.3f} us   ({ratio:,.0f} times ours)")
    print(
        f"({figures['ostrack_pairs']} pairs of OSTrack: "
        f"{figures['distance_from_q_random']:.3f} total variation from q^R causal)"
    )


def main():
    """Measure, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    parser.add_argument(
        "--ostrack",
        type=Path,
        default=os.environ.get("OSTRACK_ROOT"),
        help="checkout of OSTrack; default: OSTRACK_ROOT",
    )
    parser.add_argument("--annotations", type=Path, help="LaSOT lengths and absences (.npz)")
    options = parser.parse_args()
    tracking_sampler = load_tracking_sampler(options.ostrack) if options.ostrack else None

    torch.set_num_threads(1)
    n_pairs = 2_000 if options.quick else 60_000
    print(f"batches of {n_pairs} pairs, fastest of {N_ROUNDS}, one core\n")
    print("".join(f"{title:>{width}}" for title, width, _ in COLUMNS.values()))
    rows = []
    for n_videos, masks in QUICK_CASES if options.quick else CASES:
        for weights in WEIGHTS:
            rows.append(measure(n_videos, masks, weights, n_pairs))
            cells = [f"{rows[-1][n]:>{w}{form}}" for n, (_, w, form) in COLUMNS.items()]
            print("".join(cells), flush=True)
    print("\ntorch/s: videos only, no frames; torch refuses more than 2^24 videos")
    ostrack = None
    if tracking_sampler:
        n_peer_pairs = 20 if options.quick else 300
        ostrack = measure_ostrack(tracking_sampler, options.annotations, n_pairs, n_peer_pairs)
        show_ostrack(ostrack)
    if options.json:
        figures = {
            "machine": platform.processor() or platform.machine(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "n_pairs": n_pairs,
            "rows": rows,
            "ostrack": ostrack,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
