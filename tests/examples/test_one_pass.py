"""Tests of one-pass evaluation and of success by time since the template."""

from __future__ import annotations

import numpy as np
import pytest

from examples.tracker.data.sequences import Sequence
from examples.tracker.evaluation import runs as runs_
from examples.tracker.evaluation.measures import score
from examples.tracker.evaluation.runs import (
    Contestant,
    Track,
    by_group,
    start_of_run,
    track_and_keep,
    track_sequence,
)

from .conftest import moving_square


class Follower:
    """Answers the first box moved right by ``speed`` pixels per frame; notes what it was asked."""

    def __init__(self, speed=1.0, stop_at=None):
        self.speed, self.stop_at, self.asked = speed, stop_at, 0

    def init(self, frame, box):
        assert frame.dtype == np.uint8 and frame.ndim == 3
        self.box = np.array(box)

    def update(self, frame):
        self.asked += 1
        if self.asked == self.stop_at:
            raise KeyboardInterrupt
        self.box[0] += self.speed
        return self.box.copy(), 0.5


@pytest.fixture
def sequence():
    return moving_square("square", n_frames=40)


def hidden(sequence, frames):
    """The sequence with its target absent in some frames."""
    boxes, visible = sequence.boxes.copy(), sequence.visible.copy()
    boxes[frames], visible[frames] = 0, False
    return Sequence(sequence.name, sequence.frames, boxes, visible)


def contestant(make=Follower, identity="follower"):
    return Contestant("follower", identity, make)


class TestOnePass:
    def test_a_tracker_that_follows_the_target_scores_1(self, sequence):
        track = track_sequence(Follower(), sequence)

        assert score(track.boxes, sequence.boxes, sequence.visible).ao == 1.0
        assert track.scores.tolist() == [1.0] + [0.5] * 39
        assert (track.seconds >= 0).all() and track.frames_per_second > 0

    def test_speed_is_updates_by_their_time_without_init(self):
        track = Track(np.zeros((4, 4)), np.zeros(4), np.array([np.nan, 5.0, 0.5, 0.25]))

        assert track.frames_per_second == pytest.approx(2 / 0.75)

    def test_a_run_starts_where_the_target_is_first_visible(self, sequence):
        late = hidden(sequence, slice(0, 3))

        track = track_sequence(Follower(), late)

        assert np.isnan(track.boxes[:3]).all()
        assert track.boxes[3:].tolist() == sequence.boxes[3:].tolist()

    def test_a_run_of_n_frames_ends_there(self, sequence):
        track = track_sequence(Follower(), sequence, start=5, n_frames=10)

        assert np.flatnonzero(np.isfinite(track.scores)).tolist() == list(range(5, 15))

    def test_runs_start_from_later_frames_and_moved_boxes_alike_for_all(self, sequence):
        frame, box = start_of_run(sequence, 0)
        assert frame == 0 and box.tolist() == sequence.boxes[0].tolist()
        starts = [start_of_run(sequence, run) for run in range(1, 5)]
        assert [frame for frame, _ in starts] == [10, 19, 19, 19]  # halfway at most
        for run, (frame, box) in enumerate(starts, start=1):
            ends, exact = (np.append(b[:2], b[:2] + b[2:]) for b in (box, sequence.boxes[frame]))
            assert 0 < np.abs(ends - exact).max() <= 1
            assert start_of_run(sequence, run)[1].tolist() == box.tolist()
        assert len({tuple(box) for _, box in starts}) == 4

    def test_a_run_never_starts_without_the_target_nor_from_an_empty_box(self, sequence):
        frame, _ = start_of_run(hidden(sequence, slice(5, 15)), 1)
        assert frame == 4
        tiny = Sequence("t", sequence.frames, sequence.boxes * [1, 1, 0.05, 0.05], sequence.visible)
        assert all((start_of_run(tiny, run)[1][2:] > 0).all() for run in range(1, 30))

    def test_a_start_without_target_or_beyond_the_end_is_refused(self, sequence):
        with pytest.raises(ValueError, match="not visible in frame 2"):
            track_sequence(Follower(), hidden(sequence, [2]), start=2)
        with pytest.raises(ValueError, match="not visible in frame 40"):
            track_sequence(Follower(), sequence, start=40)
        with pytest.raises(ValueError, match="visible in no frame"):
            track_sequence(Follower(), hidden(sequence, slice(None)))

    def test_an_answer_that_is_no_box_is_named(self, sequence):
        class Wrong(Follower):
            def update(self, frame):
                return (1.0, 2.0), 0.0

        with pytest.raises(ValueError, match=r"square, frame 1: .* 4 numbers .* shape \(2,\)"):
            track_sequence(Wrong(), sequence)

    def test_the_tracker_cannot_change_the_annotation(self, sequence):
        before = sequence.boxes.copy()

        class Careless(Follower):
            def init(self, frame, box):
                super().init(frame, box)
                box[:] = 0

        track_sequence(Careless(), sequence)

        assert np.array_equal(sequence.boxes, before)


class TestKeeping:
    def test_a_kept_run_is_read_and_not_run_again(self, sequence, tmp_path):
        path = tmp_path / "a" / "square.npz"
        first, was_there = track_and_keep(contestant(), sequence, path)
        assert not was_there

        def refuse():
            raise AssertionError("must not be made")

        second, was_there = track_and_keep(contestant(refuse), sequence, path)

        assert was_there
        for a, b in zip(first, second):
            np.testing.assert_array_equal(a, b)

    def test_a_kept_run_of_another_tracker_or_annotation_is_refused(self, sequence, tmp_path):
        path = tmp_path / "square.npz"
        track_and_keep(contestant(), sequence, path)

        with pytest.raises(ValueError, match=r"another tracker .*follower; now follower 2"):
            track_and_keep(contestant(identity="follower 2"), sequence, path)
        with pytest.raises(ValueError, match="another annotation of square"):
            track_and_keep(contestant(), hidden(sequence, [3]), path)

    def test_a_run_that_is_stopped_leaves_no_file(self, sequence, tmp_path):
        path = tmp_path / "square.npz"

        with pytest.raises(KeyboardInterrupt):
            track_and_keep(contestant(lambda: Follower(stop_at=5)), sequence, path)

        assert list(tmp_path.iterdir()) == []


def run(path, sequence, make=Follower, **options):
    options = {"every": 10, "n_frames": 20, **options}
    return runs_.many_runs(contestant(make), sequence, path, **options)


class TestByTime:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        """Groups of 1 to 4, 5 to 9, and 10 frames or more."""
        monkeypatch.setattr(runs_, "EDGES", [1, 5, 10])
        monkeypatch.setattr(runs_, "MIN_FRAMES", 5)

    def test_groups_are_named_by_their_first_and_last_frame(self):
        assert runs_.LABELS[:2] == ["1-29", "30-59"]
        assert runs_.LABELS[-2:] == ["180-199", "200+"]

    def test_starts_are_every_so_many_frames_visible_and_with_frames_after_them(
        self, sequence, tmp_path
    ):
        def starts(name, video, every):
            run(tmp_path / name, video, every=every)
            return np.load(tmp_path / name)["starts"].tolist()

        assert starts("a.npz", sequence, 10) == [0, 10, 20, 30]
        assert starts("b.npz", hidden(sequence, [10]), 10) == [0, 20, 30]
        assert starts("c.npz", sequence, 35) == [0]  # 35 has 4 frames after it

    def test_overlap_is_that_of_each_run_at_each_time(self, sequence, tmp_path):
        iou = run(tmp_path / "a.npz", hidden(sequence, [12]), lambda: Follower(speed=2.0))

        # After t frames the answer is t pixels ahead of a square of 20 pixels.
        expected = [max(20 - t, 0) / (20 + min(t, 20)) for t in range(1, 21)]
        np.testing.assert_allclose(iou[2], [*expected[:19], np.nan])  # 20 + 20 is the end
        np.testing.assert_allclose(iou[0][:11], expected[:11])
        assert np.isnan(iou[0][11]) and np.isnan(iou[1][1])  # frame 12 is hidden
        assert len(iou) == 4  # from frames 0, 10, 20, 30

    def test_groups_average_the_frames_of_all_runs(self, monkeypatch):
        iou = np.array([[0.8, 0.6, 0.4, np.nan], [0.6, np.nan, 0.2, np.nan]])
        monkeypatch.setattr(runs_, "EDGES", [1, 3, 4])

        np.testing.assert_allclose(by_group(iou), [2 / 3, 0.3, np.nan])
        np.testing.assert_allclose(by_group(iou, 0.6), [1 / 3, 0.0, np.nan])

    def test_images_of_neighbouring_starts_are_decoded_once(self, sequence, tmp_path):
        read = []

        class Source(list):
            def __getitem__(self, index):
                read.append(index)
                return super().__getitem__(index)

        made = Sequence("made", Source(sequence.frames), sequence.boxes, sequence.visible)
        run(tmp_path / "a.npz", made)

        assert sorted(read) == list(range(40))

    def test_a_stopped_run_goes_on_with_the_starts_that_are_left(self, sequence, tmp_path):
        path = tmp_path / "square.npz"
        with pytest.raises(KeyboardInterrupt):
            run(path, sequence, lambda: Follower(stop_at=30))
        follower = Follower()

        iou = run(path, sequence, lambda: follower)

        whole = run(tmp_path / "whole.npz", sequence)
        assert follower.asked == 20 + 19 + 9  # the first of four runs was kept
        np.testing.assert_array_equal(iou, whole)
        np.testing.assert_array_equal(run(path, sequence, every=20), whole[::2])

    def test_kept_runs_of_another_length_are_refused(self, sequence, tmp_path):
        run(tmp_path / "square.npz", sequence)

        with pytest.raises(ValueError, match="runs of 20 frames, not 25"):
            run(tmp_path / "square.npz", sequence, n_frames=25)
