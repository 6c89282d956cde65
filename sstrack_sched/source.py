"""The protocol of sources, from which a curriculum draws."""

from __future__ import annotations

import json
from typing import Any, Dict, Protocol

from . import _checks
from ._types import Floats, Mask


class Source(Protocol):
    """Samples that can be drawn by bin: `IntervalSampler`, `BinnedSampler` or your own class."""

    @property
    def n_bins(self) -> int:
        """Number of bins, from easy to hard."""

    @property
    def feasible(self) -> Mask:
        """Bins that the data can fill, shape (n_bins,)."""

    @property
    def random_distribution(self) -> Floats:
        """q^R of drawing the same data at random, shape (n_bins,)."""

    @property
    def identity(self) -> Dict[str, Any]:
        """Plain values for JSON that must be the same after a restart and in every process.

        Under ``"data"`` the fingerprint of the data, the one entry that
        ``load_state_dict(strict=False)`` forgives.
        """

    def sample(self, distribution: Any, epoch: int, start: int, stop: int, step: int = 1) -> Any:
        """Samples number `start`, ``start + step``, ... below `stop` of an epoch.

        A sequence of what the dataset is handed, with ``bin`` and ``number``, shape (n,): a
        function of (seed, epoch, number, distribution, data) alone.
        """


def checked_source(source: Source) -> Source:
    """Refuse what lacks a name of `Source`, or whose values do not fit."""
    for name in ("n_bins", "feasible", "random_distribution", "identity", "sample"):
        # A property is looked for in the class: to compute q^R may take long.
        if not (hasattr(type(source), name) or hasattr(source, name)):
            raise TypeError(f"source must have {name}, see sstrack_sched.Source; got {source!r}")
    n_bins = _checks.integer("source.n_bins", source.n_bins, 1)
    _checks.mask("source.feasible", source.feasible, (n_bins,))
    identity_of(source)
    return source


def identity_of(source: Source) -> Dict[str, Any]:
    """The identity as JSON gives it back, so that it can be compared with a loaded one."""
    try:
        identity: Dict[str, Any] = json.loads(json.dumps(source.identity))
    except (TypeError, ValueError) as error:
        raise TypeError(f"source.identity must hold plain values for JSON: {error}") from error
    _checks.instance("source.identity", identity, dict)
    return identity
