"""A network as two ONNX graphs in a folder: what an engine needs of it, without torch."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
FACTS = "tracker.json"
EMBED, LOCATE = "embed.onnx", "locate.onnx"
EXPORT_TOOLS = ("onnx", "onnxscript")  # what exporting a network needs beside torch


@dataclass(frozen=True)
class Facts:
    """What the graphs do not say themselves.

    Parameters
    ----------
    template_size, search_size : int
        Sides of the crops that go in, in pixels.
    template_factor, search_factor, context : float
        How the crops are cut; see `TrackerModel`.
    precision : {"float32", "int8"}
        Of `LOCATE`; the template's graph is always in float32.
    """

    template_size: int
    search_size: int
    template_factor: float
    search_factor: float
    context: float
    precision: str = "float32"


class Graphs:
    """An exported network.

    Crops go in as uint8 arrays (1, side, side, 3), RGB. ``embed.onnx`` makes ``embedded`` of
    ``template``; ``locate.onnx`` makes ``score_map``, ``offset_map`` and ``size_map`` of
    ``embedded`` and ``search``.

    Parameters
    ----------
    folder : Path
        What `write_folder` wrote.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If the facts are of another format.
    """

    def __init__(self, folder: Path) -> None:
        self.embed, self.locate = folder / EMBED, folder / LOCATE
        for path in (folder / FACTS, self.embed, self.locate):
            if not path.is_file():
                raise FileNotFoundError(f"{folder} is no exported tracker: it has no {path.name}")
        try:
            content = json.loads((folder / FACTS).read_text())
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            self.facts = Facts(**content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{folder / FACTS} must be of format {FORMAT}, by the export command: {error}"
            ) from error


def write_folder(folder: Path, facts: Facts, *, embed: Any, locate: Any) -> Graphs:
    """Write an exported network, all of it or nothing.

    Parameters
    ----------
    folder : Path
        Made anew, and replaced if it holds an exported network.
    facts : Facts
        What the graphs do not say.
    embed, locate : callable
        Each is given the path to write its graph to.

    Returns
    -------
    Graphs

    Raises
    ------
    ValueError
        If the folder is there and is something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / FACTS).is_file():
        raise ValueError(f"{folder} is not empty and no exported tracker: give another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        embed(partial / EMBED)
        locate(partial / LOCATE)
        (partial / FACTS).write_text(
            json.dumps({"format": FORMAT, **asdict(facts)}, indent=1) + "\n"
        )
        partial.chmod(0o755)
        _put(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Graphs(folder)


def _put(partial: Path, folder: Path) -> None:
    """Move the folder to its place. Another process may do the same at this moment."""
    for _ in range(3):
        try:
            partial.replace(folder)  # where there is none, or an empty one
            return
        except OSError:
            old = Path(tempfile.mkdtemp(prefix=folder.name + ".old.", dir=folder.parent))
            try:
                folder.replace(old)
            finally:
                shutil.rmtree(old, ignore_errors=True)
    raise OSError(f"cannot replace {folder}: others write there all the time")


def cache_root() -> Path:
    """Where exported networks are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, sstrack-tracker."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sstrack-tracker"
