"""Numbers of an epoch for loggers; TensorBoard's own reader where it is installed."""

from __future__ import annotations

import math
import re

import pytest

from sstrack_sched import EpochRecord, IntervalBins, SuccessAwareScheduler

BINS = IntervalBins(90, 30, image_bin=True)


def make_scheduler(feasible=None):
    return SuccessAwareScheduler(len(BINS), total_epochs=5, feasible=feasible)


@pytest.fixture
def record():
    """Of epoch 1: one success in two in each bin of intervals, tau 0.5."""
    scheduler = make_scheduler()
    for _ in range(2):
        scheduler.step([[0.9, 0.6], [0.9, 0.1], [0.8, 0.2], [0.4, 0.1]])
    return scheduler.history[-1]


def test_scalars_are_the_fields_of_the_record(record):
    scalars = record.scalars()
    for name in ("threshold", "redetection", "expected_success", "mean_iou", "n_invalid"):
        assert scalars.pop(f"schedule/{name}") == getattr(record, name)
    for name in ("distribution", "loss_weights", "success_rate"):
        values = [scalars.pop(f"{name}/{i}") for i in range(len(BINS))]
        assert values == getattr(record, name).tolist()
    assert scalars == {}


def test_scalars_are_plain_floats_in_names_that_every_logger_takes(record):
    scalars = record.scalars(BINS.labels)
    assert all(type(value) is float for value in scalars.values())
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name) for name in scalars)
    bins = ["image", "0-30", "30-60", "60-90"]
    assert [name.split("/")[1] for name in scalars if name.startswith("loss_weights/")] == bins


def test_scalars_leave_out_nan():
    scheduler = make_scheduler(feasible=[True, True, False, True])
    scheduler.step([[0.9], [0.8], [], [0.1]])
    scalars = scheduler.history[0].scalars()
    assert not any(math.isnan(value) for value in scalars.values())
    assert "success_rate/2" not in scalars and "success_rate/3" in scalars
    assert scalars["distribution/2"] == 0


def test_labels_of_another_number_raise(record, says):
    with pytest.raises(ValueError, match=says("labels", "4", "got 3")):
        record.scalars(["a", "b", "c"])


@pytest.mark.parametrize("wrong", ["abcd", BINS, 4])
def test_labels_that_are_no_sequence_of_str_raise(record, wrong, says):
    with pytest.raises(TypeError, match=says("labels", repr(wrong))):
        record.scalars(wrong)


@pytest.mark.parametrize("wrong", [["a", "b", "c", "a"], ["<9", ">9", "a", "b"], ["?", *"abc"]])
def test_labels_that_do_not_differ_raise(record, wrong, says):
    with pytest.raises(ValueError, match=says("labels", "differ", wrong[0])):
        record.scalars(wrong)


def test_record_from_json_has_the_same_scalars(record):
    assert EpochRecord.from_dict(record.to_dict()).scalars() == record.scalars()


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "tensorboardX"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of protobuf, in tensorboard's imports
def test_tensorboard_reads_back_what_was_logged(record, tmp_path, module):
    reason = "needs tensorboard and a package that writes its files"
    writers = pytest.importorskip(module, reason=reason)
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=reason
    )
    scalars = record.scalars(BINS.labels)
    with writers.SummaryWriter(str(tmp_path)) as writer:
        for name, value in scalars.items():
            writer.add_scalar(name, value, record.epoch)
    events = reading.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == sorted(scalars)
    for name, value in scalars.items():
        (event,) = events.Scalars(name)
        assert (event.step, event.value) == (1, pytest.approx(value, rel=1e-6))
