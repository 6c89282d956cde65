"""Features of a frozen backbone, computed once for all runs that share it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import torch
from tqdm import tqdm

from ..data.augment import draw_change, pair_generator
from ..data.crops import CropConfig, CropError, crop_pair
from ..data.frames import FrameError, FrameStore, make_once
from ..models import TrackerModel

BATCH = 16  # frames
NAMES = ("template", "search", "box", "usable")
OF_VIDEO = 2**32  # in place of a frame's number: what is changed alike in a whole video


class KeptFeatures:
    """Float16 features of all visible frames, whose crops each get changes of their own once."""

    def __init__(
        self, folder: Path, store: FrameStore, config: CropConfig, model: TrackerModel
    ) -> None:
        self.store, self.config = store, config
        seen = [np.flatnonzero(sequence.visible).tolist() for sequence in store.sequences]
        self.frames = [(video, frame) for video, frames in enumerate(seen) for frame in frames]
        self.row = {frame: row for row, frame in enumerate(self.frames)}
        self.folder = folder / self._key(model)
        make_once(self.folder, lambda part: self._write(part, model.eval()))
        self._open = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in NAMES}

    def pair(self, video: int, template: int, search: int) -> Dict[str, torch.Tensor]:
        """Features of a template and of a search crop, and where the target is in the latter."""
        first, second = self.row[video, template], self.row[video, search]
        if not (self._open["usable"][first] and self._open["usable"][second]):
            raise CropError("no crop could be made")
        rows = {"template": first, "search": second, "box": second}
        return {name: torch.from_numpy(self._open[name][row].copy()) for name, row in rows.items()}

    def _key(self, model: TrackerModel) -> str:
        """A name that changes with whatever the features depend on."""
        parts = [json.dumps(asdict(self.config), sort_keys=True).encode()]
        for video in self.store.sequences:
            parts += [video.name.encode(), video.boxes.tobytes(), video.visible.tobytes()]
        parts += [value.cpu().numpy().tobytes() for value in model.backbone.state_dict().values()]
        return hashlib.blake2b(b"".join(parts), digest_size=8).hexdigest()

    @torch.no_grad()
    def _write(self, folder: Path, model: TrackerModel) -> None:
        files: Dict[str, Any] = {}
        device = next(model.parameters()).device
        for start in tqdm(range(0, len(self.frames), BATCH), desc="features"):
            crops = [self._crops(*frame) for frame in self.frames[start : start + BATCH]]
            batch = {name: np.stack(values) for name, values in zip(NAMES, zip(*crops))}
            for name in ("template", "search"):
                seen = model.see(torch.from_numpy(batch[name]).to(device))
                batch[name] = seen.half().cpu().numpy()
            for name, values in batch.items():
                if name not in files:
                    file, shape = folder / f"{name}.npy", (len(self.frames), *values.shape[1:])
                    files[name] = np.lib.format.open_memmap(file, "w+", values.dtype, shape)
                files[name][start : start + len(values)] = values

    def _crops(self, video: int, frame: int) -> Tuple[Any, ...]:
        whole = draw_change(pair_generator(0, video, OF_VIDEO), self.config)
        change = draw_change(pair_generator(0, video, frame), self.config)
        change = replace(change, flip=whole.flip, grey=whole.grey)
        try:
            view = (self.store.frame(video, frame), self.store.sequences[video].boxes[frame])
            first, second, box = crop_pair(view, view, self.config, change)
        except (CropError, FrameError):
            sides = (self.config.template_size, self.config.search_size)
            empty = [np.zeros((3, side, side), np.uint8) for side in sides]
            return (*empty, np.zeros(4, np.float32), False)
        return first.transpose(2, 0, 1), second.transpose(2, 0, 1), box, True
