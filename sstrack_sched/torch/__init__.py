"""PyTorch adapters of the scheduler (extra ``torch``)."""

from .curriculum import Curriculum
from .loss_weight import LossWeight
from .sampler import CurriculumSampler

__all__ = ["Curriculum", "CurriculumSampler", "LossWeight"]
