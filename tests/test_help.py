"""Output of `help()` in a terminal of 80 columns."""

from __future__ import annotations

import importlib
import pkgutil
import pydoc
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

import sstrack_sched

ROOT = Path(sstrack_sched.__file__).parent
MODULES = [module.name for module in pkgutil.iter_modules([str(ROOT)]) if module.name[0] != "_"]
NEEDED = {"plotting": "matplotlib", "torch": "torch"}
LIGHTNING = {"lightning": SimpleNamespace(), "lightning.pytorch": SimpleNamespace(Callback=object)}


def texts_of_source():
    """All lines of the package without indentation and quotes, docstrings among them."""
    lines = "\n".join(path.read_text("utf-8") for path in ROOT.rglob("*.py")).splitlines()
    return {re.sub(r'^r?"""|"""$', "", line.strip()) for line in lines}


@pytest.mark.parametrize("name", ["", *MODULES])
def test_help_of_public_module_prints_no_docstring_beyond_80_columns(name):
    pytest.importorskip(NEEDED.get(name, "numpy"))
    with mock.patch.dict(sys.modules, LIGHTNING if name == "lightning" else {}):
        module = importlib.import_module(f"sstrack_sched.{name}".rstrip("."))
        lines = pydoc.plain(pydoc.render_doc(module)).splitlines()
    docstrings = texts_of_source()
    wide = [line for line in lines if len(line) > 80]
    assert [line for line in wide if line.split(" - ", 1)[-1].strip(" |") in docstrings] == []
    assert any(line.strip(" |") in docstrings for line in lines if len(line) > 60)
