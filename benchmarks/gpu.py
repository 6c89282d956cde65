"""Everything that needs a CUDA device, in one run: tests, cost of a step, study of the tracker.

    python benchmarks/gpu.py --photos FOLDER [--out DIR] [--budget 540] [--page docs/evidence.md]

Each stage writes what it has to DIR/gpu.json, and none goes on past the budget (seconds). The same
command again does the stages that are not there; rows of the study that are done stay.
``--pack FILE`` only writes a tar of what another machine needs. ``--quick --device cpu`` is a check
on any machine: seconds, not a result.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tarfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = "gpu.json"
STAGES = {
    "tests": "tests that need CUDA: no synchronisation in a step, float16, NCCL with one process",
    "overhead": "what the library adds to a training step",
    "study lite": "the study on video, 20 times the pairs, `lite`",
    "study vit_tiny": "the study on video, 20 times the pairs, `vit_tiny`",
}
MODELS = {
    "lite": ("--pretrained", "imagenet", "--frozen-stages", "5", "--average", "0.99"),
    "vit_tiny": ("--learning-rate", "4e-4"),
}
PACKED = ("sstrack_sched", "examples", "tests", "benchmarks", "pyproject.toml", "README.md")
MAX_PACKED = 64 * 2**20  # bytes


class Run:
    """The results file, and the time that is left."""

    def __init__(self, options):
        self.options, self.end = options, time.monotonic() + options.budget
        self.file = options.out / RESULTS
        self.stages = {}
        if self.file.exists():
            self.stages = json.loads(self.file.read_text("utf-8"))["stages"]

    @property
    def left(self):
        return self.end - time.monotonic()

    def save(self, name, found):
        self.stages[name] = found
        cuda = self.options.device != "cpu"
        device = torch.cuda.get_device_name() if cuda else "CPU"
        found = {"device": device, "torch": torch.__version__, "stages": self.stages}
        self.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def call(self, arguments, share=1.0):
        """Run a command within a share of the time left, then stop it as Ctrl-C does; exit code."""
        process = subprocess.Popen([sys.executable, *map(str, arguments)], cwd=ROOT)
        try:
            return process.wait(max(share * self.left, 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return process.wait()


def run_tests(run):
    """How many tests passed, failed and were skipped."""
    report = run.options.out / "tests.xml"
    tests = ["tests/torch/test_device.py", "-k", "cuda or nccl"]
    run.call(["-m", "pytest", *tests, "-q", f"--junitxml={report}"])
    suite = ET.parse(report).getroot().find("testsuite")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    return {**counts, "seconds": float(suite.get("time"))}


def run_overhead(run):
    """Figures of overhead.py on the device."""
    figures = run.options.out / "overhead.json"
    quick = ["--quick"] if run.options.quick else []
    device = ["--device", run.options.device]
    run.call(["benchmarks/overhead.py", "--json", figures, *device, *quick])
    return json.loads(figures.read_text("utf-8"))


def run_study(run, model):
    """Results of the rows that were done in time; None if not one seed has all rows."""
    options = run.options
    out = options.out / f"study-{model}"
    size = ["--epochs", "10", "--samples-per-epoch", "20480", "--n-videos", "120"]
    size += ["--test-clips", "60", "--pairs-per-bin", "400", "--num-workers", "12", "--amp"]
    if options.quick:
        size = [
            "--epochs",
            "1",
            "--samples-per-epoch",
            "64",
            "--n-videos",
            "4",
            "--held-out",
            "0.5",
        ]
        size += ["--test-clips", "2", "--pairs-per-bin", "2", "--modes", "random", "weighted"]
    command = ["-m", "examples.tracker.study", "--out", out, "--model", model]
    command += ["--data", f"photos:{options.photos}", "--device", options.device, "--seeds"]
    command += ["1" if options.quick else "10", *size, *MODELS[model]]
    if run.call(command, share=0.5 if model == "lite" else 0.95):
        run.call(["-m", "examples.tracker.study", "--out", out, "--compare", "--seeds", "1"])
    results = out / "results.json"
    return json.loads(results.read_text("utf-8")) if results.exists() else None


def table(stages):
    """The page's table; a stage without a result was not run."""
    lines = ["| stage | result |", "| --- | --- |"]
    for name, meaning in STAGES.items():
        lines.append(f"| {meaning} | {said(name, stages.get(name))} |")
    return "\n".join(lines)


def said(name, found):
    if not found or found.get("skipped"):
        return "not run"
    if name == "tests":
        failed = found["failures"] + found["errors"]
        return f"{found['tests'] - failed} passed, {failed} failed"
    if name == "overhead":
        ms = 1e3 * found["peer_step_seconds"]
        return f"{found['share']['sum']:.2%} of a step of {ms:.1f} ms"
    return f"{len(found['seeds'])} seeds per row"


def with_table(text, stages):
    """A page with the table between its markers."""
    pattern = r"(<!-- table gpu -->\n).*?(\n<!-- end of table -->)"
    return re.sub(pattern, lambda m: m[1] + table(stages) + m[2], text, flags=re.DOTALL)


def pack(file, photos):
    """Write a tar of the project and the photographs; an error where it is too large."""

    def kept(info):
        return None if "__pycache__" in info.name or info.name.endswith(".pt") else info

    with tarfile.open(file, "w:gz") as archive:
        for name in PACKED:
            archive.add(ROOT / name, name, filter=kept)
        archive.add(photos, "photos", filter=kept)
    size = file.stat().st_size
    if size > MAX_PACKED:
        file.unlink()
        raise SystemExit(f"--photos must pack into {MAX_PACKED >> 20} MiB; got {size >> 20}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="folder of photographs to composite clips of")
    add("--out", type=Path, default=Path("runs/gpu"), help="folder of results")
    add("--budget", type=float, default=540, help="seconds")
    add("--device", default="cuda", help="where to train")
    add("--quick", action="store_true", help="small sizes: a check, not a result")
    add("--page", type=Path, help="write the table into this page, too")
    add("--pack", type=Path, metavar="FILE", help="only write a tar for another machine")
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.photos)
        return
    options.out = options.out.resolve()
    options.photos = options.photos.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options)
    stages = {"tests": run_tests, "overhead": run_overhead}
    stages.update({f"study {m}": lambda run, m=m: run_study(run, m) for m in MODELS})
    for name, stage in stages.items():
        if name not in run.stages and run.left > 0:
            found = stage(run)
            if found is not None:
                run.save(name, found)
    print(table(run.stages))
    if options.page:
        text = options.page.read_text("utf-8")
        options.page.write_text(with_table(text, run.stages), encoding="utf-8")


if __name__ == "__main__":
    main()
