"""Thin torch adapters of the scheduler (extra ``torch``)."""

from .curriculum import Curriculum
from .loss_weight import LossWeight
from .pair_sampler import PairSampler
from .recorder import IoURecorder

__all__ = ["Curriculum", "IoURecorder", "LossWeight", "PairSampler"]
