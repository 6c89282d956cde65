"""A training loop in plain NumPy, scheduled by its own IoUs: ``python examples/quickstart.py``.

Real: the IoUs, those of a trained tracker (SiamFC) by frames since its only template; see
quickstart_ious.csv. Not real: nothing is trained, so every epoch draws from the same IoUs and tau
hardly moves. In a real run it rises as the tracker learns. Either way d brings in harder pairs.
"""

from pathlib import Path

import numpy as np

from sstrack_sched import IntervalBins, SuccessAwareScheduler

EPOCHS, SAMPLES = 10, 20_000
TABLE = np.loadtxt(Path(__file__).with_name("quickstart_ious.csv"), delimiter=",")
LEVELS, QUANTILES = TABLE[:, 0], TABLE[:, 1:].T  # of the IoU, one row per bin


def train_one_epoch(distribution, rng):
    """Stands for your epoch: draws samples by the distribution, returns their IoUs by bin."""
    counts = rng.multinomial(SAMPLES, distribution)
    return [np.interp(rng.random(n), LEVELS, iou) for n, iou in zip(counts, QUANTILES)]


def main():
    rng = np.random.default_rng(0)
    bins = IntervalBins(max_interval=200, spacing=30)
    scheduler = SuccessAwareScheduler(len(bins), total_epochs=EPOCHS)
    print("                          next epoch's share (Q, %) of intervals of ... frames")
    limits = zip(bins.lower, bins.upper - 1)
    print("epoch    tau     d     S", *(f"{low:>3}-{high:<3}" for low, high in limits))
    for epoch in range(EPOCHS):
        q = scheduler.step(train_one_epoch(scheduler.distribution, rng))
        numbers = scheduler.threshold, scheduler.redetection, scheduler.expected_success
        print(f"{epoch:5} ", *(f"{x:5.2f}" for x in numbers), *(f"{100 * x:7.1f}" for x in q))


if __name__ == "__main__":
    main()
