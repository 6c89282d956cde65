"""Success-aware scheduling of the template-search interval.

The paper: Kou et al., SSTrack, IJCAI 2025, doi:10.24963/ijcai.2025/147.

An invalid argument raises TypeError or ValueError and changes nothing. The
message names the argument, the rule and the value.
"""

from typing import List

from ._record import EpochRecord
from .bins import IntervalBins
from .expected_success import (
    expected_success,
    expected_success_gradient,
    redetection_probability,
    sampling_distribution,
)
from .items import BinnedSampler, Items
from .loss_weights import enhancement_ratio, loss_weights, pruning_ratio, scaling_ratio
from .random_sampler import empirical_distribution, random_sampler_distribution
from .sampling import Coverage, IntervalSampler, Pair, Pairs
from .scheduler import SuccessAwareScheduler
from .source import Source
from .statistics import SuccessStatistics
from .videos import VideoIndex

__version__ = "0.1.0"

__all__ = [
    "BinnedSampler",
    "Coverage",
    "EpochRecord",
    "IntervalBins",
    "IntervalSampler",
    "Items",
    "Pair",
    "Pairs",
    "Source",
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


def __dir__() -> List[str]:
    return [*__all__, "__version__"]
