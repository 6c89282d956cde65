"""A PyTorch dataset that turns pairs of frames into crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict

import torch
from torch.utils.data import Dataset

from sstrack_sched import IntervalSampler

from .augment import Change, draw_change, pair_generator
from .crops import CropConfig, CropError, crop_pair
from .frames import FrameError, FrameStore

MAX_ATTEMPTS = 8
Item = Dict[str, Any]


@dataclass(eq=False)
class PairDataset(Dataset):
    """Crops of pairs: ``dataset[pair]`` for the pairs of an `IntervalSampler`.

    An item is a dict: ``template`` (3, s, s) and ``search`` (3, t, t) uint8, ``box`` (4,) float32
    (centre x, centre y, width, height over the search crop's side), ``bin``, ``number``, ``video``.
    """

    store: FrameStore
    sampler: IntervalSampler
    config: CropConfig
    seed: int = 0
    augment: bool = True  # else the search crop is only shifted, the same way in every run
    kept: Any = None  # `KeptFeatures`, which take the place of the crops

    def __getitem__(self, pair: Any) -> Item:
        """Crops of one pair, or of another of its bin if it is unusable."""
        rng = pair_generator(self.seed, int(pair.epoch), int(pair.number))
        change = draw_change(rng, self.config)
        if not self.augment:
            change = Change(shift=change.shift)
        failures, candidate = [], pair
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._item(candidate, change)
            except (CropError, FrameError) as error:
                name = self.store.sequences[candidate.video].frame_name
                files = f"{name(candidate.template)} and {name(candidate.search)}"
                failures.append(f"  {files}: {error}")
                candidate = self.sampler.redraw(pair, attempt + 1)
        words = f"no usable pair of bin {int(pair.bin)} in {MAX_ATTEMPTS} attempts"
        which = f"pair {int(pair.number)} of epoch {int(pair.epoch)}"
        raise RuntimeError("\n".join([f"{words} ({which}):", *failures]))

    def _item(self, pair: Any, change: Change) -> Item:
        video, frames = int(pair.video), (int(pair.template), int(pair.search))
        if self.kept:
            crops = self.kept.pair(video, *frames)
        else:
            boxes = self.store.sequences[video].boxes
            views = [(self.store.frame(video, i), boxes[i]) for i in frames]
            *pair_of, box = map(torch.from_numpy, crop_pair(*views, self.config, change))
            first, second = (crop.permute(2, 0, 1).contiguous() for crop in pair_of)
            crops = {"template": first, "search": second, "box": box}
        return {**crops, "bin": int(pair.bin), "number": int(pair.number), "video": video}
