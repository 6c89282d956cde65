"""Protocol of the sources that a curriculum draws from."""

from __future__ import annotations

import json
from typing import Any, Dict, Protocol

from . import _checks
from ._types import Floats, Mask


class Source(Protocol):
    """Source of samples: `IntervalSampler`, `BinnedSampler` or your class."""

    @property
    def n_bins(self) -> int:
        """Number of bins, from easy to hard."""

    @property
    def feasible(self) -> Mask:
        """Bins that the data can fill, shape (n_bins,)."""

    @property
    def random_distribution(self) -> Floats:
        """q^R: the share of each bin under random sampling, shape (n_bins,)."""

    @property
    def identity(self) -> Dict[str, Any]:
        """Plain values for JSON, equal after a restart and in all processes.

        ``load_state_dict(strict=False)`` accepts another ``"data"`` (hash).
        """

    def sample(self, distribution: Any, epoch: int, start: int, stop: int, step: int = 1) -> Any:
        """Draw the samples ``range(start, stop, step)`` of an epoch.

        Returns the sequence of indices for the dataset, with ``bin`` and
        ``number``, shape (n,). It must depend on nothing but (seed, epoch,
        number, distribution, data).
        """


def checked_source(source: Source) -> Source:
    """Refuse an object that lacks an attribute of `Source` or is invalid."""
    for name in ("n_bins", "feasible", "random_distribution", "identity", "sample"):
        # Properties are looked up in the class, because computing q^R may take long.
        if not (hasattr(type(source), name) or hasattr(source, name)):
            raise TypeError(f"source must have {name}, see sstrack_sched.Source; got {source!r}")
    n_bins = _checks.integer("source.n_bins", source.n_bins, 1)
    _checks.mask("source.feasible", source.feasible, (n_bins,))
    identity_of(source)
    return source


def identity_of(source: Source) -> Dict[str, Any]:
    """Return the identity as it is after a round trip through JSON."""
    try:
        identity: Dict[str, Any] = json.loads(json.dumps(source.identity))
    except (TypeError, ValueError) as error:
        raise TypeError(f"source.identity must hold plain values for JSON: {error}") from error
    _checks.instance("source.identity", identity, dict)
    return identity
