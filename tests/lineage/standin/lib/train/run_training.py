import importlib
import os
import pathlib
import random
import warnings

import _init_paths  # noqa: F401 (found because lib/train is on the path)
import numpy as np
import torch
from lib.train.admin.settings import Settings

warnings.filterwarnings("ignore")  # Trap: AVTrack's import does this, and the next
os.environ["CUDA_VISIBLE_DEVICES"] = "0"


def run_training(
    script_name,
    config_name,
    cudnn_benchmark=True,
    local_rank=-1,
    save_dir=None,
    base_seed=None,
    use_lmdb=False,
):
    if base_seed is not None:
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(base_seed + max(local_rank, 0))
    settings = Settings()
    settings.script_name, settings.config_name = script_name, config_name
    settings.project_path = f"train/{script_name}/{config_name}"
    settings.local_rank, settings.use_lmdb = local_rank, use_lmdb
    settings.save_dir = str(pathlib.Path(save_dir).resolve())
    root = pathlib.Path(__file__).parents[2]
    settings.cfg_file = str(root / "experiments" / script_name / f"{config_name}.yaml")
    importlib.import_module("lib.train.train_script").run(settings)
