"""Write a tracker to a folder: ``python -m examples.tracker.export --out FOLDER``.

The folder can be given to the tracker, to `track` and to `evaluate` in place of the weights; it
needs no torch. It is ONNX in float32, which other programs read too, or OpenVINO's format in int8.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from .data.crops import CropConfig
from .data.readers import read_sequences
from .inference.tracker import SHIPPED
from .training.interrupt import exit_status


def run(options: argparse.Namespace) -> bool:
    from .inference.export import calibration_crops, export, quantise
    from .models.weights import load_weights
    from .synthetic.composite import composite_clips

    if options.pairs < 1:
        raise ValueError(f"pairs must be at least 1; got {options.pairs}")
    model = load_weights(options.weights)
    if options.precision == "float32":
        exported = export(model, options.out)
    else:
        videos = read_sequences(options.data) if options.data else composite_clips("train", 16)
        crops = calibration_crops(videos, CropConfig().for_model(model), options.pairs)
        exported = quantise(model, crops, options.out)
    size = sum(path.stat().st_size for path in exported.folder.iterdir()) / 1e6
    print(f"{exported.folder}: {exported.precision}, {size:.1f} MB")
    return True


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.tracker.export", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, default=SHIPPED, help="file of weights; default: the shipped one")
    add("--out", type=Path, required=True, help="folder for the exported network")
    add("--precision", choices=("float32", "int8"), default="float32")
    add("--data", type=Path, help="sequences to calibrate int8; default: composited clips")
    add("--pairs", type=int, default=128, help="pairs of crops to calibrate int8 (%(default)s)")
    options = parser.parse_args(arguments)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
