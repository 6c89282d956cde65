"""Subclass of the checkout's trainer that steps the curriculum at the end of an epoch."""

from __future__ import annotations

from typing import Any, Callable, Optional

import torch

from sstrack_sched.torch import Curriculum

from .checkout import SetupError
from .losses import ScheduledLosses
from .report import report

STATE = "sstrack_sched"
"""Key of the state in ``net.info``, which the checkout saves with the network as ``net_info``."""


def scheduled_trainer(base: Any, generalized_box_iou: Callable[..., Any]) -> Any:
    """Create a subclass of LTRTrainer; the curriculum is an attribute of its loader."""

    class ScheduledTrainer(base):  # type: ignore[misc, valid-type]  # known at run time
        def __init__(self, actor: Any, loaders: Any, *args: Any, **options: Any) -> None:
            super().__init__(actor, loaders, *args, **options)
            found = [loader.curriculum for loader in loaders if hasattr(loader, "curriculum")]
            self.curriculum: Optional[Curriculum] = found[0] if found else None
            if self.curriculum is not None:
                ScheduledLosses(actor, self.curriculum, generalized_box_iou)

        def train(self, *args: Any, **options: Any) -> None:
            """Train, raising exceptions for which LTRTrainer would print "Finished training!"."""
            super().train(*args, **{**options, "fail_safe": False})

        def cycle_dataset(self, loader: Any) -> None:
            if hasattr(loader, "curriculum") and not torch.distributed.is_initialized():
                # The original shuffling drew a seed here. Drawing it, too, keeps the random numbers
                # of network and validation unchanged.
                torch.empty((), dtype=torch.int64).random_()
            super().cycle_dataset(loader)

        def train_epoch(self) -> None:
            super().train_epoch()
            if self.curriculum is None:
                return
            self.curriculum.step()
            info = dict(getattr(self._net(), "info", None) or {})
            self._net().info = {**info, STATE: self.curriculum.state_dict()}
            if self.settings.local_rank in (-1, 0):
                name = next(it.name for it in self.loaders if hasattr(it, "curriculum"))
                report(self.curriculum, self.settings, self.tensorboard_writer.writer[name])

        def load_checkpoint(self, *args: Any, **options: Any) -> Any:
            loaded = super().load_checkpoint(*args, **options)
            if loaded:
                self._restore((getattr(self._net(), "info", None) or {}).get(STATE))
            return loaded

        def _net(self) -> Any:
            net = self.actor.net
            parallel = isinstance(net, torch.nn.parallel.DistributedDataParallel)
            return net.module if parallel else net

        def _restore(self, state: Any) -> None:
            if (state is None) != (self.curriculum is None):
                with_or_without = "without" if state is None else "with"
                raise SetupError(
                    f"the checkpoint in {self._checkpoint_dir} is of a run {with_or_without} a "
                    "schedule: use the --sampler that it was trained with, or another "
                    "--save-dir"
                )
            if self.curriculum is None:
                return
            try:
                self.curriculum.load_state_dict(state)
            except (TypeError, ValueError) as error:
                raise SetupError(
                    f"the checkpoint in {self._checkpoint_dir} is of a run with other options or "
                    "data: resume with the original ones, or use another --save-dir "
                    f"({error})"
                ) from error
            if self.curriculum.scheduler.epoch != self.epoch:
                raise ValueError(
                    f"the checkpoint's epoch {self.epoch} must be that of its schedule; got "
                    f"{self.curriculum.scheduler.epoch}"
                )

    ScheduledTrainer.__name__ = base.__name__
    return ScheduledTrainer
