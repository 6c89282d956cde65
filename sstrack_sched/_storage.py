"""Named arrays in a folder of ``.npy`` files: whole or not at all, whenever one is killed."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Callable, Dict

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT_VERSION = 2


def save_arrays(folder: Path, name: str, key: str, arrays: Dict[str, NDArray[Any]]) -> None:
    """Write arrays to ``<array>-<key>.npy`` and, last, ``<name>.json`` that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    for array_name, array in arrays.items():
        _write(folder / f"{array_name}-{key}.npy", partial(np.save, arr=array))
    meta = {"format_version": FORMAT_VERSION, "key": key, "arrays": sorted(arrays)}
    text = json.dumps(meta, indent=1).encode()
    _write(folder / f"{name}.json", lambda file: file.write(text))


def read_meta(folder: Path, name: str) -> Dict[str, Any]:
    """What ``<name>.json`` says."""
    try:
        meta: Dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"path must hold what was saved; no {name}.json in {folder}"
        ) from None
    if meta.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"path must hold files of format {FORMAT_VERSION}; {folder / name}.json is of "
            f"{meta.get('format_version')!r}"
        )
    return meta


def load_arrays(folder: Path, meta: Dict[str, Any], mmap: bool) -> Dict[str, NDArray[Any]]:
    """Read or map the arrays that `read_meta` lists; plain ndarrays, for memmaps index slower."""
    mode: Any = "r" if mmap else None
    return {
        name: np.asarray(
            np.load(folder / f"{name}-{meta['key']}.npy", mmap_mode=mode, allow_pickle=False)
        )
        for name in meta["arrays"]
    }


def remove_key(folder: Path, key: str) -> None:
    """Remove the files of a key; a process that has mapped them keeps them until it ends."""
    for path in folder.glob(f"*-{key}*"):
        path.unlink()


def _write(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file that appears whole."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with draft.open("wb") as file:
            write(file)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise
