"""Success-aware scheduling of sample intervals for object trackers (SSTrack, IJCAI 2025)."""

from .baseline import empirical_distribution, random_sampler_distribution
from .bins import IntervalBins
from .difficulty import redetection_probability
from .expected_success import (
    expected_success,
    expected_success_gradient,
    sampling_distribution,
)
from .sampling import Coverage, IntervalSampler, Pair, Pairs
from .scaling import enhancement_ratio, loss_weights, pruning_ratio, scaling_ratio
from .scheduler import EpochRecord, SuccessAwareScheduler
from .success import SuccessStatistics
from .videos import VideoIndex

__version__ = "0.1.0.dev0"

__all__ = [
    "Coverage",
    "EpochRecord",
    "IntervalBins",
    "IntervalSampler",
    "Pair",
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
