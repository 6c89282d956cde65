"""OSTrack's own network beside `vit_tiny` of the example tracker: same weights, same maps.

Runs where OSTRACK_ROOT names a clone of OSTrack and the packages that it needs can be imported.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = os.environ.get("OSTRACK_ROOT")
NEEDED = ("easydict", "timm", "torch", "torchvision", "yaml")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

# In a process of its own, for the checkout needs changes to torch. Prints the largest difference.
COMPARE = """
import contextlib, sys, torch
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/benchmarks"]
import model_size
from examples.tracker.models.vit_tiny import VitTiny

checkout, file, worst = Path(sys.argv[2]), sys.argv[3], 0.0
with contextlib.redirect_stdout(sys.stderr):
    model_size.prepare(checkout)
    networks = [model_size.build(checkout, config)[0] for config in model_size.CONFIGS]
generator = torch.Generator().manual_seed(0)
pair = [
    torch.randint(0, 256, (3, 3, side, side), generator=generator, dtype=torch.uint8)
    for side in (128, 256)
]
mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((.485, .456, .406), (.229, .224, .225)))
middle = torch.zeros(3, 8, 8, dtype=torch.bool)
middle[:, 3, 3] = True  # CE_TEMPLATE_RANGE: CTR_POINT
for network, keep_ratio in zip(networks, model_size.KEEP_RATIOS.values()):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    torch.save({"net": network.state_dict()}, file)
    ours = VitTiny(keep_ratio).eval()
    ours.load_pretrained(file)
    images = [(crops / 255 - mean) / std for crops in pair]
    with torch.no_grad():
        theirs = network(*images, ce_template_mask=middle.flatten(1))
        mine = ours(*pair)
    for name in ("score_map", "size_map", "offset_map"):
        held = theirs[name].clamp(1e-4, 1 - 1e-4)  # of the offset theirs holds nothing
        assert held.std() > 0.01, name
        worst = max(worst, (held - mine[name]).abs().max().item())
print(worst)
"""


@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="no benchmarks beside the tests")
@pytest.mark.skipif(CHECKOUT is None, reason="OSTRACK_ROOT names no checkout of OSTrack")
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_ostracks_network_with_the_same_weights_gives_the_same_maps(tmp_path):
    command = [sys.executable, "-c", COMPARE, str(ROOT), CHECKOUT, str(tmp_path / "net.pth")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < 1e-5
