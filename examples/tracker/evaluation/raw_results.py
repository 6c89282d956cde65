"""Raw results as files in the layouts that the benchmarks' own toolkits and servers read.

A line is ``x,y,w,h``. Bases are those of the benchmarks' annotations: what a toolkit subtracts an
annotation from must count pixels as the annotation does. GOT-10k's and TrackingNet's servers take a
zip of what is below the tracker's folder. GOT-10k's wants three runs of a tracker that is not
deterministic; ours is.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Dict, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .measures import carried_forward
from .runs import Track


class Layout(NamedTuple):
    """Files in which a benchmark's toolkit looks for a run."""

    folder: str  # of one tracker, {tracker} being its name
    boxes: str  # path of the boxes, {name} being the sequence
    times: str  # path of the seconds per frame; empty where the layout has none
    base: int  # coordinate of the image's corner: 0 or 1
    zipped: bool  # whether a server takes a zip


LAYOUTS = (
    Layout("GOT-10k/{tracker}", "{name}/{name}_001.txt", "{name}/{name}_time.txt", 0, True),
    Layout("OTB2015/{tracker}", "{name}.txt", "times/{name}_time.txt", 1, False),
    Layout("LaSOT/{tracker}_tracking_result", "{name}.txt", "", 1, False),
    Layout("TrackingNet/{tracker}", "{name}.txt", "", 0, True),
)


def write_results(root: Path, tracker: str, tracks: Dict[str, Track]) -> None:
    """Write the runs of one tracker, by sequence, in all layouts."""
    for layout in LAYOUTS:
        folder = root / layout.folder.format(tracker=tracker)
        files = []
        for name, track in tracks.items():
            # Toolkits want a box in every frame: the one before, or zeros ahead of the start.
            boxes = np.nan_to_num(carried_forward(track.boxes))
            boxes[:, :2] += layout.base
            files.append(_write(folder / layout.boxes.format(name=name), boxes, "%.4f"))
            if layout.times:
                seconds = np.nan_to_num(track.seconds)
                files.append(_write(folder / layout.times.format(name=name), seconds, "%.8f"))
        if layout.zipped:
            path = folder.with_name(folder.name + ".zip")
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    archive.write(file, str(file.relative_to(folder)))


def _write(path: Path, values: NDArray[np.float64], form: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values, fmt=form, delimiter=",")
    return path
