"""Write a network as ONNX graphs, once, and find them again."""

from __future__ import annotations

import atexit
import contextlib
import copy
import hashlib
import importlib.util
import io
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

import torch
from torch import Tensor, nn

from .. import models
from ..models.base import MAPS, TrackerModel
from .graphs import EXPORT_TOOLS, FORMAT, Facts, Graphs, cache_root, write_folder

OPSET = 18


class _Embed(nn.Module):
    def __init__(self, model: TrackerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, template: Tensor) -> Tensor:
        return self.model.embed(template.permute(0, 3, 1, 2))


class _Locate(nn.Module):
    def __init__(self, model: TrackerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, embedded: Tensor, search: Tensor) -> Tuple[Tensor, ...]:
        maps = self.model.locate(embedded, search.permute(0, 3, 1, 2))
        return tuple(maps[name] for name in MAPS)


def export(model: TrackerModel, folder: Path) -> Graphs:
    """Write a network as two ONNX graphs in float32.

    Parameters
    ----------
    model : TrackerModel
        The network.
    folder : Path
        Made anew; replaced if it holds an exported network.

    Returns
    -------
    Graphs

    Raises
    ------
    ImportError
        If onnx or onnxscript is missing; says so.
    ValueError
        If the folder is there and is something else.
    """
    missing = [name for name in EXPORT_TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"exporting needs packages: pip install {' '.join(missing)}")
    model = copy.deepcopy(model).cpu().float().eval()
    sides = model.template_size, model.search_size
    template, search = (torch.zeros(1, side, side, 3, dtype=torch.uint8) for side in sides)
    with torch.no_grad():
        embedded = _Embed(model)(template)
    return write_folder(
        folder,
        facts_of(model),
        embed=lambda path: _write(_Embed(model), {"template": template}, path),
        locate=lambda path: _write(_Locate(model), {"embedded": embedded, "search": search}, path),
    )


def facts_of(model: TrackerModel) -> Facts:
    """What is to be known of a network beside its graphs."""
    names = ("template_size", "search_size", "template_factor", "search_factor", "context")
    return Facts(**{name: getattr(model, name) for name in names})


def _write(module: nn.Module, inputs: Dict[str, Tensor], path: Path) -> None:
    outputs = list(MAPS) if "search" in inputs else ["embedded"]
    with quiet("torch.onnx"):
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextlib.contextmanager
def quiet(name: str) -> Iterator[None]:
    """Leave out what a tool tells of its progress, and of packages that it does not need."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def fingerprint(model: TrackerModel) -> str:
    """A name that changes with the weights, with the network's code, and with the exporter."""
    digest = hashlib.sha256(f"{FORMAT} {OPSET} {torch.__version__} {type(model)}".encode())
    for path in sorted(Path(models.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    digest.update(f"{facts_of(model)!r} {model!r}".encode())
    for name, value in model.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def cached(model: TrackerModel, precision: str = "float32", root: Optional[Path] = None) -> Graphs:
    """The network's graphs: those exported earlier, or made now.

    Parameters
    ----------
    model : TrackerModel
        The network.
    precision : {"float32", "int8"}
        Of the graphs. Those in int8 are not made here, because they need pictures.
    root : Path, optional
        Folder of exported networks; default: `cache_root`. Where it cannot be written to, the
        graphs go to a temporary folder, and are made anew by the next process.

    Returns
    -------
    Graphs

    Raises
    ------
    ImportError
        If they must be made and the packages for it are missing.
    ValueError
        If the network has not been calibrated for int8; says how.
    """
    folder = cache_folder(model, precision, root)
    with contextlib.suppress(FileNotFoundError, ValueError):
        return Graphs(folder)
    if precision == "int8":
        raise ValueError(
            "int8 needs a network that was calibrated on pictures: run python -m "
            "examples.tracker.export --precision int8 --weights FILE --data FOLDER"
        )
    print("exporting the network, once ...", file=sys.stderr, flush=True)
    return export(model, folder if _writable(folder.parent) else _temporary())


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sstrack-tracker-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "exported"


def cache_folder(model: TrackerModel, precision: str, root: Optional[Path] = None) -> Path:
    """Where `cached` looks."""
    return (cache_root() if root is None else root) / f"{fingerprint(model)}-{precision}"
