"""The index of a checkout's data sets: what enters it, and when it is made anew."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from examples.lineage.checkout import SetupError
from examples.lineage.index import cache_key, index_dataset, index_datasets

from .checkouts import HARDLY_VISIBLE, LENGTHS, SHORT, visible_of


@pytest.fixture
def tree(data, tmp_path):
    """Annotations of the LaSOT videos, without the pictures; may be changed."""
    folder = tmp_path / "lasot"
    shutil.copytree(data / "lasot", folder, ignore=shutil.ignore_patterns("img"))
    return folder


@pytest.fixture
def videos_of(checkouts, import_from):
    """Data set of the stand-in that counts how often a video is parsed."""
    module = import_from(checkouts["ostrack"], "lib.train.data.datasets")

    class Counting(module.Videos):
        parsed = 0

        def get_sequence_info(self, i):
            self.parsed += 1
            return super().get_sequence_info(i)

    return lambda folder: Counting("lasot", str(folder), module.opencv_loader)


@pytest.fixture
def images_of(checkouts, import_from):
    module = import_from(checkouts["ostrack"], "lib.train.data.datasets")
    return lambda folder: module.Images("coco", str(folder), module.opencv_loader)


def test_lengths_and_visible_frames_are_those_of_the_annotations(videos_of, tree, tmp_path):
    index = index_dataset(videos_of(tree), tmp_path / "cache")
    assert index.lengths.tolist() == list(LENGTHS)
    expected = np.concatenate([visible_of(i) for i in range(len(LENGTHS))])
    assert index.visible.tolist() == expected.tolist()


def test_videos_that_upstreams_sampler_passes_over_have_weight_0(videos_of, tree, tmp_path):
    index = index_dataset(videos_of(tree), tmp_path / "cache")
    assert np.flatnonzero(index.weight == 0).tolist() == [SHORT, HARDLY_VISIBLE]
    assert set(index.weight.tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "length, n_visible, taken", [(20, 5, True), (19, 19, False), (20, 4, False), (0, 0, False)]
)
def test_it_takes_20_frames_and_5_visible_ones_to_be_drawn(tmp_path, length, n_visible, taken):
    class Videos:
        root, sequence_list = "root", ["good", "in question"]

        def get_name(self):
            return "some"

        def is_video_sequence(self):
            return True

        def get_num_sequences(self):
            return 2

        def get_sequence_info(self, i):
            visible = np.arange(length if i else 30) < (n_visible if i else 30)
            return {"visible": visible.astype(np.uint8)}

    assert index_dataset(Videos(), tmp_path).weight.tolist() == [1, float(taken)]


def test_it_is_parsed_once_and_then_read_from_the_cache(videos_of, tree, tmp_path):
    first, second = videos_of(tree), videos_of(tree)
    made = index_dataset(first, tmp_path / "cache")
    read = index_dataset(second, tmp_path / "cache")
    assert (first.parsed, second.parsed) == (len(LENGTHS), 0)
    assert read.fingerprint == made.fingerprint


def rewrite_in_place(path):
    """As long as before; only the time tells."""
    status = path.stat()
    path.write_text(path.read_text()[::-1])
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def lengthen(path):
    """As old as before; only the size tells."""
    status = path.stat()
    path.write_text(path.read_text().replace("10.0", "10.00"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "name, change",
    [
        ("full_occlusion.txt", rewrite_in_place),
        ("out_of_view.txt", rewrite_in_place),
        ("groundtruth.txt", lengthen),
    ],
)
def test_it_is_made_anew_when_an_annotation_file_changes(videos_of, tree, tmp_path, name, change):
    index_dataset(videos_of(tree), tmp_path / "cache")
    change(tree / "cat" / "cat-3" / name)
    again = videos_of(tree)
    index_dataset(again, tmp_path / "cache")
    assert again.parsed == len(LENGTHS)


def test_it_is_made_anew_when_a_video_is_added_or_the_data_lies_elsewhere(
    videos_of, tree, tmp_path
):
    index_dataset(videos_of(tree), tmp_path / "cache")
    moved = tmp_path / "moved"
    shutil.copytree(tree, moved)
    elsewhere = videos_of(moved)
    index_dataset(elsewhere, tmp_path / "cache")
    assert elsewhere.parsed == len(LENGTHS)
    shutil.copytree(tree / "cat" / "cat-1", tree / "cat" / "cat-9")
    more = videos_of(tree)
    assert len(index_dataset(more, tmp_path / "cache")) == more.parsed == len(LENGTHS) + 1


def test_where_no_annotation_file_is_known_names_and_folder_tell_data_sets_apart():
    def key_of(root, names):
        dataset = SimpleNamespace(root=root, sequence_list=names, get_name=lambda: "some")
        dataset.get_num_sequences = lambda: len(names)
        return cache_key(dataset)

    keys = [key_of("here", ["a", "b"]), key_of("there", ["a", "b"]), key_of("here", ["a", "c"])]
    assert len(set(keys)) == 3
    assert key_of("here", ["a", "b"]) == keys[0]


def test_images_are_not_parsed(images_of, data, tmp_path, monkeypatch):
    dataset = images_of(data / "coco")
    monkeypatch.setattr(dataset, "get_sequence_info", None)
    index = index_dataset(dataset, tmp_path)
    assert index.is_image.tolist() == [True] * 8
    assert index.lengths.tolist() == [1] * 8


def test_the_share_of_a_data_set_is_spread_over_the_videos_that_are_drawn(
    videos_of, images_of, data, tree, tmp_path
):
    index = index_datasets([videos_of(tree), images_of(data / "coco")], [0.75, 0.25], tmp_path)
    taken = [i for i in range(len(LENGTHS)) if i not in (SHORT, HARDLY_VISIBLE)]
    expected = np.zeros(len(LENGTHS) + 8)
    expected[taken] = 0.75 / len(taken)
    expected[len(LENGTHS) :] = 0.25 / 8
    assert index.weight / index.weight.sum() == pytest.approx(expected)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / "groundtruth.txt").unlink(), id="missing"),
        pytest.param(lambda folder: (folder / "out_of_view.txt").write_text(""), id="empty"),
        pytest.param(lambda folder: (folder / "full_occlusion.txt").write_text("0,0"), id="short"),
        pytest.param(lambda folder: (folder / "groundtruth.txt").write_text("1,b"), id="no number"),
    ],
)
def test_a_video_that_cannot_be_parsed_is_named(videos_of, tree, tmp_path, says, damage):
    damage(tree / "cat" / "cat-3")
    with pytest.raises(SetupError, match=says("cat-3", "lasot", tree)):
        index_dataset(videos_of(tree), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_data_set_without_a_usable_video_is_an_error(videos_of, tree, tmp_path, says):
    for folder in (tree / "cat").iterdir():
        if folder.name not in (f"cat-{SHORT + 1}", f"cat-{HARDLY_VISIBLE + 1}"):
            shutil.rmtree(folder)
    with pytest.raises(SetupError, match=says("lasot", tree, "20 frames")):
        index_dataset(videos_of(tree), tmp_path / "cache")
