"""Shared settings and small helpers of the test suite."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, settings

# On one virtual machine a process that has used the processor's matrix unit dies when a signal
# reaches it. PyTorch does without it in these tests; the engines that cannot have a process of
# their own (`make suite`).
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

# Deterministic unless asked otherwise: HYPOTHESIS_PROFILE=explore looks further.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def says():
    """Pattern for ``match=``: every one of the words, in any order, in any case."""

    def pattern(*words):
        return "(?is)" + "".join("(?=.*%s)" % re.escape(str(word)) for word in words)

    return pattern
