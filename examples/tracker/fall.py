"""Fall of success with the interval on composited clips: ``python -m examples.tracker.fall``.

The shipped tracker answers pairs of clips that it has not seen, by strength of the drift. This
table alone set strength 1: its fall is about that of a real tracker on real videos, the
quickstart's (SiamFC-3s on OTB-100).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from sstrack_sched import IntervalBins

from .data.frames import FrameStore
from .evaluation.evidence import markdown
from .evaluation.pairs import PAIRS_PER_BIN, success_by_bin
from .inference.tracker import SHIPPED
from .models.weights import load_weights
from .synthetic.composite import composite_clips
from .synthetic.drift import Drift
from .training.interrupt import exit_status

REAL = Path(__file__).parents[1] / "quickstart_ious.csv"
SEED = 2  # clips of another seed than those that `train` and `study` make


def real_success() -> List[float]:
    """Success by interval bin of SiamFC-3s, as the quickstart's table says."""
    lines = REAL.read_text().splitlines()
    found = next(line for line in lines if line.startswith("# success_at_0.5,"))
    return [float(word) for word in found.split(",")[1:]]


def table(found: Dict[str, Any]) -> str:
    """Success by interval bin in Markdown: of the network by drift, and of SiamFC-3s."""
    rows = {f"drift {name}": values for name, values in found["drift"].items()}
    rows["SiamFC, OTB-100"] = found["siamfc"]
    cells = [[name, *(f"{value:.2f}" for value in values)] for name, values in rows.items()]
    return markdown([["interval", *found["bins"]], *cells])


def run(options: argparse.Namespace) -> bool:
    model, bins, drifts = load_weights(options.weights), IntervalBins(200, 30), {}
    for strength in options.strengths:
        drift = Drift(strength)
        clips = composite_clips(options.photos, options.clips, seed=SEED, drift=drift)
        store = FrameStore(clips, limit=0)
        drifts[f"{strength:g}"] = success_by_bin(model, store, bins, options.pairs_per_bin)
        print(f"drift {strength:g} done", file=sys.stderr)
    found = {"clips": options.clips, "pairs_per_bin": options.pairs_per_bin}
    found.update(bins=list(bins.labels), siamfc=real_success(), drift=drifts)
    print(table(found))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.fall", description=__doc__)
    add = parser.add_argument
    add("photos", type=Path, metavar="PHOTOS", help="folder of photographs")
    add("--strengths", type=float, nargs="+", default=[0.0, 1.0])
    add("--clips", type=int, default=200)
    add("--pairs-per-bin", type=int, default=PAIRS_PER_BIN)
    add("--weights", type=Path, default=SHIPPED, help="default: shipped weights")
    add("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args(arguments)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
