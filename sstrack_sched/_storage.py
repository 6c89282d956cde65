"""Named arrays in one file, in the safetensors layout: whole or not at all, whoever writes.

Eight bytes of header length, a JSON header, then the raw little-endian arrays, each at the offset
that the header gives.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from typing import TYPE_CHECKING, Any, Dict, Tuple

import numpy as np

from ._types import Array

if TYPE_CHECKING:
    from pathlib import Path


FORMAT_VERSION = 3
_DTYPES = {"BOOL": "?", "U8": "<u1", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"}
_DTYPES["F64"] = "<f8"
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_MAX_HEADER = 100_000_000  # safetensors' own limit
_ALIGN = 64


def save_arrays(path: Path, kind: str, fingerprint: str, arrays: Dict[str, Array]) -> None:
    """Write arrays to one file that appears whole; the last of several writers wins."""
    meta = {"format_version": str(FORMAT_VERSION), "kind": kind, "fingerprint": fingerprint}
    header: Dict[str, Any] = {}
    end = 0
    # The widest type first: then every array is aligned.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize)
    contiguous = {name: np.ascontiguousarray(array) for name, array in ordered}
    for name, array in contiguous.items():
        start, end = end, end + array.nbytes
        meta[f"checksum {name}"] = _checksum(array)
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps({"__metadata__": meta, **header}).encode()
    text += b" " * (-(8 + len(text)) % _ALIGN)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer: threads share a process id.
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    file = draft.open("xb")  # outside: where it fails there is no draft to remove
    try:
        with file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in contiguous.values():
                file.write(array.reshape(-1).view(np.uint8).data)
        draft.replace(path)
    except BaseException:
        draft.unlink()
        raise


def load_arrays(path: Path, kind: str, mmap: bool, verify: bool) -> Tuple[str, Dict[str, Array]]:
    """Fingerprint and arrays of a file that `save_arrays` wrote; ValueError for any other."""
    try:
        with path.open("rb") as file:  # one open file: another may take its name meanwhile
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MAX_HEADER):
                raise ValueError("it is truncated, or no file of arrays")
            header = json.loads(file.read(length).decode())
            meta = _checked_meta(header, kind)
            if size == 8 + length:
                data = np.zeros(0, dtype=np.uint8)
            elif mmap:
                data = np.asarray(np.memmap(file, dtype=np.uint8, mode="r", offset=8 + length))
            else:
                data = np.fromfile(file, dtype=np.uint8)
        arrays = _views(header, data)
        if verify:
            for name, array in arrays.items():
                if meta.get(f"checksum {name}") != _checksum(array):
                    raise ValueError(f"the checksum of {name} differs")
        return meta["fingerprint"], arrays
    except FileNotFoundError:
        raise FileNotFoundError(f"path must be a saved {kind}; there is no {path}") from None
    except IsADirectoryError:
        raise ValueError(f"path must be a saved {kind}; {path} is a folder") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"path must be a saved {kind}; {path} is not: {error}") from error


def _checked_meta(header: Any, kind: str) -> Dict[str, Any]:
    meta = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(meta, dict) or meta.get("kind") != kind:
        raise ValueError(f"its header is of something else than a {kind}")
    if meta.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"its format must be version {FORMAT_VERSION}; got {meta.get('format_version')!r}"
        )
    if not isinstance(meta.get("fingerprint"), str):
        raise ValueError("it has no fingerprint")
    return meta


def _views(header: Dict[str, Any], data: Array) -> Dict[str, Array]:
    """The arrays at their offsets, which must follow each other without a gap to the end."""
    arrays, end = {}, 0
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the header's entry of {name!r} is damaged")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2
        numbers = [*shape, *offsets] if whole else [None]
        good = all(type(n) is int and 0 <= n <= 2**62 for n in numbers)
        if not good or not isinstance(code, str) or code not in _DTYPES:
            raise ValueError(f"the header's entry of {name!r} is damaged")
        dtype = np.dtype(_DTYPES[code])
        n_bytes = dtype.itemsize
        for n in shape:
            n_bytes *= n
        if offsets[0] != end or offsets[1] - end != n_bytes or offsets[1] > len(data):
            raise ValueError(f"{name!r} must have {n_bytes} bytes from {end}; got {offsets}")
        start, end = offsets
        arrays[name] = data[start:end].view(dtype).reshape(shape)
    if end != len(data):
        raise ValueError(f"it must end after {end} bytes of data; got {len(data)}")
    return arrays


def _checksum(array: Array) -> str:
    flat = np.ascontiguousarray(array).reshape(-1)
    return hashlib.blake2b(flat.view(np.uint8), digest_size=16).hexdigest()
