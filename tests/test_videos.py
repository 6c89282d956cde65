"""VideoIndex: what can be sampled, on disk and in memory."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sstrack_sched import IntervalBins, IntervalSampler, VideoIndex, random_sampler_distribution
from tests import reference

LENGTHS = [5, 1, 8, 3]
MASKS = [
    [1, 0, 1, 1, 0],
    [1],
    [0, 0, 1, 1, 1, 1, 0, 1],
    [1, 1, 1],
]
IS_IMAGE = [False, True, False, False]
WEIGHT = [1.0, 0.5, 2.0, 0.0]
FLAT = [x for mask in MASKS for x in mask]
BINS = IntervalBins(6, 2, image_bin=True)
UNIFORM = [0.25] * 4


def masks():
    return [np.array(mask, dtype=bool) for mask in MASKS]


def make(**changes):
    arguments = dict(lengths=LENGTHS, visible=masks(), is_image=IS_IMAGE, weight=WEIGHT)
    arguments.update(changes)
    return VideoIndex(**arguments)


def drawn(videos, bins=BINS, q=UNIFORM):
    """A fixed draw: equal draws mean equal contents, as far as sampling can see."""
    return reference.outcomes(IntervalSampler(videos, bins, seed=3).sample(q, 2, 0, 400))


# -------------------------------------------------------------------------- construction


def test_index_masks_as_sequence_and_flat_are_the_same():
    flat = np.array(FLAT, dtype=bool)
    assert make(visible=flat).fingerprint == make().fingerprint
    assert drawn(make(visible=flat)) == drawn(make())


def test_index_masks_as_lists_of_bools_are_taken():
    as_lists = [[bool(x) for x in mask] for mask in MASKS]
    assert make(visible=as_lists).fingerprint == make().fingerprint


def test_index_masks_of_zeros_and_ones_are_taken():
    assert make(visible=np.array(FLAT, np.uint8)).fingerprint == make().fingerprint
    assert make(visible=[np.array(m) for m in MASKS]).fingerprint == make().fingerprint


def test_index_without_masks_has_every_frame_visible():
    everything = [np.ones(n, dtype=bool) for n in LENGTHS]
    assert drawn(make(visible=None)) == drawn(make(visible=everything))


def test_index_without_flags_has_no_images():
    bins = IntervalBins(6, 2)
    q = [1 / 3] * 3
    plain = drawn(make(is_image=None), bins, q)
    assert plain == drawn(make(is_image=[False] * 4), bins, q)


def test_index_without_weights_is_uniform():
    assert drawn(make(weight=None)) == drawn(make(weight=[1, 1, 1, 1]))


def test_index_scale_of_the_weights_is_irrelevant():
    assert drawn(make(weight=[2, 1, 4, 0])) == drawn(make())


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, list])
def test_index_lengths_of_any_integer_kind_are_the_same(kind):
    lengths = list(LENGTHS) if kind is list else np.array(LENGTHS, dtype=kind)
    assert make(lengths=lengths).fingerprint == make().fingerprint


def test_index_knows_its_number_of_videos():
    assert len(make()) == 4


def test_index_does_not_hold_on_to_the_callers_arrays():
    arrays = dict(
        lengths=np.array(LENGTHS),
        visible=np.array(FLAT, dtype=bool),
        is_image=np.array(IS_IMAGE),
        weight=np.array(WEIGHT),
    )
    videos = VideoIndex(**arrays)
    before = drawn(videos)
    arrays["lengths"][:] = 1
    arrays["visible"][:] = False
    arrays["is_image"][:] = True
    arrays["weight"][:] = 0.0
    assert drawn(videos) == before
    assert videos.fingerprint == make().fingerprint


def test_index_takes_read_only_arrays_and_leaves_inputs_alone():
    visible = np.array(FLAT, dtype=bool)
    weight = np.array(WEIGHT)
    for array in (visible, weight):
        array.setflags(write=False)
    videos = make(visible=visible, weight=weight)
    drawn(videos)
    random_sampler_distribution(videos, BINS)
    assert visible.tolist() == [bool(x) for x in FLAT]
    assert weight.tolist() == WEIGHT


def test_index_of_many_videos_needs_no_python_object_each():
    n = 300_000
    lengths = np.full(n, 3)
    videos = VideoIndex(lengths, visible=np.ones(3 * n, dtype=bool))
    assert len(videos) == n
    sampler = IntervalSampler(videos, IntervalBins(3, 1))
    assert sampler.coverage().videos.tolist() == [n] * 3
    assert sampler.coverage().templates.tolist() == [3 * n, 3 * n, 2 * n]


# ---------------------------------------------------------------------------- fingerprint


def test_fingerprint_is_a_string_and_repeats():
    assert isinstance(make().fingerprint, str)
    assert make().fingerprint == make().fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        dict(visible=np.array([1 - FLAT[0]] + FLAT[1:], dtype=bool)),
        dict(visible=np.array(FLAT[:-1] + [1 - FLAT[-1]], dtype=bool)),
        dict(is_image=[False] * 4),
        dict(weight=[1.0, 0.5, 2.0, 1e-9]),
        dict(lengths=[5, 1, 3, 8], visible=np.array(FLAT, dtype=bool)),
        dict(lengths=[5, 1, 8, 2, 1], visible=np.array(FLAT, dtype=bool),
             is_image=IS_IMAGE + [False], weight=WEIGHT + [0.0]),
    ],
    ids=["first-frame", "last-frame", "images", "weights", "order", "cut"],
)  # fmt: skip
def test_fingerprint_changes_with_the_contents(changes):
    assert make(**changes).fingerprint != make().fingerprint


# ---------------------------------------------------------------------------- save / load


@pytest.mark.parametrize("mmap", [True, False])
def test_load_gives_back_what_was_saved(tmp_path, mmap):
    make().save(tmp_path / "index")
    loaded = VideoIndex.load(tmp_path / "index", mmap=mmap)
    assert loaded.fingerprint == make().fingerprint
    assert len(loaded) == 4
    assert drawn(loaded) == drawn(make())
    np.testing.assert_array_equal(
        random_sampler_distribution(loaded, BINS),
        random_sampler_distribution(make(), BINS),
    )


@pytest.mark.parametrize("mmap", [True, False])
def test_load_an_index_of_lengths_only(tmp_path, mmap):
    VideoIndex([4, 7]).save(str(tmp_path / "index"))
    loaded = VideoIndex.load(str(tmp_path / "index"), mmap=mmap)
    assert loaded.fingerprint == VideoIndex([4, 7]).fingerprint
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    assert drawn(loaded, bins, q) == drawn(VideoIndex([4, 7]), bins, q)


def test_load_maps_by_default(tmp_path):
    VideoIndex([200_000]).save(tmp_path / "a")
    visible = np.ones(200_000, dtype=bool)
    VideoIndex([200_000], visible=visible).save(tmp_path / "b")
    assert len(pickle.dumps(VideoIndex.load(tmp_path / "b"))) < 4000


def test_save_over_an_older_index_replaces_it(tmp_path):
    VideoIndex([9, 9, 9]).save(tmp_path / "index")
    make().save(tmp_path / "index")
    loaded = VideoIndex.load(tmp_path / "index")
    assert loaded.fingerprint == make().fingerprint
    assert drawn(loaded) == drawn(make())
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_save_over_an_index_that_is_mapped_leaves_the_mapped_one_as_it_was(tmp_path):
    make().save(tmp_path / "index")
    mapped = VideoIndex.load(tmp_path / "index")
    before = drawn(mapped)
    VideoIndex([9, 9, 9]).save(tmp_path / "index")
    assert drawn(mapped) == before


def test_save_where_a_folder_is_raises_and_leaves_no_draft(tmp_path):
    (tmp_path / "index").mkdir()
    with pytest.raises(OSError, match="index"):
        make().save(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_save_into_new_parents_and_twice_keeps_the_contents(tmp_path):
    for _ in range(2):
        make().save(tmp_path / "a" / "b" / "index")
        loaded = VideoIndex.load(tmp_path / "a" / "b" / "index")
        assert loaded.fingerprint == make().fingerprint


def test_save_a_mapped_index_elsewhere_keeps_the_contents(tmp_path):
    make().save(tmp_path / "one")
    VideoIndex.load(tmp_path / "one").save(tmp_path / "two")
    assert VideoIndex.load(tmp_path / "two").fingerprint == make().fingerprint


def test_save_a_mapped_index_onto_itself_keeps_the_contents(tmp_path):
    make().save(tmp_path / "one")
    VideoIndex.load(tmp_path / "one").save(tmp_path / "one")
    again = VideoIndex.load(tmp_path / "one")
    assert again.fingerprint == make().fingerprint
    assert drawn(again) == drawn(make())


def test_load_a_file_that_is_not_there_raises(tmp_path, says):
    with pytest.raises(FileNotFoundError, match=says("nowhere")):
        VideoIndex.load(tmp_path / "nowhere")


# -------------------------------------------------------------------------------- pickle


def test_pickle_of_an_index_in_memory_gives_it_back():
    again = pickle.loads(pickle.dumps(make()))
    assert again.fingerprint == make().fingerprint
    assert drawn(again) == drawn(make())


def test_pickle_of_a_mapped_index_sends_its_path(tmp_path):
    visible = np.random.RandomState(0).uniform(size=10**6) < 0.9
    VideoIndex(np.full(1000, 1000), visible=visible).save(tmp_path / "index")
    loaded = VideoIndex.load(tmp_path / "index", mmap=True)
    blob = pickle.dumps(loaded)
    assert len(blob) < 4000
    again = pickle.loads(blob)
    assert again.fingerprint == loaded.fingerprint
    bins, q = IntervalBins(200, 50), [0.25] * 4
    assert drawn(again, bins, q) == drawn(loaded, bins, q)
    assert len(pickle.dumps(again)) < 4000


def test_pickle_of_a_mapped_index_whose_file_changed_raises(tmp_path):
    make().save(tmp_path / "index")
    blob = pickle.dumps(VideoIndex.load(tmp_path / "index"))
    VideoIndex([9, 9, 9]).save(tmp_path / "index")
    with pytest.raises(ValueError, match=r"(?i)fingerprint"):
        pickle.loads(blob)


# --------------------------------------------------------------------------- concatenate


def weights_of(data):
    return [float(w) for w in data.weight]


def as_index(data):
    return VideoIndex(
        data.lengths,
        visible=[np.array(mask, dtype=bool) for mask in data.visible],
        is_image=data.is_image,
        weight=weights_of(data),
    )


def one_and_two():
    one = reference.Data([[1, 1, 1, 1, 1], [1, 0, 1, 1]], weight=[3.0, 1.0])
    two = reference.Data([[1, 1, 1, 1, 1, 1], [1], [1, 1, 1]], [0, 1, 0], [1.0, 5.0, 2.0])
    return one, two


def test_concatenate_with_dataset_weights_is_a_two_stage_draw():
    one, two = one_and_two()
    mixed = VideoIndex.concatenate([as_index(one), as_index(two)], [1.0, 3.0])
    expected = reference.mixture([one, two], [1.0, 3.0])
    bins = [(0, 1, True), (0, 2, False), (2, 4, False)]
    for scheme in ("forward", "symmetric", "causal"):
        np.testing.assert_allclose(
            random_sampler_distribution(mixed, IntervalBins(4, 2, True), scheme),
            [float(x) for x in reference.random_sampler_distribution(expected, bins, scheme)],
            rtol=0,
            atol=1e-12,
        )


def test_concatenate_without_dataset_weights_joins_own_weights():
    one, two = one_and_two()
    joined = VideoIndex.concatenate([as_index(one), as_index(two)])
    direct = as_index(
        reference.Data(
            one.visible + two.visible,
            one.is_image + two.is_image,
            one.weight + two.weight,
        )
    )
    assert drawn(joined) == drawn(direct)


def test_concatenate_an_index_without_weights_counts_one_a_video():
    one = VideoIndex([5, 4])
    two = VideoIndex([6, 3], weight=[0.25, 2.0])
    joined = VideoIndex.concatenate([one, two])
    direct = VideoIndex([5, 4, 6, 3], weight=[1.0, 1.0, 0.25, 2.0])
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    assert drawn(joined, bins, q) == drawn(direct, bins, q)


def test_concatenate_indices_without_weights_is_uniform_over_videos():
    joined = VideoIndex.concatenate([VideoIndex([5, 4]), VideoIndex([6])])
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    assert drawn(joined, bins, q) == drawn(VideoIndex([5, 4, 6]), bins, q)


def test_concatenate_keeps_masks_of_some_and_all_frames_of_others():
    some = VideoIndex([4], visible=[np.array([1, 0, 0, 1], dtype=bool)])
    joined = VideoIndex.concatenate([VideoIndex([3]), some])
    direct = VideoIndex([3, 4], visible=np.array([1, 1, 1, 1, 0, 0, 1], dtype=bool))
    bins, q = IntervalBins(4, 2), [0.5, 0.5]
    assert drawn(joined, bins, q) == drawn(direct, bins, q)


def test_concatenate_dataset_of_weight_zero_is_never_drawn():
    one, two = one_and_two()
    mixed = VideoIndex.concatenate([as_index(one), as_index(two)], [1.0, 0.0])
    sampler = IntervalSampler(mixed, IntervalBins(4, 2, True))
    assert sampler.feasible.tolist() == [False, True, True]
    pairs = sampler.sample([0, 0.5, 0.5], 0, 0, 2000)
    assert pairs.video.max() == 1


def test_concatenate_mapped_indices_equals_indices_in_memory(tmp_path):
    one, two = (as_index(data) for data in one_and_two())
    one.save(tmp_path / "one")
    two.save(tmp_path / "two")
    mapped = VideoIndex.concatenate(
        [VideoIndex.load(tmp_path / "one"), VideoIndex.load(tmp_path / "two")], [1, 3]
    )
    assert drawn(mapped) == drawn(VideoIndex.concatenate([one, two], [1, 3]))


def test_concatenate_leaves_its_parts_alone():
    one, two = (as_index(data) for data in one_and_two())
    before = one.fingerprint, two.fingerprint
    VideoIndex.concatenate([one, two], [1, 3])
    assert (one.fingerprint, two.fingerprint) == before


def test_concatenate_nothing_raises(says):
    with pytest.raises((TypeError, ValueError), match=says("indices")):
        VideoIndex.concatenate([])


def test_concatenate_something_else_raises(says):
    with pytest.raises(TypeError, match=says("indices")):
        VideoIndex.concatenate([VideoIndex([3]), [4, 5]])


@pytest.mark.parametrize(
    "bad, word",
    [
        ([1.0], 1),
        ([1.0, -2.0], -2.0),
        ([1.0, np.nan], "nan"),
        ([np.inf, 1.0], "inf"),
        ([0.0, 0.0], 0),
    ],
)
def test_concatenate_bad_dataset_weights_raise(bad, word, says):
    with pytest.raises(ValueError, match=says("dataset_weights", word)):
        VideoIndex.concatenate([VideoIndex([3]), VideoIndex([4])], bad)


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("bad", [0, -4])
def test_error_length_below_one_names_it(bad, says):
    with pytest.raises(ValueError, match=says("lengths", bad)):
        VideoIndex([5, bad, 3])


@pytest.mark.parametrize("bad", [[2.5], ["3"], [[1, 2]], 7, None, [np.nan]])
def test_error_lengths_that_are_no_integers_name_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("lengths")):
        VideoIndex(bad)


def test_error_lengths_whose_sum_overflows_name_it(says):
    with pytest.raises(ValueError, match=says("lengths")):
        VideoIndex([2**62] * 3)


def test_error_no_video_at_all_names_lengths(says):
    with pytest.raises(ValueError, match=says("lengths")):
        VideoIndex([])


def test_error_mask_of_another_length_names_the_video(says):
    wrong = masks()
    wrong[2] = wrong[2][:-1]
    with pytest.raises(ValueError, match=says("visible", 2, 7, 8)):
        make(visible=wrong)


def test_error_number_of_masks_names_it(says):
    with pytest.raises(ValueError, match=says("visible", 3, 4)):
        make(visible=masks()[:-1])


def test_error_flat_mask_of_another_size_names_it(says):
    with pytest.raises(ValueError, match=says("visible", 16, 17)):
        make(visible=np.array(FLAT[:-1], dtype=bool))


def test_error_masks_with_the_right_total_but_wrong_cuts_raise(says):
    moved = masks()
    moved[0], moved[2] = moved[0][:-1], np.append(moved[2], True)
    with pytest.raises(ValueError, match=says("visible")):
        make(visible=moved)


@pytest.mark.parametrize(
    "bad",
    [
        np.array(FLAT) * 2,
        np.array(FLAT) - 1,
        np.array(FLAT, float),
        [np.array(m, float) for m in MASKS],
        "x",
        3,
    ],
    ids=["two", "minus", "float", "floats", "text", "number"],
)
def test_error_visible_that_is_not_boolean_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("visible")):
        make(visible=bad)


@pytest.mark.parametrize("bad", [[True] * 3, [[True] * 4], True])
def test_error_is_image_of_another_shape_names_it(bad, says):
    with pytest.raises((TypeError, ValueError), match=says("is_image")):
        make(is_image=bad)


def test_error_is_image_that_is_not_boolean_names_it(says):
    with pytest.raises((TypeError, ValueError), match=says("is_image")):
        make(is_image=[0, 1, 2, 0])


@pytest.mark.parametrize(
    "bad, word",
    [
        ([1, 1, 1], 3),
        ([1, -2.5, 1, 1], -2.5),
        ([1, np.nan, 1, 1], "nan"),
        ([1, np.inf, 1, 1], "inf"),
        ([0, 0, 0, 0], 0),
        ([[1, 1, 1, 1]], 1),
        (2.0, "weight"),
        (["a", "b", "c", "d"], "weight"),
    ],
)
def test_error_weight_names_it(bad, word, says):
    with pytest.raises((TypeError, ValueError), match=says("weight", word)):
        make(weight=bad)
