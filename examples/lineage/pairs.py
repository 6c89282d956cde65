"""Training loader over pairs, which replaces the frame selection of the checkout's sampler."""

from __future__ import annotations

import warnings
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
import torch

from sstrack_sched import IntervalSampler
from sstrack_sched.sampling import Pair

MAX_REDRAWS = 100
"""Number of pairs tried to replace an unusable one. On short videos one crop in four is rejected; a
hundred rejections in a row indicate faulty data."""


class ImageReader:
    """Image loader that stores the file name and raises an error if the file is unreadable."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        self.read = read
        self.files: List[str] = []

    def __call__(self, path: str) -> Any:
        self.files.append(str(path))
        image = self.read(path)
        if image is None:
            raise OSError(f"cannot read image {path}")
        return image


class PairDataset(torch.utils.data.Dataset):  # type: ignore[type-arg]  # not subscriptable in 1.9
    """Samples like those of the checkout's TrackingSampler, but for a given pair.

    `source` is a TrackingSampler, whose data sets and processing are used. The sample contains the
    bin as a Python int, which the checkout's collate function converts to a LongTensor (B,).
    """

    def __init__(
        self,
        source: Any,
        sampler: IntervalSampler,
        make_sample: Callable[[Any], Any],
        max_redraws: int = MAX_REDRAWS,
    ) -> None:
        self.source = source
        self.sampler = sampler
        self.make_sample = make_sample  # TensorDict of the checkout
        self.max_redraws = max_redraws
        self.samples_per_epoch = source.samples_per_epoch
        for dataset in source.datasets:
            if not isinstance(dataset.image_loader, ImageReader):
                dataset.image_loader = ImageReader(dataset.image_loader)
        sizes = [dataset.get_num_sequences() for dataset in source.datasets]
        self._ends = np.cumsum(sizes)

    def __len__(self) -> int:
        return int(self.samples_per_epoch)

    def __getitem__(self, pair: Pair) -> Any:
        """Return the sample of this pair or, if unusable, of another pair of the same bin."""
        failures: List[str] = []
        cause: Optional[Exception] = None
        for attempt in range(self.max_redraws + 1):
            tried = pair if attempt == 0 else self.sampler.redraw(pair, attempt)
            sample, failure, cause = self._try(tried)
            if sample is not None:
                sample["bin"] = int(pair.bin)
                return sample
            failures.append(failure)
        label = self.sampler.bins.labels[pair.bin]
        listing = "\n  ".join(dict.fromkeys(failures))
        raise RuntimeError(
            f"no usable pair of bin {label} in {self.max_redraws + 1} tries; these failed:\n  "
            + listing
        ) from cause

    def _try(self, pair: Pair) -> Tuple[Any, str, Optional[Exception]]:
        """Return a sample; or None, a description of the failure, and the error."""
        dataset, video = self._locate(pair.video)
        try:
            data = self._read(dataset, video, pair)
        except Exception as error:  # noqa: BLE001 (data sets raise any error at damaged files)
            failure = self._describe(dataset, video, pair, repr(error))
            warnings.warn(f"pair redrawn: {failure}", RuntimeWarning, stacklevel=3)
            return None, failure, error
        files = self._describe(dataset, video, pair, "no valid crop")
        try:
            data = self.source.processing(data)
        except Exception as error:  # noqa: BLE001 (the processing raises if a box is too small)
            return None, f"{files}: {error!r}", error
        return (data, "", None) if data["valid"] else (None, files, None)

    def _locate(self, video: int) -> Tuple[Any, int]:
        """Return the data set of a video of the joint index, and the video's number in it."""
        k = int(np.searchsorted(self._ends, video, side="right"))
        return self.source.datasets[k], int(video - (self._ends[k - 1] if k else 0))

    def _read(self, dataset: Any, video: int, pair: Pair) -> Any:
        """Read frames and boxes of a pair, in the fields for the checkout's processing."""
        dataset.image_loader.files.clear()
        info = dataset.get_sequence_info(video)
        is_video = dataset.is_video_sequence()
        fields = {"dataset": dataset.get_name()}
        for part, frame in (("template", pair.template), ("search", pair.search)):
            # The checkout uses frame 1 of an image; the data set repeats the image.
            images, boxes, meta = dataset.get_frames(video, [int(frame) if is_video else 1], info)
            empty = [torch.zeros(image.shape[:2]) for image in images]
            fields[f"{part}_images"] = images
            fields[f"{part}_anno"] = boxes["bbox"]
            fields[f"{part}_masks"] = boxes.get("mask", empty)
            fields["test_class"] = meta.get("object_class_name")
        return self.make_sample(fields)

    def _describe(self, dataset: Any, video: int, pair: Pair, reason: str) -> str:
        files = ", ".join(dict.fromkeys(dataset.image_loader.files))
        where = files or f"{dataset.root}, video {video}, frames {pair.template}, {pair.search}"
        return f"{dataset.get_name()} ({where}): {reason}"


def pair_loader(loader: Any, dataset: PairDataset, sampler: Any) -> Any:
    """Recreate the checkout's training loader with scheduled pairs."""
    return type(loader)(
        loader.name,
        dataset,
        training=loader.training,
        batch_size=loader.batch_size,
        sampler=sampler,
        num_workers=loader.num_workers,
        epoch_interval=loader.epoch_interval,
        collate_fn=loader.collate_fn,
        stack_dim=loader.stack_dim,
        pin_memory=loader.pin_memory,
        drop_last=loader.drop_last,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
    )
