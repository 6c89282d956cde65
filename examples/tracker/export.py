"""Write a tracker as ONNX: ``python -m examples.tracker.export --weights FILE --out FOLDER``.

The folder can be given to the tracker, to `track` and to `evaluate` in place of the weights; it
needs no torch. Without ``--out`` it goes where the tracker looks for exported networks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from .data.crops import CropConfig
from .data.readers import read_sequences
from .data.sequences import Sequence
from .inference.graphs import Graphs
from .inference.tracker import SHIPPED


def parse(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.tracker.export", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED, help="file of weights; default: the shipped one"
    )
    parser.add_argument("--out", type=Path, help="folder; default: the tracker's cache")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument(
        "--data", type=Path, help="folder of sequences to calibrate int8 on; default: rendered ones"
    )
    parser.add_argument(
        "--pairs", type=int, default=128, help="pairs of crops to calibrate int8 on; default: 128"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> Graphs:
    """Export as the command line says.

    Raises
    ------
    ImportError
        If a package is missing; says so.
    OSError, ValueError
        If weights, data or the folder cannot be used.
    """
    from .inference.export import cache_folder, cached, export
    from .models.weights import load_weights

    if options.pairs < 1:
        raise ValueError(f"pairs must be at least 1; got {options.pairs}")
    model = load_weights(options.weights)
    folder = options.out or cache_folder(model, options.precision)
    if options.precision == "float32":
        return export(model, folder)
    from .inference.quantise import calibration_crops, quantise

    videos = read_sequences(options.data) if options.data else _rendered()
    crops = calibration_crops(videos, CropConfig().for_model(model), options.pairs)
    return quantise(cached(model), crops, folder)


def _rendered() -> List[Sequence]:
    from .synthetic.render import render_videos

    return render_videos("train", 16)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when written, 1 where something cannot be used or is missing.
    """
    try:
        graphs = run(parse(arguments))
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in (graphs.embed, graphs.locate)) / 1e6
    print(f"{graphs.locate.parent}: {graphs.facts.precision}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
