"""Trains a stand-in checkout as its own program does, without the launcher.

``plain.py CHECKOUT SAVE_DIR DATA EPOCHS SAMPLES WORKERS``. Of the project it takes what the
environment needs, not the checkout.
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples.lineage import modern

if __name__ == "__main__":
    checkout, save_dir, data, *sizes = sys.argv[1:]
    epochs, samples, workers = map(int, sizes)
    sys.dont_write_bytecode = True
    modern.apply_before_import()
    sys.path[:0] = [checkout, f"{checkout}/lib/train"]
    folders = {f"{name}_dir": f"{data}/{name}" for name in ("lasot", "got10k", "coco")}
    local = ModuleType("lib.train.admin.local")
    local.EnvironmentSettings = lambda: SimpleNamespace(
        **folders, tensorboard_dir=f"{save_dir}/tensorboard"
    )
    sys.modules[local.__name__] = local
    from lib.config.ostrack.config import cfg
    from lib.train.run_training import run_training

    modern.apply_after_import()
    cfg.MODEL.PRETRAIN_FILE = ""
    read = sys.modules["lib.config.ostrack.config"].update_config_from_file

    def with_sizes(filename):
        read(filename)
        cfg.TRAIN.update(EPOCH=epochs, NUM_WORKER=workers)
        cfg.DATA.TRAIN.SAMPLE_PER_EPOCH = samples

    sys.modules["lib.config.ostrack.config"].update_config_from_file = with_sizes
    run_training("ostrack", "tiny", save_dir=save_dir, base_seed=5)
