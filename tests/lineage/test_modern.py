"""Patches for a newer stack: none is applied where it is not needed."""

import collections
import collections.abc
import importlib.machinery
import importlib.util
import multiprocessing
import sys
import types
import warnings

import numpy as np
import pytest
import torch

from examples.lineage import modern

# Where the old names exist, looking at them warns.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def modules(monkeypatch):
    """``modules(name)`` makes a module importable for the test."""

    def add(name):
        module = types.ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return add


def test_torch_and_packages_that_are_there_stay_as_they_are(modules, monkeypatch):
    six, wandb, torchvision = (modules(name) for name in ("torch._six", "wandb", "torchvision"))
    assert not modern.torch_six() and not modern.wandb_stub()
    assert not modern.torchvision_operators()
    assert sys.modules["torch._six"] is six and sys.modules["wandb"] is wandb
    assert sys.modules["torchvision"] is torchvision


def test_a_module_that_stands_in_is_found_by_others_that_look_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    del sys.modules["wandb"]  # set back at the end of the test
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.BuiltinImporter])
    assert modern.wandb_stub()
    assert importlib.util.find_spec("wandb") is not None
    assert not modern.wandb_stub()


def test_a_torchvision_that_is_not_installed_is_left_to_the_checkout(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torchvision" else find(name)
    )
    assert not modern.torchvision_operators()


def test_names_that_numpy_and_collections_have_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(np, "float", "own", raising=False)
    for name in ("Mapping", "Sequence"):
        monkeypatch.setattr(collections, name, "own", raising=False)
    assert not modern.numpy_aliases() and not modern.collections_aliases()
    assert vars(np)["float"] == collections.Mapping == collections.Sequence == "own"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="collections has the names")
def test_names_that_they_lack_are_those_of_old(monkeypatch):
    monkeypatch.setattr(collections, "Mapping", "own", raising=False)
    monkeypatch.setattr(collections, "Sequence", None, raising=False)
    monkeypatch.delattr(collections, "Sequence")
    assert modern.collections_aliases()
    assert collections.Mapping == "own" and collections.Sequence is collections.abc.Sequence


def test_with_a_gpu_nothing_of_cuda_is_replaced(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.Tensor.cuda, torch.nn.Module.cuda, torch.cuda.synchronize
    assert not modern.no_cuda() and not modern.settings_on_cpu()
    assert (torch.Tensor.cuda, torch.nn.Module.cuda, torch.cuda.synchronize) == before


def test_a_torch_that_loads_whole_checkpoints_is_not_told_to(monkeypatch):
    monkeypatch.setattr(torch, "load", lambda f, map_location=None: None)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)
    assert not modern.load_whole_checkpoints()
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in modern.os.environ


def test_an_older_torch_keeps_its_warnings(monkeypatch):
    monkeypatch.delattr(torch, "UntypedStorage", raising=False)
    before = list(warnings.filters)
    assert not modern.quiet_loader()
    assert list(warnings.filters) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere forking is not the default")
@pytest.mark.parametrize("method, needed", [("fork", False), ("forkserver", True)])
def test_workers_are_forked_so_that_they_have_the_patches(monkeypatch, method, needed):
    set_to = []
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: method)
    monkeypatch.setattr(
        multiprocessing, "set_start_method", lambda name, force: set_to.append((name, force))
    )
    assert modern.fork_workers() == needed
    assert set_to == ([("fork", True)] if needed else [])
