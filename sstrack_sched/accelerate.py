"""The curriculum under Accelerate (extra ``accelerate``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .torch import Curriculum

__all__ = ["prepare"]


def prepare(accelerator: Any, curriculum: Curriculum, loader: Any) -> Any:
    """Return the loader prepared, but not sharded again, and keep the curriculum's state.

    The curriculum's sampler hands every process its own share, and goes on after what was consumed
    when a state is loaded. So Accelerate neither shards the batches nor skips any: do not use
    ``skip_first_batches``. ``accelerator.save_state()`` and ``load_state()`` include the
    curriculum, in the middle of an epoch too, if all processes call them, as they must.

    Parameters
    ----------
    accelerator : accelerate.Accelerator
        Without ``split_batches``, ``dispatch_batches`` and ``use_stateful_dataloader``.
        ``even_batches`` has no effect.
    curriculum : Curriculum
        Made without ``rank`` and ``world_size``. Registered for checkpointing here.
    loader : DataLoader
        Takes its samples from ``curriculum.sampler``; its batch size is that of each process.

    Raises
    ------
    ValueError
        If an option of the accelerator, the curriculum's place or the loader's sampler does not
        fit. Nothing is prepared or registered then.
    """
    for option in ("split_batches", "dispatch_batches", "use_stateful_dataloader"):
        if getattr(accelerator, option):
            raise ValueError(
                f"accelerator must be without {option}, for the curriculum's sampler shards and "
                f"resumes by itself; got {option}={getattr(accelerator, option)!r}"
            )
    share = curriculum.samples_per_epoch // accelerator.num_processes
    if len(curriculum.sampler) != share:
        raise ValueError(
            f"curriculum must hand each of {accelerator.num_processes} processes {share} of "
            f"{curriculum.samples_per_epoch} samples, so make it without rank and world_size; "
            f"got {len(curriculum.sampler)}"
        )
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    if not any(s is curriculum.sampler for s in (getattr(loader, "sampler", None), inner)):
        raise ValueError(
            f"loader must take its samples from curriculum.sampler; got a loader over {inner!r}"
        )
    from accelerate.data_loader import prepare_data_loader

    prepared = prepare_data_loader(
        loader,
        accelerator.device,
        num_processes=1,  # as far as Accelerate is concerned: the sampler has sharded already
        process_index=0,
        put_on_device=accelerator.device_placement,
        rng_types=list(accelerator.rng_types),
        non_blocking=accelerator.non_blocking,
    )
    prepared._is_accelerate_prepared = True  # Accelerate's own mark of what it must not wrap again
    accelerator.register_for_checkpointing(curriculum)
    accelerator.register_save_state_pre_hook(lambda *_: curriculum.synchronize())
    return accelerator.prepare_data_loader(prepared)
