"""Make ``quickstart_ious.csv``: quantiles of a real tracker's IoU by frames since its template.

    python examples/make_quickstart_table.py FOLDER > examples/quickstart_ious.csv

FOLDER holds ``otb100_siamfc3s_tre.npz`` (2,000 runs of SiamFC-3s on OTB-100, each with one fixed
template) and ``otb100_results.npz`` (the ground truth). Both were made from the results that
github.com/zhangzheng0131/Tracker_Benchmark_tb100 publishes, commit 61282dbf14.

A run belongs to the last frames of its sequence. For 99 of the 100 sequences its stored start
frame says the same; tiger1's starts lie 5 frames early, which shows as a first IoU below 0.5
there and as exactly 1 where the runs are aligned to the end.
"""

import sys
from pathlib import Path

import numpy as np

from sstrack_sched import IntervalBins

LEVELS = np.linspace(0, 1, 101)
HEADER = """\
IoU of a real tracker, by frames since its template: quantiles (first column: level) per bin.
Tracker: SiamFC-3s, one fixed template, {n_runs} runs from 20 start frames in each OTB-100 sequence.
Source: github.com/zhangzheng0131/Tracker_Benchmark_tb100 @ 61282dbf14 (tracker and ground truth);
published for research, no licence stated: these are summary figures of its results.
Left out: frames without the target; runs whose first IoU is below 0.5 (there are {n_dropped}).
Made by make_quickstart_table.py, which says more.
bin,{labels}
frames,{frames}
runs,{runs}
mean_iou,{means}
success_at_0.5,{successes}"""


def box_ious(a, b):
    """IoU of boxes (4, n): left, top, width, height."""
    size = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    overlap = size.clip(min=0).prod(axis=0)
    return overlap / (a[2:].prod(axis=0) + b[2:].prod(axis=0) - overlap)


def runs(folder):
    """Yield the IoUs of each run, from its template frame on; NaN where the target is absent."""
    truth = np.load(folder / "otb100_results.npz")
    tracked = np.load(folder / "otb100_siamfc3s_tre.npz")
    ends = np.cumsum(truth["lengths"])
    stops = np.cumsum(tracked["length"])
    deltas, boxes = tracked["boxes_delta"], truth["gt"].astype(float)
    for sequence, length, stop in zip(tracked["seq"], tracked["length"], stops):
        predicted = np.cumsum(deltas[:, stop - length : stop], axis=1, dtype=np.int64) / 4
        target = boxes[:, ends[sequence] - length : ends[sequence]]
        present = (target[2:] > 0).all(axis=0)
        yield np.where(present, box_ious(predicted, target), np.nan)


def quantile_table(folder, bins):
    """Lines of the file: the header, then one row of quantiles per level."""
    measured = list(runs(folder))
    kept = [ious for ious in measured if ious[0] >= 0.5]
    windows = list(zip(bins.lower, bins.upper))
    columns = [[ious[low:up] for ious in kept if len(ious) > low] for low, up in windows]
    pooled = [np.concatenate(column) for column in columns]
    pooled = [ious[~np.isnan(ious)] for ious in pooled]
    header = HEADER.format(
        n_runs=len(kept),
        n_dropped=len(measured) - len(kept),
        labels=",".join(f"{low}-{up - 1}" for low, up in windows),
        frames=",".join(str(len(ious)) for ious in pooled),
        runs=",".join(str(len(column)) for column in columns),
        means=",".join(f"{ious.mean():.4f}" for ious in pooled),
        successes=",".join(f"{(ious > 0.5).mean():.4f}" for ious in pooled),
    )
    table = np.column_stack([LEVELS, *(np.quantile(ious, LEVELS) for ious in pooled)])
    rows = [f"{row[0]:.2f}," + ",".join(f"{x:.4f}" for x in row[1:]) for row in table]
    return ["# " + line for line in header.splitlines()] + rows


if __name__ == "__main__":
    print("\n".join(quantile_table(Path(sys.argv[1]), IntervalBins(max_interval=200, spacing=30))))
