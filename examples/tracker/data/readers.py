"""All videos in a folder, which of them to train on, and mixes of several places."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from tqdm import tqdm

from ..synthetic.composite import composite_clips
from .coco import find_instances, read_coco
from .frames import default_cache
from .layouts import LAYOUTS, Layout, Video, find_videos, read_video
from .sequences import Sequence, Split, split_sequences

DEPTH = 4  # folders below the one that is given
RATES = ("30", "240")  # of NFS, behind its folder
PHOTOS = "photos:"
Problems = List[str]


def read_sequences(
    root: Path, *, cache: Optional[Path] = None, problems: Optional[Problems] = None
) -> List[Sequence]:
    """All videos in a folder, whatever their layouts.

    The folder is a video's, a benchmark's, or one up to four above; behind NFS's, ``/30`` and
    ``/240`` say which rate to read. What is wrong with a video raises ValueError; or, given
    ``problems``, it goes there, and the video is left out.
    """
    root, names = root if root.name else root.resolve(), ".*"  # a video's name is its folder's
    if not root.is_dir() and root.name in RATES:
        root, names = root.parent, f"nfs{root.name}"
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    found = _walk(root, names, DEPTH)
    if not found:
        known = ", ".join(f"{layout.boxes} ({layout.name})" for layout in LAYOUTS)
        place = f"{root} or up to {DEPTH} folders below"
        raise ValueError(f"no video found in {place}; looked for {known}")
    sequences: List[Sequence] = []
    for layout, video in tqdm(found, f"reading {root.name}", unit="video", delay=2.0, leave=False):
        try:
            sequences.append(read_video(layout, video, cache or default_cache()))
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


def read_split(root: Path, held_out: float = 0.25, **options: Any) -> Split:
    """Videos to train on and videos to report on; options as `read_sequences`.

    If the folder holds ``sequences.json``, ``{name: {"split": "train" or "test"}}``, that decides;
    else a hash of the names does, see `split_sequences`.
    """
    sequences = read_sequences(root, **options)
    listing = root / "sequences.json"
    assigned = _assigned(listing) if listing.is_file() else None
    return split_sequences(sequences, assigned, held_out=held_out)


def add_on_error(parser: argparse.ArgumentParser) -> None:
    """Add ``--on-error``, which makes ``problems`` a list, or None to stop at the first."""
    words = "for an unreadable video: stop (the default), or skip and report it at the end"
    what = {"type": _problems, "metavar": "{stop,skip}", "help": words}
    parser.add_argument("--on-error", dest="problems", **what)


def _problems(word: str) -> Optional[Problems]:
    if word not in ("stop", "skip"):
        raise argparse.ArgumentTypeError(f"must be stop or skip; got {word}")
    return [] if word == "skip" else None


def left_out(problems: Optional[Problems]) -> str:
    """Words for the end of a program: which videos were left out and why; empty if none was."""
    words = [f"\nleft out {len(problems or [])} that could not be read:", *(problems or [])]
    return "\n  ".join(words) if problems else ""


def _walk(folder: Path, names: str, depth: int) -> List[Tuple[Layout, Video]]:
    layout, videos = find_videos(folder, names)
    if layout is not None:
        return [(layout, video) for video in videos]
    if depth == 0:
        return []
    with os.scandir(folder) as entries:
        below = sorted(e.name for e in entries if e.name[0] != "." and e.is_dir())
    kept = _listed(folder, [name for name in below if name != "__MACOSX"])
    return [found for name in kept for found in _walk(folder / name, names, depth - 1)]


def _listed(folder: Path, names: List[str]) -> List[str]:
    """Those that ``list.txt`` names, as in VOT and GOT-10k, where it is and names some."""
    listing = folder / "list.txt"
    text = listing.read_text(encoding="utf-8-sig") if listing.is_file() else ""
    wanted = {line.strip() for line in text.splitlines()}
    return [name for name in names if name in wanted] or names


def _assigned(listing: Path) -> Dict[str, str]:
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        return {name: str(entry.get("split")) for name, entry in entries.items()}
    except (ValueError, AttributeError) as error:
        words = '{"name": {"split": "train" or "test"}}'
        raise ValueError(f"{listing} must hold {words}: {error}") from None


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
    look: Optional[Dict[str, Any]] = None,
    **options: Any,
) -> Split:
    """Sequences to train on and to report on, of all places of a mix.

    A place is ``[photos:]PATH[=WEIGHT]``: a folder of videos, read with the options of
    `read_split`, COCO data, all of which is trained on, or photographs, of which clips are
    composited with ``look``, options of `composite_clips`. Of several places, a pair's place is
    drawn by weight (to report on: all alike), and then a sequence in it.
    """
    sources, splits = [Source.parse(text) for text in texts], []
    for source in sources:
        if source.photos:
            train, test = (
                composite_clips(source.path, number, seed=seed, **(look or {})) if number else []
                for seed, number in enumerate((n_clips, n_test_clips))
            )
            splits.append((train, [replace(clip, name=f"test-{clip.name}") for clip in test]))
        elif find_instances(source.path) is not None:
            splits.append((read_coco(source.path), []))
        else:
            splits.append(read_split(source.path, **options))
    train, test = zip(*splits)
    return _mixed(train, [one.weight for one in sources]), _mixed(test, [1.0] * len(sources))


def _mixed(parts: Tuple[List[Sequence], ...], weights: List[float]) -> List[Sequence]:
    """All sequences, each place drawn from by its weight; a single one keeps those that it has."""
    filled = [(part, weight) for part, weight in zip(parts, weights) if part]
    if len(filled) == 1:
        return filled[0][0]
    return [replace(one, weight=weight / len(part)) for part, weight in filled for one in part]
