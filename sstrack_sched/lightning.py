"""Lightning callback (extra ``lightning``)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Dict, Optional

try:
    from lightning.pytorch import Callback
except ImportError:  # the package's other name
    from pytorch_lightning import Callback

if TYPE_CHECKING:
    from .torch import Curriculum

__all__ = ["CurriculumCallback"]

_KEY = "sstrack_sched"  # key of the state in Lightning's checkpoints


class CurriculumCallback(Callback):  # type: ignore[misc]  # types are checked without Lightning
    """Callback that steps a curriculum and saves it in the checkpoints.

    The loader must use ``curriculum.sampler``; ``training_step`` must call
    ``curriculum.weigh`` and ``record``. The step precedes validation, even
    if ``limit_train_batches`` or ``fast_dev_run`` shortens the epoch.

    Parameters
    ----------
    curriculum : Curriculum
        Created without ``rank`` and ``world_size``.

    Raises
    ------
    ValueError, RuntimeError
        If a mid-epoch checkpoint has another number of batches per epoch,
        an epoch starts in the middle of the curriculum's, or Lightning has
        replaced the sampler.
    """

    def __init__(self, curriculum: Curriculum) -> None:
        super().__init__()
        self.curriculum = curriculum
        self._in_epoch = False  # in Lightning's sense: until on_train_epoch_end
        self._n_batches: Optional[float] = None  # per epoch, from a mid-epoch checkpoint

    def __repr__(self) -> str:
        return f"<CurriculumCallback: {self.curriculum!r}>"

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        """Check that a mid-epoch checkpoint has this run's number of batches."""
        saved, self._n_batches = self._n_batches, None
        self._in_epoch = saved is not None
        if saved is not None and saved != trainer.num_training_batches:
            raise ValueError(
                "a checkpoint from before an epoch's end must be resumed with as many batches per "
                f"epoch, {saved}, because Lightning counts them; got {trainer.num_training_batches}"
                "; or save with ModelCheckpoint(save_on_train_epoch_end=True)"
            )

    def on_train_epoch_start(self, *_: Any) -> None:
        """Check that the curriculum is at the start of an epoch, too."""
        n_recorded = self.curriculum.n_consumed
        if n_recorded:
            raise RuntimeError(
                "the curriculum must be between two epochs when Lightning starts one; got "
                f"{n_recorded} samples recorded: curriculum.step(partial=True) ends an epoch"
            )

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Step after the last batch, before validation and checkpoints."""
        self._in_epoch = True
        if trainer.is_last_batch:
            limit = trainer.limit_train_batches  # 1.0 means all batches, 1 means one
            self.curriculum.step(partial=isinstance(limit, int) or limit < 1.0)

    def on_train_epoch_end(self, *_: Any) -> None:
        """Note that checkpoints saved from now on are not mid-epoch."""
        self._in_epoch = False

    def on_save_checkpoint(self, trainer: Any, _module: Any, checkpoint: Dict[str, Any]) -> None:
        """Save the curriculum's state. Lightning calls this in all processes."""
        self.curriculum.synchronize()
        n_batches = trainer.num_training_batches if self._in_epoch else None
        checkpoint[_KEY] = {"n_batches": n_batches, "curriculum": self.curriculum.state_dict()}

    def on_load_checkpoint(self, trainer: Any, _module: Any, checkpoint: Dict[str, Any]) -> None:
        """Load the curriculum's state if training resumes from the checkpoint."""
        if trainer.state.fn != "fit":  # validate() and test() do not change the curriculum
            return
        if _KEY not in checkpoint:
            text = "the checkpoint holds no curriculum, so it starts at its first epoch"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return
        self.curriculum.load_state_dict(checkpoint[_KEY]["curriculum"])
        self._n_batches = checkpoint[_KEY]["n_batches"]
