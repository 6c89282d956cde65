"""The documentation in a real browser: no overflow, no dead links, no errors in the console.

It needs Playwright and a Chromium, and takes a minute: `pip install playwright`, and
`playwright install chromium` or the system's package. Without them it is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("furo")

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1400}
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("article *")].filter(
    (e) => e.getBoundingClientRect().right > window.innerWidth + 1
      && !e.closest("pre, .table-wrapper, .indextable, div.math, mjx-container, svg, .sr-only"));
  return [wide, out.slice(0, 3).map((e) => e.tagName + ": " + e.textContent.slice(0, 40))];
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(ROOT / "docs"), str(out)]
    subprocess.run(command, check=True)
    return out


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no browser: {error}")
        yield browser
        browser.close()


def pages_of(site):
    left_out = ("_modules", "_static")
    found = sorted(site.rglob("*.html"))
    return [page for page in found if not set(page.relative_to(site).parts) & set(left_out)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_no_page_overflows_or_complains(site, browser, width, theme):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, offline=True
    )
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    for path in pages_of(site):
        page.goto(path.as_uri(), wait_until="load")
        wide, out = page.evaluate(OVERFLOW)
        name = path.relative_to(site)
        assert wide <= 0 and not out, f"{name} is {wide} pixels too wide at {width}: {out}"
    # MathJax comes from a network that this test does not have.
    assert not [text for text in complaints if "ERR_INTERNET_DISCONNECTED" not in text]


def test_every_link_within_the_site_leads_somewhere(site, browser):
    page = browser.new_page()
    dead = []
    anchors = {}
    links = "() => [...document.querySelectorAll('a[href]')].map((a) => a.href)"
    ids = "() => [...document.querySelectorAll('[id], a[name]')].map((e) => e.id || e.name)"
    found = {}
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        anchors[path.as_uri()] = {*page.evaluate(ids), ""}
        found[path.as_uri()] = page.evaluate(links)
    for origin, targets in found.items():
        for target in set(targets):
            address, _, anchor = target.partition("#")
            if not address.startswith(site.as_uri()):
                continue
            there = address in anchors or Path(address[len("file://") :].split("?")[0]).is_file()
            known = anchors.get(address)
            if not there or (known is not None and anchor not in known):
                dead.append(f"{Path(origin).name} -> {target[len(site.as_uri()) :]}")
    assert not dead


def test_the_search_finds_tau(site, browser):
    page = browser.new_page()
    page.goto((site / "search.html").as_uri() + "?q=tau")
    page.wait_for_selector("text=Search finished", timeout=20_000)  # results appear one by one
    results = page.locator("#search-results li a").all_inner_texts()
    assert {"Success and schedule", "The mathematics"} <= set(results)
