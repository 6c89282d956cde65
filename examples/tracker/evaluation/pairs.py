"""Success by interval on pairs of held-out videos.

This measures pairs: one template, one search crop around the target. Tracking through whole videos
is another matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import List

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


@dataclass(frozen=True)
class EvalConfig:
    """Settings of an evaluation on pairs.

    Parameters
    ----------
    pairs_per_bin : int
        As many for every interval bin.
    threshold : float
        Success is an IoU above this.
    shift : float
        The search crop's centre is off the target's by up to this, times the square root of the
        box's area, in x and y: the same for a pair whoever is asked.
    seed : int
        Of the pairs and shifts.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    pairs_per_bin: int = 200
    threshold: float = 0.5
    shift: float = 1.0
    seed: int = 2025

    def __post_init__(self) -> None:
        if self.pairs_per_bin < 1:
            raise ValueError(f"pairs_per_bin must be at least 1; got {self.pairs_per_bin}")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must be in [0, 1); got {self.threshold}")
        if not 0 <= self.shift < 2:
            raise ValueError(f"shift must be in [0, 2), half the search crop; got {self.shift}")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Overlaps of one tracker on the held-out pairs, or of several runs that trained it.

    Parameters
    ----------
    iou : ndarray of float, shape (n_pairs,) or (n_runs, n_pairs)
        Overlap of each pair.
    bin, video : ndarray of int, shape (n_pairs,)
        Interval bin and video of each pair.
    n_bins : int
        Number of bins.
    threshold : float
        Of success.
    """

    iou: Floats
    bin: NDArray[np.int64]
    video: NDArray[np.int64]
    n_bins: int
    threshold: float

    @property
    def success(self) -> Floats:
        """1 where the overlap is above the threshold, else 0; shaped as ``iou``."""
        return (self.iou > self.threshold).astype(np.float64)

    @property
    def n_runs(self) -> int:
        """Runs that it is of."""
        return len(np.atleast_2d(self.iou))

    def by_bin(self, values: Floats) -> Floats:
        """Mean in each bin, shape (n_bins,); NaN where a bin has no pair."""
        return np.array([_mean(values[..., self.bin == i]) for i in range(self.n_bins)])

    def error_by_bin(self, values: Floats) -> Floats:
        """Standard error of each bin's mean, shape (n_bins,)."""
        chosen = [self.bin == i for i in range(self.n_bins)]
        return np.array([_error(values[..., rows], self.video[rows]) for rows in chosen])

    def error(self, values: Floats) -> float:
        """Standard error of the mean over all pairs, shaped as ``iou``: over videos, and over runs.

        Other videos and other runs would move the mean independently, so their variances add up.
        With one run its part is not known and left out.
        """
        return _error(values, self.video)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _error(values: Floats, videos: NDArray[np.int64]) -> float:
    runs = np.atleast_2d(values)
    over_videos = clustered_error(runs.mean(axis=0), videos)
    if len(runs) == 1 or not runs.size:
        return over_videos
    return float(np.hypot(over_videos, runs.mean(axis=1).std(ddof=1) / np.sqrt(len(runs))))


def clustered_error(values: Floats, clusters: NDArray[np.int64]) -> float:
    """Standard error of a mean when values of one video are alike.

    Deviations are summed over each video before they are squared, so that many pairs of one video
    do not count as many independent ones.
    """
    names = np.unique(clusters)
    if len(names) < 2:
        return float("nan")
    deviation = values - values.mean()
    sums = np.array([deviation[clusters == name].sum() for name in names])
    return float(np.sqrt((sums**2).sum() * len(names) / (len(names) - 1)) / len(values))


class HeldOutPairs:
    """Crops to test trackers on: the same for each of them.

    Parameters
    ----------
    store : FrameStore
        Videos to report on.
    bins : IntervalBins
        Intervals; bins that the videos cannot fill are left out.
    crops : CropConfig
        Sizes of crops and context; strengths of changes do not count.
    config : EvalConfig, optional
        What is asked.

    Raises
    ------
    ValueError
        If there is no video, or the videos have no pair of any bin.
    """

    def __init__(
        self,
        store: FrameStore,
        bins: IntervalBins,
        crops: CropConfig,
        config: EvalConfig = EvalConfig(),
    ) -> None:
        self.bins, self.config = bins, config
        sampler = IntervalSampler(
            video_index(store.sequences), bins, direction="forward", seed=config.seed
        )
        shifted = replace(crops, centre_jitter=2 * config.shift)
        dataset = PairDataset(store, sampler, shifted, seed=config.seed, augment=False)
        items = []
        for i in np.flatnonzero(sampler.feasible):
            only = np.eye(len(bins))[i]
            # One epoch a bin, so that pairs of two bins share no random number.
            items += [
                dataset[pair] for pair in sampler.sample(only, int(i), 0, config.pairs_per_bin)
            ]
        batch = default_collate(items)
        self.template: Tensor = batch["template"]
        self.search: Tensor = batch["search"]
        self.box: Tensor = batch["box"]
        self.names = [sequence.name for sequence in store.sequences]
        self._bin, self._video = batch["bin"].numpy(), batch["video"].numpy()

    def __len__(self) -> int:
        return len(self.box)

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
        boxes: List[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(self), batch_size):
                rows = slice(start, start + batch_size)
                template, search = self.template[rows].to(device), self.search[rows].to(device)
                outputs = model(template, search)
                boxes.append(outputs["boxes"].cpu())
        model.train(training)
        return self._judge(torch.cat(boxes))

    def middle(self) -> Evaluation:
        """Lower bound for any tracker: a square of the target's size in the middle."""
        side = 1.0 / 4.0  # the search crop is four times as wide as the target
        return self._judge(torch.tensor([[0.5, 0.5, side, side]]).expand(len(self), 4))

    def _judge(self, boxes: Tensor) -> Evaluation:
        iou = box_iou(boxes, self.box).double().numpy()
        return Evaluation(iou, self._bin, self._video, len(self.bins), self.config.threshold)
