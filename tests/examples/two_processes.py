"""Script that `test_distributed.py` starts under ``torchrun`` in two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from examples.tracker.data.frames import FrameStore
from examples.tracker.models.weights import load_checkpoint
from examples.tracker.training.config import TrainConfig
from examples.tracker.training.devices import process_group
from examples.tracker.training.trainer import CHECKPOINT, Trainer
from tests.examples.conftest import TINY, moving_square


class Watched(Trainer):
    """A trainer that remembers which pairs this process was given."""

    def __init__(self, *arguments):
        self.pairs = []
        super().__init__(*arguments)

    def _step(self, batch):
        epoch = self.curriculum.scheduler.epoch
        self.pairs.append([(epoch, number) for number in batch["number"].tolist()])
        return super()._step(batch)


def main(out):
    torch.set_num_threads(1)
    config = TrainConfig(**TINY)
    store = FrameStore([moving_square(f"square-{i}", seed=i) for i in range(3)])
    with process_group("cpu") as processes:
        whole = Watched(config, store)
        assert whole.run(out / "whole", progress=False)
        cut = Watched(config, store)
        # Only one of them is told to stop.
        assert not cut.run(out / "cut", progress=False, max_steps=4 if processes.rank else 99)
        again = Watched(config, store)
        again.load_state_dict(load_checkpoint(out / "cut" / CHECKPOINT))
        assert again.run(progress=False)
        torch.save(
            {
                "weights": whole.model.state_dict(),
                "resumed": again.model.state_dict(),
                "pairs": whole.pairs,
                "resumed_pairs": cut.pairs + again.pairs,
                "history": [record.to_dict() for record in whole.history],
                "resumed_history": [record.to_dict() for record in again.history],
            },
            out / f"rank-{processes.rank}.pt",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
