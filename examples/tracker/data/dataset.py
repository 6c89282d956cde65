"""A PyTorch dataset that turns pairs of frames into crops."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from sstrack_sched import IntervalSampler

from .augment import Change, draw_change, pair_generator
from .crops import CropConfig, CropError, crop_pair
from .frames import FrameError, FrameStore

MAX_ATTEMPTS = 8
Item = Dict[str, Any]


class PairDataset(Dataset):
    """Crops of pairs: ``dataset[pair]`` for the pairs of an `IntervalSampler`.

    An item is a dict: ``template`` (3, s, s) and ``search`` (3, t, t) uint8, ``box`` (4,) float32
    (centre x, centre y, width, height over the search crop's side), ``bin``, ``number``, ``video``.
    Without ``augment`` the search crop is only shifted, the same way in every run.
    """

    def __init__(
        self,
        store: FrameStore,
        sampler: IntervalSampler,
        config: CropConfig,
        *,
        seed: int = 0,
        augment: bool = True,
    ) -> None:
        self.store, self.sampler, self.config = store, sampler, config
        self.seed, self.augment = seed, augment

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
        raise RuntimeError(
            f"no usable pair of bin {int(pair.bin)} in {MAX_ATTEMPTS} attempts "
            f"(pair {int(pair.number)} of epoch {int(pair.epoch)}):\n" + "\n".join(failures)
        )

    def _item(self, pair: Any, change: Change) -> Item:
        crops = self._crops(int(pair.video), int(pair.template), int(pair.search), change)
        return {**crops, **{name: int(getattr(pair, name)) for name in ("bin", "number", "video")}}

    def _crops(self, video: int, template: int, search: int, change: Change) -> Item:
        """The part of an item that is made of pixels."""
        boxes = self.store.sequences[video].boxes
        views = [(self.store.frame(video, i), boxes[i]) for i in (template, search)]
        first, second, box = crop_pair(views[0], views[1], self.config, change)
        crops = {"template": _channels_first(first), "search": _channels_first(second)}
        return {**crops, "box": torch.from_numpy(box)}


def _channels_first(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
