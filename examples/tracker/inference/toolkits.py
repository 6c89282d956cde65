"""The tracker in the toolkits of GOT-10k and, run as a module, of VOT: see docs/tracker.md."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .tracker import Tracker


def serve_vot(**options: Any) -> None:
    """Serve the VOT toolkit that started this process; options are those of `Tracker`."""
    try:
        from trax import Server
    except ImportError as error:
        raise ImportError("the VOT toolkit's protocol is missing: pip install vot-trax") from error
    tracker = Tracker(**options)  # first: the toolkit times what it asks for once connected
    with Server(["rectangle"], ["path"], ["color"], tracker_name="sstrack") as server:
        converse(tracker, server)


def converse(tracker: Any, server: Any) -> None:
    """Answer a ``trax.Server`` until it says quit, one sequence after the other."""
    from trax import Rectangle

    while True:
        request = server.wait()
        if request.type == "quit":
            return
        path = request.image["color"].path()
        frame = cv2.imread(path, cv2.IMREAD_COLOR)
        if frame is None:
            raise ValueError(f"cannot read an image from {path}")
        if request.type == "initialize":
            if len(request.objects) != 1:
                raise ValueError(f"one target can be tracked; got {len(request.objects)}")
            tracker.init(frame, request.objects[0][0].bounds())
            server.status(request.objects)
        else:
            box, score = tracker.update(frame)
            server.status([(Rectangle.create(*map(float, box)), {"confidence": float(score)})])


def got10k_tracker(name: str = "sstrack", **options: Any) -> Any:
    """A tracker for the GOT-10k toolkit; ``name`` is its folder's, options are `Tracker`'s."""
    try:
        from got10k.trackers import Tracker as ToolkitTracker
    except ImportError as error:
        raise ImportError("the GOT-10k toolkit is missing: pip install got10k") from error

    class Adapter(ToolkitTracker):  # type: ignore[misc]  # the toolkit has no types
        def __init__(self) -> None:
            super().__init__(name=name, is_deterministic=True)
            self.tracker = Tracker(colour="rgb", **options)

        def init(self, image: Any, box: NDArray[np.float64]) -> None:  # an image of PIL
            self.tracker.init(np.asarray(image.convert("RGB")), box)

        def update(self, image: Any) -> NDArray[np.float64]:
            return self.tracker.update(np.asarray(image.convert("RGB")))[0]

    return Adapter()


if __name__ == "__main__":
    serve_vot()
