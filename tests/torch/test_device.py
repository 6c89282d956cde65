"""A training step never waits: nobody looks at values on the device before the epoch ends."""

import pytest

torch = pytest.importorskip("torch")

from .conftest import SAMPLES, iou_of, loader_of, make_curriculum  # noqa: E402


class Step:
    """A tracker's training step in small; `losses` gives per-sample losses and IoUs."""

    def __init__(self, curriculum, device):
        self.curriculum = curriculum
        self.model = torch.nn.Linear(6, 1, device=device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def __call__(self, pairs, bins):
        losses = self.model(pairs.float()).square().squeeze(1)
        self.optimizer.zero_grad(set_to_none=True)
        self.curriculum.weigh(losses, bins).mean().backward()
        self.optimizer.step()
        ious = torch.exp(-losses)
        self.curriculum.record(ious, bins)


def batches(curriculum, device):
    """Everything on the device before the step, as a loader with pinned memory has it."""
    return [(batch["pair"].to(device), batch["bin"].to(device)) for batch in loader_of(curriculum)]


@pytest.mark.skipif(
    int(torch.__version__.split(".")[0]) < 2, reason="before torch 2 the meta device does little"
)
def test_training_step_does_not_look_at_values():
    """Tensors of the device "meta" have none: who looks at them fails."""
    curriculum = make_curriculum()
    ious = torch.rand(10, device="meta")
    with pytest.raises((NotImplementedError, RuntimeError)):
        ious.max().item()  # or this test would prove nothing
    step = Step(curriculum, "meta")
    for pairs, bins in batches(curriculum, "meta"):
        step(pairs, bins)
    assert curriculum.n_consumed == SAMPLES


needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: torch.cuda finds none here"
)


@needs_cuda
def test_training_step_on_cuda_does_not_synchronise():
    curriculum = make_curriculum()
    step = Step(curriculum, "cuda")
    for epoch in range(2):
        data = batches(curriculum, "cuda")
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for pairs, bins in data:
                step(pairs, bins)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        curriculum.step()
        assert curriculum.scheduler.history[epoch].count.sum() == SAMPLES


@needs_cuda
def test_numbers_of_a_cuda_run_are_those_of_the_cpu():
    runs = []
    for device in ("cpu", "cuda"):
        curriculum = make_curriculum()
        for _ in range(2):
            for batch in loader_of(curriculum):
                curriculum.record(iou_of(batch["pair"]).to(device), batch["bin"].to(device))
            curriculum.step()
        runs.append(curriculum.scheduler.history)
    assert runs[0] == runs[1]


@needs_cuda
def test_float16_on_cuda_is_weighed_and_recorded_as_on_the_cpu():
    runs = []
    for device in ("cpu", "cuda"):
        curriculum = make_curriculum()
        for _ in range(2):
            for batch in loader_of(curriculum):
                ious, bins = iou_of(batch["pair"]).half().to(device), batch["bin"].to(device)
                weighted = curriculum.weigh(ious, bins)
                assert (weighted.dtype, weighted.device.type) == (torch.float16, device)
                curriculum.record(ious, bins)
            curriculum.step()
        runs.append((curriculum.scheduler.history, weighted.tolist()))
    assert runs[0] == runs[1]


@needs_cuda
def test_nccl_group_of_one_process_gives_the_run_of_none(tmp_path):
    torch.distributed.init_process_group(
        "nccl", init_method=f"file://{tmp_path}/group", rank=0, world_size=1
    )
    try:
        torch.cuda.set_device(0)
        gathered = [None]
        torch.distributed.all_gather_object(gathered, {"rank": 0})  # what gather_objects calls
        assert gathered == [{"rank": 0}]
        curriculum = make_curriculum()
        for batch in loader_of(curriculum):
            curriculum.record(iou_of(batch["pair"]).cuda(), batch["bin"].cuda())
        curriculum.synchronize()
        curriculum.step()
    finally:
        torch.distributed.destroy_process_group()
    alone = make_curriculum()
    for batch in loader_of(alone):
        alone.record(iou_of(batch["pair"]), batch["bin"])
    alone.step()
    assert curriculum.scheduler.history == alone.scheduler.history
