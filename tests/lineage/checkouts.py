"""Makes a stand-in checkout and a small data tree, and reads what a run on them left behind."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).resolve().parent / "standin"
SCRIPTS = {"ostrack": "ostrack", "avtrack": "avtrack", "hit": "HiT"}

SIDE = 24  # of a picture
LENGTHS = (90, 70, 45, 60, 15, 80, 50)
SHORT, HARDLY_VISIBLE, OUTSIDE = 4, 5, 1  # videos with something about them
N_IMAGES = 8
NO_BOX = 3  # an image


def make_checkout(folder: Path, tracker: str = "ostrack") -> Path:
    """Copy the stand-in, with what belongs to one tracker."""
    script = SCRIPTS[tracker]
    others = [name for name in SCRIPTS.values() if name != script]
    ignored = shutil.ignore_patterns("__pycache__", *others, *(f"{name}.py" for name in others))
    shutil.copytree(STANDIN / "lib", folder / "lib", ignore=ignored)
    for file, place in (
        ("config.py", f"lib/config/{script}"),
        ("tiny.yaml", f"experiments/{script}"),
    ):
        (folder / place).mkdir(parents=True)
        shutil.copy(STANDIN / file, folder / place)
    return folder


def make_data(folder: Path) -> Path:
    """LaSOT with videos of every kind, a validation set of two videos, and COCO."""
    for i, length in enumerate(LENGTHS):
        _video(folder / "lasot" / "cat" / f"cat-{i + 1}", i, length)
    for i in range(2):
        _video(folder / "got10k" / "dog" / f"dog-{i + 1}", i, 40)
    images = folder / "coco" / "images" / "train2017"
    images.mkdir(parents=True)
    boxes = [(2, 2 + i / 2, 8, 0 if i == NO_BOX else 8) for i in range(N_IMAGES)]
    for i in range(N_IMAGES):
        _picture(images / f"{i:012d}.png", boxes[i])
    (folder / "coco" / "annotations").mkdir()
    path = folder / "coco" / "annotations" / "instances_train2017.json"
    path.write_text(json.dumps(boxes))
    return folder


def box_of(video: int, frame: int) -> tuple:
    """Left, top, width, height; tells of which video and frame it is."""
    outside = video == OUTSIDE and frame >= LENGTHS[OUTSIDE] // 2
    return (-30 if outside else 2 + frame / 20, 2 + video / 2, 10, 10)


def frame_of(box: Sequence[float]) -> tuple:
    """Video and frame of a box that was scaled to [0, 1]."""
    left, top = float(box[0]), float(box[1])
    return round((top * SIDE - 2) * 2), round((left * SIDE - 2) * 20)


def visible_of(video: int) -> np.ndarray:
    """Frames where the target of a LaSOT video is visible."""
    visible = np.arange(LENGTHS[video]) % 7 != 3
    if video == HARDLY_VISIBLE:
        visible[4:] = False
    return visible


def _video(folder: Path, number: int, length: int) -> None:
    (folder / "img").mkdir(parents=True)
    boxes = [box_of(number, frame) for frame in range(length)]
    for frame, box in enumerate(boxes):
        _picture(folder / "img" / f"{frame + 1:08d}.png", box)
    np.savetxt(folder / "groundtruth.txt", boxes, "%.4f", ",")
    hidden = ~visible_of(number)[:length]
    (folder / "full_occlusion.txt").write_text(",".join("01"[flag] for flag in hidden.tolist()))
    (folder / "out_of_view.txt").write_text(",".join("0" * length))


def _picture(path: Path, box: tuple) -> None:
    import cv2

    picture = np.full((SIDE, SIDE, 3), 40, dtype=np.uint8)
    left, top, width, height = (int(value) for value in box)
    if left >= 0:
        picture[top : top + height, left : left + width] = (60, 220, 20 * left)
    cv2.imwrite(str(path), picture)


def files_of(folder: Path) -> Dict[str, bytes]:
    """Every file of a folder, caches and hidden ones, too."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def seen(folder: Path, loader: str, rank: int = 0) -> List[Dict[str, Any]]:
    """Inputs and outputs of the actor, batch by batch."""
    rows = (json.loads(line) for line in (folder / f"seen-{rank}.jsonl").read_text().splitlines())
    return [row for row in rows if row["loader"] == loader]


def samples(rows: List[Dict[str, Any]]) -> Iterator[tuple]:
    """Data set, video, template frame, search frame, bin of every sample of such rows."""
    for row in rows:
        bins = row["bin"] or [None] * len(row["dataset"])
        columns = zip(row["dataset"], row["template_anno"], row["search_anno"], bins)
        for dataset, template, search, bin_id in columns:
            (video, first), (_, second) = frame_of(template), frame_of(search)
            yield dataset, video, first, second, bin_id


def checkpoints(folder: Path) -> List[Path]:
    return sorted(folder.glob("checkpoints/train/*/*/*_ep*.pth.tar"))


class _Stub:
    """In place of a class of the checkout that is not there to be imported."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("lib.train.admin.settings", "Settings"):
            return _Stub
        return super().find_class(module, name)


def load(path: Path) -> Dict[str, Any]:
    """A checkpoint, without the checkout; of its classes it may hold the settings only."""
    import torch

    unpickling = ModuleType("unpickling")
    unpickling.__dict__.update(vars(pickle), Unpickler=_Unpickler)
    options = {"weights_only": False} if "weights_only" in torch.load.__code__.co_varnames else {}
    return torch.load(str(path), map_location="cpu", pickle_module=unpickling, **options)


def schedule(path: Path) -> Dict[str, Any]:
    """The state of the schedule in a checkpoint."""
    return load(path)["net_info"]["sstrack_sched"]
