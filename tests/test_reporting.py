"""Logging: what a writer and a function are handed; TensorBoard's own reader where it is there."""

from __future__ import annotations

import math
import re

import pytest

from sstrack_sched import EpochRecord, IntervalBins, SuccessAwareScheduler
from sstrack_sched.reporting import log_schedule, schedule_scalars

BINS = IntervalBins(90, 30, image_bin=True)


class Writer:
    """Keeps what it is handed, like a SummaryWriter."""

    def __init__(self):
        self.scalars = []

    def add_scalar(self, tag, scalar_value, global_step=None):
        self.scalars.append((tag, scalar_value, global_step))


class Silent:
    def __getattr__(self, name):  # as Lightning's stand-in on ranks other than 0
        return lambda *values, **options: None


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
    scalars = schedule_scalars(record)
    for name in ("threshold", "redetection", "expected_success", "mean_iou", "n_invalid"):
        assert scalars.pop(f"schedule/{name}") == getattr(record, name)
    for title, field in (
        ("distribution", record.distribution),
        ("loss_weight", record.loss_weights),
        ("success_rate", record.success_rate),
    ):
        assert [scalars.pop(f"{title}/{i}") for i in range(len(BINS))] == field.tolist()
    assert scalars == {}


def test_scalars_are_plain_floats_in_names_that_every_logger_takes(record):
    scalars = schedule_scalars(record, BINS.labels)
    assert all(type(value) is float for value in scalars.values())
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name) for name in scalars)
    bins = ["image", "0-30", "30-60", "60-90"]
    assert [name.split("/")[1] for name in scalars if name.startswith("loss_weight/")] == bins


def test_scalars_leave_out_nan():
    scheduler = make_scheduler(feasible=[True, True, False, True])
    scheduler.step([[0.9], [0.8], [], [0.1]])
    scalars = schedule_scalars(scheduler.history[0])
    assert not any(math.isnan(value) for value in scalars.values())
    assert "success_rate/2" not in scalars and "success_rate/3" in scalars
    assert scalars["distribution/2"] == 0


def test_function_is_called_once_with_scalars_and_epoch(record):
    calls = []
    assert log_schedule(lambda *call: calls.append(call), record, BINS.labels) is None
    assert calls == [(schedule_scalars(record, BINS.labels), 1)]


def test_writer_gets_every_scalar_at_the_record_epoch(record):
    writer = Writer()
    log_schedule(writer, record, BINS.labels)
    scalars = schedule_scalars(record, BINS.labels)
    assert writer.scalars == [(name, value, 1) for name, value in scalars.items()]


def test_writer_that_is_callable_too_is_a_writer(record):
    class Both(Writer):
        def __call__(self, *values):
            raise AssertionError("called")

    both = Both()
    log_schedule(both, record)
    assert both.scalars


def test_writer_of_other_ranks_that_takes_anything_is_accepted(record):
    log_schedule(Silent(), record)


@pytest.mark.parametrize("target", [None, 3, "runs", {}])
def test_target_that_is_neither_writer_nor_function_raises(record, target, says):
    with pytest.raises(TypeError, match=says("target", "add_scalar", repr(target))):
        log_schedule(target, record)


@pytest.mark.parametrize("function", [schedule_scalars, lambda *rest: log_schedule(print, *rest)])
class TestErrors:
    @pytest.mark.parametrize("wrong", [None, [], {"epoch": 0}])
    def test_record_of_another_type_raises(self, function, wrong, says):
        with pytest.raises(TypeError, match=says("record", "EpochRecord", wrong)):
            function(wrong)

    def test_labels_of_another_number_raise(self, function, record, says):
        with pytest.raises(ValueError, match=says("labels", "4", "got 3")):
            function(record, ["a", "b", "c"])

    @pytest.mark.parametrize("wrong", ["abcd", BINS, 4])
    def test_labels_that_are_no_sequence_of_str_raise(self, function, record, wrong, says):
        with pytest.raises(TypeError, match=says("labels", repr(wrong))):
            function(record, wrong)

    @pytest.mark.parametrize("wrong", [["a", "b", "c", "a"], ["<9", ">9", "a", "b"], ["?", *"abc"]])
    def test_labels_that_do_not_differ_raise(self, function, record, wrong, says):
        with pytest.raises(ValueError, match=says("labels", "differ", wrong[0])):
            function(record, wrong)


def test_error_in_labels_leaves_the_writer_untouched(record):
    writer = Writer()
    with pytest.raises(ValueError, match="labels"):
        log_schedule(writer, record, ["a"])
    assert writer.scalars == []


def test_record_from_json_logs_the_same(record):
    assert schedule_scalars(EpochRecord.from_dict(record.to_dict())) == schedule_scalars(record)


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "tensorboardX"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of protobuf, in tensorboard's imports
def test_tensorboard_reads_back_what_was_logged(record, tmp_path, module):
    reason = "needs tensorboard and a package that writes its files"
    writers = pytest.importorskip(module, reason=reason)
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=reason
    )
    with writers.SummaryWriter(str(tmp_path)) as writer:
        log_schedule(writer, record, BINS.labels)
    events = reading.EventAccumulator(str(tmp_path)).Reload()
    scalars = schedule_scalars(record, BINS.labels)
    assert sorted(events.Tags()["scalars"]) == sorted(scalars)
    for name, value in scalars.items():
        (event,) = events.Scalars(name)
        assert (event.step, event.value) == (1, pytest.approx(value, rel=1e-6))
