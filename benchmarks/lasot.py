"""Time of the set-up and of an epoch of pairs at the size of LaSOT's training set.

Index, q^R of the three schemes and eligibility tables are computed once per run, then 60,000
pairs, an epoch of OSTrack. The peer, in the same run, is the selection of PyTracking, STARK and
OSTrack for each pair: list the visible frames, draw a template, list the visible frames in its
window, draw a search frame. It is implemented here from its description, without file access.

    python benchmarks/lasot.py [--annotations lasot_train.npz] [--json FILE]

The annotations contain `lengths` (n,) and `absent`, the packed absence flags of all frames.
Without a file, lengths and absences of the same size are simulated, and the output notes it.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from pathlib import Path

import numpy as np

from sstrack_sched import (
    IntervalBins,
    IntervalSampler,
    VideoIndex,
    empirical_distribution,
    random_sampler_distribution,
)

BINS = IntervalBins(200, 30)
N_PAIRS = 60_000
N_PEER_PAIRS = 2_000
SCHEMES = ("forward", "symmetric", "causal")


def read_annotations(path):
    """Read lengths (n,) and visible (n_frames,) of a file, or simulate LaSOT's."""
    if path is not None:
        with np.load(path) as data:
            lengths = data["lengths"].astype(np.int64)
            absent = np.unpackbits(data["absent"])[: lengths.sum()].astype(bool)
        return lengths, ~absent
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(7.65, 0.6, 1120), 1000, 11397).astype(np.int64)
    absent = rng.random(lengths.sum()) < 0.001  # starts of absences of 40 frames
    absent = np.convolve(absent, np.ones(40), mode="same") > 0
    return lengths, ~absent


def timed(function):
    """Return result and seconds of the fastest of three calls."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def lineage_pair(visible, rng):
    """Draw the interval of a pair as the peer does (forward, window [t, t + M))."""
    mask = rng.choice(visible)
    template = rng.choice([i for i in range(len(mask)) if mask[i]])
    window = range(template, min(template + int(BINS.upper[-1]), len(mask)))
    return rng.choice([i for i in window if mask[i]]) - template


def measure(lengths, visible):
    """Measure times; return seconds and distributions by name."""
    rows, q = {}, {}
    videos, rows["index"] = timed(lambda: VideoIndex(lengths, visible))
    for scheme in SCHEMES:
        q[scheme], rows[f"q^R {scheme}"] = timed(
            lambda scheme=scheme: random_sampler_distribution(videos, BINS, scheme)
        )
    sampler, rows["eligibility tables"] = timed(lambda: IntervalSampler(videos, BINS))
    _, rows[f"{N_PAIRS} pairs"] = timed(lambda: sampler.sample(q["forward"], 0, 0, N_PAIRS))
    return rows, q


def measure_peer(lengths, visible):
    """Return the seconds for N_PEER_PAIRS pairs, and their bins."""
    masks = np.split(visible, np.cumsum(lengths)[:-1])
    rng = random.Random(0)
    start = time.perf_counter()
    intervals = [lineage_pair(masks, rng) for _ in range(N_PEER_PAIRS)]
    seconds = time.perf_counter() - start
    return seconds, empirical_distribution(BINS.assign(intervals), len(BINS))


def main():
    """Measure, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--annotations", type=Path, help="LaSOT lengths and absences (.npz)")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()

    lengths, visible = read_annotations(options.annotations)
    source = "simulated" if options.annotations is None else options.annotations.name
    print(
        f"{len(lengths)} videos, {lengths.sum()} frames, {visible.mean():.1%} visible ({source})\n"
    )
    rows, q = measure(lengths, visible)
    peer_seconds, peer_q = measure_peer(lengths, visible)

    for name, seconds in rows.items():
        print(f"{name:<22}{seconds * 1e3:>10.2f} ms")
    setup = sum(seconds for name, seconds in rows.items() if name == "index" or "q^R" in name)
    ours, peer = rows[f"{N_PAIRS} pairs"] / N_PAIRS, peer_seconds / N_PEER_PAIRS
    distance = np.abs(peer_q - q["forward"]).sum() / 2
    print(f"{'index + three q^R':<22}{setup * 1e3:>10.2f} ms")
    print(f"\na pair, ours          {ours * 1e6:>10.3f} us")
    print(f"a pair, lineage's loop{peer * 1e6:>10.3f} us   ({peer / ours:,.0f} times ours)")
    print("\nq^R        " + "".join(f"{label:>12}" for label in BINS.labels))
    for scheme, values in q.items():
        print(f"{scheme:<11}" + "".join(f"{value:>12.4f}" for value in values))
    print("lineage    " + "".join(f"{value:>12.4f}" for value in peer_q))
    print(f"({N_PEER_PAIRS} pairs of the lineage: {distance:.3f} total variation from q^R forward)")
    if options.json:
        figures = {
            "machine": platform.processor() or platform.machine(),
            "numpy": np.__version__,
            "source": source,
            "seconds": rows,
            "setup_seconds": setup,
            "pair_seconds": ours,
            "peer_pair_seconds": peer,
            "ratio": peer / ours,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
