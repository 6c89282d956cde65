"""The pages: every Python snippet is run, every public name is in the API reference."""

from __future__ import annotations

import re
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path

import pytest

sybil = pytest.importorskip("sybil", reason="snippets are run in the full environment only")
markdown = pytest.importorskip("sybil.parsers.markdown")

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page_snippets_run_and_print_what_they_say(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what they save
    code = markdown.PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
    document = sybil.Sybil(parsers=[code, markdown.SkipParser()], path=str(ROOT)).parse(page)
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize(
    ("module", "pages"),
    [("sstrack_sched", ("sampling", "schedule", "weights")), ("sstrack_sched.torch", ("torch",))],
)
def test_api_reference_documents_every_public_name_once(module, pages):
    names = pytest.importorskip(module).__all__
    text = "".join((ROOT / "docs" / "api" / f"{page}.rst").read_text("utf-8") for page in pages)
    documented = re.findall(r"^.. auto(?:class|function):: (\w+)$", text, flags=re.MULTILINE)
    assert sorted(documented) == sorted(names)
