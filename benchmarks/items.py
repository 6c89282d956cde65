"""Items per second of `BinnedSampler` and of torch's `WeightedRandomSampler`.

Both draw with replacement in one thread, in turns; the result is the fastest of five. The peer
draws items by weight, without bins. python benchmarks/items.py [--quick] [--json PATH]
"""

import argparse
import json
import resource
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from sstrack_sched import BinnedSampler

N_BINS, N_DRAWS, N_ROUNDS = 7, 1_000_000, 5


def timed(function):
    """Return result and seconds of a call."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def measure(n_items, weighted, n_draws):
    """Measure one row of the table."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    bins = rng.integers(0, N_BINS, n_items, dtype=np.uint8)
    weight = rng.uniform(0.5, 1.5, n_items) if weighted else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    source, build = timed(lambda: BinnedSampler(bins, weight=weight))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    peer = None
    if n_items < 2**24:  # limit of torch.multinomial
        known = torch.ones(n_items) if weight is None else torch.from_numpy(weight)
        peer = WeightedRandomSampler(known, n_draws)
    q = np.full(N_BINS, 1 / N_BINS)
    ours, theirs = [], []
    for epoch in range(N_ROUNDS):
        ours.append(timed(lambda epoch=epoch: source.sample(q, epoch, 0, n_draws))[1])
        if peer is not None:
            theirs.append(timed(lambda: list(peer))[1])
    return {
        "items": n_items,
        "weights": "own" if weighted else "uniform",
        "build_seconds": build,
        "build_mb": grown / 1024,
        "items_per_second": n_draws / min(ours),
        "torch_per_second": n_draws / min(theirs) if theirs else None,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--json", help="JSON file for the results")
    args = parser.parse_args()
    sizes = (1_000, 10_000) if args.quick else (10**5, 10**6, 10**7, 10**8)
    n_draws = 10_000 if args.quick else N_DRAWS
    print("     items  weights  build s  build MB   items/s  torch/s")
    rows = []
    for n_items in sizes:
        for weighted in (False, True):
            with get_context("spawn").Pool(1) as pool:  # separate process for its peak memory
                row = pool.apply(measure, (n_items, weighted, n_draws))
            rows.append(row)
            peer = row["torch_per_second"]
            print(
                f"{n_items:10,d}  {row['weights']:>7}  {row['build_seconds']:7.2f}  "
                f"{row['build_mb']:8.0f}  {row['items_per_second']:8.2g}  "
                f"{'-' if peer is None else format(peer, '7.2g')}",
                flush=True,
            )
    if args.json:
        Path(args.json).write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
