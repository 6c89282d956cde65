"""Slow, obvious counterparts of the package, straight from the paper and its notes.

Everything here is written from ``DESIGN.md``, the paper (section 3) and the notes on it,
never from the implementation. Probabilities are exact: ``fractions.Fraction``. Loops are
loops. Where a quantity has a definition, the definition is what runs.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from fractions import Fraction

import numpy as np
from scipy.stats import chi2

SCALE = 2**32

# ----------------------------------------------------------------- expected success


def expected_success(success_rate, redetection):
    """S of section 3.2: explicit products of the 2x2 matrices of Eq. 1, to i (notes, 2)."""
    p = [Fraction(x) for x in success_rate]
    d = Fraction(redetection)
    state = (Fraction(1), Fraction(0))
    total = Fraction(0)
    for p_i in p:
        matrix = ((p_i, 1 - p_i), (d * p_i, 1 - d * p_i))
        state = (
            state[0] * matrix[0][0] + state[1] * matrix[1][0],
            state[0] * matrix[0][1] + state[1] * matrix[1][1],
        )
        total += state[0]
    return total / len(p)


def expected_success_derivative(success_rate, redetection, index):
    """dS/dp_index, exact: S is affine in each p_i."""
    p = [Fraction(x) for x in success_rate]
    one = p[:index] + [Fraction(1)] + p[index + 1 :]
    zero = p[:index] + [Fraction(0)] + p[index + 1 :]
    return expected_success(one, redetection) - expected_success(zero, redetection)


def expected_success_gradient(success_rate, redetection):
    """dS/dp, one exact difference per bin."""
    return [
        expected_success_derivative(success_rate, redetection, i) for i in range(len(success_rate))
    ]


def sampling_distribution(success_rate, redetection, feasible=None):
    """Q: the gradient over the feasible bins only, normalised; 0 elsewhere."""
    n_bins = len(success_rate)
    keep = [i for i in range(n_bins) if feasible is None or feasible[i]]
    gradient = expected_success_gradient([success_rate[i] for i in keep], redetection)
    q = [Fraction(0)] * n_bins
    for i, g in zip(keep, gradient):
        q[i] = g / sum(gradient)
    return q


def two_sweeps(success_rate, redetection):
    """S and dS/dp by the recurrences of the notes, 2, in the numbers that come in.

    Floats stay floats and Fractions stay exact; linear, so that it serves long chains.
    """
    p = list(success_rate)
    d = redetection
    n = len(p)
    before = []  # a_{i-1}
    a = 1
    total = 0
    for p_i in p:
        before.append(a)
        a = p_i * (d + (1 - d) * a)
        total = total + a
    gradient = [None] * n
    adjoint = 1
    for i in range(n - 1, -1, -1):
        gradient[i] = adjoint * (d + (1 - d) * before[i]) / n
        adjoint = 1 + (1 - d) * p[i] * adjoint
    return total / n, gradient


# --------------------------------------------------------------------- videos and laws


class Data:
    """A small training set, written out: one Python list per video."""

    def __init__(self, visible, is_image=None, weight=None):
        self.visible = [[bool(x) for x in mask] for mask in visible]
        self.lengths = [len(mask) for mask in self.visible]
        n = len(self.lengths)
        self.is_image = [False] * n if is_image is None else [bool(x) for x in is_image]
        self.weight = [1.0] * n if weight is None else [float(x) for x in weight]

    def __len__(self):
        return len(self.lengths)

    def __repr__(self):  # so that a failing example can be read
        masks = ["".join("01"[x] for x in mask) for mask in self.visible]
        return "Data(visible=%r, is_image=%r, weight=%r)" % (
            masks,
            self.is_image,
            self.weight,
        )


def mixture(datasets, dataset_weights):
    """First a dataset by its weight, then a video by its own weights: exact weights."""
    weight = []
    for data, dataset_weight in zip(datasets, dataset_weights):
        total = sum(Fraction(w) for w in data.weight)
        for w in data.weight:
            weight.append(Fraction(dataset_weight) * Fraction(w) / total)
    joined = Data(
        [mask for data in datasets for mask in data.visible],
        [flag for data in datasets for flag in data.is_image],
    )
    joined.weight = weight
    return joined


def edges_to_bins(edges, image_bin=False):
    """[(lower, upper, holds_images)] of consecutive edges."""
    bins = [(0, 1, True)] if image_bin else []
    return bins + [(lo, hi, False) for lo, hi in zip(edges[:-1], edges[1:])]


def equal_bins(max_interval, spacing, image_bin=False):
    """The paper's bins, by its own formulas."""
    bins = [(0, 1, True)] if image_bin else []
    i = 0
    while spacing * i < max_interval:
        bins.append((spacing * i, min(spacing * (i + 1), max_interval), False))
        i += 1
    return bins


def partners(data, video, template, bin_, direction):
    """Every search frame that makes a pair of this bin with this template."""
    lower, upper, holds_images = bin_
    mask = data.visible[video]
    if not mask[template] or data.is_image[video] != holds_images:
        return []
    if holds_images:
        return [0] if template == 0 else []
    found = []
    for search in range(len(mask)):
        gap = search - template
        if direction == "both":
            gap = abs(gap)
        if mask[search] and lower <= gap < upper:
            found.append(search)
    return found


def servable(data, bin_, direction="both"):
    """{video: {template: [search, ...]}} of what can serve a bin; weight 0 cannot."""
    table = OrderedDict()
    for video in range(len(data)):
        if data.weight[video] == 0:
            continue
        rows = OrderedDict()
        for template in range(data.lengths[video]):
            found = partners(data, video, template, bin_, direction)
            if found:
                rows[template] = found
        if rows:
            table[video] = rows
    return table


def bin_law(data, bin_, direction="both"):
    """{(video, template, search): probability} of one bin of the interval sampler."""
    table = servable(data, bin_, direction)
    total = sum(Fraction(data.weight[video]) for video in table)
    law = OrderedDict()
    for video, rows in table.items():
        for template, searches in rows.items():
            for search in searches:
                law[video, template, search] = (
                    Fraction(data.weight[video]) / total / len(rows) / len(searches)
                )
    return law


def random_sampler_distribution(data, bins, scheme):
    """q^R by enumeration of every (video, template, search) of the random sampler."""
    video_bins = [b for b in bins if not b[2]]
    lowest = min((b[0] for b in video_bins), default=0)
    highest = max((b[1] for b in video_bins), default=0)

    def admissible(template, search):
        gap = search - template
        if scheme == "symmetric":
            gap = abs(gap)
        if scheme == "causal" and gap < 1:
            return False
        return lowest <= gap < highest

    mass = [Fraction(0)] * len(bins)
    total = Fraction(0)
    for video in range(len(data)):
        weight = Fraction(data.weight[video])
        mask = data.visible[video]
        if weight == 0:
            continue
        if data.is_image[video]:
            if mask[0]:
                index = next(i for i, b in enumerate(bins) if b[2])
                mass[index] += weight
                total += weight
            continue
        rows = {}
        for template in range(len(mask)):
            if mask[template]:
                found = [s for s in range(len(mask)) if mask[s] and admissible(template, s)]
                if found:
                    rows[template] = found
        if not rows:
            continue
        total += weight
        for template, searches in rows.items():
            for search in searches:
                gap = abs(search - template)
                for i, (lower, upper, holds_images) in enumerate(bins):
                    if not holds_images and lower <= gap < upper:
                        mass[i] += weight / len(rows) / len(searches)
    return [m / total for m in mass]


def count_within(lengths, visible, low, high):
    """Visible frames s of the same video with low <= s - t < high, for every visible t.

    For sets too long to enumerate: positions and bisection, one flat mask. Returns
    (video of t, t, count).
    """
    first = np.cumsum(lengths) - lengths
    position = np.flatnonzero(visible)
    video = np.searchsorted(first, position, side="right") - 1
    begin, end = first[video], first[video] + np.asarray(lengths)[video]
    left = np.clip(position + low, begin, end)
    right = np.clip(position + high, begin, end)
    count = np.searchsorted(position, right) - np.searchsorted(position, left)
    return video, position - begin, count


# ---------------------------------------------------------------------------- scaling


def loss_weight(q_random, q_interval):
    """Gamma of section 3.3, term by term as printed, in exact numbers."""
    q_random, q_interval = Fraction(q_random), Fraction(q_interval)
    if q_random == 0 or q_interval == 0:
        return Fraction(1)
    ratio = (q_random - q_interval) / q_random
    pruning = max(ratio, Fraction(0))
    return 1 / (1 - pruning)


# -------------------------------------------------------------------------- statistics


def quantise(iou):
    """Return k = round(x 2^32) of the value as it is, in its own dtype."""
    return round(Fraction(float(iou)) * SCALE)


class SuccessModel:
    """Success statistics by keeping every sample for ever."""

    def __init__(self, n_bins):
        self.samples = [[] for _ in range(n_bins)]

    def add(self, ious, bins):
        for iou, bin_ in zip(ious, bins):
            self.samples[int(bin_)].append(min(max(quantise(iou), 0), SCALE))

    @property
    def count(self):
        return [len(s) for s in self.samples]

    def mean_level(self):
        """(sum of k) // n: success above the mean is k > this."""
        values = [k for s in self.samples for k in s]
        return sum(values) // len(values)

    def mean(self):
        values = [k for s in self.samples for k in s]
        return Fraction(sum(values), len(values) * SCALE)

    def success_rate(self, level):
        """Share of k > level per bin; None where a bin has no sample."""
        return [Fraction(sum(k > level for k in s), len(s)) if s else None for s in self.samples]


# --------------------------------------------------------------------------- scheduler


class SchedulerModel:
    """The bullets of DESIGN.md as a straight line, nothing saved, nothing clever."""

    def __init__(
        self,
        n_bins,
        total_epochs,
        order=2.0,
        threshold="mean",
        random_distribution=None,
        feasible=None,
        update_epochs=None,
        max_weight=None,
        normalize=False,
    ):
        self.n_bins = n_bins
        self.total_epochs = total_epochs
        self.order = order
        self.rule = threshold
        self.feasible = [True] * n_bins if feasible is None else list(feasible)
        if random_distribution is None:
            n = sum(self.feasible)
            random_distribution = [(1.0 / n if f else 0.0) for f in self.feasible]
        self.random_distribution = [float(q) for q in random_distribution]
        self.update_epochs = update_epochs
        self.max_weight = max_weight
        self.normalize = normalize
        self.epoch = 0
        self.measured = [None] * n_bins
        self.distribution = list(self.random_distribution)
        self.loss_weights = [1.0] * n_bins
        self.statistics = SuccessModel(n_bins)

    def record(self, ious, bins):
        self.statistics.add(ious, bins)

    def filled(self):
        """Success rates by the rule for bins without samples; feasible bins only."""
        p = list(self.measured)
        for i in range(self.n_bins):
            if self.measured[i] is None and self.feasible[i]:
                below = [j for j in range(i) if self.measured[j] is not None]
                above = [j for j in range(i + 1, self.n_bins) if self.measured[j] is not None]
                p[i] = self.measured[below[-1] if below else above[0]]
        return p

    def step(self):
        if self.rule == "mean":
            level = self.statistics.mean_level()
        else:
            level = quantise(self.rule)
        for i, rate in enumerate(self.statistics.success_rate(level)):
            if rate is not None:
                self.measured[i] = rate
        self.success_rate = self.filled()
        ended = self.epoch
        self.epoch += 1
        share = min(self.epoch / self.total_epochs, 1.0)
        self.redetection = share ** (1.0 / self.order)
        keep = [i for i in range(self.n_bins) if self.feasible[i]]
        p = [self.success_rate[i] for i in keep]
        self.expected_success = expected_success(p, self.redetection)
        if self.update_epochs is None or ended in self.update_epochs:
            q = sampling_distribution(
                [0 if x is None else x for x in self.success_rate],
                self.redetection,
                self.feasible,
            )
            self.distribution = [float(x) for x in q]
            weights = [
                float(loss_weight(r, i))
                for r, i in zip(self.random_distribution, self.distribution)
            ]
            if self.max_weight is not None:
                weights = [min(w, self.max_weight) for w in weights]
            if self.normalize:
                mean = sum(w * q_i for w, q_i in zip(weights, self.distribution))
                weights = [w / mean for w in weights]
            self.loss_weights = weights
        self.statistics = SuccessModel(self.n_bins)


# --------------------------------------------------------------------------- helpers


def chi_square_p_value(observed, law, n):
    """P-value of Pearson's chi-square of counts against an exact law.

    ``observed`` is an iterable of outcomes, ``law`` {outcome: probability}. Outcomes
    outside the law are an error of their own and fail at once. Cells are pooled, in the
    law's order, until each expects 5 or more.
    """
    counts = Counter(observed)
    stray = [outcome for outcome in counts if law.get(outcome, 0) == 0]
    assert not stray, "drawn outside the law: %r" % stray[:5]
    assert sum(counts.values()) == n
    cells = []
    seen = expected = 0.0
    for outcome, probability in law.items():
        seen += counts.get(outcome, 0)
        expected += float(probability) * n
        if expected >= 5:
            cells.append((seen, expected))
            seen = expected = 0.0
    if expected and cells:
        last = cells.pop()
        cells.append((last[0] + seen, last[1] + expected))
    if len(cells) < 2:
        return 1.0
    statistic = sum((s - e) ** 2 / e for s, e in cells)
    return float(chi2.sf(statistic, len(cells) - 1))


def outcomes(pairs):
    """(video, template, search) of every pair, as plain ints."""
    return list(
        zip(
            np.asarray(pairs.video).tolist(),
            np.asarray(pairs.template).tolist(),
            np.asarray(pairs.search).tolist(),
        )
    )


def random_data(seed, images=False):
    """A small random training set with random visibility, weights and images.

    Every third seed has all frames visible, for which there may be a path of its own.
    """
    rng = np.random.RandomState(seed)
    n = rng.randint(1, 8)
    visible = []
    for _ in range(n):
        share = 1.0 if seed % 3 == 0 else rng.choice([0.2, 0.5, 0.9, 1.0])
        visible.append(rng.uniform(size=rng.randint(1, 18)) < share)
    is_image = rng.uniform(size=n) < 0.4 if images else np.zeros(n, bool)
    weight = rng.choice([0.0, 0.3, 1.0, 2.5], size=n)
    # Something must be left to draw: a plain video, whole and weighed.
    visible.append(np.ones(rng.randint(6, 14), bool))
    is_image = np.append(is_image, False)
    weight = np.append(weight, 0.7)
    return Data(visible, is_image, weight)
