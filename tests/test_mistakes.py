"""The page of common mistakes is what the library answers."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("torch")
DOCS = Path(__file__).resolve().parents[1] / "docs"

if not DOCS.is_dir():
    pytest.skip("no documentation beside the tests", allow_module_level=True)


def test_mistakes_page_is_what_the_library_answers():
    script = runpy.run_path(str(DOCS / "mistakes.py"))
    page = (DOCS / "mistakes.md").read_text("utf-8")
    assert script["with_sections"](page) == page
    assert len(script["MISTAKES"]) >= 15
