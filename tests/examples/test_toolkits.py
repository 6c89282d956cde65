"""The tracker in the VOT and GOT-10k toolkits gives the boxes that it gives by itself."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from examples.tracker.inference import toolkits
from examples.tracker.inference.tracker import Tracker
from examples.tracker.models import build_model
from examples.tracker.models.weights import save_weights

from .conftest import ROOT, moving_square

BOX = (10.0, 30.0, 20.0, 20.0)


@pytest.fixture
def options(tmp_path):
    """Of a network that starts at once, untrained."""
    save_weights(tmp_path / "small.pt", build_model("conv_small"), "conv_small", {})
    return dict(weights=str(tmp_path / "small.pt"), engine="torch", threads=1)


@pytest.fixture
def pictures(tmp_path):
    """Paths of the frames of a small video."""
    paths = [tmp_path / f"{i:08d}.png" for i in range(1, 9)]
    for path, frame in zip(paths, moving_square("square", n_frames=8).frames):
        cv2.imwrite(str(path), frame[..., ::-1])
    return paths


@pytest.fixture
def direct(options, pictures):
    """Boxes and scores of the tracker by itself, from the second frame on."""
    tracker = Tracker(**options)
    tracker.init(cv2.imread(str(pictures[0])), BOX)
    boxes, scores = zip(*(tracker.update(cv2.imread(str(path))) for path in pictures[1:]))
    return np.array(boxes), np.array(scores)


def toolkit(name, package):
    """A toolkit's module; skips where it is not installed."""
    return pytest.importorskip(name, reason=f"needs {package}")


def test_vot_conversation_gives_the_tracker_s_boxes(options, pictures, direct):
    """Two videos to one process, as the toolkit has it."""
    trax = toolkit("trax", "vot-trax")
    from trax.client import Client

    command = f"from examples.tracker.inference.toolkits import serve_vot; serve_vot(**{options!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TRAX": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    client = Client(stream=(process.stdin.fileno(), process.stdout.fileno()), log=len)
    assert client.region_formats == ["rectangle"] and client.channels == ["color"]
    images = [{"color": trax.FileImage.create(str(path))} for path in pictures]
    for _ in range(2):
        client.initialize(images[0], [(trax.Rectangle.create(*BOX), {})], {})
        answers = [client.frame(image, {}, [])[0][0] for image in images[1:]]
        boxes = np.array([region.bounds() for region, _ in answers])
        scores = np.array([float(words["confidence"]) for _, words in answers])
        np.testing.assert_allclose(boxes, direct[0], atol=1e-3)  # the protocol's four digits
        np.testing.assert_allclose(scores, direct[1], rtol=1e-4)
    client.quit()
    assert process.wait(timeout=60) == 0
    process.stdin.close()
    process.stdout.close()


def test_vot_several_targets_are_refused(pictures):
    trax = toolkit("trax", "vot-trax")

    class Server:
        def wait(self):
            region = trax.Rectangle.create(*BOX), {}
            image = {"color": trax.FileImage.create(str(pictures[0]))}
            return trax.server.Request("initialize", image, 2 * [region], {})

    with pytest.raises(ValueError, match="one target can be tracked; got 2"):
        toolkits.converse(None, Server())


def test_got10k_toolkit_runs_the_tracker(options, pictures, direct):
    toolkit("got10k.trackers", "got10k")
    tracker = toolkits.got10k_tracker("ours", **options)
    boxes, times = tracker.track([str(path) for path in pictures], np.array(BOX))
    assert (tracker.name, tracker.is_deterministic) == ("ours", True)
    np.testing.assert_array_equal(boxes[0], BOX)
    np.testing.assert_array_equal(boxes[1:], direct[0])
    assert len(times) == len(pictures)


@pytest.mark.parametrize(
    "start, missing", [("serve_vot", "vot-trax"), ("got10k_tracker", "got10k")]
)
def test_toolkit_that_is_not_installed_is_named(monkeypatch, start, missing):
    for name in ("trax", "got10k.trackers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=f"pip install {missing}"):
        getattr(toolkits, start)()
