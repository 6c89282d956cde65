"""The tracker for the VOT toolkit: ``pip install vot-toolkit vot-trax``.

The toolkit may have an environment of its own; the tracker's needs ``vot-trax`` only. (With Python
3.11, vot-toolkit 0.9.0 does not import beside attributee 0.1.10; ``"attributee<0.1.10"`` works.)

1. Make a workspace, with one of the toolkit's stacks (``vot initialize vot2022/shortterm``) or with
   a file (``vot initialize /full/path/stack.yaml --nodownload``); that for one pass over every
   sequence is::

       title: one pass
       dataset:
       experiments:
         one_pass:
           type: unsupervised
           repetitions: 1
           analyses: [{type: average_accuracy, name: Accuracy}]

   Without a download the workspace's ``sequences/`` takes folders in GOT-10k's layout, and their
   names, a line each, in ``list.txt``.
2. Write ``trackers.ini`` there::

       [sstrack]
       label = SSTrack lite
       protocol = traxpython
       command = examples.tracker.inference.vot
       paths = /folder/that/holds/examples
       python = /environment/of/the/tracker/bin/python

   Options of `Tracker` go into the command::

       command = from examples.tracker.inference.vot import main; main(engine="torch", threads=1)

3. ``vot test sstrack``, ``vot evaluate sstrack``, ``vot analysis sstrack``.

The tracker speaks rectangles and reports its score as ``confidence``. One process serves all
sequences, so that the network is loaded once; the ``vot.py`` that other trackers copy from VOT's
``integration`` repository holds the same conversation and ends after one sequence.
"""

from __future__ import annotations

from typing import Any

import cv2

from .tracker import Tracker


def serve(tracker: Any, server: Any) -> None:
    """Answer the toolkit (a ``trax.Server``) until it says quit; the tracker takes BGR frames."""
    from trax import Rectangle

    while True:
        request = server.wait()
        if request.type == "quit":
            return
        path = request.image["color"].path()
        frame = cv2.imread(path, cv2.IMREAD_COLOR)
        if frame is None:
            raise ValueError(f"cannot read a picture from {path}")
        if request.type == "initialize":
            if len(request.objects) != 1:
                raise ValueError(f"one target can be tracked; got {len(request.objects)}")
            tracker.init(frame, request.objects[0][0].bounds())
            server.status(request.objects)
        else:
            box, score = tracker.update(frame)
            server.status([(Rectangle.create(*map(float, box)), {"confidence": float(score)})])


def main(**options: Any) -> None:
    """Serve the toolkit that started this process; options are those of `Tracker`."""
    try:
        from trax import Server
    except ImportError as error:
        raise ImportError("the VOT toolkit's protocol is missing: pip install vot-trax") from error
    tracker = Tracker(**options)  # first: the toolkit times what it asks for once connected
    with Server(["rectangle"], ["path"], ["color"], tracker_name="sstrack") as server:
        serve(tracker, server)


if __name__ == "__main__":
    main()
