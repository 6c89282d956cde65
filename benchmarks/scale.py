"""Cost of an index of 10^7 videos, and of one of 10^9 frames with visibility masks.

Every stage runs in a separate process, to measure its own peak memory: building and saving the
index, computing and saving the eligibility tables (in one process, by blocks), opening both from
disk and drawing batches of 60,000 pairs, and q^R. Lengths and masks are simulated: the mixture of
LaSOT, TrackingNet and GOT-10k, with 4 % of the frames invisible, in runs of 40.

The peer is the usual cache of a training set: a pickled list of masks (or of lengths, without
masks), written and read by the same machine.

    python benchmarks/scale.py [--videos N] [--frames N] [--quick] [--json FILE]

The full sizes need 5 GB in the system's folder for temporary files (TMPDIR sets another) and some
minutes. Files are read back from the system's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex, random_sampler_distribution

BINS = IntervalBins(200, 30)
SHARES, MEANS = (1_120, 30_132, 9_335), (2_500, 470, 150)  # videos, frames per video
MEAN = np.average(MEANS, weights=SHARES)
N_ROUNDS = 7
RUN = 40  # consecutive invisible frames
CHUNK = 1 << 20  # runs per block


def peak_bytes():
    """Return the peak memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would include the parent's peak
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def timed(function):
    """Return result and seconds of a call."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def given(folder):
    """Return lengths and masks for an index; masks are None if all frames are visible."""
    visible = folder / "visible.npy"
    return np.load(folder / "lengths.npy"), np.load(visible) if visible.exists() else None


def make(folder, options):
    """Simulate lengths, and masks if the case has them."""
    rng = np.random.default_rng(0)
    n_videos = options.videos or max(round(options.frames / MEAN), 1)
    shares = np.divide(SHARES, sum(SHARES))
    mean = rng.choice(MEANS, n_videos, p=shares) * rng.lognormal(-0.08, 0.4, n_videos)
    lengths = np.maximum(mean, 30).astype(np.int64)
    np.save(folder / "lengths.npy", lengths)
    if options.frames:
        shape = (int(lengths.sum()),)
        path = folder / "visible.npy"
        visible = np.lib.format.open_memmap(path, mode="w+", dtype=bool, shape=shape)
        for start in range(0, len(visible), RUN * CHUNK):
            part = visible[start : start + RUN * CHUNK]
            part[:] = np.repeat(rng.random(-(-len(part) // RUN)) > 0.04, RUN)[: len(part)]
    return {"videos": n_videos, "frames": int(lengths.sum())}


def size(folder):
    """Return the bytes of the index and its tables."""
    return sum(path.stat().st_size for path in folder.glob("index*"))


def build(folder, _):
    """Build and save the index."""
    lengths, visible = given(folder)
    _, seconds = timed(lambda: VideoIndex(lengths, visible).save(folder / "index"))
    return {"seconds": seconds, "bytes": size(folder)}


def tables(folder, _):
    """Compute and save the eligibility tables."""
    videos, before = VideoIndex.load(folder / "index"), size(folder)
    _, seconds = timed(lambda: IntervalSampler(videos, BINS).save_tables())
    return {"seconds": seconds, "bytes": size(folder) - before}


def draw(folder, options):
    """Open index and sampler, and draw pairs."""
    videos, open_index = timed(lambda: VideoIndex.load(folder / "index"))
    sampler, open_sampler = timed(lambda: IntervalSampler(videos, BINS))
    q = sampler.feasible / sampler.feasible.sum()
    n_pairs = 2_000 if options.quick else 60_000
    seconds = [timed(lambda e=e: sampler.sample(q, e, 0, n_pairs))[1] for e in range(N_ROUNDS)]
    return {
        "seconds": open_index + open_sampler,
        "open_index_seconds": open_index,
        "open_sampler_seconds": open_sampler,
        "first_batch_seconds": seconds[0],
        "pairs_per_second": n_pairs / min(seconds),
    }


def q_random(folder, _):
    """Compute q^R of the random sampler."""
    videos = VideoIndex.load(folder / "index")
    return {"seconds": timed(lambda: random_sampler_distribution(videos, BINS))[1]}


def peer_save(folder, _):
    """Pickle a list with one entry per video."""
    lengths, visible = given(folder)
    plain = lengths.tolist() if visible is None else np.split(visible, np.cumsum(lengths)[:-1])
    path = folder / "list.pickle"
    with path.open("wb") as file:
        _, seconds = timed(lambda: pickle.dump(plain, file, pickle.HIGHEST_PROTOCOL))
    return {"seconds": seconds, "bytes": path.stat().st_size}


def peer_load(folder, _):
    """Read the pickled list."""
    with (folder / "list.pickle").open("rb") as file:
        return {"seconds": timed(lambda: pickle.load(file))[1]}


STAGES = {  # function, title of its row
    "make": (make, None),
    "build": (build, "index, built and saved"),
    "tables": (tables, "tables, computed and saved"),
    "draw": (draw, "index and tables, opened"),
    "q_random": (q_random, "q^R"),
    "peer_save": (peer_save, "pickled list, saved"),
    "peer_load": (peer_load, "pickled list, loaded"),
}


def in_new_process(stage, folder, options):
    """Run a stage in a new process; return its result and peak memory."""
    sizes = ["--videos", str(options.videos), "--frames", str(options.frames)]
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder), *sizes]
    done = subprocess.run(
        command + ["--quick"] * options.quick,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def measure(options):
    """Run all stages of one case."""
    with tempfile.TemporaryDirectory() as name:
        stages = {stage: in_new_process(stage, Path(name), options) for stage in STAGES}
    made = stages.pop("make")
    return {"videos": made["videos"], "frames": made["frames"], "stages": stages}


def show(figures, unit):
    """Print one case; sizes on disk are per video or per frame."""
    masks = "with masks" if unit == "frame" else "all visible"
    print(f"\n{figures['videos']:,} videos, {figures['frames']:,} frames, {masks}\n")
    print(f"{'':<28}{'seconds':>12}{'peak MB':>10}{'disk MB':>10}{'bytes a ' + unit:>15}")
    for stage, result in figures["stages"].items():
        row = f"{STAGES[stage][1]:<28}{result['seconds']:>12.4f}{result['peak_bytes'] / 1e6:>10.0f}"
        if "bytes" in result:
            each = result["bytes"] / figures[unit + "s"]
            row += f"{result['bytes'] / 1e6:>10.1f}{each:>15.2f}"
        print(row)
    drawn = figures["stages"]["draw"]
    print(
        f"opened: index {drawn['open_index_seconds'] * 1e3:.2f} ms, "
        f"sampler {drawn['open_sampler_seconds'] * 1e3:.2f} ms; "
        f"first batch {drawn['first_batch_seconds'] * 1e3:.2f} ms, "
        f"then {drawn['pairs_per_second']:,.0f} pairs/s",
        flush=True,
    )


def main():
    """Measure, print the tables and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=10**7, help="videos, case without masks")
    parser.add_argument("--frames", type=int, default=10**9, help="frames, case with masks")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        result = STAGES[options.stage][0](options.folder, options)
        print(json.dumps({**result, "peak_bytes": peak_bytes()}))
        return
    if options.quick:
        options.videos, options.frames = 10_000, 100_000
    if min(options.videos, options.frames) < 1:
        parser.error("--videos and --frames must be at least 1")
    cases = []
    for unit, n_videos, n_frames in (("video", options.videos, 0), ("frame", 0, options.frames)):
        case = argparse.Namespace(videos=n_videos, frames=n_frames, quick=options.quick)
        cases.append(measure(case))
        show(cases[-1], unit)
    if options.json:
        figures = {
            "machine": platform.processor() or platform.machine(),
            "numpy": np.__version__,
            "cases": cases,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
