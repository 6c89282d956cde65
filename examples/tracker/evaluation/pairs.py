"""Overlaps on pairs of held-out videos, to tell how success falls with the interval.

This measures pairs: one template, one search crop around the target. Tracking through whole videos
is another matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import List

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import default_collate

from sstrack_sched import IntervalBins, IntervalSampler

from ..data.crops import CropConfig
from ..data.dataset import PairDataset
from ..data.frames import FrameStore
from ..data.sequences import video_index
from ..models import TrackerModel
from ..training.losses import box_iou

Floats, Integers = NDArray[np.float64], NDArray[np.int64]
PAIRS_PER_BIN = 200
THRESHOLD = 0.5  # success is an IoU above this
# The search crop's centre is off the target's by up to this, times the square root of the box's
# area, in x and y: the same for a pair whoever is asked.
SHIFT = 1.0
SEED = 2025  # of the pairs and shifts


class HeldOutPairs:
    """Crops to test trackers on: the same for each of them, as many for each interval bin.

    Bins that the videos of the store cannot fill are left out. Of ``crops``, the sizes and the
    context count, the strengths of changes do not.
    """

    def __init__(
        self,
        store: FrameStore,
        bins: IntervalBins,
        crops: CropConfig,
        pairs_per_bin: int = PAIRS_PER_BIN,
    ) -> None:
        if pairs_per_bin < 1:
            raise ValueError(f"pairs_per_bin must be at least 1; got {pairs_per_bin}")
        index = video_index(store.sequences)
        sampler = IntervalSampler(index, bins, direction="forward", seed=SEED)
        shifted = replace(crops, centre_jitter=2 * SHIFT)
        dataset = PairDataset(store, sampler, shifted, seed=SEED, augment=False)
        items = []
        for i in np.flatnonzero(sampler.feasible):
            # One epoch per bin, so that pairs of two bins share no random number.
            pairs = sampler.sample(np.eye(len(bins))[i], int(i), 0, pairs_per_bin)
            items += [dataset[pair] for pair in pairs]
        batch = default_collate(items)
        self.template, self.search, self.box = (batch[n] for n in ("template", "search", "box"))
        self.bin, self.video = batch["bin"].numpy(), batch["video"].numpy()
        self.labels = list(bins.labels)
        self.names = [sequence.name for sequence in store.sequences]

    def keep_features(self, model: TrackerModel) -> None:
        """Replace the crops by what a backbone makes of them, for models that share it."""
        device = next(model.parameters()).device
        with torch.no_grad():
            self.template, self.search = (
                torch.cat([model.see(part.to(device)).half().cpu() for part in crops.split(64)])
                for crops in (self.template, self.search)
            )

    def evaluate(self, model: nn.Module, *, batch_size: int = 64) -> Floats:
        """Overlap of a tracker's answer with the annotation on each pair."""
        device, training = next(model.parameters()).device, model.training
        model.eval()
        batches = zip(self.template.split(batch_size), self.search.split(batch_size))
        with torch.no_grad():
            boxes = [model(t.to(device), s.to(device))["boxes"].cpu() for t, s in batches]
        model.train(training)
        return box_iou(torch.cat(boxes), self.box).double().numpy()

    def middle(self) -> Floats:
        """Lower bound for any tracker: a square of the target's size in the middle."""
        # The search crop is four times as wide as the target.
        middle = torch.tensor([[0.5, 0.5, 0.25, 0.25]]).expand(len(self.box), 4)
        return box_iou(middle, self.box).double().numpy()


def success_by_bin(
    model: TrackerModel, store: FrameStore, bins: IntervalBins, pairs_per_bin: int
) -> List[float]:
    """Success of a trained network in each bin, all of which the videos can fill."""
    held_out = HeldOutPairs(store, bins, CropConfig().for_model(model), pairs_per_bin)
    success = held_out.evaluate(model) > THRESHOLD
    return (np.bincount(held_out.bin, success) / np.bincount(held_out.bin)).tolist()
