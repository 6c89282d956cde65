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

from .data.crops import CropConfig
from .data.frames import FrameStore
from .evaluation.pairs import EvalConfig, HeldOutPairs
from .inference.tracker import SHIPPED
from .models import TrackerModel
from .models.weights import load_weights
from .synthetic.composite import composite_clips
from .synthetic.drift import Drift
from .training.interrupt import exit_status

REAL = Path(__file__).parents[1] / "quickstart_ious.csv"
SEED = 2  # clips of another seed than those that `train` and `study` make


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    words = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m examples.tracker.fall", description=words[0], epilog=words[1]
    )
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photographs")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--pairs-per-bin", type=int, default=EvalConfig.pairs_per_bin)
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="default: shipped weights")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    return parser.parse_args(arguments)


def success(
    model: TrackerModel, store: FrameStore, bins: IntervalBins, pairs_per_bin: int
) -> List[float]:
    """Success of a trained network by the interval bins that the videos can fill."""
    crops, config = CropConfig().for_model(model), EvalConfig(pairs_per_bin=pairs_per_bin)
    found = HeldOutPairs(store, bins, crops, config).evaluate(model)
    return [float(value) for value in found.by_bin(found.success)]


def real_success() -> List[float]:
    """Success by interval bin of SiamFC-3s, as the quickstart's table says."""
    lines = REAL.read_text().splitlines()
    found = next(line for line in lines if line.startswith("# success_at_0.5,"))
    return [float(word) for word in found.split(",")[1:]]


def table(found: Dict[str, Any]) -> str:
    """Success by interval bin in Markdown: of the network by drift, and of SiamFC-3s."""
    rows = {f"drift {name}": values for name, values in found["drift"].items()}
    lines = ["| | " + " | ".join(found["bins"]) + " |", "|---" * (len(found["bins"]) + 1) + "|"]
    for name, values in {**rows, "SiamFC, OTB-100": found["siamfc"]}.items():
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> bool:
    """Measure, print the table and write the results; True, for it always ends."""
    model, bins, drifts = load_weights(options.weights), IntervalBins(200, 30), {}
    for strength in options.strengths:
        drift = Drift(strength)
        clips = composite_clips(options.photos, options.clips, seed=SEED, drift=drift)
        store = FrameStore(clips, limit=0)
        drifts[f"{strength:g}"] = success(model, store, bins, options.pairs_per_bin)
        print(f"drift {strength:g} done", file=sys.stderr)
    found = {"clips": options.clips, "pairs_per_bin": options.pairs_per_bin}
    found.update(bins=list(bins.labels), siamfc=real_success(), drift=drifts)
    print(table(found))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse(arguments)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
