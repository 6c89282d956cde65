"""Checks that run inside a process that holds a real checkout, in place of its training.

``python -m tests.lineage.inside CHECK TRACKER OPTIONS...``: everything is set up as `train.py` does
it, up to the trainer's `train`, which becomes the check. The last line printed is its result, JSON.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import re
import sys
import warnings
from collections import Counter
from typing import Any, Dict, List

import numpy as np
import torch

from examples.lineage import launcher
from examples.lineage.trainer import scheduled_trainer
from sstrack_sched.torch import LossWeight


def bins(trainer: Any) -> Dict[str, Any]:
    """Bins that samples of the loader's data set really have, by the files that were read."""
    loader = trainer.loaders[0]
    dataset, curriculum = loader.dataset, loader.curriculum
    found: Counter = Counter()
    for pair in curriculum.sampler:
        sample = dataset[pair]
        realised = _bin_of_files(dataset, curriculum, sample["dataset"])
        assert realised == sample["bin"] == pair.bin, pair
        found[realised] += 1
    return _shares(found, curriculum)


def upstream_bins(trainer: Any) -> Dict[str, Any]:
    """Bins that the checkout's own sampler draws, if no crop is ever rejected."""
    loader = trainer.loaders[0]
    dataset, curriculum = loader.dataset, loader.curriculum
    source = dataset.source
    source.processing = lambda data: {**data, "valid": True}
    for part in source.datasets:
        part.image_loader.read = lambda _path: np.zeros((8, 8, 3), dtype=np.uint8)
    _seed(11)
    found: Counter = Counter()
    for _ in range(len(dataset)):
        for part in source.datasets:
            part.image_loader.files.clear()
        sample = source[0]
        found[_bin_of_files(dataset, curriculum, sample["dataset"])] += 1
    return _shares(found, curriculum)


def _bin_of_files(dataset: Any, curriculum: Any, name: str) -> int:
    """Bin of the template and search frame whose files were read last."""
    part = next(part for part in dataset.source.datasets if part.get_name() == name)
    files = part.image_loader.files[-2:]
    template, search = (int(re.findall(r"\d+", path)[-1]) for path in files)
    return int(curriculum.source.bins.assign(abs(template - search), name == "coco"))


def _shares(found: Counter, curriculum: Any) -> Dict[str, Any]:
    q = curriculum.scheduler.distribution.tolist()
    return {"count": [found[i] for i in range(len(q))], "q": q}


def unreadable(trainer: Any) -> Dict[str, Any]:
    """Pairs of which many, then all frames cannot be read: bins stay, then an error."""
    loader = trainer.loaders[0]
    dataset, curriculum = loader.dataset, loader.curriculum
    pairs = list(curriculum.sampler)
    readers = [part.image_loader for part in dataset.source.datasets]
    reads = [reader.read for reader in readers]
    for reader, read in zip(readers, reads):
        reader.read = lambda path, read=read: read(path) if int(path[-5]) % 2 else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        same = True
        for pair in pairs:
            sample = dataset[pair]
            realised = _bin_of_files(dataset, curriculum, sample["dataset"])
            same = same and realised == sample["bin"] == pair.bin
        n_redrawn = len(caught)
        for reader in readers:
            reader.read = lambda _path: None
        try:
            dataset[pairs[0]]
            error = ""
        except RuntimeError as failure:
            error = str(failure)
    return {"same": same, "redrawn": n_redrawn, "error": error}


def validation(trainer: Any) -> Dict[str, Any]:
    """Fingerprint of the validation samples, after a cycle of training."""
    train, val = trainer.loaders
    trainer.epoch = 1
    _seed(7)
    trainer.cycle_dataset(train)
    digest = hashlib.sha256()
    for batch in val:
        assert "bin" not in batch
        for name in sorted(batch):
            if isinstance(batch[name], torch.Tensor):
                digest.update(batch[name].contiguous().numpy().tobytes())
    return {
        "digest": digest.hexdigest(),
        "val": type(val.dataset).__name__,
        "train": type(train.dataset).__name__,
        "objective": [str(f) for f in trainer.actor.objective.values()],
    }


def losses(trainer: Any) -> Dict[str, Any]:
    """Our loss and gradients against theirs at weight 1, and against a sum by sample at others."""
    loader, actor = trainer.loaders[0], trainer.actor
    curriculum, ours = loader.curriculum, actor.forward_pass.__self__
    actor.train(True)
    worst: Dict[str, float] = {"loss": 0.0, "gradient": 0.0, "weighted": 0.0}
    n_recorded = 0
    for batch in loader:
        batch["epoch"], batch["settings"] = 1, trainer.settings
        loss, gradient = _backward(actor, batch)
        n_recorded += len(batch["bin"])
        assert curriculum.n_consumed == n_recorded
        without = {name: value for name, value in batch.items() if name != "bin"}
        theirs, their_gradient = _backward(actor, type(batch)(without))
        worst["loss"] = max(worst["loss"], abs(loss - theirs) / abs(theirs))
        apart = (gradient - their_gradient).norm() / their_gradient.norm()
        worst["gradient"] = max(worst["gradient"], float(apart))
        worst["weighted"] = max(worst["weighted"], _against_sum(ours, batch["bin"]))
    return worst


def _backward(actor: Any, batch: Any) -> Any:
    """Loss and its gradient, as one vector; the same random numbers in every call."""
    _seed(3)
    actor.net.zero_grad()
    loss, _ = actor(batch)
    loss.backward()
    parts = [p.grad.flatten() for p in actor.net.parameters() if p.grad is not None]
    return float(loss), torch.cat(parts).double()


def _against_sum(ours: Any, ids: torch.Tensor) -> float:
    """Weighted losses against their functions, called with one sample at a time."""
    generator = torch.Generator().manual_seed(1)
    n = len(ids)
    boxes, others = torch.rand(2, n, 4, generator=generator)
    boxes[:, 2:] += boxes[:, :2]
    others[:, 2:] += others[:, :2]
    score = torch.rand(n, 1, 16, 16, generator=generator) * 0.9 + 0.05
    target = torch.rand(n, 1, 16, 16, generator=generator)
    target[:, 0, 3, 4] = 1
    weights = torch.rand(ours.curriculum.scheduler.n_bins, generator=generator) + 0.5
    mine = weights[ids]
    one = [slice(i, i + 1) for i in range(n)]
    theirs = ours.original
    expected = {
        "giou": sum(mine[s] * theirs["giou"](boxes[s], others[s])[0] for s in one) / n,
        "l1": sum(mine[s] * theirs["l1"](boxes[s], others[s]) for s in one) / n,
    }
    if "focal" in theirs:  # one positive a sample: theirs divides by 1 where the batch has n
        expected["focal"] = sum(mine[s] * theirs["focal"](score[s], target[s]) for s in one) / n
    keep, record = ours.curriculum.weigh, ours.curriculum.record
    ours.curriculum.weigh = LossWeight(weights.double().numpy())
    ours.curriculum.record = lambda *_: None
    ours._bins = ids
    got = {"giou": ours.giou(boxes, others)[0], "l1": ours.l1(boxes, others)}
    if "focal" in theirs:
        got["focal"] = ours.focal(score, target)
    ours.curriculum.weigh, ours.curriculum.record = keep, record
    return max(float(abs(got[name] - value) / abs(value)) for name, value in expected.items())


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def main(argv: List[str]) -> None:
    check, name, *options = argv
    tracker = getattr(importlib.import_module(f"examples.{name}.train"), name.upper())
    result: Dict[str, Any] = {}

    def checking(base: Any, generalized_box_iou: Any) -> Any:
        made = scheduled_trainer(base, generalized_box_iou)
        made.train = lambda self, *_args, **_options: result.update(globals()[check](self))
        return made

    launcher.scheduled_trainer = checking
    launcher.run(tracker, launcher.parse(tracker, options))
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
