"""Still pictures with boxes, in the layout of COCO's instances files.

Each object is a video of one frame, marked as an image: the pairs show it twice, each time cropped
and changed in its own way, and make up a bin of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from .annotations import inside_share
from .sequences import MIN_INSIDE, Sequence

MIN_SIDE = 16.0  # pixels, the square root of the box's area; smaller things show too little


def find_instances(path: Path) -> Optional[Path]:
    """The annotation file to train on; None if this is no COCO data.

    Parameters
    ----------
    path : Path
        A ``.json`` file, or a folder with ``annotations/instances_train*.json``, of which the last
        by name counts, or another ``annotations/instances_*.json``.
    """
    if path.is_file():
        return path if path.suffix == ".json" else None
    files = sorted((path / "annotations").glob("instances_*.json"))
    train = [file for file in files if "train" in file.name]
    return (train or files or [None])[-1]


def read_coco(path: Path) -> List[Sequence]:
    """Objects of an annotation file, each a sequence of one frame.

    Parameters
    ----------
    path : Path
        As `find_instances` takes.

    Returns
    -------
    list of Sequence
        Without crowds, objects that are mostly outside their picture, and those under 16 pixels
        (the square root of the area). Pictures are looked for in the folder named like the file
        (``train2017`` for ``instances_train2017.json``), there in ``images/``, in ``images/``, and
        beside the file or its ``annotations/``.

    Raises
    ------
    FileNotFoundError
        If there is no annotation file, or the first picture is in none of these folders.
    ValueError
        If the file is no COCO instances file, or no object is left.
    """
    file = find_instances(path)
    if file is None:
        raise FileNotFoundError(f"no annotations/instances_*.json in {path}")
    pictures, objects = _parse(file)
    if not objects:
        raise ValueError(f"{file}: no object of {MIN_SIDE:g} pixels or more in it")
    folder = _picture_folder(file, pictures[objects[0]["image_id"]]["file_name"])
    sequences = []
    for thing in objects:
        picture = pictures[thing["image_id"]]
        name = f"{Path(picture['file_name']).stem}-{thing['id']}"
        frames = (str(folder / picture["file_name"]),)
        sequences.append(Sequence(name, frames, [thing["bbox"]], [True], is_image=True))
    return sequences


def _parse(file: Path) -> Any:
    """Pictures by number, and the objects that are large enough and inside them."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        pictures: Dict[Any, Any] = {picture["id"]: picture for picture in content["images"]}
        objects = [thing for thing in content["annotations"] if not thing.get("iscrowd", 0)]
        sizes = [
            (pictures[thing["image_id"]]["width"], pictures[thing["image_id"]]["height"])
            for thing in objects
        ]
        boxes = np.array([thing["bbox"] for thing in objects], dtype=np.float64).reshape(-1, 4)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} must be a COCO instances file: {error!r}") from None
    widths, heights = np.array(sizes, dtype=np.float64).reshape(-1, 2).T
    kept = (inside_share(boxes, widths, heights) >= MIN_INSIDE) & (
        boxes[:, 2] * boxes[:, 3] >= MIN_SIDE**2
    )
    return pictures, [thing for thing, keep in zip(objects, kept) if keep]


def _picture_folder(file: Path, name: str) -> Path:
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem[len("instances_") :] if file.stem.startswith("instances_") else ""
    places = [root / split, root / "images" / split, root / "images", root]
    for place in places:
        if (place / name).is_file():
            return place
    looked = ", ".join(str(place) for place in dict.fromkeys(places))
    raise FileNotFoundError(f"{file}: no picture {name} in any of {looked}")
