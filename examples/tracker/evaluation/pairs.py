"""Success by interval on pairs of held-out videos.

This measures pairs: one template, one search crop around the target. Tracking through whole videos
is another matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import default_collate

from sstrack_sched import IntervalBins, IntervalSampler

from ..data.crops import CropConfig
from ..data.dataset import PairDataset
from ..data.frames import FrameStore
from ..data.sequences import video_index
from ..models import TrackerModel
from ..training.losses import box_iou

Floats = NDArray[np.float64]
THRESHOLD = 0.5  # success is an IoU above this
# The search crop's centre is off the target's by up to this, times the square root of the box's
# area, in x and y: the same for a pair whoever is asked.
SHIFT = 1.0
SEED = 2025  # of the pairs and shifts


@dataclass(frozen=True)
class EvalConfig:
    """Settings of an evaluation on pairs."""

    pairs_per_bin: int = 200  # as many for every interval bin

    def __post_init__(self) -> None:
        if self.pairs_per_bin < 1:
            raise ValueError(f"pairs_per_bin must be at least 1; got {self.pairs_per_bin}")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Overlaps of one tracker on the held-out pairs, or of several runs that trained it."""

    iou: Floats  # (n_pairs,) or (n_runs, n_pairs)
    bin: NDArray[np.int64]  # (n_pairs,): interval bin
    video: NDArray[np.int64]  # (n_pairs,)
    n_bins: int

    @property
    def success(self) -> Floats:
        """1 where the overlap is above the threshold, else 0; shaped as ``iou``."""
        return (self.iou > THRESHOLD).astype(np.float64)

    def by_bin(self, values: Floats) -> Floats:
        """Mean in each bin of values shaped as ``iou``, (n_bins,); NaN where a bin has no pair."""
        parts = [values[..., self.bin == i] for i in range(self.n_bins)]
        return np.array([part.mean() if part.size else np.nan for part in parts])


class HeldOutPairs:
    """Crops to test trackers on: the same for each of them.

    Bins that the videos of the store cannot fill are left out. Of ``crops``, the sizes and the
    context count, the strengths of changes do not.
    """

    def __init__(
        self,
        store: FrameStore,
        bins: IntervalBins,
        crops: CropConfig,
        config: EvalConfig = EvalConfig(),
    ) -> None:
        self.bins, self.config = bins, config
        index = video_index(store.sequences)
        sampler = IntervalSampler(index, bins, direction="forward", seed=SEED)
        shifted = replace(crops, centre_jitter=2 * SHIFT)
        dataset = PairDataset(store, sampler, shifted, seed=SEED, augment=False)
        items = []
        for i in np.flatnonzero(sampler.feasible):
            # One epoch per bin, so that pairs of two bins share no random number.
            pairs = sampler.sample(np.eye(len(bins))[i], int(i), 0, config.pairs_per_bin)
            items += [dataset[pair] for pair in pairs]
        batch = default_collate(items)
        self.template: Tensor = batch["template"]
        self.search: Tensor = batch["search"]
        self.box: Tensor = batch["box"]
        self.names = [sequence.name for sequence in store.sequences]
        self._bin, self._video = batch["bin"].numpy(), batch["video"].numpy()

    def keep_features(self, model: TrackerModel) -> None:
        """Replace the crops by what a backbone makes of them, for models that share it."""
        device = next(model.parameters()).device
        with torch.no_grad():
            self.template, self.search = (
                torch.cat([model.see(part.to(device)).half().cpu() for part in crops.split(64)])
                for crops in (self.template, self.search)
            )

    def evaluate(self, model: nn.Module, *, batch_size: int = 64) -> Evaluation:
        """Ask a tracker for all pairs."""
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        batches = zip(self.template.split(batch_size), self.search.split(batch_size))
        with torch.no_grad():
            boxes = [model(t.to(device), s.to(device))["boxes"].cpu() for t, s in batches]
        model.train(training)
        return self._judge(torch.cat(boxes))

    def middle(self) -> Evaluation:
        """Lower bound for any tracker: a square of the target's size in the middle."""
        side = 1.0 / 4.0  # the search crop is four times as wide as the target
        return self._judge(torch.tensor([[0.5, 0.5, side, side]]).expand(len(self.box), 4))

    def _judge(self, boxes: Tensor) -> Evaluation:
        iou = box_iou(boxes, self.box).double().numpy()
        return Evaluation(iou, self._bin, self._video, len(self.bins))
