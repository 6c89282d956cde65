"""VideoIndex: what can be sampled, on disk and in memory.

The file itself is in `test_storage.py`, mixtures of random datasets in `properties/`.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex, random_sampler_distribution
from tests import reference

LENGTHS = [5, 1, 8, 3]
MASKS = [
    [True, False, True, True, False],
    [True],
    [False, False, True, True, True, True, False, True],
    [True, True, True],
]
IS_IMAGE = [False, True, False, False]
WEIGHT = [1.0, 0.5, 2.0, 0.0]
FLAT = np.concatenate(MASKS)
BINS = IntervalBins(6, 2, image_bin=True)


def make(**changes):
    arguments = dict(lengths=LENGTHS, visible=MASKS, is_image=IS_IMAGE, weight=WEIGHT)
    return VideoIndex(**dict(arguments, **changes))


def drawn(videos, bins=BINS):
    """A fixed draw: equal draws mean equal contents, as far as sampling can see."""
    sampler = IntervalSampler(videos, bins, seed=3)
    q = sampler.feasible / sampler.feasible.sum()
    return reference.outcomes(sampler.sample(q, 2, 0, 400))


# -------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    "changes",
    [
        dict(visible=FLAT),
        dict(visible=FLAT.astype(np.uint8)),
        dict(visible=[np.array(mask) for mask in MASKS]),
        dict(visible=[np.array(mask, int) for mask in MASKS]),
        dict(lengths=np.array(LENGTHS, np.int32)),
        dict(lengths=np.array(LENGTHS, np.uint16)),
        dict(is_image=np.array(IS_IMAGE, int)),
    ],
)
def test_index_of_the_same_content_in_another_form_is_the_same(changes):
    assert make(**changes).fingerprint == make().fingerprint
    assert drawn(make(**changes)) == drawn(make())


@pytest.mark.parametrize(
    "name, default", [("visible", np.ones(17, bool)), ("is_image", [0] * 4), ("weight", [1] * 4)]
)
def test_index_without_an_argument_has_its_default(name, default):
    assert drawn(make(**{name: None})) == drawn(make(**{name: default}))
    assert len(make(**{name: None})) == 4


def test_index_neither_changes_nor_holds_on_to_the_callers_arrays():
    arrays = dict(
        lengths=np.array(LENGTHS),
        visible=FLAT.copy(),
        is_image=np.array(IS_IMAGE),
        weight=np.array(WEIGHT),
    )
    for array in arrays.values():
        array.setflags(write=False)
    videos = VideoIndex(**arrays)
    for array in arrays.values():
        array.setflags(write=True)
        array[:] = 1
    assert drawn(videos) == drawn(make())
    assert videos.fingerprint == make().fingerprint


def test_masks_in_an_array_of_objects_are_one_per_video():
    masks = np.empty(2, dtype=object)
    masks[:] = [np.array([True, False, True]), np.array([False, True])]
    assert VideoIndex([3, 2], masks).visible.tolist() == [True, False, True, False, True]


def test_index_of_many_videos_needs_no_python_object_each():
    n = 300_000
    videos = VideoIndex(np.full(n, 3), visible=np.ones(3 * n, dtype=bool))
    coverage = IntervalSampler(videos, IntervalBins(3, 1)).coverage()
    assert coverage.videos.tolist() == [n] * 3
    assert coverage.templates.tolist() == [3 * n, 3 * n, 2 * n]


@pytest.mark.parametrize(
    "changes",
    [
        dict(visible=[[False, *MASKS[0][1:]], *MASKS[1:]]),
        dict(visible=[*MASKS[:-1], [True, True, False]]),
        dict(is_image=[False] * 4),
        dict(weight=[1.0, 0.5, 2.0, 1e-9]),
        dict(lengths=[5, 1, 3, 8], visible=FLAT),
        dict(lengths=[5, 1, 8, 2, 1], visible=FLAT, is_image=[*IS_IMAGE, 0], weight=[*WEIGHT, 0]),
    ],
    ids=["first-frame", "last-frame", "images", "weights", "order", "cut"],
)
def test_fingerprint_changes_with_the_contents(changes):
    assert isinstance(make().fingerprint, str)
    assert make(**changes).fingerprint != make().fingerprint


# ---------------------------------------------------------------------------- save / load


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("videos", [make(), VideoIndex([4, 7])], ids=["all", "lengths only"])
def test_load_gives_back_what_was_saved(tmp_path, videos, mmap):
    videos.save(str(tmp_path / "index"))
    loaded = VideoIndex.load(str(tmp_path / "index"), mmap=mmap)
    assert loaded.fingerprint == videos.fingerprint
    assert len(loaded) == len(videos)
    assert drawn(loaded) == drawn(videos)
    np.testing.assert_array_equal(
        random_sampler_distribution(loaded, BINS), random_sampler_distribution(videos, BINS)
    )


def test_save_over_an_index_replaces_it_and_not_the_mapped_one(tmp_path):
    VideoIndex([9, 9, 9]).save(tmp_path / "index")
    mapped = VideoIndex.load(tmp_path / "index")
    make().save(tmp_path / "index")
    assert drawn(mapped) == drawn(VideoIndex([9, 9, 9]))
    assert drawn(VideoIndex.load(tmp_path / "index", verify=True)) == drawn(make())
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_save_where_a_folder_is_raises_and_leaves_no_draft(tmp_path):
    (tmp_path / "index").mkdir()
    with pytest.raises(OSError, match="index"):
        make().save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("target", ["one", "a/b/two"])
def test_save_a_mapped_index_onto_itself_or_into_new_folders(tmp_path, target):
    make().save(tmp_path / "one")
    for _ in range(2):
        VideoIndex.load(tmp_path / "one").save(tmp_path / target)
        loaded = VideoIndex.load(tmp_path / target, verify=True)
        assert loaded.fingerprint == make().fingerprint


def test_load_a_file_that_is_not_there_raises(tmp_path, says):
    with pytest.raises(FileNotFoundError, match=says("nowhere")):
        VideoIndex.load(tmp_path / "nowhere")


def test_pickle_of_an_index_in_memory_gives_it_back(tmp_path):
    make().save(tmp_path / "index")
    read = VideoIndex.load(tmp_path / "index", mmap=False)
    blobs = [pickle.dumps(make()), pickle.dumps(read)]
    (tmp_path / "index").unlink()
    for again in map(pickle.loads, blobs):
        assert again.fingerprint == make().fingerprint
        assert drawn(again) == drawn(make())


def test_pickle_of_a_mapped_index_sends_its_path(tmp_path):
    visible = np.random.RandomState(0).uniform(size=100_000) < 0.9
    VideoIndex(np.full(1000, 100), visible=visible).save(tmp_path / "index")
    loaded = VideoIndex.load(tmp_path / "index")  # mapped by default
    again = pickle.loads(pickle.dumps(loaded))
    assert drawn(again) == drawn(loaded)
    assert len(pickle.dumps(loaded)) == len(pickle.dumps(again)) < 4000


def test_pickle_of_a_mapped_index_whose_file_changed_raises(tmp_path):
    make().save(tmp_path / "index")
    blob = pickle.dumps(VideoIndex.load(tmp_path / "index"))
    VideoIndex([9, 9, 9]).save(tmp_path / "index")
    with pytest.raises(ValueError, match=r"(?i)fingerprint"):
        pickle.loads(blob)


# --------------------------------------------------------------------------- concatenate


@pytest.mark.parametrize(
    "parts, whole",
    [
        ([VideoIndex([5, 4]), VideoIndex([6])], VideoIndex([5, 4, 6])),
        (  # an index without weights counts one per video
            [VideoIndex([5, 4]), VideoIndex([6, 3], weight=[0.25, 2.0])],
            VideoIndex([5, 4, 6, 3], weight=[1.0, 1.0, 0.25, 2.0]),
        ),
        (  # masks of some beside all frames of others
            [VideoIndex([3]), VideoIndex([4], visible=[[1, 0, 0, 1]])],
            VideoIndex([3, 4], visible=[[1, 1, 1], [1, 0, 0, 1]]),
        ),
    ],
)
def test_concatenate_without_dataset_weights_equals_building_at_once(parts, whole):
    assert VideoIndex.concatenate(parts).fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    "dataset_weights, expected",
    [([1, 3], [0.1875, 0.0625, 0.375, 0.375]), ([2, 0], [0.75, 0.25, 0, 0])],
)
def test_concatenate_with_dataset_weights_is_a_two_stage_draw(dataset_weights, expected):
    parts = [VideoIndex([5, 4], weight=[3, 1]), VideoIndex([6, 3])]
    assert VideoIndex.concatenate(parts, dataset_weights).weight.tolist() == expected


def test_concatenate_mapped_indices_equals_indices_in_memory(tmp_path):
    parts = [make(), VideoIndex([9, 9])]
    for i, part in enumerate(parts):
        part.save(tmp_path / str(i))
    mapped = [VideoIndex.load(tmp_path / str(i)) for i in range(2)]
    expected = VideoIndex.concatenate(parts, [1, 3])
    assert VideoIndex.concatenate(mapped, [1, 3]).fingerprint == expected.fingerprint


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([],), ("indices",)),
        (([VideoIndex([3]), [4, 5]],), ("indices", [4, 5])),
        (([VideoIndex([3])] * 2, [1.0]), ("dataset_weights", "(1,)")),
        (([VideoIndex([3])] * 2, [1.0, -2.0]), ("dataset_weights", -2.0)),
        (([VideoIndex([3])] * 2, [1.0, np.nan]), ("dataset_weights", "nan")),
        (([VideoIndex([3])] * 2, [np.inf, 1.0]), ("dataset_weights", "inf")),
        (([VideoIndex([3])] * 2, [0.0, 0.0]), ("dataset_weights", "above 0")),
    ],
)
def test_error_concatenate_names_what_it_got(arguments, words, says):
    with pytest.raises((TypeError, ValueError), match=says(*words)):
        VideoIndex.concatenate(*arguments)


@pytest.mark.parametrize(
    "name, bad, words",
    [
        ("lengths", [5, 0, 3], [0, "index 1"]),
        ("lengths", [5, -4, 3], [-4]),
        ("lengths", [2.5], [2.5]),
        ("lengths", ["3"], ["3"]),
        ("lengths", [[1, 2]], ["(1, 2)"]),
        ("lengths", 7, ["()"]),
        ("lengths", None, [None]),
        ("lengths", [np.nan], ["nan"]),
        ("lengths", [2**62] * 3, [2**62]),
        ("lengths", [2**31 - 1, 2**31], [2**31, "index 1"]),
        ("lengths", [], ["(0,)"]),
        ("visible", [*MASKS[:2], MASKS[2][:-1], MASKS[3]], ["visible[2]", 7, 8]),
        ("visible", [MASKS[0][:-1], MASKS[1], [*MASKS[2], True], MASKS[3]], ["visible[0]", 4, 5]),
        ("visible", MASKS[:-1], [3, 4]),
        ("visible", FLAT[:-1], [16, 17]),
        ("visible", FLAT * 2, [2]),
        ("visible", FLAT - np.int64(1), [-1]),
        ("visible", FLAT * 1.0, ["boolean"]),
        ("visible", [np.array(mask, float) for mask in MASKS], ["boolean"]),
        ("visible", "x", ["x"]),
        ("visible", 3, [3]),
        ("is_image", [True] * 3, ["(3,)"]),
        ("is_image", [[True] * 4], ["(1, 4)"]),
        ("is_image", True, ["()"]),
        ("is_image", [0, 1, 2, 0], [2]),
        ("weight", [1, 1, 1], ["(3,)"]),
        ("weight", [1, -2.5, 1, 1], [-2.5]),
        ("weight", [1, np.nan, 1, 1], ["nan"]),
        ("weight", [1, np.inf, 1, 1], ["inf"]),
        ("weight", [0, 0, 0, 0], ["above 0"]),
        ("weight", [[1, 1, 1, 1]], ["(1, 4)"]),
        ("weight", 2.0, ["()"]),
        ("weight", ["a", "b", "c", "d"], ["a"]),
    ],
)
def test_error_argument_names_it(name, bad, words, says):
    with pytest.raises((TypeError, ValueError), match=says(name, *words)):
        make(**{name: bad})


def test_masks_cover_up_to_two_to_the_32_less_one_frames(says):
    """Nothing of that size is made: what is too long is refused first."""
    whole = VideoIndex([2**31 - 1, 2**31 - 1])
    mask = np.array([True, False])
    with pytest.raises(ValueError, match=says("visible must have shape (4294967295,)")):
        VideoIndex([*whole.lengths, 1], visible=mask)
    for frames in (2, 5):
        with pytest.raises(ValueError, match=says("at most 4294967295 frames", 2**32 - 2 + frames)):
            VideoIndex([*whole.lengths, frames], visible=mask)
        part = VideoIndex([frames], visible=[np.arange(frames) > 0])
        with pytest.raises(ValueError, match=says("at most 4294967295 frames", 2**32 - 2 + frames)):
            VideoIndex.concatenate([whole, part])


@pytest.mark.parametrize("name", ["mmap", "verify"])
def test_error_load_option_names_it(tmp_path, name, says):
    make().save(tmp_path / "index")
    with pytest.raises(TypeError, match=says(name, 1)):
        VideoIndex.load(tmp_path / "index", **{name: 1})
