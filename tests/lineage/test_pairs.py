"""Samples of pairs: the frames that were asked for, or others of the same bin, or an error."""

import collections
import itertools
import sys
from types import ModuleType

import pytest
import torch

from examples.lineage.index import index_datasets
from examples.lineage.pairs import MAX_REDRAWS, ImageReader, PairDataset, pair_loader
from sstrack_sched import IntervalBins, IntervalSampler

from .checkouts import LENGTHS, NO_BOX, OUTSIDE, frame_of

BINS = IntervalBins(60, 15, image_bin=True)
UNIFORM = [0.2] * 5


@pytest.fixture
def library(checkouts, import_from):
    names = ("data.datasets", "data.sampler", "data.processing")
    return [import_from(checkouts["ostrack"], f"lib.train.{name}") for name in names]


@pytest.fixture
def source(library, data):
    """Upstream's sampler of the stand-in, on videos and images."""
    datasets, sampler, processing = library
    sets = [
        datasets.Videos("lasot", str(data / "lasot"), datasets.opencv_loader),
        datasets.Images("coco", str(data / "coco"), datasets.opencv_loader),
    ]
    crop = processing.STARKProcessing({"template": 8, "search": 16}, 0.0)
    return sampler.TrackingSampler(sets, [3, 1], 96, 40, crop)


@pytest.fixture
def sampler(source, tmp_path):
    index = index_datasets(source.datasets, source.p_datasets, tmp_path)
    return IntervalSampler(index, BINS, seed=3)


@pytest.fixture
def make(source, sampler, library):
    """The data set of pairs: ``make(max_redraws)``."""
    return lambda **options: PairDataset(source, sampler, library[1].TensorDict, **options)


def bin_of(sample):
    (_, first), (_, second) = (frame_of(sample[f"{p}_anno"][0]) for p in ("template", "search"))
    is_image = sample["dataset"] == "coco"
    return int(BINS.assign(0 if is_image else abs(first - second), is_image))


def is_usable(pair):
    """True if processing takes the pair, which is known for every pair of this data tree."""
    if pair.video >= len(LENGTHS):
        return pair.video - len(LENGTHS) != NO_BOX
    return pair.video != OUTSIDE or max(pair.template, pair.search) < LENGTHS[OUTSIDE] // 2


def test_a_sample_is_of_the_pair_that_was_asked_for(make, sampler):
    dataset = make()
    pairs = [pair for pair in sampler.sample(UNIFORM, 0, 0, 80) if is_usable(pair)]
    assert {pair.bin for pair in pairs} == set(range(5))
    for pair in pairs:
        sample = dataset[pair]
        first, second = (frame_of(sample[f"{part}_anno"][0]) for part in ("template", "search"))
        if pair.bin == 0:
            assert sample["dataset"] == "coco" and first[0] == pair.video - len(LENGTHS)
        else:
            assert sample["dataset"] == "lasot"
            assert (first, second) == ((pair.video, pair.template), (pair.video, pair.search))


def test_a_sample_has_the_fields_of_upstreams_and_the_bin_as_an_int(make, sampler, source):
    for is_image in (False, True):
        theirs = next(
            s
            for s in map(source.__getitem__, itertools.count())
            if (s["dataset"] == "coco") == is_image
        )
        ours = make()[
            next(
                pair
                for pair in sampler.sample(UNIFORM, 0, 0, 80)
                if (pair.bin == 0) == is_image and is_usable(pair)
            )
        ]
        assert type(ours) is type(theirs)
        assert type(ours.pop("bin")) is int
        shapes = [
            {name: getattr(value, "shape", type(value)) for name, value in sample.items()}
            for sample in (ours, theirs)
        ]
        assert shapes[0] == shapes[1]


def test_masks_are_those_of_the_annotation_where_there_are_any(make, sampler):
    dataset = make()
    for pair in filter(is_usable, sampler.sample(UNIFORM, 0, 0, 30)):
        number = pair.video - len(LENGTHS) if pair.bin == 0 else 0
        for part in ("template", "search"):
            assert dataset[pair][f"{part}_masks"].eq(number).all()


def test_of_an_image_frame_1_is_asked_for_as_upstream_does(make, sampler, source, monkeypatch):
    images, asked = source.datasets[1], []
    read = images.get_frames

    def get_frames(i, frames, info):
        asked.append(frames)
        return read(i, frames, info)

    monkeypatch.setattr(images, "get_frames", get_frames)
    pair = next(p for p in sampler.sample(UNIFORM, 0, 0, 80) if p.bin == 0 and is_usable(p))
    make()[pair]
    assert asked == [[1], [1]]


def test_a_rejected_crop_is_redrawn_in_the_same_bin(make, sampler):
    dataset = make()
    rejected = [pair for pair in sampler.sample(UNIFORM, 0, 0, 200) if not is_usable(pair)]
    assert {0, 1} <= {pair.bin for pair in rejected}
    for pair in rejected:
        sample = dataset[pair]
        assert sample["bin"] == bin_of(sample) == pair.bin


def test_an_unreadable_frame_is_redrawn_in_the_same_bin_with_a_warning(make, sampler, source, says):
    broken = "/cat-1/img/"
    videos = source.datasets[0]
    read = videos.image_loader
    videos.image_loader = lambda path: None if broken in path else read(path)
    dataset = make()
    hit = [pair for pair in sampler.sample(UNIFORM, 0, 0, 80) if pair.bin and pair.video == 0]
    for pair in hit[:5]:
        with pytest.warns(RuntimeWarning, match=says("redrawn", "cat-1/img/0", ".png")):
            sample = dataset[pair]
        assert sample["bin"] == bin_of(sample) == pair.bin
        assert frame_of(sample["search_anno"][0])[0] != 0
    assert len(hit) >= 5


def test_the_same_pair_is_redrawn_alike_every_time(make, sampler):
    pair = next(pair for pair in sampler.sample(UNIFORM, 0, 0, 200) if not is_usable(pair))
    first, second = make()[pair], make()[pair]
    assert torch.equal(first["search_images"], second["search_images"])


@pytest.mark.filterwarnings("ignore:pair redrawn:RuntimeWarning")
@pytest.mark.parametrize("kind, label", [("lasot", "[15, 30)"), ("coco", "image")])
def test_after_the_stated_number_of_redraws_the_error_names_the_files(
    make, sampler, source, says, kind, label
):
    tried = []

    def unreadable(path):
        tried.append(path)

    for dataset in source.datasets:
        dataset.image_loader = unreadable
    pair = next(
        pair for pair in sampler.sample(UNIFORM, 0, 0, 80) if BINS.labels[pair.bin] == label
    )
    with pytest.raises(RuntimeError, match=says(label, "8 tries", kind)) as caught:
        make(max_redraws=7)[pair]
    assert len(tried) == 8  # the template's; the search frame is not read after it
    for path in tried:
        assert path in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_in_processing_is_named_with_the_files_of_the_pair(make, sampler, source, says):
    def broken(_data):
        raise ZeroDivisionError("in the crop")

    dataset = make(max_redraws=0)
    before, pair = [p for p in sampler.sample(UNIFORM, 0, 0, 80) if p.bin == 1 and is_usable(p)][:2]
    dataset[before]
    source.processing = broken
    files = [f"{frame + 1:08d}.png" for frame in (pair.template, pair.search)]
    with pytest.raises(RuntimeError, match=says("in the crop", "1 tries", *files)) as caught:
        dataset[pair]
    assert str(caught.value).count(".png") == 2
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.filterwarnings("ignore:pair redrawn:RuntimeWarning")
def test_an_error_before_any_file_names_the_folder_the_video_and_the_frames(
    make, sampler, source, says, monkeypatch, data
):
    monkeypatch.setattr(source.datasets[0], "get_sequence_info", lambda _i: {}["nothing"])
    dataset = make(max_redraws=2)
    usable = (p for p in sampler.sample(UNIFORM, 0, 0, 80) if p.bin == 1 and is_usable(p))
    pair = next(usable)
    words = (data / "lasot", f"video {pair.video}, frames {pair.template}, {pair.search}")
    with pytest.raises(RuntimeError, match=says(*words)):
        dataset[pair]


def test_an_interrupt_is_not_taken_for_a_bad_pair(make, sampler, source):
    def interrupted(_data):
        raise KeyboardInterrupt

    source.processing = interrupted
    with pytest.raises(KeyboardInterrupt):
        make()[next(iter(sampler.sample(UNIFORM, 0, 0, 1)))]


def test_a_hundred_redraws_are_the_limit_unless_told_otherwise(make):
    assert make().max_redraws == MAX_REDRAWS == 100


def test_the_loader_of_images_is_wrapped_once(make, source):
    make()
    make()
    for dataset in source.datasets:
        assert isinstance(dataset.image_loader, ImageReader)
        assert not isinstance(dataset.image_loader.read, ImageReader)


@pytest.mark.filterwarnings("ignore:Using or importing the ABCs:DeprecationWarning")
def test_the_loader_over_pairs_has_every_option_of_the_checkouts_own(
    checkouts, import_from, make, source, sampler, monkeypatch
):
    six = ModuleType("torch._six")
    six.string_classes = str
    monkeypatch.setitem(sys.modules, "torch._six", six)
    monkeypatch.setattr(collections, "Mapping", collections.abc.Mapping, raising=False)
    module = import_from(checkouts["ostrack"], "lib.train.data.loader")
    theirs = module.LTRLoader(
        *("train", source),
        **dict(training=True, batch_size=6, shuffle=True, num_workers=0, epoch_interval=3),
        **dict(drop_last=True, stack_dim=1, timeout=0, worker_init_fn=print),
    )
    pairs, order = make(), list(sampler.sample(UNIFORM, 0, 0, 20))
    ours = pair_loader(theirs, pairs, order)
    assert type(ours) is module.LTRLoader
    names = "name training batch_size num_workers epoch_interval drop_last stack_dim pin_memory"
    for name in [*names.split(), "timeout", "worker_init_fn", "collate_fn"]:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.dataset is pairs and ours.sampler is order
    assert theirs.dataset is source
    batches = list(ours)
    assert len(batches) == 3
    for i, batch in enumerate(batches):
        assert batch["bin"].tolist() == [pair.bin for pair in order[6 * i : 6 * i + 6]]
        assert batch["bin"].dtype == torch.int64
        assert batch["search_anno"].shape == (1, 6, 4)
        assert batch["search_images"].shape == (1, 6, 3, 16, 16)
