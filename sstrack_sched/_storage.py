"""Atomic storage of named arrays in one file of the safetensors layout."""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np

from ._checks import require
from ._types import Array

FORMAT_VERSION = 3
_DTYPES = {"BOOL": "?", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8", "F64": "<f8"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_MAX_HEADER = 100_000_000  # safetensors' own limit
_ALIGN = 64


def digest(*parts: Any) -> str:
    """Hash texts and the bytes of arrays in sequence."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part.encode() if isinstance(part, str) else _raw(part))
    return state.hexdigest()


def save_arrays(path: Path, kind: str, fingerprint: str, arrays: Dict[str, Array]) -> None:
    """Write arrays to one file atomically; the last of several writers wins."""
    meta = {"format_version": str(FORMAT_VERSION), "kind": kind, "fingerprint": fingerprint}
    header: Dict[str, Any] = {"__metadata__": meta}
    end = 0
    # The widest dtype comes first, so that every array is aligned.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    for name, array in ordered:
        start, end = end, end + array.nbytes
        meta[f"checksum {name}"] = digest(array)
        dtype, shape = _NAMES[array.dtype], list(array.shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGN)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unique name for each writer; a process id would be the same in all threads.
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    file = draft.open("xb")  # outside the try block: no draft to remove yet
    try:
        with file:
            file.write(len(text).to_bytes(8, "little") + text)
            for _, array in ordered:
                file.write(_raw(array).data)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise


def load_arrays(path: Path, kind: str, mmap: bool, verify: bool) -> Tuple[str, Dict[str, Array]]:
    """Read the fingerprint and arrays of a saved file; errors do not name the file."""
    with path.open("rb") as file:  # opened once: a writer may replace it meanwhile
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        rule = "have a header: it is truncated or not a file of arrays"
        require(length <= min(size - 8, _MAX_HEADER), "it", rule, f"{size} bytes")
        header = json.loads(file.read(length).decode())
        meta = _checked_meta(header, kind)
        if mmap and size > 8 + length:
            data = np.asarray(np.memmap(file, dtype=np.uint8, mode="r", offset=8 + length))
        else:
            data = np.fromfile(file, dtype=np.uint8)
    arrays = _views(header, data)
    for name, array in arrays.items() if verify else ():
        saved = meta.get(f"checksum {name}")
        require(saved == digest(array), f"the checksum of {name}", "be that of its data", saved)
    return meta["fingerprint"], arrays


def _raw(array: Array) -> Array:
    """View the bytes of an array."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _checked_meta(header: Any, kind: str) -> Dict[str, Any]:
    meta = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(meta, dict) or meta.get("kind") != kind:
        raise ValueError(f"its header is not that of a {kind}")
    version = meta.get("format_version")
    require(version == str(FORMAT_VERSION), "its format", f"be version {FORMAT_VERSION}", version)
    fingerprint = meta.get("fingerprint")
    require(isinstance(fingerprint, str), "its fingerprint", "be a str", fingerprint)
    return meta


def _views(header: Dict[str, Any], data: Array) -> Dict[str, Array]:
    """Return the arrays at their offsets, which must fill the data without gaps."""
    arrays, end = {}, 0
    for name, entry in header.items():
        try:
            start, stop = entry["data_offsets"]
            shape, dtype = entry["shape"], np.dtype(_DTYPES[entry["dtype"]])
            good = all(type(n) is int and 0 <= n <= 2**62 for n in [start, stop, *shape])
            if not good or not isinstance(shape, list) or len(entry) != 3:
                raise ValueError
        except (TypeError, ValueError, LookupError):
            raise ValueError(f"the header's entry of {name!r} is damaged") from None
        n_bytes = math.prod(shape) * dtype.itemsize
        good = start == end and stop - end == n_bytes and stop <= len(data)
        require(good, repr(name), f"have {n_bytes} bytes from {end}", [start, stop])
        arrays[name] = data[start:stop].view(dtype).reshape(shape)
        end = stop
    require(end == len(data), "it", f"end after {end} bytes of data", len(data))
    return arrays
