"""Misuse under Lightning: its changes to samplers and epochs, and our messages."""

import runpy
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning", reason="Lightning is not here")

import sstrack_sched.lightning  # noqa: E402
from tests.torch.conftest import EPOCHS, SAMPLES, make_curriculum  # noqa: E402

from . import lightning_jobs as jobs  # noqa: E402
from .processes import documented, launch, loader_of  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Lightning's advice
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
BOTH = pytest.mark.parametrize("world_size", [1, 2])


@BOTH
def test_lightning_saves_at_validation_end_after_this_step_and_before_epoch_end(
    world_size, tmp_path
):
    for epochs in launch(jobs.step_at_epoch_end, world_size, tmp_path):
        assert epochs["StepAtEpochEnd"] == [[n, n] for n in range(EPOCHS)]
        assert epochs["CurriculumCallback"] == [[n, n + 1] for n in range(EPOCHS)]


def test_lightning_loses_half_of_a_plain_samplers_epoch_and_it_is_said(tmp_path):
    results = launch(jobs.plain_sampler, 2, tmp_path)
    for result in results:
        assert f"samples_per_epoch={SAMPLES} samples" in result["error"]
        assert "got 48: were batches not recorded, was step() called too early" in result["error"]
    assert sum(len(result["consumed"]) for result in results) == SAMPLES // 2


@BOTH
def test_lightning_epoch_cut_short_by_the_trainer_steps_with_what_there_is(world_size, tmp_path):
    expected = {"two batches": [20] * EPOCHS, "one": [10] * EPOCHS, "fast_dev_run": [10]}
    expected["half"] = [{1: 50, 2: 20}[world_size]] * EPOCHS
    for result in launch(jobs.shortened, world_size, tmp_path):
        for name, run in result.items():
            counts = [sum(record["count"]) for record in run["history"]]
            share = world_size if name != "half" or world_size == 2 else 1
            assert counts == [n * share for n in expected[name]], name


def test_lightning_sampler_that_is_not_the_curriculums_is_said_at_the_step(tmp_path):
    curriculum, other = make_curriculum(), make_curriculum()
    with pytest.raises(ValueError, match="has a framework copied or replaced it"):
        jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path), loader_of(other))


def test_lightning_batches_that_were_not_recorded_are_said(tmp_path):
    curriculum = make_curriculum()
    record = curriculum.record
    curriculum.record = lambda ious, bins: record(ious[:5], bins[:5])
    with pytest.raises(ValueError, match="were batches not recorded"):
        jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path))


def test_lightning_other_loaders_beside_are_left_alone(tmp_path, check_run):
    curriculum = make_curriculum()
    module = jobs.Module(curriculum, None)
    step = module.training_step
    module.training_step = lambda batch, batch_idx: step(batch["pairs"][0], batch_idx)
    other = torch.utils.data.DataLoader(range(4))
    trainer = jobs.trainer_of(curriculum, 1, tmp_path)
    trainer.fit(module, {"other": other, "pairs": [loader_of(curriculum)]})
    check_run([jobs.finished(curriculum, module.tracker.consumed)])


def test_lightning_epoch_of_full_batches_only_is_an_epoch(tmp_path):
    curriculum = make_curriculum()
    loader = loader_of(curriculum, drop_last=True)
    jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path), loader)
    assert [int(record.count.sum()) for record in curriculum.scheduler.history] == [90] * EPOCHS


def test_lightning_run_that_was_stopped_must_end_its_epoch(tmp_path):
    curriculum = make_curriculum()
    jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path, max_steps=13))
    with pytest.raises(RuntimeError, match=r"between two epochs .* got 30 samples recorded"):
        jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path))
    curriculum.step(partial=True)
    jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path, max_epochs=1))
    counts = [int(record.count.sum()) for record in curriculum.scheduler.history]
    assert counts == [SAMPLES, 30, SAMPLES]


def test_lightning_run_that_was_stopped_is_not_resumed_between_epochs(tmp_path):
    curriculum = make_curriculum()
    saver = jobs.ModelCheckpoint(tmp_path, "last", save_on_train_epoch_end=True)
    jobs.fit(curriculum, jobs.trainer_of(curriculum, 1, tmp_path, [saver], max_steps=13))
    curriculum = make_curriculum()
    trainer = jobs.trainer_of(curriculum, 1, tmp_path)
    with pytest.raises(RuntimeError, match=r"between two epochs .* got 30 samples recorded"):
        jobs.fit(curriculum, trainer, ckpt_path=tmp_path / "last.ckpt")


def test_lightning_checkpoint_without_a_curriculum_warns(tmp_path):
    curriculum = make_curriculum()
    saver = jobs.at_epoch_end(tmp_path)
    jobs.fit(curriculum, jobs.bare_trainer(1, tmp_path, [saver, jobs.StepAtEpochEnd(curriculum)]))
    curriculum = make_curriculum()
    with pytest.warns(RuntimeWarning, match="the checkpoint holds no curriculum"):
        jobs.fit(
            curriculum,
            jobs.trainer_of(curriculum, 1, tmp_path),
            ckpt_path=tmp_path / "epoch-step=20.ckpt",
        )


def test_lightning_api_reference_documents_every_public_name():
    assert documented("lightning") == sstrack_sched.lightning.__all__


def test_lightning_of_either_name_will_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    module = runpy.run_path(sstrack_sched.lightning.__file__, run_name="sstrack_sched.lightning")
    other = pytest.importorskip("pytorch_lightning", reason="only the one name is here")
    assert issubclass(module["CurriculumCallback"], other.Callback)
