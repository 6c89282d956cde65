"""A PyTorch dataset that turns pairs of frames into crops."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from sstrack_sched import IntervalSampler

from .augment import draw_change, pair_generator
from .batch_crops import View, pack_pair
from .crops import Change, CropConfig, CropError, crop_pair
from .frames import FrameError, FrameStore

MAX_ATTEMPTS = 8
Item = Dict[str, Any]


class PairDataset(Dataset):  # type: ignore[type-arg]  # as in torch 1.9
    """Crops of pairs: ``dataset[pair]`` for the pairs of an `IntervalSampler`.

    Parameters
    ----------
    store : FrameStore
        Frames and boxes of the videos that pairs number.
    sampler : IntervalSampler
        Where another pair of the same bin comes from when one cannot be used.
    config : CropConfig
        Sizes and strengths.
    seed : int, default=0
        Of the crops' randomness.
    augment : bool, default=True
        False: the search crop is only shifted (by ``centre_jitter``), the same way in every run.
    packed : bool, default=False
        Leave the crops to `make_crops`, a batch at a time: items hold what it needs instead.

    Notes
    -----
    An item is a dict: ``template`` (3, s, s) and ``search`` (3, t, t) uint8, ``box`` (4,) float32
    (centre x, centre y, width, height over the search crop's side), ``bin``, ``number``, ``video``.
    """

    def __init__(
        self,
        store: FrameStore,
        sampler: IntervalSampler,
        config: CropConfig,
        *,
        seed: int = 0,
        augment: bool = True,
        packed: bool = False,
    ) -> None:
        self.store = store
        self.sampler = sampler
        self.config = config
        self.seed = seed
        self.augment = augment
        self.packed = packed

    def __getitem__(self, pair: Any) -> Item:
        """Crops of one pair, or of another of its bin if it is unusable.

        Parameters
        ----------
        pair : Pair
            As the sampler yields them.

        Raises
        ------
        RuntimeError
            If neither the pair nor any of its replacements could be used; names the files.
        """
        change = self._change(pair)
        failures: List[str] = []
        candidate = pair
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

    def _change(self, pair: Any) -> Change:
        change = draw_change(
            pair_generator(self.seed, int(pair.epoch), int(pair.number)), self.config
        )
        return change if self.augment else Change(shift=change.shift)

    def _item(self, pair: Any, change: Change) -> Item:
        video = int(pair.video)
        boxes = self.store.sequences[video].boxes
        first, second = int(pair.template), int(pair.search)
        template = (self.store.frame(video, first), boxes[first])
        search = (self.store.frame(video, second), boxes[second])
        make = pack_pair if self.packed else _crops
        return {
            **make(template, search, self.config, change),
            "bin": int(pair.bin),
            "number": int(pair.number),
            "video": video,
        }

    def _files(self, pair: Any) -> str:
        sequence = self.store.sequences[int(pair.video)]
        return (
            f"{sequence.frame_name(int(pair.template))} and {sequence.frame_name(int(pair.search))}"
        )


def _crops(template: View, search: View, config: CropConfig, change: Change) -> Item:
    first, second, box = crop_pair(template, search, config, change)
    return {
        "template": _channels_first(first),
        "search": _channels_first(second),
        "box": torch.from_numpy(box),
    }


def _channels_first(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
