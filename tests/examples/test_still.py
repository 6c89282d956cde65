"""The shipped tracker is steady on images that do not change, and if a first box differs a bit."""

from __future__ import annotations

import numpy as np
import pytest

from examples.tracker.data.frames import FrameStore
from examples.tracker.data.readers import read_sequences
from examples.tracker.evaluation.measures import overlap, score
from examples.tracker.evaluation.runs import start_of_run, track_sequence
from examples.tracker.inference.tracker import Tracker
from examples.tracker.synthetic.composite import composite_clips

from .conftest import ROOT

SEQUENCES = ROOT.parent / "shared" / "data" / "sequences"
TIMES = 100  # updates


@pytest.fixture(scope="module")
def tracker():
    return Tracker(colour="rgb", precision="float32", threads=1)


@pytest.fixture(scope="module", params=["composited", "real"])
def videos(request):
    if request.param == "real" and not SEQUENCES.is_dir():
        pytest.skip("no shared data beside the repository")
    real = request.param == "real"
    return read_sequences(SEQUENCES)[::2] if real else composite_clips("test", 6)


@pytest.fixture(scope="module")
def pictures(videos):
    """Frames and the target's box in each; the first of a video in which it is visible."""
    store = FrameStore(videos, limit=0)
    first = [int(np.flatnonzero(video.visible)[0]) for video in videos]
    return [(store.frame(i, k), videos[i].boxes[k]) for i, k in enumerate(first)]


def follow(tracker, start, box, frames):
    """Overlap after each of the frames with the box that they have."""
    tracker.init(start, box)
    return [overlap(tracker.update(f)[0][None], b[None])[0] for f, b in frames]


def test_still_picture_keeps_its_box(tracker, pictures):
    for frame, box in pictures:
        ious = follow(tracker, frame, box, [(frame, box)] * TIMES)
        assert ious[0] >= 0.97 and ious[-1] >= 0.97


def test_still_picture_with_noise_keeps_its_box(tracker, pictures):
    rng = np.random.default_rng(0)
    found = []
    for frame, box in pictures:
        noises = (rng.integers(-2, 3, frame.shape) for _ in range(TIMES))
        noisy = (np.clip(frame + noise, 0, 255).astype(np.uint8) for noise in noises)
        ious = follow(tracker, frame, box, ((f, box) for f in noisy))
        found.append((ious[0], ious[-1]))
    assert (np.mean(found, axis=0) >= 0.95).all()


@pytest.mark.parametrize("share", [(0, 0), (0.25, 0.25), (0.5, -0.5)])
@pytest.mark.parametrize("pixels", [(1, 0), (5, -4)])
def test_picture_shifted_by_whole_pixels_shifts_the_box(tracker, pictures, share, pixels):
    found = []
    for frame, box in pictures:
        shift = np.round(np.sqrt(box[2] * box[3]) * np.array(share)).astype(int) + pixels
        moved = np.roll(frame, shift[::-1], axis=(0, 1)), box + (*shift, 0, 0)
        ious = follow(tracker, frame, box, [moved] * 10)
        found.append((ious[0], ious[-1]))
    assert (np.mean(found, axis=0) >= 0.97).all()


def test_black_frames_leave_the_box_and_the_target_is_found_again(tracker, pictures):
    for frame, box in pictures:
        black = np.zeros_like(frame)
        assert min(follow(tracker, frame, box, [(black, box)] * TIMES)) > 0.9
        back = [overlap(tracker.update(frame)[0][None], box[None])[0] for _ in range(10)]
        assert back[-1] > 0.5


def test_hundredth_of_a_pixel_in_the_first_box_decides_nothing(tracker, videos):
    for video in videos[::2]:
        start, box = start_of_run(video, 0)
        moved = box + np.array([0.01, -0.01, 0.01, 0.01])
        runs = [track_sequence(tracker, video, box=b, n_frames=60) for b in (box, moved)]
        rows = slice(start + 1, start + 60)
        truth, visible = video.boxes[rows], video.visible[rows]
        exact, other = (score(run.boxes[rows], truth, visible).auc for run in runs)
        assert abs(exact - other) < 0.01
