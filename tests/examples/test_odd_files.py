"""Folders and files as people have them, and what happens to those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.tracker import evaluate, study, train
from examples.tracker.data.frames import FrameStore
from examples.tracker.data.readers import read_sequences, read_split
from examples.tracker.evaluation.runs import Contestant

from .test_layouts import BOXES, PICTURE, by_name, got10k, lines, names, pictures, write
from .test_one_pass import Follower


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + lines(),
        lines(separator=";"),
        lines().replace("\n", "\r\n") + "\r\n  \r\n",
        "10, 12;20\t16\n11 12 20 16,\n12;13,20, 16",
    ],
    ids=["byte-order mark", "semicolons", "CRLF and blank ends", "mixed separators"],
)
def test_boxes_are_read_as_people_have_them(tmp_path, text):
    got10k(tmp_path / "a", text)
    np.testing.assert_array_equal(read_sequences(tmp_path)[0].boxes, BOXES)


@pytest.mark.parametrize("line", ["nan,nan,nan,nan", "NaN", "0,0,0,0", "nan nan 5 5"])
def test_frame_without_a_box_is_absent(tmp_path, line):
    got10k(tmp_path / "a", f"{lines(BOXES[:2])}{line}\n")
    assert read_sequences(tmp_path)[0].visible.tolist() == [True, True, False]


def test_leftovers_of_operating_systems_are_no_pictures_and_no_videos(tmp_path):
    got10k(tmp_path / "a")
    for name in ("._00000001.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / "a" / name).write_bytes(b"\0")
    got10k(tmp_path / "__MACOSX" / "b")
    got10k(tmp_path / ".hidden" / "c")
    (sequence,) = read_sequences(tmp_path)
    assert len(sequence) == 3


def test_folders_of_links_to_folders_are_followed(tmp_path):
    got10k(tmp_path / "disk" / "deep" / "a")
    got10k(tmp_path / "other")
    (tmp_path / "links" / "more").mkdir(parents=True)
    (tmp_path / "links" / "more" / "b").symlink_to(tmp_path / "disk")
    (tmp_path / "links" / "d").symlink_to(tmp_path / "other")
    assert sorted(by_name(tmp_path / "links")) == ["a", "d"]


@pytest.mark.parametrize("name", ["{:08d}.JPG", "{}.webp", "{:04d}.tif", "frame {}.png", "{}.jpeg"])
def test_pictures_of_any_kind_come_in_the_order_of_their_numbers(tmp_path, name):
    pictures(tmp_path / "a", range(12), name)
    write(tmp_path / "a" / "groundtruth.txt", lines([BOXES[0]] * 12))
    sequences = read_sequences(tmp_path)
    assert names(sequences[0]) == [name.format(i) for i in range(12)]
    assert FrameStore(sequences).frame(0, 11).shape == PICTURE.shape


def test_folder_that_one_stands_in_gives_the_name(tmp_path, monkeypatch):
    got10k(tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")
    assert read_sequences(Path())[0].name == "a"


def test_thirteen_boxes_for_twelve_frames_are_an_error_that_names_the_file(tmp_path):
    pictures(tmp_path / "a", range(12))
    write(tmp_path / "a" / "groundtruth.txt", lines([BOXES[0]] * 13))
    with pytest.raises(ValueError, match=r"a.groundtruth\.txt: 13 boxes for 12 images in .*a"):
        read_sequences(tmp_path)


def test_problems_leave_the_video_out_and_are_kept(tmp_path):
    for name in "abcde":
        got10k(tmp_path / name)
    write(tmp_path / "a" / "groundtruth.txt", lines() + lines())
    (tmp_path / "b" / "00000001.jpg").write_bytes(b"no image")
    write(tmp_path / "c" / "absence.label", "2\n0\n0\n")
    problems = []
    train, test = read_split(tmp_path, problems=problems)
    assert sorted(s.name for s in train + test) == ["d", "e"]
    assert [problem[:2] for problem in problems] == ["a:", "b:", "c:"]
    write(tmp_path / "d" / "groundtruth.txt", "x")
    write(tmp_path / "e" / "groundtruth.txt", "x")
    with pytest.raises(ValueError, match=r"no video can be read; a: .* 6 boxes"):
        read_sequences(tmp_path, problems=[])


def test_pictures_that_are_missing_are_named(tmp_path):
    (tmp_path / "frames").mkdir()
    write(tmp_path / "anno" / "x_0.txt")
    with pytest.raises(ValueError, match=r"x_0\.txt: no images for it, .*frames.x_0 is not there"):
        read_sequences(tmp_path)
    got10k(tmp_path / "a")
    for path in (tmp_path / "a").glob("*.jpg"):
        path.unlink()
    with pytest.raises(ValueError, match=r"no images \(.jpg, .*\) in .*a"):
        read_sequences(tmp_path / "a")


@pytest.fixture
def one_bad_of_four(tmp_path):
    """A folder of four videos, one of which has too many boxes."""
    for name in "abcd":
        got10k(tmp_path / "data" / name)
    write(tmp_path / "data" / "b" / "groundtruth.txt", lines() + lines())
    return tmp_path / "data"


TINY = {"samples-per-epoch": 4, "batch-size": 4, "epochs": 1, "max-interval": 3, "spacing": 1}


@pytest.mark.parametrize("command", [train, study], ids=["train", "study"])
def test_commands_that_train_skip_when_told_and_say_so_at_the_end(
    one_bad_of_four, tmp_path, capsys, command
):
    words = ["--data", str(one_bad_of_four), "--out", str(tmp_path / "out")]
    words += [word for name, value in TINY.items() for word in (f"--{name}", str(value))]
    if command is study:
        words += ["--modes", "random", "--pairs-per-bin", "2"]
    assert command.main(words) == 1
    assert "6 boxes for 3 images" in capsys.readouterr().err
    assert command.main([*words, "--on-error", "skip"]) == 0
    end = capsys.readouterr().out.splitlines()[-2:]
    assert end[0] == "left out 1 that could not be read:"
    assert "b: " in end[1] and "6 boxes for 3 images" in end[1]


def test_evaluate_skips_folders_and_pictures_that_cannot_be_read(
    one_bad_of_four, tmp_path, capsys, monkeypatch
):
    def follower(names, settings):
        return [Contestant(name, "", lambda: Follower(0)) for name in names]

    monkeypatch.setattr(evaluate, "find_contestants", follower)
    (one_bad_of_four / "c" / "00000002.jpg").write_bytes(b"no image")
    words = ["--data", str(one_bad_of_four), "--out", str(tmp_path / "out"), "--tracker", "x"]
    assert evaluate.main(words) == 1
    assert evaluate.main([*words, "--on-error", "skip"]) == 0
    out = capsys.readouterr().out
    assert out.index("left out 2 that could not be read") > out.index("raw results are in")
    assert "  c: cannot read an image from" in out
    rows = (tmp_path / "out" / "results.json").read_text()
    assert '"a"' in rows and '"d"' in rows and '"c"' not in rows
