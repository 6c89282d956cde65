"""Input of `Curriculum.record` and the epoch's result, against SuccessStatistics."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sstrack_sched import BinnedSampler, SuccessStatistics  # noqa: E402
from sstrack_sched.torch import Curriculum  # noqa: E402

N = 160


def new(n_samples=N, n_bins=3, **options):
    """A curriculum whose sampler has begun the epoch."""
    curriculum = Curriculum(BinnedSampler(np.arange(n_bins)), 4, n_samples, **options)
    next(iter(curriculum.sampler))
    return curriculum


def batches(size=8):
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.rand(size, generator=generator), torch.randint(0, 3, (size,), generator=generator))
        for _ in range(N // size)
    ]


def recorded(curriculum):
    """Statistics of the epoch so far, as they go into a state."""
    return curriculum.state_dict()["tally"]["statistics"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_recording_equals_the_core_s_statistics(dtype):
    curriculum, expected = new(), SuccessStatistics(3)
    for ious, bins in batches():
        curriculum.record(ious.to(dtype), bins)
        expected.add(ious.to(dtype).numpy(), bins.numpy())
    assert recorded(curriculum) == expected.state_dict()
    assert recorded(curriculum) == expected.state_dict()  # asking changes nothing


def test_recording_of_mixed_precision_sizes_and_integers_adds_up():
    curriculum, expected = new(9), SuccessStatistics(3)
    for dtype, ids, size in [
        (torch.float32, torch.int32, 3),
        (torch.float64, torch.uint8, 1),
        (torch.float16, torch.int64, 0),
        (torch.float32, torch.int16, 5),
    ]:
        ious = torch.linspace(0.1, 0.9, size, dtype=dtype)
        curriculum.record(ious, torch.ones(size, dtype=ids))
        expected.add(ious.numpy(), np.ones(size, dtype=int))
    assert curriculum.n_consumed == 9
    assert recorded(curriculum) == expected.state_dict()


def test_recording_of_lists_and_arrays_keeps_their_precision():
    curriculum, expected = new(), SuccessStatistics(3)
    frozen = np.array([0.3, 0.55])
    frozen.setflags(write=False)
    curriculum.record([0.55, 0.1], [0, 1])
    curriculum.record(frozen, curriculum.source.bins[[1, 0]])
    curriculum.record([], [])
    expected.add([0.55, 0.1, 0.3, 0.55], [0, 1, 1, 0])
    assert recorded(curriculum) == expected.state_dict()


def test_recording_keeps_neither_graph_nor_alias():
    curriculum = new()
    scaled = torch.full((4,), 0.5, requires_grad=True) * 1.5
    bins = torch.zeros(8, dtype=torch.long)[::2]  # not contiguous
    curriculum.record(scaled, bins)
    with torch.no_grad():
        scaled.zero_()
        bins += 1
    curriculum.step(partial=True)
    assert curriculum.history[0].mean_iou == 0.75
    assert curriculum.history[0].count.tolist() == [4, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_recording_clips_a_rounding_error_outside(dtype):
    eps = torch.finfo(dtype).eps
    curriculum = new(2)
    curriculum.record(torch.tensor([-eps, 1 + 2 * eps], dtype=dtype), torch.tensor([0, 1]))
    curriculum.step()
    assert curriculum.history[0].mean_iou == 0.5


@pytest.mark.parametrize("bad", [float("nan"), -0.25, 1.5, float("inf")])
def test_recording_an_invalid_iou_raises_at_the_step_until_it_is_discarded(bad):
    curriculum = new()
    for number, (ious, bins) in enumerate(batches()):
        if number == 1:
            ious[5], bins[5] = bad, 2
        curriculum.record(ious, bins)
    hint = r"-0.25 \(GIoU\?\)" if bad < 0 else f"{bad}"
    message = rf"ious must be in \[0, 1\].*{hint} in batch 1, bin 2"
    for _ in range(2):  # it goes on raising, and loses nothing
        with pytest.raises(ValueError, match=message):
            curriculum.step()
    assert curriculum.discard_invalid() == 1
    curriculum.step()
    assert curriculum.history[0].count.sum() == N - 1
    assert curriculum.history[0].n_invalid == 1


def test_recording_names_three_invalid_ious_and_counts_the_rest():
    curriculum = new(5)
    curriculum.record([float("nan")] * 5, [0] * 5)
    with pytest.raises(ValueError, match="; and 2 more"):
        curriculum.step()
    assert curriculum.discard_invalid() == 5


def test_recording_with_drop_warns_once_per_epoch():
    curriculum = new(6, on_invalid="drop")
    curriculum.record([0.5, float("nan"), 0.7], [0, 1, 2])
    with pytest.warns(RuntimeWarning, match="nan in batch 0, bin 1"):
        curriculum.synchronize()
    curriculum.record([0.5, float("nan"), 0.7], [0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curriculum.step()
    assert curriculum.history[0].n_invalid == 2
    list(curriculum.sampler)
    curriculum.record([float("nan")] + [0.5] * 5, [0] * 6)
    with pytest.warns(RuntimeWarning, match="nan in batch 0, bin 0"):
        curriculum.step()


@pytest.mark.parametrize(
    ("ious", "bins", "message"),
    [
        (torch.tensor(0.5), torch.tensor(0), "ious must be one number per sample"),
        (torch.rand(3), torch.zeros(2, dtype=torch.long), r"got \(\(3,\), \(2,\)\)"),
        (torch.rand(3, 1), torch.zeros(3, dtype=torch.long), r"got \(\(3, 1\), \(3,\)\)"),
        (torch.ones(3).long(), torch.zeros(3).long(), "ious must be of a floating point dtype"),
        (torch.rand(3), torch.zeros(3), "bins must be of an integer dtype; got torch.float32"),
        (None, [0], "ious must be a Tensor or an array of numbers; got None"),
        (torch.rand(1), ["a"], "bins must be a Tensor or an array of numbers"),
        (np.ma.array([0.5], mask=[True]), [0], "ious must have no masked values"),
        (torch.rand(2), [0, 3], r"bins must be in \[0, 3\); got 3 at index 1"),
    ],
)
def test_recording_a_bad_batch_raises_and_changes_nothing(ious, bins, message):
    curriculum = new()
    curriculum.record([0.5], [0])
    before = curriculum.state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        curriculum.record(ious, bins)
    assert curriculum.state_dict() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("largest_batch", 10**6),
        ("n_batches", None),
        ("n_batches", -1),
        ("invalid", "zz"),
        ("invalid", [1]),
        ("statistics", {}),
        ("statistics", None),
        ("statistics", {"n_bins": 3, "n_invalid": 0, "samples": "%"}),
        ("statistics", {"n_bins": 3, "n_invalid": 0, "samples": "AAAA"}),
        ("statistics", {"n_bins": 3, "n_invalid": 0, "samples": "//////////8="}),
        ("statistics", {"n_bins": 3, "n_invalid": 0, "samples": "AAAAAAYAAAA="}),
        ("statistics", {"n_bins": 2, "n_invalid": 0, "samples": ""}),
    ],
)
def test_recording_of_a_damaged_state_raises_and_changes_nothing(name, value):
    curriculum = new()
    curriculum.record([0.5, 0.6], [0, 1])
    before = curriculum.state_dict()
    state = {**before, "tally": {**before["tally"], name: value}}
    with pytest.raises((TypeError, ValueError), match="state"):
        curriculum.load_state_dict(state)
    assert curriculum.state_dict() == before
