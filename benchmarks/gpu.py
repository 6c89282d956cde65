"""Run all measurements that need a CUDA device: tests, cost of a step, study of the tracker.

    python benchmarks/gpu.py --photos FOLDER [--out DIR] [--budget 540] [--page docs/evidence.md]

Each stage writes its results to DIR/gpu.json, and none continues past the budget (seconds).
Running the command again runs the missing stages and keeps completed rows of the study. ``--quick
--device cpu`` is a check of one or two minutes on any machine, not a result.

``--pack FILE`` only writes a tar for a machine without this repository, with the project, the
photographs and the initial weights of the backbone. Unpack it there and run

    python benchmarks/gpu.py --photos photos --imagenet lite0.pt
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the examples
RESULTS = "gpu.json"
STAGES = {
    "tests": "tests that need CUDA: no synchronisation in a step, float16, NCCL with one process",
    "overhead": "what the library adds to a training step",
    "study lite": "the study on composited clips, 20 times the pairs, `lite`",
    "study vit_tiny": "the same, `vit_tiny`, from random weights",
}
TESTS = ("tests/torch/test_device.py", "tests/examples/test_train.py", "-k", "cuda or nccl")
# The study of docs/tracker.md with 20 times its pairs, without the real sequences. It takes every
# eighth frame, not every fourth, and 100 test pairs, not 400: a single process makes these.
STUDY = """--n-videos 120 --test-clips 60 --every 8 --pairs-per-bin 100 --epochs 10
    --samples-per-epoch 20480 --warmup-steps 50 --average 0.99 --num-workers 12 --memory 2
    --crops '{"grey": 0.1, "brightness": 0.3, "tint": 0.1, "degrade": 0.3}'"""
QUICK = """--n-videos 4 --test-clips 2 --every 40 --pairs-per-bin 2 --epochs 1
    --samples-per-epoch 16 --batch-size 8"""
MODELS = {"lite": "--frozen-stages 5 --keep-features", "vit_tiny": "--amp"}
# The comparison that matters first, then the others and more seeds, as far as the time goes.
PLAN = ("--modes random weighted --seeds 1", "--seeds 10")
QUICK_PLAN = ("--modes random weighted --seeds 1",)
SHARE = {"lite": 0.5}  # of the remaining time; the last model has all of it
OVERHEAD = 90  # seconds at most
SPARE = 25  # seconds for the tables of a study
GRACE = 10  # seconds from Ctrl-C to the end
PACKED = ("sstrack_sched", "examples", "tests", "benchmarks", "pyproject.toml", "README.md")
MAX_PACKED = 64 * 2**20  # bytes


class Run:
    """Results file and remaining time."""

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

    def call(self, arguments, seconds=None):
        """Run a command within the time limit or stop it as Ctrl-C does; return if it completed."""
        limit = self.left if seconds is None else min(seconds, self.left)
        process = subprocess.Popen([sys.executable, *map(str, arguments)], cwd=ROOT)
        try:
            return process.wait(max(limit, 1)) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return False


def run_tests(run):
    """Run the tests; return the numbers of passed, failed and skipped ones."""
    report = run.options.out / "tests.xml"
    report.unlink(missing_ok=True)
    run.call(["-m", "pytest", *TESTS, "-q", "-p", "no:cacheprovider", f"--junitxml={report}"])
    if not report.exists():
        return None
    suite = ET.parse(report).getroot().find("testsuite")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    return {**counts, "seconds": float(suite.get("time"))}


def run_overhead(run):
    """Run overhead.py on the device and return its figures."""
    figures = run.options.out / "overhead.json"
    quick = ["--quick"] if run.options.quick else []
    device = ["--device", run.options.device]
    done = run.call(["benchmarks/overhead.py", "--json", figures, *device, *quick], OVERHEAD)
    return json.loads(figures.read_text("utf-8")) if done else None


def run_study(run, model):
    """Run the study; return the rows completed in time, or None if no seed has all rows."""
    options = run.options
    out = options.out / f"study-{model}"
    results = out / "results.json"
    command = ["-m", "examples.tracker.study", "--out", out]
    data = ["--data", f"photos:{options.photos}", "--device", options.device, "--model", model]
    if model == "lite":
        data += ["--pretrained", options.imagenet]
    sizes = shlex.split(QUICK if options.quick else STUDY) + shlex.split(MODELS[model])
    end = time.monotonic() + SHARE.get(model, 1.0) * run.left - SPARE
    for part in QUICK_PLAN if options.quick else PLAN:
        rows = [*command, *data, *sizes, *shlex.split(part)]
        if not run.call(rows, end - time.monotonic()):
            results.unlink(missing_ok=True)
            run.call([*command, "--compare"])
            break
    if not results.exists():
        return None
    found = json.loads(results.read_text("utf-8"))
    found["made_with"]["command"] = "python benchmarks/gpu.py"
    found["made_with"]["settings"]["data"] = ["photos:PHOTOS"]  # no path of this machine
    return found


def table(stages):
    """Make the table of the page; stages without a result were not run."""
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
    n_seeds = len(found["seeds"])
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    mean, low, high = (100 * x for x in difference(found))
    return f"{seeds}: weighted less random {mean:+.1f} ({low:+.1f} to {high:+.1f}) points"


def difference(found):
    """Return the difference in mean success of `weighted` and `random`, with its interval."""
    return found["held_out"]["composited clips"]["less"]["weighted - random"]["mean"]


def with_table(text, stages):
    """Insert the table into a page, between its markers."""
    pattern = r"(<!-- table gpu -->\n).*?(<!-- end of table -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{table(stages)}\n{m[2]}", text, flags=re.DOTALL)


def pack(file, photos):
    """Write a tar of the project, photographs and weights; raise an error if it is too large."""

    def kept(info):
        return None if "__pycache__" in info.name or info.name.endswith(".pt") else info

    with tarfile.open(file, "w:gz") as archive, tempfile.TemporaryDirectory() as folder:
        for name in PACKED:
            archive.add(ROOT / name, name, filter=kept)
        archive.add(photos, "photos", filter=kept)
        archive.add(first_weights(Path(folder) / "lite0.pt"), "lite0.pt")
    size = file.stat().st_size
    if size > MAX_PACKED:
        file.unlink()
        raise SystemExit(f"--photos must pack into {MAX_PACKED >> 20} MiB; got {size >> 20}")


def first_weights(file):
    """Write a file with the ImageNet weights that `lite` uses: the first layers, in order."""
    from examples.tracker.models.lite import EfficientNetLite0, SameConv2d, imagenet_weights

    layers = sum(isinstance(module, SameConv2d) for module in EfficientNetLite0().modules())
    values = [(k, v) for k, v in imagenet_weights().items() if not k.endswith("batches_tracked")]
    torch.save(dict(values[: 5 * layers]), file)  # a convolution, and its batch norm's four
    return file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="folder of photographs for composited clips")
    add("--out", type=Path, default=Path("runs/gpu"), help="folder of results")
    add("--budget", type=float, default=540, help="time limit in seconds")
    add("--device", default="cuda", help="device for training")
    add("--imagenet", default="imagenet", help="file of initial `lite` weights, if not installed")
    add("--quick", action="store_true", help="small sizes, as a check")
    add("--page", type=Path, help="docs page to write the table into")
    add("--pack", type=Path, metavar="FILE", help="only write a tar for another machine")
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.photos)
        return
    options.out = options.out.resolve()
    options.photos = options.photos.resolve()
    if options.imagenet != "imagenet":
        options.imagenet = Path(options.imagenet).resolve()
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
