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
                failures.append(f"  {self._files(candidate)}: {error}")
            candidate = self.sampler.redraw(pair, attempt + 1)
        raise RuntimeError(
            f"no usable pair of bin {int(pair.bin)} in {MAX_ATTEMPTS} attempts "
            f"(pair {int(pair.number)} of epoch {int(pair.epoch)}):\n" + "\n".join(failures)
        )

    def _item(self, pair: Any, change: Change) -> Item:
        video = int(pair.video)
        boxes = self.store.sequences[video].boxes
        views = [
            (self.store.frame(video, i), boxes[i]) for i in (int(pair.template), int(pair.search))
        ]
        template, search, box = crop_pair(views[0], views[1], self.config, change)
        return {
            "template": _channels_first(template),
            "search": _channels_first(search),
            "box": torch.from_numpy(box),
            "bin": int(pair.bin),
            "number": int(pair.number),
            "video": video,
        }

    def _files(self, pair: Any) -> str:
        name = self.store.sequences[int(pair.video)].frame_name
        return f"{name(int(pair.template))} and {name(int(pair.search))}"


def _channels_first(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
