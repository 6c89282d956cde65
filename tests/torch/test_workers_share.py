"""Workers map the index and the tables of the sampler: sixteen do not cost sixteen copies."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sstrack_sched import IntervalBins, IntervalSampler, Pair, VideoIndex  # noqa: E402

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc"
)

BINS = IntervalBins(200, 100)
N_PAIRS = 2_000


def private_bytes():
    """Memory of this process that it shares with nobody and no file."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


class Redrawing(torch.utils.data.Dataset):
    """Redraws pairs all over the index, as where frames cannot be read."""

    def __init__(self, sampler):
        self.sampler = sampler

    def __len__(self):
        return 2

    def __getitem__(self, item):
        videos = set()
        if self.sampler is not None:
            for number in range(N_PAIRS):
                videos.add(self.sampler.redraw(Pair(0, 0, 0, item, number, 0), 1).video)
        return private_bytes(), len(videos)


def in_workers(sampler, start_method):
    """Reports of two workers: the largest memory, the smallest number of videos."""
    loader = torch.utils.data.DataLoader(
        Redrawing(sampler), num_workers=2, multiprocessing_context=start_method
    )
    memory, videos = zip(*[(int(memory), int(videos)) for memory, videos in loader])
    return max(memory), min(videos)


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_worker_s_memory_does_not_grow_with_the_index(tmp_path, start_method):
    n_videos = 2_000_000
    weight = np.random.default_rng(0).uniform(0.5, 1.5, n_videos)
    VideoIndex(np.full(n_videos, 300), weight=weight).save(tmp_path / "index")
    IntervalSampler(VideoIndex.load(tmp_path / "index"), BINS).save_tables()
    sampler = IntervalSampler(VideoIndex.load(tmp_path / "index"), BINS)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size > 80e6
    memory, videos = in_workers(sampler, start_method)
    assert videos > 0.99 * N_PAIRS  # all over the index
    without, _ = in_workers(None, start_method)
    assert memory - without < size / 10
