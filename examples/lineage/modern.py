"""Patches for newer versions than the checkouts pin (Python 3.8, torch 1.9, CUDA).

Each function is one patch of a library in this process, with its reason. It applies the patch if
needed and returns whether it did. The pinned environment needs none. No file is changed.
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
    """Apply the patches for importing a checkout; return the names of the applied ones."""
    return _apply(
        torch_six, collections_aliases, numpy_aliases, torchvision_operators, wandb_stub, no_cuda
    )


def apply_after_import() -> Tuple[str, ...]:
    """Patch the imported checkout for its run; return the names of the applied patches."""
    return _apply(load_whole_checkpoints, fork_workers, quiet_loader, settings_on_cpu)


def _apply(*patches: Callable[[], bool]) -> Tuple[str, ...]:
    return tuple(patch.__name__ for patch in patches if patch())


def _add_module(name: str) -> Any:
    """Create an empty module, with a spec so that a later `find_spec` does not raise."""
    module: Any = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module
    return module


def torch_six() -> bool:
    """Provide `torch._six`, removed in torch 1.13, for ``lib/train/data/loader.py``."""
    if importlib.util.find_spec("torch._six") is not None:
        return False
    module = _add_module("torch._six")
    module.string_classes = str
    module.int_classes = int
    return True


def collections_aliases() -> bool:
    """Provide `collections.Mapping` and `Sequence`, removed in Python 3.10, for collating."""
    missing = [name for name in ("Mapping", "Sequence") if not hasattr(collections, name)]
    for name in missing:
        setattr(collections, name, getattr(collections.abc, name))
    return bool(missing)


def numpy_aliases() -> bool:
    """Provide `np.float`, removed in NumPy 1.24, for HiT."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated from NumPy 1.20 on
        if hasattr(np, "float"):
            return False
    np.float = float  # type: ignore[attr-defined]  # noqa: NPY001 (HiT uses the old name)
    return True


def torchvision_operators() -> bool:
    """Make a torchvision for CUDA importable with a torch for CPU.

    It registers shapes of operators that its library, which does not load, should have declared.
    Two declarations are enough, because the operators are never called here.
    """
    if importlib.util.find_spec("torchvision") is None:
        return False  # importing the checkout raises the error
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
    _KEPT.append(library)  # deleting the object would undo it
    return True


_KEPT: List[Any] = []


def wandb_stub() -> bool:
    """Provide wandb, which the checkout's trainer imports even if it is not used."""
    if importlib.util.find_spec("wandb") is not None:
        return False
    _add_module("wandb")
    return True


def no_cuda() -> bool:
    """Disable calls of ``.cuda()`` and, in HiT's trainer, `torch.cuda.synchronize`."""
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
    """Override ``cuda:0`` and the DDP device numbers that ``train_script.py`` sets."""
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
    """Allow loading of settings in checkpoints; torch 2.6 loads only tensors by default.

    This uses torch's switch for programs that cannot be changed. It affects the checkpoints of the
    run and the pretrained weights of the config.
    """
    if "weights_only" not in torch.load.__code__.co_varnames:
        return False
    os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    return True


def quiet_loader() -> bool:
    """Silence a warning of newer torch about how the collate function resizes its output."""
    if not hasattr(torch, "UntypedStorage"):
        return False
    name = r"lib\.train\.data\.loader"
    warnings.filterwarnings("ignore", category=UserWarning, module=name)
    return True


def fork_workers() -> bool:
    """Fork workers: Python 3.14 would start them without the patches above."""
    if multiprocessing.get_start_method() == "fork" or sys.platform != "linux":
        return False
    multiprocessing.set_start_method("fork", force=True)
    return True
