"""Size of ViT-Tiny as a tracker: parameters and MACs, counted as in OSTrack.

The script counts ``vit_tiny`` of ``examples/tracker`` and, given a checkout of OSTrack, the
network that ``examples/ostrack/train.py --backbone vit_tiny`` trains. Both have the sizes of
OSTrack's configs, without and with candidate elimination, and are counted by thop, as in OSTrack's
``tracking/profile_model.py``. They are compared with the numbers in the paper.

thop counts layers only. It omits parameters outside layers, such as position embeddings, and the
two matrix products of attention; a second pair of columns includes them.

    python benchmarks/model_size.py [--checkout OSTRACK] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the examples

from examples.lineage import modern
from examples.lineage.checkout import SetupError, check_checkout, open_checkout

OURS, THEIRS = "examples/tracker", "OSTrack"
KEEP_RATIOS = {"all candidates": 1.0, "candidate elimination": 0.7}
CONFIGS = {
    "vitb_256_mae_32x4_ep300": "all candidates",
    "vitb_256_mae_ce_32x4_ep300": "candidate elimination",
}
PAPER = {"parameters": 8.0e6, "macs": 1.9e9}  # Tables 1 and 2
REPOSITORY = "https://github.com/botaoye/OSTrack"
NEEDS = "pip install thop easydict pyyaml torchvision && pip install --no-deps timm==0.5.4"


def prepare(checkout):
    """Make the checkout importable, with ViT-Tiny as its backbone."""
    from examples.ostrack import backbone
    from examples.ostrack.train import OSTRACK

    for config in CONFIGS:
        check_checkout(OSTRACK, checkout, config)
    modern.apply_before_import()
    open_checkout(checkout)
    backbone.install_vit_tiny()


def build(checkout, config):
    """Build the network of a config, and one template and search image of its sizes."""
    import torch

    settings = importlib.reload(importlib.import_module("lib.config.ostrack.config"))
    settings.update_config_from_file(str(checkout / "experiments" / "ostrack" / f"{config}.yaml"))
    cfg = settings.cfg
    network = importlib.import_module("lib.models.ostrack").build_ostrack(cfg, training=False)
    sides = cfg.TEST.TEMPLATE_SIZE, cfg.TEST.SEARCH_SIZE
    return network.eval(), [torch.zeros(1, 3, side, side) for side in sides]


def all_macs(network, images):
    """Count multiplications in all matrix products and convolutions; None before torch 2.3."""
    import torch

    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode
    except ImportError:
        return None
    counter = FlopCounterMode(display=False)
    # The counter misses the CPU's fused attention, so use plain matrix products.
    with counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        network(*images)
    return counter.get_total_flops() / 2


def measure(network, images):
    """Count parameters and MACs of a network, by thop and in total."""
    from thop import profile

    row = {"all_parameters": sum(parameter.numel() for parameter in network.parameters())}
    row["all_macs"] = all_macs(network, images)
    macs, parameters = profile(network, inputs=tuple(images), verbose=False)
    return {**row, "parameters": int(parameters), "macs": int(macs)}


def measure_ours():
    """Return a row for each keep ratio; none before torch 2.0, which the tracker needs."""
    import torch

    if not hasattr(torch.nn.functional, "scaled_dot_product_attention"):
        print(f"{OURS} needs torch 2.0 and is skipped", file=sys.stderr)
        return []
    from examples.tracker.models import build_model

    rows = []
    for name, keep_ratio in KEEP_RATIOS.items():
        network = build_model("vit_tiny", keep_ratio=keep_ratio).eval()
        sides = network.template_size, network.search_size
        images = [torch.zeros(1, 3, side, side, dtype=torch.uint8) for side in sides]
        rows.append({"network": OURS, "name": name, **measure(network, images)})
    return rows


def measure_theirs(checkout):
    """Return a row for each of OSTrack's configs."""
    prepare(checkout)
    return [
        {"network": THEIRS, "name": name, "config": config, **measure(*build(checkout, config))}
        for config, name in CONFIGS.items()
    ]


def formatted(name, values, digits=2):
    """Format one line of the table, in millions and billions in turn; "-" if unknown."""
    cells = [f"{name:<40}"]
    for value, scale, unit in zip(values, (1e6, 1e9, 1e6, 1e9), "MGMG"):
        cells.append(f"{'-':>14}" if value is None else f"{value / scale:>12.{digits}f} {unit}")
    return "".join(cells)


def main():
    """Build, count, print the table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=Path, metavar="DIR", help=f"git clone {REPOSITORY}")
    parser.add_argument("--json", type=Path, help="JSON file for the results")
    options = parser.parse_args()

    try:
        with contextlib.redirect_stdout(sys.stderr):  # output of the checkout
            checkout = options.checkout and options.checkout.expanduser().resolve()
            theirs = measure_theirs(checkout) if checkout else []
            rows = measure_ours() + theirs
    except SetupError as error:
        sys.exit(f"error: {error}")
    except ImportError as error:
        needs = NEEDS if options.checkout else "pip install thop"
        sys.exit(f"error: counting needs more than is installed ({error}): {needs}")

    columns = ("parameters", "macs", "all_parameters", "all_macs")
    titles = ("parameters", "MACs", "all params", "all MACs")
    print(f"{'ViT-Tiny as a tracker':<40}" + "".join(f"{title:>14}" for title in titles))
    for row in rows:
        print(formatted(f"{row['network']}, {row['name']}", [row[column] for column in columns]))
    print(formatted("the paper", [PAPER.get(column) for column in columns], digits=1))
    if options.json:
        figures = {
            "machine": platform.processor() or platform.machine(),
            "torch": sys.modules["torch"].__version__,
            "paper": PAPER,
            "rows": rows,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
