"""How fast hard samples come in: the re-detection probability over the epochs."""

from __future__ import annotations

from . import _checks


def redetection_probability(epoch: float, total_epochs: float, order: float = 2.0) -> float:
    """Re-detection probability d of an epoch.

    ``d(e) = (e / E) ** (1 / order)`` ([1]_, section 3.2), clipped at 1 past the end: from easier
    (d = 0, short intervals favoured) to harder (d = 1, all bins alike).

    Parameters
    ----------
    epoch : float
        e, at least 0; 0 is the first.
    total_epochs : float
        E, above 0.
    order : float, default=2.0
        Above 0; a larger order brings in hard samples sooner.

    Returns
    -------
    float
        d in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is not a finite number or out of range.

    References
    ----------
    .. [1] Kou et al., SSTrack, IJCAI 2025, doi:10.24963/ijcai.2025/147.

    Examples
    --------
    >>> [redetection_probability(epoch, 4) for epoch in (0, 1, 4, 9)]
    [0.0, 0.5, 1.0, 1.0]
    """
    now = _checks.real("epoch", epoch, 0)
    end = _checks.real("total_epochs", total_epochs, 0, strict=True)
    power = _checks.real("order", order, 0, strict=True)
    return float(min(now / end, 1.0) ** (1 / power))
