"""Packages that a user installs: wheel and sdist as built, the wheel in an empty environment."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from datetime import date
from pathlib import Path

import pytest

import sstrack_sched

pytest.importorskip("build", reason="wheels are built in the full environment only")

ROOT = Path(__file__).resolve().parents[1]

PROBE = """\
import importlib.util, sys
import sstrack_sched

assert not {"torch", "matplotlib"} & set(sys.modules), "import has side effects"
assert importlib.util.find_spec("torch") is None, "this environment was to be without torch"
scheduler = sstrack_sched.SuccessAwareScheduler(2, total_epochs=2)
scheduler.step([[0.9, 0.8], [0.7, 0.1]])
print(sstrack_sched.__version__, sstrack_sched.__file__, scheduler.distribution.sum())
"""


def run(*command, cwd):
    """Output of a command that must succeed; nothing of this checkout is importable in it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        cwd=str(cwd),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with a wheel that was built from an sdist that was built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_wheel_holds_the_package_and_its_types_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    rooms = {name.split("/")[0] for name in names}
    assert rooms == {"sstrack_sched", f"sstrack_sched-{sstrack_sched.__version__}.dist-info"}
    assert "sstrack_sched/py.typed" in names
    assert [name for name in names if name.endswith("/LICENSE")]
    in_checkout = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "sstrack_sched").rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == in_checkout


def test_wheel_metadata_states_floors_and_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = archive.read(name).decode()
    for line in (
        "Requires-Python: >=3.8",
        "License-Expression: MIT",
        "Requires-Dist: numpy>=1.20",
        "Requires-Dist: scipy>=1.6",
        "Requires-Dist: torch>=1.9; extra == 'torch'",
    ):
        assert line in metadata.splitlines()
    required = [
        line
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert len(required) == 2
    extras = set(re.findall("^Provides-Extra: (.*)$", metadata, flags=re.MULTILINE))
    assert extras == {
        "torch",
        "plot",
        "lightning",
        "accelerate",
        "examples",
        "tracker",
        "docs",
        "test",
        "dev",
    }


def test_wheel_and_sdist_pass_the_checks_of_the_index(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)


@pytest.fixture(scope="module")
def sdist(built):
    (path,) = built.glob("*.tar.gz")
    return path


def test_sdist_holds_tests_docs_examples_and_nothing_heavy(sdist):
    with tarfile.open(sdist) as archive:
        sizes = {m.name.split("/", 1)[1]: m.size for m in archive.getmembers() if m.isfile()}
    assert {name.split("/")[0] for name in sizes} >= {"sstrack_sched", "docs", "examples", "tests"}
    about = {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"}
    assert about | {"Makefile", "pyproject.toml", "sstrack_sched/py.typed"} <= set(sizes)
    in_checkout = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert {name for name in sizes if re.match(r"tests/.*\.py$", name)} == in_checkout
    assert not [name for name in sizes if "_build" in name or "__pycache__" in name]
    assert max(sizes.values()) < 2_500_000  # the shipped weights
    assert sdist.stat().st_size < 5_000_000


def test_sdist_unpacked_elsewhere_passes_its_tests(sdist, tmp_path):
    run(sys.executable, "-m", "tarfile", "-e", sdist, tmp_path, cwd=tmp_path)
    (folder,) = tmp_path.iterdir()
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_bins.py")
    assert re.search(r"^\d+ passed in ", run(*command, cwd=folder), flags=re.MULTILINE)


def test_wheel_in_an_empty_environment_works_without_torch(wheel, tmp_path):
    home = tmp_path / "empty"
    venv.create(str(home), with_pip=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    installed = {
        line.split("==")[0].split(" @")[0] for line in run(*pip, "freeze", cwd=tmp_path).split("\n")
    }
    assert installed - {""} == {"numpy", "scipy", "sstrack-sched"}
    run(*pip, "check", cwd=tmp_path)
    version, file, total = run(python, "-W", "error", "-c", PROBE, cwd=tmp_path).split()
    assert version == sstrack_sched.__version__
    assert Path(file).is_relative_to(home)
    assert float(total) == pytest.approx(1)


@pytest.fixture
def citation():
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def test_citation_and_package_agree(citation, wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert citation["version"] == sstrack_sched.__version__ == metadata["Version"]
    assert citation["title"].partition(":")[0] == metadata["Name"]
    assert citation["license"] == metadata["License-Expression"]


def test_citation_holds_what_its_format_asks_for(citation):
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert {"message", "title", "authors"} <= set(citation)
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors", "year", "doi"} <= set(paper)
    for author in (*citation["authors"], *paper["authors"]):
        assert set(author) in ({"name"}, {"family-names", "given-names"})
    assert isinstance(citation["date-released"], date)
    assert paper["doi"] in (sstrack_sched.__doc__ or "")


def test_changelog_begins_with_this_version_and_its_date(citation):
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version, day = re.findall(r"^## \[(.+)\] - (.+)$", text, flags=re.MULTILINE)[0]
    assert (version, day) == (sstrack_sched.__version__, str(citation["date-released"]))
