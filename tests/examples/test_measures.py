"""Tests of the measures of evaluation, against cases by hand, a slow loop and got10k's toolkit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from examples.tracker.evaluation import measures
from examples.tracker.evaluation.measures import score

BOX = [10.0, 20.0, 40.0, 30.0]


def drifting(seed, n=60, whole=True):
    """Annotation and answers that drift off it; whole pixels, so that ties at thresholds occur."""
    rng = np.random.default_rng(seed)
    truth = np.array(BOX) + np.c_[rng.integers(0, 90, (n, 2)), rng.integers(0, 30, (n, 2))]
    noise = rng.normal(0, 1, (n, 4)) * np.linspace(0, 14, n)[:, None]
    boxes = truth + (noise.round() if whole else noise)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
    return boxes, truth


def slow_iou(a, b):
    """Overlap of two boxes by the corners."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def slow_errors(a, b):
    """Distance of centres, in pixels and in the annotated box's sides."""
    x = (a[0] + a[2] / 2) - (b[0] + b[2] / 2)
    y = (a[1] + a[3] / 2) - (b[1] + b[3] / 2)
    return math.sqrt(x * x + y * y), math.sqrt((x / b[2]) ** 2 + (y / b[3]) ** 2)


class TestByHand:
    def test_overlap_of_boxes_that_share_a_third(self):
        iou = measures.overlap(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 10, 10]]))

        assert iou == pytest.approx([1 / 3])

    def test_overlap_is_0_apart_touching_empty_or_not_finite(self):
        boxes = [[60.0, 20, 5, 5], [50.0, 20, 5, 5], [10.0, 20, 0, 30], [np.nan, 20, 40, 30]]

        iou = measures.overlap(np.array(boxes), np.array([BOX] * 4))

        assert iou.tolist() == [0, 0, 0, 0]

    def test_success_is_strictly_above_the_threshold(self):
        half = np.array([[0.0, 0, 10, 10], [0.0, 0, 5, 10]])
        truth = np.array([[0.0, 0, 10, 10]] * 2)

        found = score(half, truth, np.ones(2, dtype=bool))

        assert found.ao == 0.5
        assert found.sr50 == 0.0
        assert found.success_curve[9] == 1.0  # at 0.45 both frames, at 0.5 the first alone
        assert found.success_curve[10] == 0.5

    def test_precision_is_at_most_the_threshold(self):
        boxes = np.array([BOX, [22.0, 36.0, 40, 30], [22.0, 36.1, 40, 30]])  # 0, 20, 20.06 off

        found = score(boxes, np.array([BOX] * 3), np.ones(3, dtype=bool))

        assert found.precision == pytest.approx(2 / 3)
        assert found.precision_curve[19] == pytest.approx(1 / 3)

    def test_normalised_precision_measures_in_the_annotated_sides(self):
        # 8 of 40 across is 0.2; 8 of 30 down is more.
        boxes = np.array([BOX, [18.0, 20.0, 40, 30], [10.0, 28.0, 40, 30]])

        found = score(boxes, np.array([BOX] * 3), np.ones(3, dtype=bool))

        assert found.normalised_precision == pytest.approx(2 / 3)
        # 8 / 30 = 0.267 is within 0.27 ... 0.5: 24 of 51 thresholds; 0.2 within 31.
        assert found.normalised_precision_auc == pytest.approx((51 + 31 + 24) / 3 / 51)

    def test_a_perfect_run_has_auc_20_of_21(self):
        boxes = np.array([BOX] * 5)

        assert score(boxes, boxes, np.ones(5, dtype=bool)).auc == pytest.approx(20 / 21)

    def test_the_first_frame_counts_as_right_in_success_and_not_in_ao(self):
        boxes = np.array([[500.0, 500, 9, 9]] * 4)

        found = score(boxes, np.array([BOX] * 4), np.ones(4, dtype=bool))

        assert found.auc == pytest.approx(20 / 21 / 4)
        assert found.precision == 0.25
        assert (found.ao, found.n_frames) == (0.0, 3)

    def test_frames_without_a_visible_target_are_left_out(self):
        boxes = np.array([BOX, BOX, [500.0, 500, 9, 9]])
        visible = np.array([True, True, False])

        found = score(boxes, np.array([BOX] * 3), visible)

        assert (found.auc, found.ao) == (pytest.approx(20 / 21), 1.0)

    def test_absent_fail_divides_by_all_frames_as_lasot_does(self):
        boxes = np.array([BOX] * 4)
        visible = np.array([True, True, True, False])

        found = score(boxes, boxes, visible, absent_fail=True)

        assert found.auc == pytest.approx(0.75 * 20 / 21)
        assert found.precision == found.normalised_precision == 0.75
        assert found.ao == 1.0

    def test_an_answer_that_is_no_box_counts_as_the_one_before(self):
        boxes = np.array([BOX, BOX, [np.nan] * 4, [10.0, 20, 0, 30]])

        assert score(boxes, np.array([BOX] * 4), np.ones(4, dtype=bool)).ao == 1.0

    def test_a_late_start_counts_from_there(self):
        boxes = np.array([[np.nan] * 4, [np.nan] * 4, BOX, BOX])
        truth = np.array([[0.0, 0, 0, 0], [0.0, 0, 0, 0], BOX, BOX])

        found = score(boxes, truth, np.array([False, False, True, True]))

        assert (found.auc, found.ao, found.n_frames) == (pytest.approx(20 / 21), 1.0, 1)

    def test_without_a_visible_frame_all_is_nan(self):
        boxes = np.array([BOX, BOX])

        found = score(boxes, boxes, np.zeros(2, dtype=bool))

        assert np.isnan([found.auc, found.precision, found.ao, found.sr50]).all()

    def test_a_box_outside_is_moved_to_the_border_and_keeps_its_size(self):
        boxes = np.array([[-10.0, 5, 20, 30], [90.0, 5, 20, 30]])

        cut = measures.cut_to_image(boxes, (100, 50))

        assert cut.tolist() == [[0, 5, 20, 30], [90, 5, 10, 30]]

    def test_inputs_stay_as_they_are(self):
        boxes, truth = drifting(0)
        before = boxes.copy(), truth.copy()
        visible = np.ones(len(truth), dtype=bool)

        score(boxes, truth, visible, size=(100, 80))

        assert np.array_equal(boxes, before[0]) and np.array_equal(truth, before[1])
        assert visible.all()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_measures_equal_a_loop_over_frames(seed, whole):
    boxes, truth = drifting(seed, whole=whole)
    visible = np.random.default_rng(seed).random(len(truth)) > 0.2

    found = score(boxes, truth, visible)

    frames = np.flatnonzero(visible)
    boxes[frames[0]] = truth[frames[0]]
    iou = [slow_iou(boxes[i], truth[i]) for i in frames]
    pixels, shares = zip(*[slow_errors(boxes[i], truth[i]) for i in frames])
    success = [sum(v > k / 20 for v in iou) / len(iou) for k in range(21)]
    near = [sum(v <= k for v in pixels) / len(iou) for k in range(51)]
    near_by_size = [sum(v <= k / 100 for v in shares) / len(iou) for k in range(51)]
    np.testing.assert_allclose(found.success_curve, success, atol=1e-12)
    np.testing.assert_allclose(found.precision_curve, near, atol=1e-12)
    np.testing.assert_allclose(found.normalised_precision_curve, near_by_size, atol=1e-12)
    assert found.auc == pytest.approx(sum(success) / 21)
    assert found.ao == pytest.approx(sum(iou[1:]) / (len(iou) - 1))
    assert found.sr75 == pytest.approx(sum(v > 0.75 for v in iou[1:]) / (len(iou) - 1))


@pytest.mark.filterwarnings("ignore")  # the toolkit's own
class TestAgainstToolkit:
    @pytest.fixture
    def toolkit(self):
        return pytest.importorskip("got10k.utils.metrics", reason="compares with got10k's toolkit")

    @pytest.mark.parametrize("whole", [True, False])
    def test_overlap_and_centre_error_equal_the_toolkits(self, toolkit, whole):
        boxes, truth = drifting(3, n=500, whole=whole)

        iou, error = toolkit.rect_iou(boxes, truth), toolkit.center_error(boxes, truth)

        # To the bit, so that no frame is on another side of a threshold.
        np.testing.assert_array_equal(measures.overlap(boxes, truth), iou)
        error[0] = 0  # the first box is the annotated one
        ours = score(boxes, truth, np.ones(500, dtype=bool)).precision_curve
        np.testing.assert_array_equal(ours, (error[:, None] <= np.arange(51)).mean(axis=0))

    def test_overlap_of_boxes_cut_to_the_picture_equals_the_toolkits(self, toolkit):
        boxes, truth = drifting(4, n=500)
        boxes[:, :2] -= 40

        iou = toolkit.rect_iou(boxes.copy(), truth.copy(), bound=(100, 80))

        found = score(boxes, truth, np.ones(500, dtype=bool), size=(100, 80))
        assert found.ao == pytest.approx(iou[1:].mean(), abs=1e-12)
        assert found.sr50 == (iou[1:] > 0.5).mean()


class TestByScore:
    def test_frames_and_hits_in_each_tenth_equal_a_slow_count(self):
        boxes, truth = drifting(3, n=200)
        rng = np.random.default_rng(0)
        scores, visible = rng.uniform(0, 1, 200), rng.random(200) < 0.8

        frames, hits = measures.by_score(scores, boxes, truth, visible)

        for tenth in range(10):
            inside = [i for i in range(1, 200) if int(scores[i] * 10) == tenth]
            on_target = [i for i in inside if visible[i] and slow_iou(boxes[i], truth[i]) > 0.5]
            assert (frames[tenth], hits[tenth]) == (len(inside), len(on_target))

    def test_first_frame_is_left_out_and_a_score_of_1_counts(self):
        boxes = np.array([BOX] * 2)

        frames, hits = measures.by_score(np.ones(2), boxes, boxes, np.ones(2, dtype=bool))

        assert frames.tolist() == hits.tolist() == [0] * 9 + [1]
