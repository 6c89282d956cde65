"""q^R: the bins that the random sampler of the training set would have drawn, counted exactly."""

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
_BLOCK = 1 << 18  # frames worked on at a time


def random_sampler_distribution(
    videos: VideoIndex, bins: IntervalBins, scheme: str = "forward"
) -> Floats:
    """Bin distribution q^R, shape (n_bins,), of a random sampler over these videos, exactly.

    The sampler draws a video by weight, a template uniformly among its visible frames, and a search
    frame uniformly among the visible frames in a window about the template (section 3.2 of the
    paper). With M the end of the last bin, the window is

    * ``"forward"``: ``[t, t + M)``, the paper's;
    * ``"symmetric"``: ``(t - M, t + M)``;
    * ``"causal"``: ``[t + 1, t + M)``, that of PyTracking, STARK and OSTrack.

    A template without an admissible search frame is redrawn, and a video without such a template
    drops out: q^R is conditional on a pair. Bins that do not begin at 0 narrow the window to the
    intervals that they cover. The growing window of OSTrack is left out.

    Parameters
    ----------
    videos : VideoIndex
        The training set. An image puts its whole weight on the image bin.
    bins : IntervalBins
        Intervals; must have an image bin if the index has images.
    scheme : {"forward", "symmetric", "causal"}, default="forward"
        The sampler's window.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit or no video has an admissible pair.

    Examples
    --------
    >>> from sstrack_sched import IntervalBins, VideoIndex
    >>> random_sampler_distribution(VideoIndex([3]), IntervalBins(3, 1)).round(4)
    array([0.6111, 0.2778, 0.1111])
    """
    _checks.choice("scheme", scheme, SCHEMES)
    check_images(videos, bins)
    weight = videos._weights()
    if weight.max() > 2.0**900:  # sums of the largest floats would be infinite
        weight = np.ldexp(weight, -len(videos).bit_length())
    share, largest = np.zeros(len(bins)), 0.0
    with np.errstate(under="ignore", over="ignore"):
        for weights, shares in _blocks(videos, weight, bins, scheme):
            # Relative to the largest weight with a pair so far: weights may lie 600 decades apart,
            # and the heaviest videos may have no pair at all.
            served = weights * shares.any(axis=0)
            grown = max(largest, served.max(initial=0.0))
            if grown > 0:
                share = share * (largest / grown) + shares @ (served / grown)
                largest = grown
        total = share.sum()
    rule = f"have a pair that makes a bin feasible of {bins!r}"
    _checks.require(total > 0, "videos", rule, videos)
    return np.asarray(share / total, dtype=np.float64)


def empirical_distribution(bin_ids: ArrayLike, n_bins: int) -> Floats:
    """Share of each bin, shape (n_bins,), among observed samples, such as another sampler's pairs.

    Parameters
    ----------
    bin_ids : array_like of int, any shape
        Bins in [0, n_bins), from `IntervalBins.assign`; at least one.
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
    """Weights (n,) of blocks of videos and images, and their shares by bin (n_bins, n)."""
    if bins.image_bin:
        images = weight[usable_images(videos)]
        yield images, np.eye(len(bins), 1) * np.ones(len(images))
    drawn = np.flatnonzero((weight > 0) & ~videos.is_image)
    lengths, weights = videos.lengths[drawn], weight[drawn]
    all_visible = isinstance(videos._bits, AllSet)
    if all_visible:  # videos of one length are alike
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
    """Share of each bin (n_bins, n_videos) in videos laid end to end; 0 without a pair."""
    n_videos = len(lengths)
    before = np.append(0, np.cumsum(visible))
    template = np.flatnonzero(visible)
    video = np.repeat(np.arange(n_videos), lengths)[template]
    end = np.cumsum(lengths)[video]
    begin = end - lengths[video]

    def within(edge: int) -> Ints:
        """Search frames of each template at an interval below `edge`, up to a constant."""
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
