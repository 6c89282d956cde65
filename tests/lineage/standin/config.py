import yaml


class Node(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def _node(values):
    return Node(
        {key: _node(value) if isinstance(value, dict) else value for key, value in values.items()}
    )


cfg = _node(
    {
        "MODEL": {"PRETRAIN_FILE": "weights.pth", "DROPOUT": 0.1},
        "TRAIN": {"EPOCH": 300, "BATCH_SIZE": 16, "NUM_WORKER": 1, "VAL_EPOCH_INTERVAL": 1},
        "DATA": {
            "SAMPLER_MODE": "causal",
            "MAX_SAMPLE_INTERVAL": 200,
            "JITTER": 0.2,
            "TRAIN": {"DATASETS_NAME": [], "DATASETS_RATIO": [], "SAMPLE_PER_EPOCH": 60000},
            "VAL": {"DATASETS_NAME": [], "DATASETS_RATIO": [], "SAMPLE_PER_EPOCH": 10000},
            "SEARCH": {"SIZE": 16, "NUMBER": 1},
            "TEMPLATE": {"SIZE": 8, "NUMBER": 1},
        },
    }
)
cfg.TRAIN.update(LR=0.001, GRAD_CLIP_NORM=1.0, GIOU_WEIGHT=2.0, L1_WEIGHT=5.0)


def _update(node, values):
    for key, value in values.items():
        if key not in node:
            raise ValueError(f"{key} not exist in config.py")
        if isinstance(value, dict):
            _update(node[key], value)
        else:
            node[key] = value


def update_config_from_file(filename, base_cfg=None):
    with open(filename) as file:  # noqa: PTH123 (a file name, as theirs)
        _update(cfg if base_cfg is None else base_cfg, yaml.safe_load(file))
