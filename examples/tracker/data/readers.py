"""All videos in a folder, and which of them to train on."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from tqdm import tqdm

from .layouts import READERS, detect_layout, read_clip
from .sequences import Sequence, split_sequences


def read_sequences(root: Path, *, cache: Optional[Path] = None) -> List[Sequence]:
    """All videos in a folder, whatever their layouts, sorted by name.

    Parameters
    ----------
    root : Path
        A video's folder, a folder of these, or one of classes of these (LaSOT).
    cache : Path, optional
        Where video files are decoded to, see `read_clip`.

    Returns
    -------
    list of Sequence

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If no video is found in it, two have one name, or one is not as its layout demands.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    folders = [root] if detect_layout(root) else _video_folders(root)
    if not folders:
        raise ValueError(
            f"no video found in {root} or up to two folders below: looked for groundtruth.txt "
            "beside pictures (GOT-10k), img/ (LaSOT) or video.mp4, and for groundtruth_rect.txt "
            "beside img/ (OTB)"
        )
    readers = {**READERS, "clip": partial(read_clip, cache=cache)}
    sequences: List[Sequence] = []
    for folder in tqdm(folders, desc=f"reading {root.name}", unit="video", delay=2.0, leave=False):
        sequences += readers[str(detect_layout(folder))](folder)
    names = [sequence.name for sequence in sequences]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{root}: more than one video is named {twice[0]!r}")
    return sequences


def read_split(
    root: Path, *, held_out: float = 0.25, cache: Optional[Path] = None
) -> Tuple[List[Sequence], List[Sequence]]:
    """Videos to train on and videos to report on.

    Parameters
    ----------
    root : Path
        As `read_sequences` takes. If it holds ``sequences.json``, ``{name: {"split": "train" or
        "test"}}``, that decides; else a hash of the names does.
    held_out : float, default=0.25
        Share to report on where the hash decides; see `split_sequences`.
    cache : Path, optional
        Where video files are decoded to, see `read_clip`.

    Returns
    -------
    train, test : list of Sequence

    Raises
    ------
    ValueError
        As `read_sequences`, and if a split would be empty.
    """
    sequences = read_sequences(root, cache=cache)
    listing = root / "sequences.json"
    if not listing.is_file():
        return split_sequences(sequences, held_out=held_out)
    return split_sequences(sequences, _assigned(listing))


def _assigned(listing: Path) -> Dict[str, str]:
    """Split by name, of a ``sequences.json``."""
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        return {name: str(entry.get("split")) for name, entry in entries.items()}
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f'{listing} must hold {{"name": {{"split": "train" or "test"}}}}: {error}'
        ) from None


def _video_folders(root: Path) -> List[Path]:
    found: List[Path] = []
    for child in sorted(path for path in root.iterdir() if path.is_dir()):
        if detect_layout(child):
            found.append(child)
        else:
            found += sorted(
                path for path in child.iterdir() if path.is_dir() and detect_layout(path)
            )
    return found
