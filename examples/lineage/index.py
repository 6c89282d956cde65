"""VideoIndex of the checkout's data set objects, with a cache on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Iterator, List, Sequence

import numpy as np
from tqdm import tqdm

from sstrack_sched import VideoIndex

from .checkout import SetupError

CACHE_FORMAT = 1
_ANNOTATIONS = (  # in a video's folder: LaSOT, GOT-10k
    "groundtruth.txt",
    "full_occlusion.txt",
    "out_of_view.txt",
    "absence.label",
    "cover.label",
)


def index_datasets(datasets: Sequence[Any], shares: Sequence[float], cache: Path) -> VideoIndex:
    """Join all data sets in one index; data sets are drawn by ratio, then videos uniformly."""
    parts = [index_dataset(dataset, cache) for dataset in datasets]
    return VideoIndex.concatenate(parts, dataset_weights=shares)


def index_dataset(dataset: Any, cache: Path) -> VideoIndex:
    """Return the index of one data set, from the cache or from its annotations.

    Images need no parsing: the checkout's sampler draws all of them, and its crop may reject some.
    """
    n = dataset.get_num_sequences()
    if not dataset.is_video_sequence():
        return VideoIndex(np.ones(n, dtype=int), is_image=np.ones(n, dtype=bool))
    path = cache / f"{dataset.get_name()}-{cache_key(dataset)}.index"
    if path.exists():
        return VideoIndex.load(path)
    videos = parse(dataset)
    videos.save(path)
    return videos


def parse(dataset: Any) -> VideoIndex:
    """Read the annotations of every video of a data set.

    A video that the checkout's sampler would skip (``sample_seq_from_dataset``: fewer than 20
    frames, or at most 4 visible ones, twice the two frames of a sample) gets weight 0.
    """
    masks: List[np.ndarray] = []
    for i in tqdm(range(dataset.get_num_sequences()), desc=f"indexing {dataset.get_name()}"):
        try:
            visible = dataset.get_sequence_info(i)["visible"]
        except (OSError, ValueError, LookupError, RuntimeError) as error:
            raise SetupError(
                f"cannot read video {name_of(dataset, i)} of {dataset.get_name()} in "
                f"{dataset.root}: {error}"
            ) from error
        masks.append(np.asarray(visible, dtype=bool))
    weight = np.array([mask.sum() > 4 and len(mask) >= 20 for mask in masks], dtype=float)
    if not weight.any():
        raise SetupError(
            f"{dataset.get_name()} in {dataset.root} has no video of 20 frames with 5 visible ones "
            f"among {len(masks)}"
        )
    # A video without frames cannot be indexed; one invisible frame is equivalent.
    masks = [mask if len(mask) else np.zeros(1, dtype=bool) for mask in masks]
    return VideoIndex([len(mask) for mask in masks], masks, weight=weight)


def name_of(dataset: Any, i: int) -> str:
    """Return the name of a video for messages."""
    names = getattr(dataset, "sequence_list", None)
    return str(i if names is None else names[i])


def cache_key(dataset: Any) -> str:
    """Hash the videos, and size and time of their annotation files."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((CACHE_FORMAT, type(dataset).__name__, str(dataset.root))).encode())
    for i in range(dataset.get_num_sequences()):
        digest.update(name_of(dataset, i).encode())
    for path in annotation_files(dataset):
        try:
            status = path.stat()
        except OSError:  # not every layout has every file
            continue
        digest.update(repr((str(path), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def annotation_files(dataset: Any) -> Iterator[Path]:
    """List the possible annotation files of a data set."""
    root, n = Path(dataset.root), dataset.get_num_sequences()
    folder_of = getattr(dataset, "_get_sequence_path", None)
    if folder_of is not None:
        for i in range(n):
            for name in _ANNOTATIONS:
                yield Path(folder_of(i), name)
    elif dataset.get_name() == "trackingnet":
        for part, name in dataset.sequence_list:
            yield root / f"TRAIN_{part}" / "anno" / f"{name}.txt"
    parts = [f"TRAIN_{part}_lmdb/data.mdb" for part in range(12)]  # TrackingNet
    for name in ("data.mdb", "list.txt", "cache.json", *parts):  # LMDB; GOT-10k; ImageNet VID
        yield root / name
