"""What each process of tests/torch/test_processes.py does; spawned, so in a module of its own."""

import json
import warnings
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from .conftest import SAMPLES, iou_of, loader_of, make_curriculum, row_of, train


def run(rank, world_size, folder, names):
    """One process of a gloo group: the jobs by name, each one's result in a JSON file."""
    torch.set_num_threads(1)
    store = Path(folder, f"store-{world_size}-{'-'.join(names)}").as_uri()
    dist.init_process_group(
        "gloo",
        init_method=store,
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=120),  # a process that waits for ever is a failure, not a hang
    )
    for name in names:
        result = globals()[name](rank, world_size, Path(folder))
        path = Path(folder, f"{name}-{world_size}-{rank}.json")
        path.write_text(json.dumps(result), encoding="utf-8")
    if dist.is_initialized():
        dist.destroy_process_group()


def finished(curriculum, consumed):
    history = [record.to_dict() for record in curriculum.scheduler.history]
    return {"consumed": consumed, "history": history}


def whole(rank, world_size, folder):
    """All epochs."""
    curriculum = make_curriculum()
    return finished(curriculum, train(curriculum, loader_of(curriculum)))


def interrupted(rank, world_size, folder):
    """Up to the second batch of the second epoch; rank 0 saves."""
    curriculum = make_curriculum()
    batches = -(-SAMPLES // world_size // 10)
    consumed = train(curriculum, loader_of(curriculum), stop_at=batches + 1)
    alone = message_of(RuntimeError, curriculum.state_dict)
    curriculum.synchronize()
    if rank == 0:
        text = json.dumps(curriculum.state_dict())
        Path(folder, "checkpoint.json").write_text(text, encoding="utf-8")
    return {"consumed": consumed, "alone": alone, "state": curriculum.state_dict()}


def resumed(rank, world_size, folder):
    """From the checkpoint to the end."""
    curriculum = make_curriculum()
    text = Path(folder, "checkpoint.json").read_text(encoding="utf-8")
    curriculum.load_state_dict(json.loads(text))
    assert curriculum.state_dict() == json.loads(text)  # nothing consumed since: complete
    return finished(curriculum, train(curriculum, loader_of(curriculum)))


def remainder(rank, world_size, folder):
    """Epochs of which 1, 2, 4 pairs are left: some processes have one, some an empty batch."""
    found = {}
    for left in (1, 2, 4):
        curriculum = make_curriculum()
        text = Path(folder, f"left-{left}.json").read_text(encoding="utf-8")
        curriculum.load_state_dict(json.loads(text))
        consumed = []
        for sample in curriculum.sampler:
            row = row_of(sample)
            consumed.append(row)
            curriculum.record(iou_of(torch.tensor([row])), [row[3]])
        curriculum.record(torch.empty(0), torch.empty(0))
        curriculum.step()
        found[left] = finished(curriculum, consumed)
    return found


def invalid(rank, world_size, folder):
    """A NaN in the last process: all raise, all discard, all go on alike."""
    curriculum = make_curriculum()
    for number, batch in enumerate(loader_of(curriculum)):
        ious = iou_of(batch["pair"])
        if number == 1 and rank == world_size - 1:
            ious[3], batch["bin"][3] = float("nan"), 2
        curriculum.record(ious, batch["bin"])
    messages = [message_of(ValueError, curriculum.step) for _ in range(2)]
    discarded = curriculum.discard_invalid()
    curriculum.step()
    return {"messages": messages, "discarded": discarded, **finished(curriculum, [])}


def disagreeing(rank, world_size, folder):
    """Other seeds, other videos: all raise at the first step."""
    messages = []
    on_invalid = ("raise", "drop")[rank]
    for options in (
        {"seed": rank},
        {"order": 2.0 + rank},
        {"length": 40 + rank},
        {"on_invalid": on_invalid},
    ):
        curriculum = make_curriculum(**options)
        messages.append(message_of(ValueError, curriculum.synchronize))
    return messages


def uneven(rank, world_size, folder):
    """Batches missing in one process."""
    curriculum = make_curriculum()
    for number, batch in enumerate(loader_of(curriculum)):
        if not (rank and number > 1):
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
    return [message_of(ValueError, curriculum.synchronize), message_of(ValueError, curriculum.step)]


def misused(rank, world_size, folder):
    """What one process does wrong is raised in all, and no process waits."""
    found = {}

    def attempt(name, curriculum, function):
        found[name] = message_of((ValueError, RuntimeWarning), function)

    for name in ("partial", "warning", "bin", "place", "seed", "resumed"):
        options = {}
        if name == "warning":
            options = {"on_invalid": "drop"}
        if name == "place":
            options = {"rank": 0, "world_size": world_size}
        if name == "seed":
            options = {"seed": rank}
        curriculum = make_curriculum(**options)
        batch = next(iter(loader_of(curriculum)))
        curriculum.record(iou_of(batch["pair"]), batch["bin"])
        if name == "partial":
            attempt(name, curriculum, lambda c=curriculum: c.step(partial=rank == 1))
        elif name == "bin":  # as on a device, where record() does not look
            bins = torch.tensor([99 if rank else 0])
            curriculum._ledger.record(torch.tensor([0.5]), bins, world_size)
            attempt(name, curriculum, curriculum.synchronize)
        elif name == "warning":
            curriculum.record([float("nan") if rank else 0.5], [0])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                attempt(name, curriculum, lambda c=curriculum: c.step(partial=True))
        else:
            if name == "resumed" and rank:
                saved = make_curriculum()
                saved._ledger.record(torch.tensor([0.5]), torch.tensor([0]), 1)
                curriculum.load_state_dict(saved.state_dict())
            attempt(name, curriculum, lambda c=curriculum: c.step(partial=True))
    return found


def loaded_alone(rank, world_size, folder):
    """One process loads its own state between epochs; the run goes on."""
    curriculum = make_curriculum()
    for epoch in range(2):
        for batch in loader_of(curriculum):
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
        curriculum.step()
        if rank == epoch == 0:
            curriculum.load_state_dict(curriculum.state_dict())
    return finished(curriculum, [])


def destroyed(rank, world_size, folder):
    """The process group is gone before the state is asked for."""
    curriculum = make_curriculum()
    batch = next(iter(loader_of(curriculum)))
    curriculum.record(iou_of(batch["pair"]), batch["bin"])
    dist.destroy_process_group()
    return message_of(RuntimeError, curriculum.state_dict)


def message_of(exception, function):
    try:
        function()
    except exception as error:
        return str(error)
    return None
