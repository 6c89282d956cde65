"""Tests of OpenCV's trackers as peers, and of finding trackers by name."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from examples.tracker.data.sequences import Sequence
from examples.tracker.evaluation import trackers
from examples.tracker.evaluation.measures import score
from examples.tracker.evaluation.runs import track_sequence
from examples.tracker.evaluation.trackers import Settings, find_contestants
from examples.tracker.inference import tracker

from .conftest import moving_square


@pytest.fixture
def sequence():
    return moving_square("square", n_frames=40)


class TestPeers:
    def test_a_tracker_that_opencv_lacks_is_named_with_its_package(self, monkeypatch):
        monkeypatch.delattr(cv2, "TrackerCSRT", raising=False)
        monkeypatch.delattr(cv2, "legacy", raising=False)

        with pytest.raises(ImportError, match=r"TrackerCSRT.*opencv-contrib-python-headless"):
            trackers.make_peer("csrt", Settings())

    def test_missing_weights_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="nano needs the place of its weights: --nano"):
            trackers.make_peer("nano", Settings())
        with pytest.raises(FileNotFoundError, match=r"nanotrack_backbone_sim\.onnx"):
            trackers.make_peer("nano", Settings(nano=tmp_path))
        with pytest.raises(ValueError, match="vit needs the place of its weights: --vit"):
            trackers.make_peer("vit", Settings())
        with pytest.raises(FileNotFoundError, match=r"no .*vit\.onnx"):
            trackers.make_peer("vit", Settings(vit=tmp_path / "vit.onnx"))

    def test_opencvs_vit_gets_the_file_that_is_given(self, tmp_path, monkeypatch):
        class Parameters:
            net = ""

        class Vit:
            create = staticmethod(lambda parameters: parameters.net)

        monkeypatch.setattr(cv2, "TrackerVit", Vit, raising=False)
        monkeypatch.setattr(cv2, "TrackerVit_Params", Parameters, raising=False)
        file = tmp_path / "vit.onnx"
        file.write_bytes(b"")

        assert trackers.make_peer("vit", Settings(vit=file))._create() == str(file)

    @pytest.mark.parametrize("name", ["csrt", "kcf", "mil"])
    def test_it_follows_a_square_and_can_be_started_again(self, name, sequence):
        try:
            tracker = trackers.make_peer(name, Settings())
        except ImportError as error:
            pytest.skip(str(error))
        short = Sequence("s", sequence.frames[:8], sequence.boxes[:8], sequence.visible[:8])

        tracks = [track_sequence(tracker, short) for _ in range(2)]

        assert score(tracks[0].boxes, short.boxes, short.visible).ao > 0.2
        assert len(np.unique(tracks[0].boxes, axis=0)) > 3
        if name != "mil":  # which draws
            np.testing.assert_array_equal(tracks[0].boxes, tracks[1].boxes)
        assert ((tracks[0].scores >= 0) & (tracks[0].scores <= 1)).all()

    def test_opencv_gets_bgr_and_a_lost_target_keeps_its_box_with_score_0(self):
        seen = []

        class Lost:
            def init(self, frame, box):
                seen.append((frame[0, 0].tolist(), box))

            def update(self, frame):
                return False, (0, 0, 0, 0)

        tracker = trackers.OpenCVTracker(Lost)
        frame = np.full((50, 60, 3), (1, 2, 3), dtype=np.uint8)
        tracker.init(frame, np.array([3.4, 5.6, 10.0, 10.0]))

        box, confidence_ = tracker.update(frame)

        assert seen == [([3, 2, 1], (3, 6, 10, 10))]
        assert (box.tolist(), confidence_) == ([3.4, 5.6, 10.0, 10.0], 0.0)

    @pytest.mark.parametrize(
        "box, whole",
        [
            ((-5.0, -5.0, 20.0, 20.0), (0, 0, 15, 15)),
            ((50.0, 40.0, 30.0, 30.0), (50, 40, 10, 10)),
            ((10.2, 10.2, 0.4, 0.4), (10, 10, 1, 1)),
            ((70.0, 60.0, 5.0, 5.0), (59, 49, 1, 1)),
        ],
    )
    def test_a_box_becomes_whole_pixels_inside_the_image(self, box, whole):
        assert trackers.whole_pixels(np.array(box), 60, 50) == whole


class TestContestants:
    def test_two_trackers_of_one_name_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="two trackers are named 'mil'"):
            find_contestants(["mil", "mil"], Settings())

    def test_a_missing_file_of_weights_is_named(self):
        with pytest.raises(FileNotFoundError, match=r"no file of weights nothing.pt; a tracker is"):
            find_contestants(["nothing.pt"], Settings())

    def test_threads_below_1_are_refused(self):
        with pytest.raises(ValueError, match="threads must be at least 1; got 0"):
            find_contestants(["mil"], Settings(threads=0))

    def test_other_settings_of_our_tracker_are_another_identity(self, tmp_path):
        path = tmp_path / "mine.pt"
        path.write_bytes(b"weights")
        before = find_contestants([str(path)], Settings())[0].identity
        assert find_contestants([str(path)], Settings())[0].identity == before
        other = Settings(settings=replace(tracker.DEFAULTS, penalty=0.123))
        assert find_contestants([str(path)], other)[0].identity != before
