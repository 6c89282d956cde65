"""q^R, the random sampler's bin distribution."""

from __future__ import annotations

from typing import Iterator, Tuple

import numpy as np

from . import _checks
from ._bits import AllSet
from ._eligibility import check_images, usable_images
from ._types import ArrayLike, Floats, Ints, Mask
from .bins import IntervalBins
from .videos import VideoIndex

SCHEMES = ("forward", "symmetric", "causal")
_BLOCK = 1 << 18  # frames per block


def random_sampler_distribution(
    videos: VideoIndex, bins: IntervalBins, scheme: str = "forward"
) -> Floats:
    """Return the exact distribution q^R of a random sampler, shape (n_bins,).

    It draws a video by weight, a template t uniformly among its visible
    frames, and a search frame uniformly among those in a window (section
    3.2 of the paper). With M the end of the last bin, the window is

    * ``"forward"``: ``[t, t + M)``, as in the paper;
    * ``"symmetric"``: ``(t - M, t + M)``;
    * ``"causal"``: ``[t + 1, t + M)``, as in PyTracking, STARK and OSTrack.

    A template without a search frame is redrawn, and a video without a pair
    is never used: q^R is conditional on a pair. If the bins begin above 0,
    shorter intervals are excluded. OSTrack's growing window is not covered.

    Parameters
    ----------
    videos : VideoIndex
        The training set. An image adds its whole weight to the image bin.
    bins : IntervalBins
        Interval bins, with an image bin if the index has images.
    scheme : {"forward", "symmetric", "causal"}, default="forward"
        The sampler's window.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid or no video has an admissible pair.

    Examples
    --------
    >>> random_sampler_distribution(VideoIndex([3]), IntervalBins(3, 1))
    array([0.61111111, 0.27777778, 0.11111111])
    """
    _checks.choice("scheme", scheme, SCHEMES)
    check_images(videos, bins)
    weight = videos._weights()
    if weight.max() > 2.0**900:  # sums of the largest floats would overflow
        weight = np.ldexp(weight, -len(videos).bit_length())
    share, largest = np.zeros(len(bins)), 0.0
    with np.errstate(under="ignore", over="ignore"):
        for weights, shares in _blocks(videos, weight, bins, scheme):
            # Relative to the largest weight with a pair so far: weights may span 600 decades, and
            # the heaviest videos may have no pair.
            served = weights * shares.any(axis=0)
            grown = max(largest, served.max(initial=0.0))
            if grown > 0:
                share = share * (largest / grown) + shares @ (served / grown)
                largest = grown
        total = share.sum()
    _checks.require(total > 0, "videos", f"have a pair in at least one bin of {bins!r}", videos)
    return np.asarray(share / total, dtype=np.float64)


def empirical_distribution(bin_ids: ArrayLike, n_bins: int) -> Floats:
    """Return the share of each bin among given samples, shape (n_bins,).

    Parameters
    ----------
    bin_ids : array_like of int, any shape
        One or more, in [0, n_bins), such as those of `IntervalBins.assign`.
    n_bins : int
        Number of bins.

    Raises
    ------
    TypeError, ValueError
        If there is no sample or a bin is out of range.
    """
    n_bins = _checks.integer("n_bins", n_bins, 1)
    ids = _checks.bin_ids("bin_ids", bin_ids, n_bins)
    _checks.require(ids.size, "bin_ids", "hold at least one bin", ids)
    return np.bincount(ids.ravel(), minlength=n_bins) / ids.size


def _blocks(
    videos: VideoIndex, weight: Floats, bins: IntervalBins, scheme: str
) -> Iterator[Tuple[Floats, Floats]]:
    """Yield weights (n,) and bin shares (n_bins, n) of blocks of videos and images."""
    if bins.image_bin:
        images = weight[usable_images(videos)]
        yield images, np.eye(len(bins), 1) * np.ones(len(images))
    drawn = np.flatnonzero((weight > 0) & ~videos.is_image)
    lengths, weights = videos.lengths[drawn], weight[drawn]
    all_visible = isinstance(videos._bits, AllSet)
    if all_visible:  # videos of equal length have equal shares
        lengths, same = np.unique(lengths, return_inverse=True)
        weights = np.bincount(same.ravel(), weights=weights).astype(np.float64)
    begins = np.append(0, np.cumsum(lengths))
    start = 0
    while start < len(lengths):
        fitting = int(np.searchsorted(begins, begins[start] + _BLOCK, side="right")) - 1
        stop = max(fitting, start + 1)
        block = lengths[start:stop]
        if all_visible:
            visible = np.ones(int(block.sum()), dtype=bool)
        else:
            shift = videos.offsets[drawn[start:stop]] - begins[start:stop]
            frames = np.arange(begins[start], begins[stop]) + np.repeat(shift, block)
            low, last = int(frames[0]), int(frames[-1])
            visible = videos._bits.unpack(low, last + 1)[frames - low]
        yield weights[start:stop], _shares(visible, block, bins, scheme)
        start = stop


def _shares(visible: Mask, lengths: Ints, bins: IntervalBins, scheme: str) -> Floats:
    """Return bin shares (n_bins, n_videos) of concatenated videos; 0 without a pair."""
    n_videos = len(lengths)
    before = np.append(0, np.cumsum(visible))
    template = np.flatnonzero(visible)
    video = np.repeat(np.arange(n_videos), lengths)[template]
    end = np.cumsum(lengths)[video]
    begin = end - lengths[video]

    def within(edge: int) -> Ints:
        """Count each template's search frames at intervals below `edge`, up to a constant."""
        first = max(edge, 1) if scheme == "causal" else edge
        found: Ints = before[np.minimum(template + first, end)]
        if scheme == "symmetric":
            found -= before[np.maximum(template - max(edge, 1) + 1, begin)]
        return found

    edges = bins.edges.tolist()
    low = within(edges[0])
    n_search = within(edges[-1]) - low
    admissible = n_search > 0
    n_templates = np.bincount(video[admissible], minlength=n_videos)
    share_of_one = np.zeros(len(template))
    np.divide(1.0, n_search * n_templates[video], out=share_of_one, where=admissible)
    shares = np.zeros((len(bins), n_videos))
    for row, edge in zip(shares[int(bins.image_bin) :], edges[1:]):
        high = within(edge)
        row[:] = np.bincount(video, weights=(high - low) * share_of_one, minlength=n_videos)
        low = high
    return shares
