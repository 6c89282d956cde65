"""All videos in a folder, and which of them to train on."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from tqdm import tqdm

from .frames import default_cache
from .layouts import LAYOUTS, Layout, Video, find_videos, read_video
from .sequences import Sequence, Split, split_sequences

DEPTH = 4  # folders below the one that is given
RATES = ("30", "240")  # of NFS, behind its folder
Problems = List[str]


def read_sequences(
    root: Path, *, cache: Optional[Path] = None, problems: Optional[Problems] = None
) -> List[Sequence]:
    """All videos in a folder, whatever their layouts.

    The folder is a video's, a benchmark's, or one up to four above; behind NFS's, ``/30`` and
    ``/240`` say which rate to read. Video files are decoded into ``cache``, by default in the
    user's folder of caches. What is wrong with a video raises ValueError; or, given ``problems``,
    it goes there, and the video is left out.
    """
    root, names = root if root.name else root.resolve(), ".*"  # a video's name is its folder's
    if not root.is_dir() and root.name in RATES:
        root, names = root.parent, f"nfs{root.name}"
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    found = _walk(root, names, DEPTH)
    if not found:
        raise ValueError(
            f"no video found in {root} or up to {DEPTH} folders below; looked for "
            + ", ".join(f"{layout.boxes} ({layout.name})" for layout in LAYOUTS)
        )
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
    parser.add_argument(
        "--on-error",
        dest="problems",
        type=_problems,
        metavar="{stop,skip}",
        help="for an unreadable video: stop (the default), or skip and report it at the end",
    )


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
    """Split by name, of a ``sequences.json``."""
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        return {name: str(entry.get("split")) for name, entry in entries.items()}
    except (ValueError, AttributeError) as error:
        words = '{"name": {"split": "train" or "test"}}'
        raise ValueError(f"{listing} must hold {words}: {error}") from None
