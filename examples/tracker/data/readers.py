"""Videos of folders, objects of COCO's images, and mixes of several places."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from tqdm import tqdm

from ..synthetic.composite import composite_clips
from .frames import default_cache
from .layouts import LAYOUTS, Video, read_video
from .sequences import MIN_INSIDE, Sequence, inside_share

DEPTH = 4  # folders below the one that is given
PHOTOS = "photos:"
MIN_SIDE = 16.0  # pixels, the square root of the box's area; smaller objects show too little
Problems = Optional[List[str]]  # of the videos that were left out; None: the first one raises
Split = Tuple[List[Sequence], List[Sequence]]  # to train on, and to report on


def read_sequences(root: Path, *, cache: str = "", problems: Problems = None) -> List[Sequence]:
    """All videos in a folder, whatever their layouts.

    The folder is a video's, a benchmark's, or one up to four above; behind NFS's, ``/30`` and
    ``/240`` say which rate to read. A video that cannot be read raises ValueError, or is left out
    and goes to ``problems``.
    """
    root, names = root if root.name else root.resolve(), ".*"  # a video's name is its folder's
    if not root.is_dir() and root.name in ("30", "240"):  # of NFS
        root, names = root.parent, f"nfs{root.name}"
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    found = _walk(root, names, DEPTH)
    if not found:
        known = ", ".join(f"{layout.boxes} ({layout.name})" for layout in LAYOUTS)
        place = f"{root} or up to {DEPTH} folders below"
        raise ValueError(f"no video found in {place}; looked for {known}")
    sequences: List[Sequence] = []
    for video in tqdm(found, f"reading {root.name}", unit="video", delay=2.0, leave=False):
        try:
            sequences.append(read_video(video, Path(cache or default_cache())))
        except (OSError, ValueError) as error:
            if problems is None:
                raise
            problems.append(f"{video.name}: {error}")
    if not sequences:
        raise ValueError(f"{root}: no video can be read; {(problems or [''])[0]}")
    name, count = Counter(sequence.name for sequence in sequences).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{root}: more than one video is named {name!r}")
    return sequences


def _walk(folder: Path, names: str, depth: int) -> List[Video]:
    for layout in LAYOUTS:
        videos = layout.find(folder) if re.fullmatch(names, layout.name) else []
        if videos:
            return videos
    if depth == 0:
        return []
    below = sorted(e.name for e in os.scandir(folder) if e.name[0] != "." and e.is_dir())
    below = [name for name in below if name != "__MACOSX"]
    listing = folder / "list.txt"  # of VOT and GOT-10k; it counts if it names some
    text = listing.read_text(encoding="utf-8-sig") if listing.is_file() else ""
    wanted = {line.strip() for line in text.splitlines()}
    kept = [name for name in below if name in wanted] or below
    return [found for name in kept for found in _walk(folder / name, names, depth - 1)]


def read_split(root: Path, held_out: float = 0.25, **options: Any) -> Split:
    """Videos to train on and videos to report on; options as `read_sequences`.

    ``sequences.json`` in the folder decides, ``{name: {"split": "train" or "test"}}``; else a hash
    of the names does, so that the split hardly depends on what else is there. ``held_out`` is the
    share to report on; at least one video, never all; 0: none.
    """
    sequences = read_sequences(root, **options)
    names, listing = [sequence.name for sequence in sequences], root / "sequences.json"
    if listing.is_file():
        try:
            entries = json.loads(listing.read_text(encoding="utf-8"))
            splits = {name: entry.get("split") for name, entry in entries.items()}
        except (ValueError, AttributeError) as error:
            words = '{"name": {"split": "train" or "test"}}'
            raise ValueError(f"{listing} must hold {words}: {error}") from None
    elif held_out == 0:
        return sequences, []
    else:
        names.sort(key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())
        n_test = min(max(1, round(held_out * len(names))), len(names) - 1)
        splits = {name: "test" if rank < n_test else "train" for rank, name in enumerate(names)}
    for name, found in ((name, splits.get(name)) for name in names):
        if found not in ("train", "test"):
            raise ValueError(f"sequence {name!r} needs split 'train' or 'test'; got {found!r}")
    train, test = ([s for s in sequences if splits[s.name] == k] for k in ("train", "test"))
    if not train or not test:
        missing = "test" if train else "train"
        raise ValueError(f"no sequence to {missing} on among {len(sequences)}")
    return train, test


def add_on_error(parser: argparse.ArgumentParser) -> None:
    """Add ``--on-error``, which makes ``problems`` a list, or None to stop at the first."""

    def problems(word: str) -> Problems:
        if word not in ("stop", "skip"):
            raise argparse.ArgumentTypeError(f"must be stop or skip; got {word}")
        return [] if word == "skip" else None

    words = "for an unreadable video: stop (the default), or skip and report it at the end"
    what = {"type": problems, "metavar": "{stop,skip}", "help": words}
    parser.add_argument("--on-error", dest="problems", **what)


def left_out(problems: Problems) -> str:
    """Words for the end of a program: which videos were left out and why; empty if none was."""
    if not problems:
        return ""
    return "\n  ".join([f"\nleft out {len(problems)} that could not be read:", *problems])


def find_instances(path: Path) -> Optional[Path]:
    """COCO's annotation file to train on, if this is one or a folder with some; else None."""
    if path.is_file():
        return path if path.suffix == ".json" else None
    files = sorted((path / "annotations").glob("instances_*.json"))
    train = [file for file in files if "train" in file.name]
    return (train or files or [None])[-1]


def read_coco(file: Path) -> List[Sequence]:
    """Objects, each a still, but crowds, small ones, and those mostly outside the image."""
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
    root = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem[len("instances_") :] if file.stem.startswith("instances_") else ""
    folders = dict.fromkeys((root / split, root / "images" / split, root / "images", root))
    name, stills = owners[kept[0]]["file_name"], []
    folder = next((folder for folder in folders if (folder / name).is_file()), None)
    if folder is None:
        raise FileNotFoundError(f"{file}: no image {name} in any of {', '.join(map(str, folders))}")
    for i in kept:
        image = folder / owners[i]["file_name"]
        name, frames = f"{image.stem}-{objects[i]['id']}", (str(image),)
        stills.append(Sequence(name, frames, boxes[[i]], [True], is_image=True, layout="coco"))
    return stills


def parse_source(text: str) -> Tuple[Path, float, bool]:
    """Path, weight and whether it is photographs, of ``[photos:]PATH[=WEIGHT]``."""
    photos = text.startswith(PHOTOS)
    path, weight = text[len(PHOTOS) :] if photos else text, 1.0
    head, equals, tail = path.rpartition("=")
    if equals and not Path(path).exists():  # a path that is there is taken whole
        with suppress(ValueError):  # no number: part of the path
            path, weight = head, float(tail)
    if not path:
        raise ValueError(f"data must be a path or PATH=WEIGHT; got {text!r}")
    if not 0 < weight < math.inf:
        raise ValueError(f"weight of data must be positive; got {weight:g} in {text!r}")
    return Path(path), weight, photos


def read_sources(
    texts: Tuple[str, ...],
    *,
    n_clips: int = 1000,
    n_test_clips: int = 0,
    look: Optional[Dict[str, Any]] = None,
    **options: Any,
) -> Split:
    """Sequences to train on and to report on, of all places of a mix.

    A place is a folder of videos, see `read_split`, COCO data, all of which is trained on, or
    photographs, of which clips are composited. A pair's place is drawn by weight.
    """
    train, test = [], []
    for path, weight, photos in [parse_source(text) for text in texts]:
        instances = find_instances(path)
        if photos:
            here, held_out = (
                composite_clips(path, number, seed=seed, **(look or {})) if number else []
                for seed, number in enumerate((n_clips, n_test_clips))
            )
            held_out = [replace(clip, name=f"test-{clip.name}") for clip in held_out]
        elif instances:
            here, held_out = read_coco(instances), []
        else:
            here, held_out = read_split(path, **options)
        train.append((here, weight))
        test.append((held_out, 1.0))
    return _mixed(train), _mixed(test)


def _mixed(parts: List[Tuple[List[Sequence], float]]) -> List[Sequence]:
    """All sequences, each place drawn from by its weight; a single one keeps those that it has."""
    filled = [(part, weight) for part, weight in parts if part]
    if len(filled) == 1:
        return filled[0][0]
    return [replace(one, weight=weight / len(part)) for part, weight in filled for one in part]
