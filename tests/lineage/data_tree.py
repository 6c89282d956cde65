"""A small LaSOT, GOT-10k and COCO tree that the trackers' own classes and split files accept.

LaSOT: all names of the official split are links onto a few videos. GOT-10k: `list.txt` names the
same few over and over, up to the last number of the official split.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import List, Tuple

import numpy as np

LENGTHS = (12, 60, 110, 180, 260, 320)  # the first is shorter than their sampler takes
_GOT10K_ROWS = 9335
_SIZE = (120, 160)


def make_data_tree(root: Path, split: Path) -> None:
    """Write the tree; `split` is the checkout's ``lasot_train_split.txt``."""
    rng = np.random.default_rng(0)
    for k, length in enumerate(LENGTHS):
        frames, boxes = _video(rng, length)
        hidden = np.zeros(length, dtype=int)
        hidden[length // 2 : length // 2 + 4] = 1
        _lasot_video(root / "videos" / f"lasot{k}", frames, boxes, hidden)
        _got10k_video(root / "got10k" / f"GOT-10k_Train_{k + 1:06d}", frames, boxes, hidden)
    for i, name in enumerate(split.read_text().split()):
        folder = root / "lasot" / name.split("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(root / "videos" / f"lasot{i % len(LENGTHS)}")
    names = [f"GOT-10k_Train_{i % len(LENGTHS) + 1:06d}" for i in range(_GOT10K_ROWS)]
    (root / "got10k" / "list.txt").write_text("\n".join(names) + "\n")
    _coco(rng, root / "coco", 20)


def _video(rng: np.random.Generator, length: int) -> Tuple[List[np.ndarray], np.ndarray]:
    """A patch that goes round over a background and changes with time."""
    height, width = _SIZE
    background = _texture(rng, height, width)
    first, last = _texture(rng, 32, 32), _texture(rng, 32, 32)
    frames, boxes = [], []
    for t in range(length):
        x = int(width / 2 + 35 * np.cos(t / 25)) - 16
        y = int(height / 2 + 22 * np.sin(t / 25)) - 16
        frame = background.copy()
        share = t / length
        frame[y : y + 32, x : x + 32] = (1 - share) * first + share * last
        frames.append(frame)
        boxes.append((x, y, 32, 32))
    return frames, np.array(boxes)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))


def _write_frames(folder: Path, frames: List[np.ndarray]) -> None:
    import cv2

    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{i + 1:08d}.jpg"), frame)


def _lasot_video(
    folder: Path, frames: List[np.ndarray], boxes: np.ndarray, hidden: np.ndarray
) -> None:
    _write_frames(folder / "img", frames)
    np.savetxt(folder / "groundtruth.txt", boxes, "%d", ",")
    (folder / "full_occlusion.txt").write_text(",".join(map(str, hidden)) + "\n")
    (folder / "out_of_view.txt").write_text(",".join(["0"] * len(hidden)) + "\n")


def _got10k_video(
    folder: Path, frames: List[np.ndarray], boxes: np.ndarray, hidden: np.ndarray
) -> None:
    _write_frames(folder, frames)
    np.savetxt(folder / "groundtruth.txt", boxes, "%.4f", ",")
    np.savetxt(folder / "absence.label", hidden, "%d")
    np.savetxt(folder / "cover.label", np.where(hidden, 0, 8), "%d")


def _coco(rng: np.random.Generator, root: Path, n: int) -> None:
    import cv2

    (root / "images" / "train2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    images, annotations = [], []
    height, width = _SIZE
    for i in range(n):
        name = f"{i:012d}.jpg"
        cv2.imwrite(str(root / "images" / "train2017" / name), _texture(rng, height, width))
        x, y, side = 40, 30, 56
        corners = [x, y, x + side, y, x + side, y + side, x, y + side]
        images.append({"id": i, "file_name": name, "width": width, "height": height})
        annotations.append(
            {
                "id": i + 1,
                "image_id": i,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [x, y, side, side],
                "area": side * side,
                "segmentation": [corners],
            }
        )
    categories = [{"id": 1, "name": "square", "supercategory": "thing"}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(whole))
