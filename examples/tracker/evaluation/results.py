"""Raw results as files in the layouts that the benchmarks' own toolkits and servers read.

============ ================================================= ======== =====================
layout       files, below the folder of a tracker              boxes    numbers
============ ================================================= ======== =====================
got10k       ``<name>/<name>_001.txt``, ``<name>_time.txt``    0-based  ``x,y,w,h``
otb          ``<name>.txt``, ``times/<name>_time.txt``         1-based  ``x,y,w,h``
lasot        ``<name>.txt``                                    1-based  ``x,y,w,h``
trackingnet  ``<name>.txt``                                    0-based  ``x,y,w,h``
============ ================================================= ======== =====================

Bases are those of the benchmarks' annotations: what a toolkit subtracts an annotation from must
count pixels as the annotation does. GOT-10k's and TrackingNet's servers take a zip of what is below
the tracker's folder. GOT-10k's wants three runs of a tracker that is not deterministic; ours are.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.boxes import read_boxes
from .measures import carried_forward
from .one_pass import Track

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Files in which a benchmark's toolkit looks for a run.

    Parameters
    ----------
    boxes : str
        Path of the boxes, ``{name}`` being the sequence.
    times : str
        Path of the seconds per frame; empty where the layout has none.
    base : int
        Coordinate of the picture's corner: 0 or 1.
    folder : str
        Folder of one tracker, ``{tracker}`` being its name.
    zipped : bool
        Whether a server takes a zip.
    """

    boxes: str
    times: str
    base: int
    folder: str
    zipped: bool


LAYOUTS: Dict[str, Layout] = {
    "got10k": Layout(
        "{name}/{name}_001.txt", "{name}/{name}_time.txt", 0, "GOT-10k/{tracker}", True
    ),
    "otb": Layout("{name}.txt", "times/{name}_time.txt", 1, "OTB2015/{tracker}", False),
    "lasot": Layout("{name}.txt", "", 1, "LaSOT/{tracker}_tracking_result", False),
    "trackingnet": Layout("{name}.txt", "", 0, "TrackingNet/{tracker}", True),
}


def write_results(
    root: Path, layout: str, tracker: str, tracks: Dict[str, Track]
) -> Tuple[Path, ...]:
    """Write all runs of one tracker."""
    plan = _plan(layout)
    folder = root / plan.folder.format(tracker=tracker)
    for name, track in tracks.items():
        _write(folder / plan.boxes.format(name=name), _finite(track.boxes) + _shift(plan))
        if plan.times:
            seconds = np.nan_to_num(track.seconds)[:, None]
            _write(folder / plan.times.format(name=name), seconds, "%.8f")
    if not plan.zipped:
        return (folder,)
    path = folder.with_name(folder.name + ".zip")
    files = [folder / pattern.format(name=n) for n in tracks for pattern in _patterns(plan)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, str(file.relative_to(folder)))
    return folder, path


def read_result(root: Path, layout: str, tracker: str, name: str) -> Floats:
    """Boxes of one run, 0-based, as `write_results` or another program wrote them."""
    plan = _plan(layout)
    path = root / plan.folder.format(tracker=tracker) / plan.boxes.format(name=name)
    return read_boxes(path) - _shift(plan)


def _plan(layout: str) -> Layout:
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}; got {layout!r}")
    return LAYOUTS[layout]


def _patterns(plan: Layout) -> Tuple[str, ...]:
    return (plan.boxes, plan.times) if plan.times else (plan.boxes,)


def _shift(plan: Layout) -> Floats:
    return np.array([plan.base, plan.base, 0.0, 0.0])


def _finite(boxes: Floats) -> Floats:
    """Toolkits want a box in every frame: the one before, or zeros ahead of the start."""
    return np.nan_to_num(carried_forward(boxes))


def _write(path: Path, values: Floats, form: str = "%.4f") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, fmt=form, delimiter=",")
