"""q^R of the config's sampler, against its law counted pair by pair and against drawing with it."""

import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import stats

from examples.lineage.index import index_datasets
from examples.lineage.schedule import causal_distribution
from sstrack_sched import IntervalBins, VideoIndex

from .distributions import bin_law

BINS = IntervalBins(25, 8)  # edges 0, 8, 16, 24, 25: M is 25


class Videos:
    """A data set as far as indexing it goes."""

    root = "nowhere"

    def __init__(self, name, masks):
        self.name, self.masks = name, masks

    def get_name(self):
        return self.name

    def is_video_sequence(self):
        return True

    def get_num_sequences(self):
        return len(self.masks)

    def get_sequence_info(self, i):
        return {"visible": np.array(self.masks[i], dtype=np.uint8)}


class Images(Videos):
    def is_video_sequence(self):
        return False


@pytest.fixture(scope="module")
def datasets():
    """Two sets; in the first, videos that upstream leaves out: one short, one hardly visible."""
    rng = np.random.default_rng(3)
    lasot = [(rng.random(length) < 0.6).tolist() for length in (40, 23, 61)]
    # templates that have no search frame within short gaps, and are drawn anew
    lasot += [[True] * 19, [True] * 4 + [False] * 30, [i % 10 == 0 for i in range(60)]]
    got10k = [[True] * 30, (rng.random(35) < 0.8).tolist()]
    return [lasot, got10k]


@pytest.fixture
def index(datasets, tmp_path):
    sets = [Videos("lasot", datasets[0]), Videos("got10k", datasets[1])]
    return index_datasets(sets, [0.75, 0.25], tmp_path)


@pytest.mark.parametrize("max_gap", [11, 12, 16, 17, 24, 25, 26, 40, 100])
def test_it_is_the_exact_law_with_max_gap_below_at_and_above_m(index, datasets, max_gap):
    expected = bin_law(datasets, [Fraction(3, 4), Fraction(1, 4)], max_gap, BINS.edges.tolist())
    found = causal_distribution(index, BINS, max_gap)
    assert found.tolist() == pytest.approx([float(p) for p in expected], abs=1e-12)


def test_bins_beyond_max_gap_get_nothing(index):
    assert causal_distribution(index, BINS, 12).tolist()[2:] == [0, 0]


def test_images_get_the_share_of_their_data_set(datasets, tmp_path):
    sets = [Videos("lasot", datasets[0]), Images("coco", [None] * 7)]
    index = index_datasets(sets, [3, 2], tmp_path)
    bins = IntervalBins(25, 8, image_bin=True)
    expected = bin_law(datasets[:1], [Fraction(1)], 17, bins.edges.tolist())
    found = causal_distribution(index, bins, 17)
    assert found[0] == pytest.approx(0.4)
    assert found[1:].tolist() == pytest.approx([0.6 * float(p) for p in expected], abs=1e-12)


def test_a_cut_at_m_leaves_the_images_more_than_their_share(datasets, tmp_path):
    """Pairs that upstream draws beyond M have no bin; images are a larger part of the rest."""
    sets = [Videos("lasot", datasets[0]), Images("coco", [None] * 7)]
    index = index_datasets(sets, [3, 2], tmp_path)
    bins = IntervalBins(25, 8, image_bin=True)
    whole = bin_law(datasets[:1], [Fraction(1)], 60, [0, *bins.edges.tolist()[1:], 60])
    inside = 0.6 * float(1 - whole[-1])
    assert causal_distribution(index, bins, 60)[0] == pytest.approx(0.4 / (0.4 + inside))


def test_upstreams_sampler_draws_it(checkouts, import_from, tmp_path):
    """The stand-in's own selection of videos and frames, where its gap never has to grow."""
    module = import_from(checkouts["ostrack"], "lib.train.data.sampler")
    lasot = [[True] * 19, [True] * 40, [i % 3 == 0 for i in range(61)]]
    got10k = [[True] * 4 + [False] * 30, [i % 5 < 3 for i in range(33)]]

    class Set(Videos):
        def get_sequence_info(self, i):
            return {"visible": torch.tensor(self.masks[i]).byte()}

        def get_frames(self, i, frames, info):
            image = np.zeros((2, 2, 3))
            return [image], {"bbox": frames}, {"object_class_name": None}

    def processing(sample):
        return {**sample, "valid": True}

    sets = [Set("lasot", lasot), Set("got10k", got10k)]
    source = module.TrackingSampler(sets, [3, 1], 1, 17, processing)
    random.seed(0)
    drawn = [source[0] for _ in range(4000)]
    intervals = [sample["search_anno"][0] - sample["template_anno"][0] for sample in drawn]
    count = np.bincount(BINS.assign(intervals), minlength=len(BINS))
    q = causal_distribution(index_datasets(sets, [0.75, 0.25], tmp_path), BINS, 17)
    used = q > 0
    assert count[~used].sum() == 0
    # false alarm: one in 10,000 seeds, and the seed is fixed
    assert stats.chisquare(count[used], q[used] * 4000).pvalue > 1e-4


def test_videos_of_weight_0_count_for_nothing(datasets):
    lengths = [len(mask) for mask in datasets[0]]
    taken = VideoIndex(lengths[:3], datasets[0][:3])
    padded = VideoIndex(lengths, datasets[0], weight=[1, 1, 1, 0, 0, 0])
    found = [causal_distribution(index, BINS, 17).tolist() for index in (taken, padded)]
    assert found[0] == pytest.approx(found[1], abs=1e-15)
