"""Cost and accuracy of the gradient of the expected success, from 8 to 10^6 bins.

The two peers run in turns with it. One is torch autograd over the chain recurrence, in a Python
loop over the bins (unbound once, because indexing bin by bin costs O(r^2) in its backward pass).
The other is central finite differences, with all points of a block in one batch. Each peer stops
at the r beyond which it takes more than some seconds. Up to 100 bins all three are compared with
the exact gradient in rational numbers.

    python benchmarks/gradient.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from sstrack_sched import expected_success, expected_success_gradient

REDETECTION = 0.5
STEP = 1e-6
N_TURNS = 7
MAX_SECONDS = 10
BLOCK = 1 << 12  # numbers in a batch of finite differences; larger ones are no faster

SIZES = (8, 100, 10**3, 10**4, 10**5, 10**6)
QUICK_SIZES = (8, 20, 10**3)
LARGEST = {"ours": 10**6, "autograd": 10**5, "differences": 10**4, "exact": 100}
QUICK_LARGEST = {"ours": 10**3, "autograd": 20, "differences": 20, "exact": 20}


def ours(p):
    """Compute the library's gradient."""
    return expected_success_gradient(p, REDETECTION)


def autograd(p):
    """Compute the gradient with torch, in a loop over the bins."""
    leaf = torch.tensor(p, requires_grad=True)
    success, total = 1.0, 0.0
    for p_i in leaf.unbind():
        success = p_i * (REDETECTION + (1 - REDETECTION) * success)
        total = total + success
    (total / len(p)).backward()
    return leaf.grad.numpy()


def differences(p):
    """Compute central finite differences, with 2 r evaluations of the expected success."""
    gradient = np.empty_like(p)
    size = -(-BLOCK // len(p))
    for start in range(0, len(p), size):
        columns = np.arange(start, min(start + size, len(p)))
        points = np.tile(p, (2, len(columns), 1))
        points[0, np.arange(len(columns)), columns] += STEP
        points[1, np.arange(len(columns)), columns] -= STEP
        above, below = expected_success(points, REDETECTION)
        gradient[columns] = (above - below) / (2 * STEP)
    return gradient


METHODS = {"ours": ours, "autograd": autograd, "differences": differences}


def exact(p):
    """Compute the exact gradient: S is linear in each p_i, so dS/dp_i = S(p_i = 1) - S(p_i = 0)."""
    rates, d = [Fraction(x) for x in p.tolist()], Fraction(REDETECTION)

    def summed(i, value):
        success, total = Fraction(1), Fraction(0)
        for p_i in rates[:i] + [Fraction(value)] + rates[i + 1 :]:
            success = p_i * (d + (1 - d) * success)
            total += success
        return total

    return [(summed(i, 1) - summed(i, 0)) / len(p) for i in range(len(p))]


def error(gradient, truth):
    """Return the largest relative error."""
    return float(max(abs(Fraction(g) / t - 1) for g, t in zip(gradient.tolist(), truth)))


def turn(method, p):
    """Return gradient and seconds of the fastest call in a turn of 20 ms, at least one call."""
    seconds, started = [], time.perf_counter()
    while not seconds or time.perf_counter() - started < 0.02:
        start = time.perf_counter()
        gradient = method(p)
        seconds.append(time.perf_counter() - start)
    return gradient, min(seconds)


def measure(n_bins, largest):
    """Measure time (ms) and errors by method, in seven turns or fewer for slow methods."""
    p = np.random.default_rng(n_bins).uniform(0.05, 0.95, n_bins)
    methods = [name for name in METHODS if n_bins <= largest[name]]
    seconds = {name: [] for name in methods}
    gradients = {}
    for _ in range(N_TURNS):
        for name in methods:
            if sum(seconds[name]) < MAX_SECONDS:
                gradients[name], fastest = turn(METHODS[name], p)
                seconds[name].append(fastest)
    row = {"n_bins": n_bins, "ms": {name: 1e3 * min(s) for name, s in seconds.items()}}
    row["ratio"] = {name: ms / row["ms"]["ours"] for name, ms in row["ms"].items()}
    truth = exact(p) if n_bins <= largest["exact"] else None
    row["error"] = {
        name: None if truth is None else error(gradient, truth)
        for name, gradient in gradients.items()
    }
    return row


def formatted(row):
    """Format one line of the table; "-" if not run."""
    cells = [f"{row['n_bins']:>8}"]
    for name in METHODS:
        ms, ratio = row["ms"].get(name), row["ratio"].get(name)
        cells.append(f"{'-':>12}" if ms is None else f"{ms:>12.4g}")
        if name != "ours":
            cells.append(f"{'-':>8}" if ratio is None else f"{ratio:>8,.0f}")
    for name in METHODS:
        value = row["error"].get(name)
        cells.append(f"{'-':>12}" if value is None else f"{value:>12.1e}")
    return "".join(cells)


def main():
    """Measure, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()

    torch.set_num_threads(1)
    print("milliseconds, times ours, largest relative error against exact rationals\n")
    titles = ("ours ms", "autograd ms", "ratio", "diff. ms", "ratio", "error ours", "autograd")
    widths = (12, 12, 8, 12, 8, 12, 12, 12)
    header = "".join(f"{t:>{w}}" for t, w in zip(titles + ("diff.",), widths))
    print(f"{'bins':>8}{header}")
    rows = []
    for n_bins in QUICK_SIZES if options.quick else SIZES:
        rows.append(measure(n_bins, QUICK_LARGEST if options.quick else LARGEST))
        print(formatted(rows[-1]), flush=True)
    if options.json:
        figures = {
            "machine": platform.processor() or platform.machine(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "rows": rows,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
