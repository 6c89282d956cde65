"""The tracker for the GOT-10k toolkit (``pip install got10k``).

Its experiments (`ExperimentGOT10k`, `ExperimentOTB`, `ExperimentLaSOT`, ...) run it::

    from got10k.experiments import ExperimentGOT10k
    from examples.tracker.inference.got10k import toolkit_tracker

    ExperimentGOT10k("data/GOT-10k", subset="val").run(toolkit_tracker(threads=1))

Boxes go through unchanged: OTB and LaSOT count pixels from 1, so a tracker is at most a pixel off
there, as every tracker in that toolkit is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .tracker import Tracker


def toolkit_tracker(name: str = "sstrack", **options: Any) -> Any:
    """A tracker as that toolkit wants it; ``name`` is its folder's, options are `Tracker`'s."""
    try:
        from got10k.trackers import Tracker as ToolkitTracker
    except ImportError as error:
        raise ImportError("the GOT-10k toolkit is missing: pip install got10k") from error

    class Adapter(ToolkitTracker):  # type: ignore[misc]  # the toolkit has no types
        def __init__(self) -> None:
            super().__init__(name=name, is_deterministic=True)
            self.tracker = Tracker(colour="rgb", **options)

        def init(self, image: Image.Image, box: NDArray[np.float64]) -> None:
            self.tracker.init(np.asarray(image.convert("RGB")), box)

        def update(self, image: Image.Image) -> NDArray[np.float64]:
            return self.tracker.update(np.asarray(image.convert("RGB")))[0]

    return Adapter()
