"""Thin torch adapters of the scheduler (extra ``torch``)."""

from .curriculum import Curriculum
from .loss_weight import LossWeight
from .recording import IoURecorder
from .sampler import PairSampler

__all__ = ["Curriculum", "IoURecorder", "LossWeight", "PairSampler"]
