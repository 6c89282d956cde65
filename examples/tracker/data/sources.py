"""Videos and stills from several places, each with its share of the pairs."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ..synthetic.drift import Drift
from .boxes import inside_share
from .readers import Problems, read_split
from .sequences import MIN_INSIDE, Sequence, Split

PHOTOS = "photos:"
MIN_SIDE = 16.0  # pixels, the square root of the box's area; smaller things show too little


@dataclass(frozen=True)
class Source:
    """A folder or file to read from, how often beside the others, and whether it is photographs."""

    path: Path
    weight: float = 1.0
    photos: bool = False

    @classmethod
    def parse(cls, text: str) -> Source:
        """A source from ``[photos:]PATH[=WEIGHT]``. A path that is there is taken whole."""
        photos = text.startswith(PHOTOS)
        path, weight = text[len(PHOTOS) :] if photos else text, 1.0
        head, equals, tail = path.rpartition("=")
        if equals and not Path(path).exists():
            with suppress(ValueError):  # no number: part of the path
                path, weight = head, float(tail)
        if not path:
            raise ValueError(f"data must be a path or PATH=WEIGHT; got {text!r}")
        if not 0 < weight < math.inf:
            raise ValueError(f"weight of data must be positive; got {weight:g} in {text!r}")
        return cls(Path(path), weight, photos)


def read_sources(
    texts: Tuple[str, ...],
    *,
    n_clips: int = 1000,
    n_test_clips: int = 0,
    drift: float = 1.0,
    look_alikes: float = 0.0,
    seed: int = 0,
    held_out: float = 0.25,
    cache: Optional[Path] = None,
    problems: Optional[Problems] = None,
) -> Split:
    """Sequences to train on and to report on, of all places of a mix.

    A place is ``[photos:]PATH[=WEIGHT]``: a folder of videos as `read_split` takes, COCO data, all
    of which is trained on, or photographs, of which ``n_clips`` and ``n_test_clips`` clips are
    composited, with ``drift`` and ``look_alikes`` as `composite_clip` takes them. Of several
    places, a pair's place is drawn by weight (to report on: all alike), and then a sequence in it.
    """
    sources = [Source.parse(text) for text in texts]
    splits: List[Split] = []
    for source in sources:
        if source.photos:
            look = {"drift": Drift(drift), "look_alikes": look_alikes}
            splits.append(_composited(source.path, (n_clips, n_test_clips), seed, look))
        elif find_instances(source.path) is not None:
            splits.append((read_coco(source.path), []))
        else:
            splits.append(read_split(source.path, held_out, cache=cache, problems=problems))
    train, test = zip(*splits)
    weights = [source.weight for source in sources]
    return _mixed(list(train), weights), _mixed(list(test), [1.0] * len(sources))


def _composited(path: Path, numbers: Tuple[int, int], seed: int, look: Dict[str, Any]) -> Split:
    from ..synthetic.composite import composite_clips

    train, test = (
        composite_clips(path, number, seed=seed + i, **look) if number else []
        for i, number in enumerate(numbers)
    )
    return train, [replace(clip, name=f"test-{clip.name}") for clip in test]


def _mixed(parts: List[List[Sequence]], weights: List[float]) -> List[Sequence]:
    """All sequences, each place drawn from by its weight; a single one keeps those that it has."""
    filled = [(part, weight) for part, weight in zip(parts, weights) if part]
    if len(filled) == 1:
        return filled[0][0]
    return [replace(one, weight=weight / len(part)) for part, weight in filled for one in part]


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
    """Objects of a COCO instances file, each a sequence of one frame, marked as an image.

    Without crowds, objects that are mostly outside their picture, and those under 16 pixels.
    """
    file = find_instances(path)
    if file is None:
        raise FileNotFoundError(f"no annotations/instances_*.json in {path}")
    pictures, objects = _parse(file)
    if not objects:
        raise ValueError(f"{file}: no object of {MIN_SIDE:g} pixels or more in it")
    folder = _picture_folder(file, pictures[objects[0]["image_id"]]["file_name"])
    stills = []
    for thing in objects:
        file_name = pictures[thing["image_id"]]["file_name"]
        name, frames = f"{Path(file_name).stem}-{thing['id']}", (str(folder / file_name),)
        stills.append(Sequence(name, frames, [thing["bbox"]], [True], True, layout="coco"))
    return stills


def _parse(file: Path) -> Any:
    """Pictures by number, and the objects that are large enough and inside them."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        pictures: Dict[Any, Any] = {picture["id"]: picture for picture in content["images"]}
        objects = [thing for thing in content["annotations"] if not thing.get("iscrowd", 0)]
        owners = [pictures[thing["image_id"]] for thing in objects]
        sizes = [(owner["width"], owner["height"]) for owner in owners]
        boxes = np.array([thing["bbox"] for thing in objects], dtype=np.float64).reshape(-1, 4)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} must be a COCO instances file: {error!r}") from None
    widths, heights = np.array(sizes, dtype=np.float64).reshape(-1, 2).T
    kept = (inside_share(boxes, widths, heights) >= MIN_INSIDE) & (
        boxes[:, 2] * boxes[:, 3] >= MIN_SIDE**2
    )
    return pictures, [thing for thing, keep in zip(objects, kept) if keep]


def _picture_folder(file: Path, name: str) -> Path:
    """One of the folders that people have COCO's pictures in, by the first of them."""
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem[len("instances_") :] if file.stem.startswith("instances_") else ""
    places = dict.fromkeys((root / split, root / "images" / split, root / "images", root))
    for place in places:
        if (place / name).is_file():
            return place
    raise FileNotFoundError(f"{file}: no picture {name} in any of {', '.join(map(str, places))}")
