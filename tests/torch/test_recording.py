"""IoURecorder against SuccessStatistics."""

import json
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sstrack_sched import SuccessStatistics  # noqa: E402
from sstrack_sched.torch import IoURecorder  # noqa: E402


def batches(n_batches=20, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(size, generator=generator), torch.randint(0, 3, (size,), generator=generator))
        for _ in range(n_batches)
    ]


def same(a, b):
    return a.state_dict() == b.state_dict()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_recorder_statistics_equal_the_core_s(dtype):
    recorder, expected = IoURecorder(), SuccessStatistics(3)
    for ious, bins in batches():
        recorder.record(ious.to(dtype), bins)
        expected.add(ious.to(dtype).numpy(), bins.numpy())
    assert same(recorder.statistics(3), expected)
    assert same(recorder.statistics(3), expected)  # asking changes nothing
    assert (recorder.n_recorded, recorder.largest_batch) == (160, 8)


def test_recorder_batches_of_mixed_precision_and_size_add_up():
    recorder, expected = IoURecorder(), SuccessStatistics(3)
    for dtype, size in [
        (torch.float32, 3),
        (torch.float64, 1),
        (torch.float16, 0),
        (torch.float32, 5),
    ]:
        ious = torch.linspace(0.1, 0.9, size, dtype=dtype)
        recorder.record(ious, torch.ones(size, dtype=torch.int32))
        expected.add(ious.numpy(), np.ones(size, dtype=int))
    assert recorder.n_recorded == 9
    assert np.array_equal(recorder.statistics(3).count, expected.count)
    assert same(recorder.statistics(3), expected)


def test_recorder_keeps_neither_graph_nor_alias():
    recorder = IoURecorder()
    ious = torch.full((4,), 0.5, requires_grad=True)
    scaled = ious * 1.5
    recorder.record(scaled, torch.zeros(4, dtype=torch.long))
    with torch.no_grad():
        scaled.zero_()
    assert recorder.statistics(1).mean_iou == 0.75
    assert not any(part.requires_grad for _, part, _ in recorder._pending)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_recorder_rounding_error_outside_is_clipped(dtype):
    eps = torch.finfo(dtype).eps
    recorder = IoURecorder()
    recorder.record(torch.tensor([-eps, 1 + 2 * eps], dtype=dtype), torch.tensor([0, 1]))
    assert recorder.statistics(2).mean_iou == 0.5


@pytest.mark.parametrize("bad", [float("nan"), -0.25, 1.5, float("inf")])
def test_recorder_invalid_iou_raises_and_names_batch_and_bin(bad):
    recorder = IoURecorder()
    for number, (ious, bins) in enumerate(batches(3)):
        if number == 1:
            ious[5], bins[5] = bad, 2
        recorder.record(ious, bins)
    for _ in range(2):  # it goes on raising, and loses nothing
        with pytest.raises(ValueError, match=r"ious must be in \[0, 1\].*in batch 1, bin 2"):
            recorder.statistics(3)
    assert recorder.discard_invalid() == 1
    statistics = recorder.statistics(3)
    assert statistics.count.sum() == 23
    assert statistics.n_invalid == 1
    recorder.clear()
    assert recorder.n_recorded == 0


def test_recorder_dropped_iou_is_counted_and_warned_about_once():
    recorder = IoURecorder("drop")
    recorder.record(torch.tensor([0.5, float("nan"), 0.7]), torch.tensor([0, 1, 2]))
    with pytest.warns(RuntimeWarning, match="nan in batch 0, bin 1"):
        statistics = recorder.statistics(3)
    assert statistics.count.tolist() == [1, 0, 1]
    assert statistics.n_invalid == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert recorder.statistics(3).n_invalid == 1


def test_recorder_bin_out_of_range_raises_and_names_the_batch():
    recorder = IoURecorder()
    recorder.record(torch.tensor([0.5]), torch.tensor([0]))
    recorder.record(torch.tensor([0.5]), torch.tensor([3]))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"bins must be in \[0, 3\); got 3 in batch 1"):
            recorder.statistics(3)


@pytest.mark.parametrize(
    ("ious", "bins", "message"),
    [
        (torch.tensor(0.5), torch.tensor(0), "ious must be one number a sample"),
        (torch.rand(3), torch.zeros(2, dtype=torch.long), r"got shapes \(3,\) and \(2,\)"),
        (torch.rand(3, 1), torch.zeros(3, dtype=torch.long), r"got shapes \(3, 1\) and \(3,\)"),
        (
            torch.ones(3, dtype=torch.long),
            torch.zeros(3, dtype=torch.long),
            "ious must be of a float",
        ),
        (torch.rand(3), torch.zeros(3), "bins must be of an integer dtype; got torch.float32"),
        (None, torch.zeros(3), "ious must be a Tensor or an array of numbers; got None"),
        (torch.rand(1), ["a"], "bins must be a Tensor or an array of numbers"),
    ],
)
def test_recorder_bad_batch_raises_and_changes_nothing(ious, bins, message):
    recorder = IoURecorder()
    recorder.record(torch.tensor([0.5]), torch.tensor([0]))
    before = recorder.state_dict(1)
    with pytest.raises((TypeError, ValueError), match=message):
        recorder.record(ious, bins)
    assert recorder.state_dict(1) == before


def test_recorder_negative_iou_asks_for_giou():
    recorder = IoURecorder()
    recorder.record(torch.tensor([-0.5]), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"GIoU\?"):
        recorder.statistics(1)


def test_recorder_lists_and_arrays_keep_their_precision():
    recorder, expected = IoURecorder(), SuccessStatistics(2)
    frozen = np.array([0.3, 0.55])
    frozen.setflags(write=False)
    recorder.record([0.55, 0.1], [0, 1])
    recorder.record(frozen, np.array([1, 0], dtype=np.uint8))
    recorder.record([], [])
    expected.add([0.55, 0.1, 0.3, 0.55], [0, 1, 1, 0])
    assert same(recorder.statistics(2), expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_recorded", 7),
        ("n_recorded", 2.5),
        ("n_discarded", -1),
        ("largest_batch", 10**6),
        ("n_batches", None),
        ("invalid", "zz"),
        ("invalid", [1]),
        ("statistics", {}),
        ("statistics", None),
    ],
)
def test_recorder_damaged_state_raises_and_changes_nothing(name, value):
    recorder = IoURecorder()
    recorder.record(torch.tensor([0.5, 0.6]), torch.tensor([0, 1]))
    before = recorder.state_dict(2)
    with pytest.raises((TypeError, ValueError), match="state|" + name):
        recorder.load_state_dict({**before, name: value})
    assert recorder.state_dict(2) == before


def test_recorder_on_invalid_unknown_raises():
    with pytest.raises(ValueError, match="on_invalid must be one of 'raise', 'drop'; got 'ignore'"):
        IoURecorder("ignore")


@pytest.mark.parametrize("cut", [0, 7, 20])
def test_recorder_state_round_trip_goes_on_where_it_was(cut):
    whole, first, second = IoURecorder(), IoURecorder(), IoURecorder()
    data = batches()
    data[2][0][0] = float("nan")
    for ious, bins in data[:cut]:
        first.record(ious, bins)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(3))))
    for ious, bins in data[cut:]:
        second.record(ious, bins)
    for ious, bins in data:
        whole.record(ious, bins)
    assert second.state_dict(3) == whole.state_dict(3)
    assert second.discard_invalid() == whole.discard_invalid() == 1
    assert same(second.statistics(3), whole.statistics(3))
