"""OSTrack's own TrackingSampler from an unmodified checkout, without its data and images."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import torch


class Annotations:
    """Replacement of an OSTrack dataset: the annotations that its sampler needs, without images."""

    def __init__(self, lengths, visible):
        masks = np.split(visible.astype(np.uint8), np.cumsum(lengths)[:-1])
        self.visible = [torch.from_numpy(mask) for mask in masks]

    def is_video_sequence(self):
        return True

    def get_name(self):
        return "annotations"

    def get_num_sequences(self):
        return len(self.visible)

    def get_sequence_info(self, seq_id):
        return {"visible": self.visible[seq_id]}

    def get_frames(self, seq_id, frame_ids, anno):  # noqa: ARG002 (the signature asked for)
        return [np.empty((1, 1, 3))], {"bbox": frame_ids, "mask": []}, {}


def accept(data):
    """Replace OSTrack's cropping."""
    data["valid"] = True
    return data


def load_tracking_sampler(checkout):
    """Load OSTrack's class from an unmodified checkout."""
    path = checkout / "lib" / "train" / "data" / "sampler.py"
    if not path.is_file():
        raise FileNotFoundError(f"--ostrack must be a checkout of OSTrack; got no {path}")
    # Load the file alone: its package needs image readers and an old PyTorch.
    spec = importlib.util.spec_from_file_location("ostrack_sampler", path)
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(checkout))  # it imports lib.utils
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(checkout))
        sys.dont_write_bytecode = writes
    return module.TrackingSampler
