"""Changes for a newer stack than the one that the checkouts pin (Python 3.8, torch 1.9, CUDA).

Each function is one patch of a library in this process, with its reason; it looks whether the patch
is needed and returns whether it was applied. In the pinned environment none is. No file changes.
"""

from __future__ import annotations

import collections
import collections.abc
import importlib
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
import types
import warnings
from typing import Any, Callable, List, Tuple

import numpy as np
import torch


def apply_before_import() -> Tuple[str, ...]:
    """Patches that the import of a checkout needs; the names of those that were applied."""
    return _apply(
        torch_six, collections_aliases, numpy_aliases, torchvision_operators, wandb_stub, no_cuda
    )


def apply_after_import() -> Tuple[str, ...]:
    """Patches of the imported checkout and of how it runs; the names of those applied."""
    return _apply(load_whole_checkpoints, fork_workers, quiet_loader, settings_on_cpu)


def _apply(*patches: Callable[[], bool]) -> Tuple[str, ...]:
    return tuple(patch.__name__ for patch in patches if patch())


def _add_module(name: str) -> Any:
    """An empty module; with a spec, or a later `find_spec` of the name raises ValueError."""
    module: Any = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module
    return module


def torch_six() -> bool:
    """``lib/train/data/loader.py`` imports `torch._six`, which torch 1.13 dropped."""
    if importlib.util.find_spec("torch._six") is not None:
        return False
    module = _add_module("torch._six")
    module.string_classes = str
    module.int_classes = int
    return True


def collections_aliases() -> bool:
    """Their collate names `collections.Mapping` and `Sequence`, which Python 3.10 dropped."""
    missing = [name for name in ("Mapping", "Sequence") if not hasattr(collections, name)]
    for name in missing:
        setattr(collections, name, getattr(collections.abc, name))
    return bool(missing)


def numpy_aliases() -> bool:
    """HiT names `np.float`, which NumPy 1.24 dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated from NumPy 1.20 on
        if hasattr(np, "float"):
            return False
    np.float = float  # type: ignore[attr-defined]  # noqa: NPY001 (HiT asks for the old name)
    return True


def torchvision_operators() -> bool:
    """A torchvision built for CUDA cannot be imported beside a torch for CPU.

    It registers shapes for operators that its library, which does not load, would have declared.
    Two declarations are enough; nobody calls the operators here.
    """
    if importlib.util.find_spec("torchvision") is None:
        return False  # the checkout's import says so
    try:
        import torchvision  # noqa: F401 (only whether it imports)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    else:
        return False
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library: Any = torch.library.Library("torchvision", "FRAGMENT")
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    library.define(f"nms{boxes}")
    library.define(f"qnms{boxes}")
    _KEPT.append(library)  # it is undone when the object goes
    return True


_KEPT: List[Any] = []


def wandb_stub() -> bool:
    """Their trainer imports wandb even where it is not used."""
    if importlib.util.find_spec("wandb") is not None:
        return False
    _add_module("wandb")
    return True


def no_cuda() -> bool:
    """Networks, heads and actors call ``.cuda()``, HiT's trainer `torch.cuda.synchronize`."""
    if torch.cuda.is_available():
        return False

    def stay(self: Any, *_args: Any, **_options: Any) -> Any:
        return self

    # Methods of torch are replaced on purpose, which mypy does not allow.
    torch.Tensor.cuda = stay  # type: ignore[method-assign]
    torch.nn.Module.cuda = stay  # type: ignore[method-assign]
    torch.cuda.synchronize = lambda *_device: None  # type: ignore[assignment]
    return True


def settings_on_cpu() -> bool:
    """``train_script.py`` sets ``settings.device`` to ``cuda:0`` and gives DDP device numbers."""
    if torch.cuda.is_available():
        return False
    settings: Any = importlib.import_module("lib.train.admin.settings").Settings
    settings.device = property(lambda _self: torch.device("cpu"), lambda _self, _value: None)
    script: Any = importlib.import_module("lib.train.train_script")
    parallel = script.DDP

    def on_cpu(net: Any, **options: Any) -> Any:
        options.pop("device_ids", None)
        return parallel(net, **options)

    script.DDP = on_cpu
    return True


def load_whole_checkpoints() -> bool:
    """torch 2.6 loads tensors only unless told otherwise; their checkpoints hold settings, too.

    torch's own switch for programs that cannot be changed. It concerns the run's own checkpoints
    and the pretrained weights that the config names.
    """
    if "weights_only" not in torch.load.__code__.co_varnames:
        return False
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    return True


def quiet_loader() -> bool:
    """Their collate resizes an output in a way that newer torch warns of, in every batch."""
    if not hasattr(torch, "UntypedStorage"):
        return False
    name = r"lib\.train\.data\.loader"
    warnings.filterwarnings("ignore", category=UserWarning, module=name)
    return True


def fork_workers() -> bool:
    """Python 3.14 starts workers afresh: they would lack the patches above."""
    if multiprocessing.get_start_method() == "fork" or sys.platform != "linux":
        return False
    multiprocessing.set_start_method("fork", force=True)
    return True
