"""The core imports NumPy and SciPy, and nothing else from outside; and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import sstrack_sched

ROOT = str(Path(sstrack_sched.__file__).resolve().parent.parent)

PUBLIC = [
    "EpochRecord",
    "IntervalBins",
    "IntervalSampler",
    "Pairs",
    "SuccessAwareScheduler",
    "SuccessStatistics",
    "VideoIndex",
    "empirical_distribution",
    "enhancement_ratio",
    "expected_success",
    "expected_success_gradient",
    "loss_weights",
    "pruning_ratio",
    "random_sampler_distribution",
    "redetection_probability",
    "sampling_distribution",
    "scaling_ratio",
]

FOREIGN = ["torch", "matplotlib", "pandas", "PIL", "cv2", "skimage", "tqdm", "pytest"]

EPOCH = """
import numpy as np
from sstrack_sched import *
bins = IntervalBins(60, 20)
videos = VideoIndex([50, 80])
sampler = IntervalSampler(videos, bins)
scheduler = SuccessAwareScheduler(
    len(bins), 3, random_distribution=random_sampler_distribution(videos, bins)
)
for _ in range(3):
    pairs = sampler.sample(scheduler.distribution, scheduler.epoch, 0, 100)
    scheduler.step(1.0 / (1.0 + 0.1 * pairs.interval), pairs.bin)
assert scheduler.epoch == 3
"""


def run(code):
    """Run code in a fresh interpreter that has this very package on its path."""
    environment = dict(os.environ)
    paths = [ROOT] + [p for p in [environment.get("PYTHONPATH")] if p]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_core_after_a_whole_epoch_has_imported_nothing_foreign():
    code = "import sys\n" + EPOCH
    code += "print(sorted(set(%r) & set(sys.modules)))" % FOREIGN
    assert run(code) == "[]"


def test_core_runs_where_nothing_foreign_can_be_imported():
    code = """
    import sys

    class Wall:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in %r:
                raise ImportError(name + " is not for the core")

    sys.meta_path.insert(0, Wall())
    try:
        import torch
    except ImportError:
        pass
    else:
        raise SystemExit("the wall has a hole")
    """ % (FOREIGN,)
    run(textwrap.dedent(code) + EPOCH)


def test_core_import_leaves_no_trace():
    code = """
    import random, sys, warnings, logging, os
    import numpy as np, scipy.linalg
    before = (
        random.getstate(), np.random.get_state()[1].tolist(), list(warnings.filters),
        dict(os.environ), list(logging.getLogger().handlers), np.geterr(),
        np.get_printoptions(), list(sys.path), list(sys.meta_path),
    )
    import sstrack_sched
    after = (
        random.getstate(), np.random.get_state()[1].tolist(), list(warnings.filters),
        dict(os.environ), list(logging.getLogger().handlers), np.geterr(),
        np.get_printoptions(), list(sys.path), list(sys.meta_path),
    )
    assert before == after
    print("same")
    """
    assert run(code) == "same"


def test_core_running_leaves_no_trace():
    code = """
    import random
    import numpy as np
    before = random.getstate(), np.random.get_state()[1].tolist(), np.geterr()
    %s
    after = random.getstate(), np.random.get_state()[1].tolist(), np.geterr()
    assert before == after
    print("same")
    """
    indented = EPOCH.strip().replace("\n", "\n    ")
    assert run(code % indented) == "same"


def test_public_names_are_those_of_the_contract():
    missing = [name for name in PUBLIC if not hasattr(sstrack_sched, name)]
    assert missing == []
    assert set(PUBLIC) <= set(sstrack_sched.__all__)
    assert len(set(sstrack_sched.__all__)) == len(sstrack_sched.__all__)
    for name in sstrack_sched.__all__:
        assert getattr(sstrack_sched, name) is not None


def test_public_names_are_documented():
    for name in PUBLIC:
        assert (getattr(sstrack_sched, name).__doc__ or "").strip(), name
