"""The command that tracks: every source, every output, every bad input, and Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import struct
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from examples.tracker import track
from examples.tracker.data.layouts import read_boxes
from examples.tracker.inference import video as in_and_out
from examples.tracker.inference.video import (
    FOUND,
    Recorder,
    annotate,
    choose_box,
    fitted,
    open_stream,
)
from examples.tracker.models import build_model
from examples.tracker.models.weights import save_weights

from .conftest import moving_square, start_module

BOX = "10,30,20,20"
TURNED = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # by 90 degrees
N_FRAMES = 12


class Marching:
    """A stand-in: the box goes one pixel to the right a frame, and is lost from frame 8 on."""

    interrupt_at = None
    interrupts = 1

    def __init__(self, weights=None, **options):
        self.options, self.count = options, 0

    def init(self, frame, box):
        assert frame.dtype == np.uint8 and frame.ndim == 3
        if box[0] >= frame.shape[1]:
            raise ValueError("box must overlap the frame")
        self.box = np.array(box)

    def update(self, frame):
        self.count += 1
        if self.count == self.interrupt_at:
            for _ in range(self.interrupts):
                os.kill(os.getpid(), signal.SIGINT)
        self.box = self.box + (1, 0, 0, 0)
        return self.box, 0.9 if self.count < 8 else 0.1


@pytest.fixture
def marching(monkeypatch):
    """The command with the stand-in for its tracker."""
    tracker = type("Marching", (Marching,), {})
    monkeypatch.setattr(track, "Tracker", tracker)
    return tracker


@pytest.fixture
def frames():
    """BGR frames of a small video."""
    return moving_square("square", n_frames=N_FRAMES).frames[..., ::-1].copy()


def write_video(path, frames, code="mp4v"):
    size = frames.shape[2], frames.shape[1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def write_folder(folder, frames, names=None):
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        assert cv2.imwrite(str(folder / (names[i] if names else f"{i}.png")), frame)
    return folder


def turn(path):
    """Say in a video's header that it is to be turned by 90 degrees, as phones do."""
    content = path.read_bytes()
    place = content.index(b"tkhd") + 44
    path.write_bytes(content[:place] + TURNED + content[place + 36 :])


def read_all(source):
    return list(open_stream(source))


@pytest.fixture
def video(tmp_path, frames):
    return write_video(tmp_path / "in.mp4", frames)


# ---- sources -------------------------------------------------------------------------------


def test_stream_video_gives_its_frames_rate_and_number(video, frames):
    stream = open_stream(video)
    assert (stream.rate, stream.n_frames, stream.live) == (25.0, N_FRAMES, False)
    read = list(stream)
    assert len(read) == N_FRAMES
    assert np.abs(read[5].astype(int) - frames[5]).mean() < 6


def test_stream_folder_counts_as_people_do(tmp_path, frames):
    names = [f"Shot {i}.png" for i in (1, 2, 10, 11, 100)]
    folder = write_folder(tmp_path / "shots", frames[:5], names)
    (folder / "notes.txt").write_text("not an image")
    np.testing.assert_array_equal(read_all(folder), frames[:5])


def test_stream_folder_with_img_inside_is_read(tmp_path, frames):
    write_folder(tmp_path / "clip" / "img", frames[:2])
    np.testing.assert_array_equal(read_all(tmp_path / "clip"), frames[:2])


def test_stream_phone_video_is_upright(video, frames):
    turn(video)
    upright = read_all(video)
    assert upright[0].shape == (120, 90, 3)
    expected = np.rot90(frames[0], k=-1)
    assert np.abs(upright[0].astype(int) - expected).mean() < 6


def test_stream_turned_photograph_is_upright(tmp_path, frames):
    picture = Image.fromarray(frames[0][..., ::-1])
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: to be turned clockwise
    picture.save(tmp_path / "0.jpg", exif=exif, quality=95)
    (upright,) = read_all(tmp_path)
    assert np.abs(upright.astype(int) - np.rot90(frames[0], k=-1)).mean() < 6


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_stream_images_of_any_depth_become_bgr_of_8_bits(tmp_path, frames, bits, channels):
    picture = frames[0, ..., :1].repeat(channels, axis=2)
    picture[0, 0] = 255
    deep = np.squeeze(picture.astype(np.uint16) << (bits - 8) if bits > 8 else picture)
    (read,) = read_all(write_folder(tmp_path / "deep", [deep]))
    np.testing.assert_array_equal(read, np.repeat(picture[..., :1], 3, axis=2))


def test_stream_frame_of_another_size_warns_once_and_names_it(tmp_path, frames):
    shapes = [frames[0], frames[1].transpose(1, 0, 2), frames[2].transpose(1, 0, 2)]
    folder = write_folder(tmp_path / "turned", shapes)
    with pytest.warns(UserWarning, match=r"1\.png is 90 x 120 pixels, .* 120 x 90") as caught:
        assert len(read_all(folder)) == 3
    assert len(caught) == 1


def test_stream_cut_video_gives_what_is_there_and_warns(tmp_path, frames):
    path = write_video(tmp_path / "cut.avi", frames, "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=rf"cut\.avi announces {N_FRAMES} frames and only \d+"):
        assert 2 <= len(read_all(path)) < N_FRAMES


def test_stream_whole_video_does_not_warn(tmp_path, frames):
    assert len(read_all(write_video(tmp_path / "whole.avi", frames, "MJPG"))) == N_FRAMES


def cut_before_index(path, frames):
    write_video(path, frames)
    path.write_bytes(path.read_bytes()[:-600])


def cut_before_frames(path, frames):
    write_video(path, frames, "MJPG")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])


def broken_picture(folder, frames):
    (write_folder(folder, frames[:3]) / "1.png").write_bytes(b"nothing")


BAD_SOURCES = {
    "clip.mp4": (lambda path, frames: None, "no video, folder or camera .*clip.mp4"),
    "empty.mp4": (lambda path, frames: path.touch(), "empty.mp4 is empty"),
    "text.mp4": (lambda path, frames: path.write_text("words"), "cannot read a video from .*text"),
    "cut.mp4": (cut_before_index, "cannot read a video from .*cut.mp4"),
    "header.avi": (cut_before_frames, "no frame could be read from .*header.avi"),
    "bare": (lambda path, frames: path.mkdir(), "no images in .*bare"),
    "broken": (broken_picture, r"cannot read an image from .*1\.png"),
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_stream_bad_source_is_named(tmp_path, frames, name):
    make, message = BAD_SOURCES[name]
    make(tmp_path / name, frames)
    with pytest.raises(ValueError, match=message):
        read_all(tmp_path / name)


def test_stream_camera_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="cannot open camera 87"):
        open_stream("87")


# ---- the command ---------------------------------------------------------------------------


def test_track_writes_boxes_scores_and_video_of_every_frame(tmp_path, video, marching, capsys):
    out, scores, saved = tmp_path / "o" / "boxes.txt", tmp_path / "s.txt", tmp_path / "v" / "a.mp4"
    arguments = [video, "--box", BOX, "--out", out, "--scores", scores, "--save", saved]
    assert track.main([str(word) for word in arguments]) == 0
    assert f"{N_FRAMES} frames, 4 of them lost" in capsys.readouterr().err
    expected = np.array([10, 30, 20, 20]) + np.arange(N_FRAMES)[:, None] * [1, 0, 0, 0]
    np.testing.assert_array_equal(read_boxes(out), expected)
    np.testing.assert_array_equal(np.loadtxt(out, delimiter=","), expected)  # as GOT-10k reads it
    np.testing.assert_array_equal(np.loadtxt(scores), [1] + 7 * [0.9] + 4 * [0.1])
    stream = open_stream(saved)
    assert stream.rate == 25.0
    assert len(list(stream)) == N_FRAMES


def test_track_without_outputs_prints_boxes(video, marching, capsys):
    assert track.main([str(video), "--box", BOX, "--frames", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "10.000,30.000,20.000,20.000\n11.000,30.000,20.000,20.000\n"
    assert "2 frames, 0 of them lost" in printed.err


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_track_animation_is_as_long_as_the_video(tmp_path, video, marching, name):
    assert track.main([str(video), "--box", BOX, "--save", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / name) as animation:
        seconds = 0.0
        for i in range(animation.n_frames):
            animation.seek(i)
            animation.load()
            seconds += animation.info["duration"] / 1000
        assert animation.n_frames == N_FRAMES // 2
    assert seconds == pytest.approx(N_FRAMES / 25)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_track_frames_of_another_size_are_tracked_and_saved(tmp_path, frames, marching, suffix):
    turned = [frames[0], *(frame.transpose(1, 0, 2) for frame in frames[1:4])]
    folder = write_folder(tmp_path / "turned", turned)
    saved = tmp_path / f"a{suffix}"
    assert track.main([str(folder), "--box", BOX, "--save", str(saved), "--rate", "10"]) == 0
    if suffix == ".mp4":
        assert [frame.shape for frame in read_all(saved)] == 4 * [(90, 120, 3)]


def test_track_box_that_starts_left_of_the_picture_is_taken(tmp_path, video, marching):
    out = tmp_path / "boxes.txt"
    assert track.main([str(video), "--box=-3,30,20,20", "--out", str(out)]) == 0
    np.testing.assert_array_equal(read_boxes(out)[0], [-3, 30, 20, 20])


def test_track_engine_that_is_not_installed_is_an_error(video, monkeypatch, capsys):
    def missing(*_, **__):
        raise ImportError("pip install something")

    monkeypatch.setattr(track, "Tracker", missing)
    assert track.main([str(video), "--box", BOX]) == 1
    assert capsys.readouterr().err == "error: pip install something\n"


def test_track_passes_the_tracker_its_options(video, monkeypatch):
    given = {}

    class Noted(Marching):
        def __init__(self, weights, **options):
            super().__init__()
            given.update(options, weights=weights)

    monkeypatch.setattr(track, "Tracker", Noted)
    words = ["--engine", "torch", "--precision", "int8", "--threads", "2", "--weights", "w.pt"]
    assert track.main([str(video), "--box", BOX, *words, "--settings", '{"motion": 0}']) == 0
    settings = replace(track.DEFAULTS, motion=0)
    expected = dict(weights="w.pt", engine="torch", precision="int8", threads=2, settings=settings)
    assert given == expected


BAD_OPTIONS = {
    "three numbers": (["--box", "1,2,3"], "--box must be .* got '1,2,3'"),
    "words": (["--box", "a,b,c,d"], "--box must be .* got 'a,b,c,d'"),
    "no size": (["--box", "1,2,0,9"], "--box must be"),
    "negative size": (["--box", "1,2,9,-9"], "--box must be"),
    "not finite": (["--box", "nan,2,9,9"], "--box must be"),
    "outside": (["--box", "500,2,9,9"], "box must overlap the frame"),
    "ending": (["--box", BOX, "--save", "a.mov2"], r"a\.mov2: a recording must end in \.mp4"),
    "rate": (["--box", BOX, "--rate", "0"], r"--rate must be above 0; got 0\.0"),
    "frames": (["--box", BOX, "--frames", "-1"], "--frames must be above 0; got -1"),
    "threads": (["--box", BOX, "--threads", "0"], "--threads must be above 0; got 0"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_track_bad_option_is_refused_and_replaces_no_file(tmp_path, video, marching, capsys, case):
    words, message = BAD_OPTIONS[case]
    out = tmp_path / "boxes.txt"
    out.write_text("of before")
    assert track.main([str(video), "--out", str(out), *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error), error
    assert out.read_text() == "of before"


def test_track_output_that_is_the_video_is_refused(video, marching, capsys):
    before = video.read_bytes()
    assert track.main([str(video), "--box", BOX, "--save", str(video)]) == 1
    assert "must be different files" in capsys.readouterr().err
    assert video.read_bytes() == before


def test_track_video_folder_that_cannot_be_written_is_named(tmp_path, video, marching, capsys):
    (tmp_path / "file").touch()
    saved = tmp_path / "file" / "a.mp4"
    assert track.main([str(video), "--box", BOX, "--save", str(saved)]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_track_cut_video_warns_and_is_done(tmp_path, frames, marching, capsys):
    path = write_video(tmp_path / "cut.avi", frames, "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert track.main([str(path), "--box", BOX]) == 0
    assert f"warning: {path} announces {N_FRAMES} frames" in capsys.readouterr().err


def test_track_broken_picture_ends_with_what_came_before(tmp_path, frames, marching, capsys):
    folder = tmp_path / "broken"
    broken_picture(folder, frames)
    out = tmp_path / "boxes.txt"
    assert track.main([str(folder), "--box", BOX, "--out", str(out)]) == 1
    assert "1.png" in capsys.readouterr().err
    assert len(read_boxes(out)) == 1


@pytest.mark.parametrize("interrupts, kept", [(1, 6), (2, 5)])
def test_track_interrupted_keeps_what_was_written(tmp_path, video, marching, interrupts, kept):
    """Once: the frame is finished. Twice: it ends at once, and the files are whole all the same."""
    marching.interrupt_at, marching.interrupts = 5, interrupts
    out, saved = tmp_path / "boxes.txt", tmp_path / "a.mp4"
    words = ["--box", BOX, "--out", str(out), "--save", str(saved)]
    assert track.main([str(video), *words]) == 130
    assert len(read_boxes(out)) == kept
    assert len(read_all(saved)) == kept


def small_network(folder):
    """Options of the command for a network that starts at once, untrained."""
    save_weights(folder / "small.pt", build_model("conv_small"), "conv_small", {})
    return ["--weights", str(folder / "small.pt"), "--engine", "torch", "--threads", "1"]


def test_track_with_a_network_writes_a_box_a_frame(tmp_path, video, capsys):
    out = tmp_path / "boxes.txt"
    words = [str(video), "--box", BOX, "--out", str(out), *small_network(tmp_path)]
    assert track.main(words) == 0
    boxes = read_boxes(out)
    assert boxes.shape == (N_FRAMES, 4)
    np.testing.assert_array_equal(boxes[0], [10, 30, 20, 20])
    assert f"{N_FRAMES} frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    "weights, message", [("none.pt", "no file of weights"), ("in.mp4", "must be a file of weights")]
)
def test_track_weights_that_are_none_are_refused(tmp_path, video, capsys, weights, message):
    words = [str(video), "--box", BOX, "--weights", str(tmp_path / weights)]
    assert track.main(words) == 1
    assert message in capsys.readouterr().err


def test_track_command_interrupted_exits_130(tmp_path, frames):
    """A long folder, so that it is certainly on its way when it is interrupted."""
    out = tmp_path / "boxes.txt"
    folder = write_folder(tmp_path / "long", [frames[0]])
    for i in range(1, 3000):
        os.link(folder / "0.png", folder / f"{i}.png")
    words = ["--box", BOX, "--out", out, *small_network(tmp_path)]
    process = start_module("track", folder, *words)
    while process.poll() is None and not (out.is_file() and out.stat().st_size > 100):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert 3 < len(read_boxes(out)) < 3000
    assert "Traceback" not in error


# ---- the screen ----------------------------------------------------------------------------


@pytest.fixture
def window(monkeypatch):
    """A screen whose user draws a box; keys: what is pressed at each look, 255 is none."""

    class Window:
        roi, keys, shown, visible = (10, 30, 20, 20), [], [], 1

    def look(_):
        return Window.keys.pop(0) if Window.keys else 255

    Window.keys, Window.shown = [], []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "selectROI", lambda *_, **__: Window.roi)
    monkeypatch.setattr(cv2, "imshow", lambda _, frame: Window.shown.append(frame))
    monkeypatch.setattr(cv2, "waitKey", look)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: Window.visible)
    return Window


def test_track_box_drawn_with_the_mouse_is_the_first(tmp_path, video, marching, window):
    out = tmp_path / "boxes.txt"
    assert track.main([str(video), "--out", str(out)]) == 0
    np.testing.assert_array_equal(read_boxes(out)[0], [10, 30, 20, 20])
    assert len(read_boxes(out)) == N_FRAMES


def test_track_no_box_drawn_is_an_error(video, marching, window, capsys):
    window.roi = (0, 0, 0, 0)
    assert track.main([str(video)]) == 1
    assert "no box was drawn" in capsys.readouterr().err


def test_choose_box_of_a_camera_waits_for_a_key(frames, window):
    window.keys = [255, 255, 32]
    rest = iter(frames)
    frame, box = choose_box(rest, live=True)
    np.testing.assert_array_equal(frame, frames[2])
    np.testing.assert_array_equal(box, [10, 30, 20, 20])
    np.testing.assert_array_equal(next(rest), frames[3])


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_track_window_shows_frames_until_a_key(tmp_path, video, marching, window, key):
    window.keys = [255, 255, key]
    out = tmp_path / "boxes.txt"
    assert track.main([str(video), "--box", BOX, "--show", "--out", str(out)]) == 0
    assert len(window.shown) == len(read_boxes(out)) == 3


def test_track_closed_window_ends_it(tmp_path, video, marching, window):
    window.visible = 0
    out = tmp_path / "boxes.txt"
    assert track.main([str(video), "--box", BOX, "--show", "--out", str(out)]) == 0
    assert len(read_boxes(out)) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows always has a screen")
@pytest.mark.parametrize("words", [[], ["--box", BOX, "--show"]])
def test_track_without_a_screen_says_so(video, marching, monkeypatch, capsys, words):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert track.main([str(video), *words]) == 1
    assert "there is no screen" in capsys.readouterr().err


def test_track_headless_opencv_says_what_to_do(video, marching, window, monkeypatch, capsys):
    def refuse(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    assert track.main([str(video)]) == 1
    error = capsys.readouterr().err
    assert "opencv-python-headless is installed" in error and "--box x,y,w,h" in error


# ---- images ------------------------------------------------------------------------------


def test_annotate_draws_the_box_and_leaves_the_frame():
    frame = np.zeros((200, 300, 3), dtype=np.uint8)
    picture = annotate(frame, np.array([50.0, 60.0, 80.0, 70.0]), 0.9)
    assert not frame.any()
    edge = np.abs(picture.astype(int) - FOUND).max(axis=2) < 30
    assert edge[60, 60:125].all() and edge[65:125, 50].all() and edge[129, 60:125].all()
    assert not picture[70:120, 60:120].any()


def test_annotate_lost_target_looks_different():
    frame = np.zeros((200, 300, 3), dtype=np.uint8)
    box = np.array([50.0, 60.0, 80.0, 70.0])
    found, lost = annotate(frame, box, 0.1), annotate(frame, box, 0.1, lost=True)
    assert found[129, 60:125].any(axis=1).all()
    assert not lost[129, 60:125].any(axis=1).all() and lost[129, 60:125].any()


@pytest.mark.parametrize(
    "box", [(-50, -20, 30, 10), (900, 900, 9, 9), (-1e9, 0, 2e9, 1e9), (3, 3, 0.2, 0.2)]
)
def test_annotate_box_anywhere_and_of_any_size_is_harmless(box):
    frame = np.zeros((40, 30, 3), dtype=np.uint8)
    for lost in (False, True):
        picture = annotate(frame, np.array(box, dtype=float), 0.5, lost=lost, speed=99.0)
        assert picture.shape == frame.shape


def test_animation_leaves_out_what_is_too_much_and_warns(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(in_and_out, "WIDTH", 60)
    monkeypatch.setattr(in_and_out, "LENGTH", 3)
    recorder = Recorder(tmp_path / "a.webp", 10.0)
    for frame in frames[:3]:
        recorder.write(frame)
    with pytest.warns(UserWarning, match="ends after 3 images"):
        recorder.write(frames[3])
    for frame in frames[4:]:
        recorder.write(frame)  # without a second warning
    recorder.close()
    with Image.open(tmp_path / "a.webp") as animation:
        assert (animation.n_frames, animation.size) == (3, (60, 45))


def test_fitted_keeps_the_shape_and_the_middle():
    picture = fitted(np.full((60, 20, 3), 200, dtype=np.uint8), (40, 30))
    columns = np.flatnonzero(picture.any(axis=(0, 2)))
    assert picture.shape == (30, 40, 3)
    assert (columns[0], columns[-1]) == (15, 24)
