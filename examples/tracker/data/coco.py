"""Objects of COCO's images, each a sequence of one frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from .boxes import inside_share
from .sequences import MIN_INSIDE, Sequence

MIN_SIDE = 16.0  # pixels, the square root of the box's area; smaller objects show too little


def find_instances(path: Path) -> Optional[Path]:
    """The annotation file of COCO data to train on; None if this is none.

    Of a folder, the last of ``annotations/instances_train*.json``, else of ``instances_*.json``.
    """
    if path.is_file():
        return path if path.suffix == ".json" else None
    files = sorted((path / "annotations").glob("instances_*.json"))
    train = [file for file in files if "train" in file.name]
    return (train or files or [None])[-1]


def read_coco(path: Path) -> List[Sequence]:
    """Objects of an instances file, but crowds, small ones, and those mostly outside the image."""
    file = find_instances(path)
    if file is None:
        raise FileNotFoundError(f"no annotations/instances_*.json in {path}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        images: Dict[Any, Any] = {image["id"]: image for image in content["images"]}
        objects = [found for found in content["annotations"] if not found.get("iscrowd", 0)]
        owners = [images[found["image_id"]] for found in objects]
        sizes = np.array([(owner["width"], owner["height"]) for owner in owners], dtype=np.float64)
        boxes = np.array([found["bbox"] for found in objects], dtype=np.float64).reshape(-1, 4)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} must be a COCO instances file: {error!r}") from None
    inside = inside_share(boxes, *sizes.reshape(-1, 2).T) >= MIN_INSIDE
    kept = np.flatnonzero(inside & (boxes[:, 2] * boxes[:, 3] >= MIN_SIDE**2))
    if not len(kept):
        raise ValueError(f"{file}: no object of {MIN_SIDE:g} pixels or more in it")
    names = [owners[i]["file_name"] for i in kept]
    folder = _image_folder(file, names[0])
    stills = []
    for i, file_name in zip(kept, names):
        name, frames = f"{Path(file_name).stem}-{objects[i]['id']}", (str(folder / file_name),)
        stills.append(Sequence(name, frames, boxes[[i]], [True], True, layout="coco"))
    return stills


def _image_folder(file: Path, name: str) -> Path:
    """One of the folders that people have COCO's images in, by the first of them."""
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem[len("instances_") :] if file.stem.startswith("instances_") else ""
    places = dict.fromkeys((root / split, root / "images" / split, root / "images", root))
    for place in places:
        if (place / name).is_file():
            return place
    raise FileNotFoundError(f"{file}: no image {name} in any of {', '.join(map(str, places))}")
