"""Jobs of each process of tests/torch/test_processes.py."""

import json
import warnings
from pathlib import Path

import torch
import torch.distributed as dist

from .conftest import SAMPLES, iou_of, loader_of, make_curriculum, row_of, train


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


def remainder(left, rank, world_size, folder):
    """An epoch of which few pairs are left: some processes have one, some an empty batch."""
    curriculum = make_curriculum()
    curriculum.load_state_dict(json.loads(Path(folder, "left.json").read_text(encoding="utf-8")))
    consumed = []
    for sample in curriculum.sampler:
        row = row_of(sample)
        consumed.append(row)
        curriculum.record(iou_of(torch.tensor([row])), [row[3]])
    curriculum.record(torch.empty(0), torch.empty(0))
    curriculum.step()
    return finished(curriculum, consumed)


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


def disagreeing(name, rank, world_size, folder):
    """Other options in each process: all raise at the first gather."""
    options = {
        "seed": {"seed": rank},
        "order": {"order": 2.0 + rank},
        "data": {"length": 40 + rank},
        "on_invalid": {"on_invalid": ("raise", "drop")[rank]},
    }
    return message_of(ValueError, make_curriculum(**options[name]).synchronize)


def uneven(rank, world_size, folder):
    """Batches missing in one process."""
    curriculum = make_curriculum()
    for number, batch in enumerate(loader_of(curriculum)):
        if not (rank and number > 1):
            curriculum.record(iou_of(batch["pair"]), batch["bin"])
    return [message_of(ValueError, curriculum.synchronize), message_of(ValueError, curriculum.step)]


def misused(name, rank, world_size, folder):
    """An error in one process is raised in all, and no process waits."""
    options = {
        "warning": {"on_invalid": "drop"},
        "place": {"rank": 0, "world_size": world_size},
    }
    curriculum = make_curriculum(**options.get(name, {}))
    batch = next(iter(loader_of(curriculum)))
    curriculum.record(iou_of(batch["pair"]), batch["bin"])
    if name == "bin":  # as on a device, where record() does not look
        bins = torch.tensor([99 if rank else 0])
        curriculum._ledger.record(torch.tensor([0.5]), bins, world_size)
    elif name == "warning":
        curriculum.record([float("nan") if rank else 0.5], [0])
    elif name == "resumed" and rank:
        saved = make_curriculum()
        saved._ledger.record(torch.tensor([0.5]), torch.tensor([0]), 1)
        curriculum.load_state_dict(saved.state_dict())
    partial = rank == 1 if name == "partial" else True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return message_of((ValueError, RuntimeWarning), lambda: curriculum.step(partial=partial))


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
