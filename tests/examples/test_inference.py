"""The tracker: what it accepts, how it reads the maps, and that every engine says the same."""

from __future__ import annotations

import importlib.util
import logging
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from examples.tracker.data.crops import CropConfig, crop_template
from examples.tracker.export import main as export_command
from examples.tracker.inference import export as exporting
from examples.tracker.inference.choose import Maps, choose, measure_bias
from examples.tracker.inference.engines import Exported, TorchEngine, make_engine
from examples.tracker.inference.images import (
    bit_depth,
    check_box,
    keep_inside,
    to_rgb,
    to_uint8,
)
from examples.tracker.inference.tracker import Tracker, TrackSettings
from examples.tracker.models import build_model
from examples.tracker.models.weights import save_weights

from . import test_vit_tiny as vit
from .brightest import Brightest
from .conftest import ROOT, moving_square, textured
from .test_vit_tiny import shallow  # noqa: F401 (a fixture)

WHITE = 250
STATM = Path("/proc/self/statm")  # memory in use, in pages


def needs(*names):
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def run_python(code, *, without=()):
    """Run code in a process of its own, in which some packages are not to be found."""
    lines = [
        "import sys",
        "class Missing:",
        "    def find_spec(self, name, *_):",
        f"        if name in {tuple(without)}:",
        "            raise ImportError(name)",
        "sys.meta_path.insert(0, Missing())",
    ]
    command = [sys.executable, "-c", "\n".join([*lines, code])]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def dot(left=60, top=50, side=16, size=(120, 160)):
    """A dark frame with a bright square."""
    frame = np.full((*size, 3), 20, np.uint8)
    frame[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = WHITE
    return frame


def tracker(model=None, **options):
    return Tracker(model or Brightest(), engine="torch", **options)


def started(frame=None, box=(60, 50, 16, 16), **options):
    follower = tracker(**options)
    follower.init(dot() if frame is None else frame, box)
    return follower


# ---- tracking ------------------------------------------------------------------------------


def test_tracker_follows_a_moving_square():
    follower = started()
    for step in range(1, 20):
        box, score = follower.update(dot(60 + 3 * step, 50 + step))
        assert box.shape == (4,) and box.dtype == np.float64
        centre = box[:2] + box[2:] / 2
        np.testing.assert_allclose(centre, [68 + 3 * step, 58 + step], atol=5)
        assert 0.5 < score <= 1


def test_tracker_box_is_what_the_maps_say_in_the_frame():
    model = Brightest()
    follower = started(model=model, settings=TrackSettings())
    box, _ = follower.update(dot())
    side = 4 * 16  # search_factor times the square root of the box's area: one pixel is one pixel
    assert box[2:].tolist() == [side / 4, side / 4]
    corner = np.array([60 + 8 - side / 2, 50 + 8 - side / 2])
    cells = (box[:2] + box[2:] / 2 - corner) / 8 - 0.5
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-9)


def test_tracker_template_is_the_one_of_training():
    rng = np.random.default_rng(0)
    frame = textured(rng)
    follower = tracker(colour="rgb")
    seen = []
    follower.engine.embed = lambda crop: seen.append(crop) or torch.zeros(1, 3)
    follower.init(frame, (30, 20, 20, 30))
    config = CropConfig().for_model(Brightest())
    expected = crop_template(frame, np.array([30.0, 20.0, 20.0, 30.0]), config)
    np.testing.assert_array_equal(seen[0], expected)


def test_tracker_that_returned_box_is_the_callers_own():
    follower = started()
    box, _ = follower.update(dot())
    expected = follower.update(dot())[0]
    other = started()
    other.update(dot())[0][:] = 0
    np.testing.assert_array_equal(other.update(dot())[0], expected)
    assert box is not expected


def test_tracker_init_again_forgets_the_first_video():
    frames = [dot(20 + i, 30) for i in range(4)]
    settings = TrackSettings(lost_score=0.4, search_growth=0.5)
    fresh, used = (
        started(frames[0], (20, 30, 16, 16), settings=settings),
        started(settings=settings),
    )
    used.update(np.zeros_like(frames[0]))  # lost, so that the next search would be wider
    used.init(frames[0], (20, 30, 16, 16))
    for frame in frames[1:]:
        np.testing.assert_array_equal(used.update(frame)[0], fresh.update(frame)[0])


def test_tracker_target_that_leaves_keeps_a_finite_box_in_the_frame():
    follower = started(settings=TrackSettings(lost_score=0.3, search_growth=0.2))
    scores = []
    for step in range(60):
        box, score = follower.update(dot(60 + 4 * step, 50))
        scores.append(score)
        centre = box[:2] + box[2:] / 2
        assert np.isfinite(box).all() and (box[2:] > 0).all()
        assert (centre >= 0).all() and (centre <= [160, 120]).all()
    assert scores[0] > 0.5 and scores[-1] < 0.3


def test_tracker_lost_target_stays_put_and_is_searched_farther_away():
    settings = TrackSettings(lost_score=0.4, search_growth=0.5, search_limit=2.0)
    near, far = started(settings=replace(settings, search_growth=0.0)), started(settings=settings)
    nothing, again = np.full((120, 160, 3), 20, np.uint8), dot(96, 54)
    for follower in (near, far):
        before, _ = follower.update(dot())
        for _ in range(4):
            box, score = follower.update(nothing)
            assert score < 0.4
            np.testing.assert_array_equal(box, before)
    assert near.update(again)[1] < 0.4
    box, score = far.update(again)
    assert score > 0.4 and abs(box[0] + box[2] / 2 - 104) < 8


def test_tracker_without_numbers_from_the_network_stays_put():
    follower = started()
    before, _ = follower.update(dot())
    bad = np.full((8, 8), np.nan, np.float32)
    follower.engine.locate = lambda *_: Maps(bad, np.stack([bad] * 2), np.stack([bad] * 2))
    box, score = follower.update(dot())
    np.testing.assert_allclose(box, before)
    assert score == 0


# ---- frames and boxes ----------------------------------------------------------------------


def same_as(frame, other, colour="bgr"):
    boxes = [started(picture, colour=colour).update(picture) for picture in (frame, other)]
    np.testing.assert_array_equal(boxes[0][0], boxes[1][0])
    assert boxes[0][1] == boxes[1][1]


def test_tracker_colour_says_the_order_of_channels():
    seen = {}
    frame = dot()
    frame[..., 0] //= 2
    for colour in ("bgr", "rgb"):
        follower = started(frame, colour=colour)
        crops = []
        locate = follower.engine.locate
        follower.engine.locate = lambda e, s, c=crops, f=locate: c.append(s) or f(e, s)
        follower.update(frame)
        seen[colour] = crops[0]
    np.testing.assert_array_equal(seen["bgr"][..., ::-1], seen["rgb"])
    assert (seen["bgr"] != seen["rgb"]).any()


def test_tracker_gray_frame_is_three_equal_channels():
    same_as(dot()[..., 0], dot())
    same_as(dot()[..., :1], dot())


@pytest.mark.parametrize("colour", ["bgr", "rgb"])
def test_tracker_fourth_channel_is_dropped(colour):
    frame = textured(np.random.default_rng(1), 120, 160)
    alpha = np.random.default_rng(2).integers(0, 256, (120, 160, 1), dtype=np.uint8)
    same_as(np.concatenate([frame, alpha], axis=2), frame, colour)


def test_tracker_16_bit_frame_of_full_range_is_its_upper_byte():
    frame = dot()
    same_as(frame.astype(np.uint16) * 256, frame)
    same_as((frame.astype(np.uint16) * 256).astype(">u2"), frame)


@pytest.mark.parametrize("colour, expected", [("rgb", [1, 2, 3]), ("bgr", [3, 2, 1])])
def test_to_rgb_keeps_colours_apart(colour, expected):
    pixel = np.array([[[1, 2, 3, 9]]], dtype=np.uint8)
    for channels in (3, 4):
        picture = np.ascontiguousarray(pixel[..., :channels])
        assert to_rgb(picture, colour)[0, 0].tolist() == expected


@pytest.mark.parametrize("brightest, depth", [(200, 8), (1023, 10), (1024, 12), (65535, 16)])
def test_bit_depth_holds_the_brightest_pixel(brightest, depth):
    frame = np.array([[0, brightest]], dtype=np.uint16)
    assert bit_depth(frame) == depth
    assert to_uint8(frame, depth)[0, 1] == brightest >> (depth - 8)


def test_16_bit_frames_brighter_than_the_first_are_white():
    assert to_uint8(np.array([[5000]], dtype=np.uint16), 10)[0, 0] == 255


def test_tracker_backward_view_is_read_right():
    frame = textured(np.random.default_rng(1), 120, 160)
    same_as(frame[:, ::-1], np.ascontiguousarray(frame[:, ::-1]))


def test_tracker_frame_of_another_size_goes_on():
    follower = started()
    box, _ = follower.update(dot(size=(160, 120)))
    np.testing.assert_allclose(box[:2] + box[2:] / 2, [68, 58], atol=5)
    box, _ = follower.update(np.zeros((20, 30, 3), np.uint8))
    centre = box[:2] + box[2:] / 2
    assert (centre >= 0).all() and (centre <= [30, 20]).all()


@pytest.mark.parametrize(
    "frame, message",
    [
        ("frame.png", "frame must be an array; got str"),
        (np.zeros((9, 9, 2), np.uint8), r"frame must have shape .*; got \(9, 9, 2\)"),
        (np.zeros(9, np.uint8), r"frame must have shape .*; got \(9,\)"),
        (np.zeros((1, 9, 9, 3), np.uint8), r"frame must have shape .*; got \(1, 9, 9, 3\)"),
        (np.zeros((9, 9, 3), np.float32), "frame must be of uint8 or uint16; got float32"),
        (np.zeros((9, 9, 3), np.int16), "frame must be of uint8 or uint16; got int16"),
        (np.zeros((0, 9, 3), np.uint8), r"frame must not be empty; got shape \(0, 9, 3\)"),
        (None, "frame must be an array; got NoneType"),
    ],
)
def test_tracker_bad_frame_raises_and_changes_nothing(frame, message):
    follower, other = started(), started()
    with pytest.raises(ValueError, match=message):
        follower.update(frame)
    with pytest.raises(ValueError, match=message):
        follower.init(frame, (1, 1, 5, 5))
    np.testing.assert_array_equal(follower.update(dot(63))[0], other.update(dot(63))[0])


@pytest.mark.parametrize(
    "box, message",
    [
        ((1, 2, 3), r"box must be four numbers; got shape \(3,\)"),
        ("a box", "box must be four numbers; got 'a box'"),
        (None, "box must be"),
        ((1, np.nan, 5, 5), "box must be finite"),
        ((1, 1, np.inf, 5), "box must be finite"),
        ((10, 10, 0, 5), "box must have a positive width and height"),
        ((10, 10, 5, -5), "box must have a positive width and height"),
        ((160, 10, 5, 5), "box must overlap the 160 x 120 frame"),
        ((10, -5, 5, 5), "box must overlap the 160 x 120 frame"),
        ((0, 0, 1e9, 1e9), "box must be at most twice the 160 x 120 frame"),
        ((10, 10, 1, 1), "gives a crop of 2.00 pixels"),
    ],
)
def test_tracker_bad_box_raises_and_changes_nothing(box, message):
    follower, other = started(), started()
    with pytest.raises(ValueError, match=message):
        follower.init(dot(), box)
    np.testing.assert_array_equal(follower.update(dot(63))[0], other.update(dot(63))[0])


def test_tracker_box_that_reaches_out_of_the_frame_is_accepted():
    np.testing.assert_array_equal(check_box([-5, -5, 10, 10], dot()), [-5.0, -5.0, 10.0, 10.0])
    box, _ = started(dot(-5, -5), (-5, -5, 16, 16)).update(dot(-5, -5))
    assert np.isfinite(box).all()


def test_tracker_update_before_init_raises():
    with pytest.raises(RuntimeError, match="update needs a target: call init first"):
        tracker().update(dot())


def test_keep_inside_moves_the_centre_and_limits_the_size():
    box = keep_inside(np.array([200.0, -90.0, 500.0, 1.0]), (120, 160), 2.0)
    np.testing.assert_allclose(box, [160 - 80, -1.0, 160.0, 2.0])
    inside = np.array([3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(keep_inside(inside, (120, 160), 2.0), inside)


# ---- reading the maps ----------------------------------------------------------------------

LAST = np.array([0.25, 0.25])


def maps(peaks, size=0.25, side=8):
    score = np.zeros((side, side), np.float32)
    for cell, value in peaks.items():
        score[cell] = value
    halves = np.full((2, side, side), 0.5, np.float32)
    return Maps(score, halves, np.full((2, side, side), size, np.float32))


def test_choose_without_settings_reads_the_best_cell():
    found = choose(maps({(2, 5): 0.7, (4, 4): 0.6}, size=0.5), LAST, TrackSettings())
    np.testing.assert_allclose(found.centre, [5.5 / 8, 2.5 / 8])
    np.testing.assert_allclose(found.size, [0.5, 0.5])
    assert found.score == pytest.approx(0.7)


def test_choose_window_prefers_the_middle_and_leaves_the_score():
    found = choose(maps({(0, 0): 0.7, (4, 4): 0.6}), LAST, TrackSettings(window_product=0.5))
    np.testing.assert_allclose(found.centre, [4.5 / 8, 4.5 / 8])
    assert found.score == pytest.approx(0.6)


def test_choose_penalty_prefers_the_last_size_and_aspect():
    both = maps({(0, 0): 0.7, (4, 4): 0.6})
    both.size[:, 0, 0] = 0.5, 0.125  # the same area
    assert choose(both, LAST, TrackSettings()).score == pytest.approx(0.7)
    assert choose(both, LAST, TrackSettings(penalty=0.5)).score == pytest.approx(0.6)
    both.size[:, 0, 0] = 0.5, 0.5  # the same aspect
    assert choose(both, LAST, TrackSettings(penalty=0.5)).score == pytest.approx(0.6)
    both.size[:, 0, 0] = LAST
    assert choose(both, LAST, TrackSettings(penalty=0.5)).score == pytest.approx(0.7)


def test_choose_blend_weighs_neighbours_by_a_power_of_their_score():
    both = maps({(3, 3): 0.8, (3, 4): 0.4, (7, 7): 0.79}, size=0.2)
    both.size[:, 3, 4] = 0.5
    found = choose(both, LAST, TrackSettings(blend=0.5))  # weights 1 and (1 / 2) ** 2, over 1.25
    np.testing.assert_allclose(found.centre, [(3.5 + 0.2) / 8, 3.5 / 8])
    np.testing.assert_allclose(found.size, [0.26, 0.26], rtol=1e-6)
    assert found.score == pytest.approx(0.8)


def test_choose_blend_does_not_jump_where_the_best_cell_changes():
    answers = []
    for less in (1e-6, -1e-6):
        scores = maps({(3, 3): 0.6 + less, (3, 4): 0.6 - less}, size=0.2)
        scores.size[:, 3, 4] = 0.5
        answers.append(choose(scores, LAST, TrackSettings(blend=0.25)))
    np.testing.assert_allclose(answers[0].centre, answers[1].centre, atol=1e-4)
    np.testing.assert_allclose(answers[0].size, answers[1].size, atol=1e-4)


@pytest.mark.parametrize("cell", [(0, 0), (0, 7), (7, 0), (7, 7)])
def test_choose_blend_stays_in_the_map_at_its_edges(cell):
    found = choose(maps({cell: 0.9}), LAST, TrackSettings(blend=1.0))
    np.testing.assert_allclose(found.centre, [(cell[1] + 0.5) / 8, (cell[0] + 0.5) / 8])


def test_choose_smoothing_mixes_sizes():
    peak = maps({(4, 4): 0.5}, size=0.45)
    smooth = choose(peak, LAST, TrackSettings(size_smoothing=0.75))
    np.testing.assert_allclose(smooth.size, 0.25 + 0.25 * 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    "name, value",
    [
        ("window_product", 1.5),
        ("penalty", -0.1),
        ("size_smoothing", 1.0),
        ("hold", float("nan")),
        ("lost_score", -1),
        ("search_growth", float("inf")),
        ("search_limit", 0.5),
    ],
)
def test_settings_out_of_range_raise(name, value):
    with pytest.raises(ValueError, match=f"{name} must be in"):
        TrackSettings(**{name: value})


@pytest.mark.parametrize("correction", [1.0, 0.5])
def test_bias_of_the_first_frame_is_taken_off_by_its_share(correction):
    """The network says a box 1.2 times as wide, a tenth of the width to the right."""
    first = maps({(4, 4): 0.7}, size=0.25)
    first.size[0], first.offset[0, 4, 4] = 0.3, 8 * (0.5 + 0.03) - 4
    first.offset[1, 4, 4] = 0.0
    settings = TrackSettings(correction=correction, penalty=0.1)
    found = choose(first, LAST, settings, measure_bias(first, LAST, settings))
    if correction == 1:
        np.testing.assert_allclose(found.centre, [0.5, 0.5], atol=1e-6)
        np.testing.assert_allclose(found.size, LAST, rtol=1e-6)
    else:
        assert 0.5 < found.centre[0] < 0.53 and 0.25 < found.size[0] < 0.3


def test_bias_of_a_target_that_was_not_found_is_none():
    settings = TrackSettings(correction=1.0, lost_score=0.5)
    bias = measure_bias(maps({(0, 0): 0.4}, size=0.5), LAST, settings)
    assert bias.offset.tolist() == [0, 0] and bias.size.tolist() == [1, 1]


# ---- engines -------------------------------------------------------------------------------


def test_engine_torch_leaves_the_process_and_the_network_as_they_were():
    model = Brightest().train()
    before = torch.get_num_threads()
    engine = TorchEngine(model, "float32", 2)
    engine.locate(engine.embed(np.zeros((32, 32, 3), np.uint8)), np.zeros((64, 64, 3), np.uint8))
    assert torch.get_num_threads() == before and model.training


@pytest.mark.parametrize(
    "options, message",
    [
        ({"engine": "tensorrt"}, "engine must be auto or one of openvino, torch"),
        ({"precision": "float16"}, "precision must be auto or one of float32, bfloat16, int8"),
        ({"threads": 0}, "threads must be a whole number, at least 1; got 0"),
        ({"threads": 1.5}, "threads must be a whole number, at least 1; got 1.5"),
        (
            {"engine": "torch", "precision": "int8"},
            "engine torch computes in float32, bfloat16; got int8",
        ),
    ],
)
def test_engine_bad_options_raise(options, message):
    with pytest.raises(ValueError, match=message):
        make_engine(Brightest(), **options)


def test_engine_missing_package_raises_and_auto_takes_torch(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "openvino" else find(n))
    with pytest.raises(ImportError, match="pip install openvino"):
        make_engine(Brightest(), engine="openvino")
    assert make_engine(Brightest()).name == "torch"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": 3}, "weights must be a path, a network, or None .*; got int"),
        ({"settings": {"window": 0.3}}, "settings must be TrackSettings; got dict"),
        ({"colour": "hsv"}, "colour must be one of bgr, rgb; got 'hsv'"),
    ],
)
def test_tracker_argument_that_cannot_be_used_raises(options, message):
    with pytest.raises(ValueError, match=message):
        Tracker(**{"weights": Brightest(), "engine": "torch", **options})


@pytest.mark.parametrize("name, message", [("w.pt", "no file of weights"), ("", "is no exported")])
def test_tracker_weights_that_are_not_there_raise(tmp_path, name, message):
    with pytest.raises(FileNotFoundError, match=message):
        Tracker(tmp_path / name)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_model("lite").eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """One export for all tests: it takes seconds."""
    return exporting.export(network, tmp_path_factory.mktemp("graphs") / "lite")


@pytest.fixture
def crops(network):
    rng = np.random.default_rng(0)
    return [textured(rng, side, side) for side in (network.template_size, network.search_size)]


EXPORT = needs("onnx", "onnxscript", "openvino")


def same_maps(one, other, crops):
    for a, b in zip(*(e.locate(e.embed(crops[0]), crops[1]) for e in (one, other))):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


@needs("openvino")
def test_openvino_maps_equal_torch(network, crops):
    same_maps(make_engine(network, engine="openvino"), TorchEngine(network, "float32", 1), crops)


@EXPORT
def test_exported_maps_equal_torch(network, exported, crops):
    same_maps(make_engine(exported), TorchEngine(network, "float32", 1), crops)


@EXPORT
def test_exported_bfloat16_is_near_float32_where_the_processor_has_it(exported, crops, tmp_path):
    np.savez(tmp_path / "crops.npz", template=crops[0], search=crops[1])
    code = f"""
import numpy as np
from pathlib import Path
from examples.tracker.inference.engines import Exported, make_engine
graphs, crops = Exported(Path({str(exported.folder)!r})), np.load({str(tmp_path / "crops.npz")!r})
sizes = []
for precision in ("float32", "bfloat16"):
    e = make_engine(graphs, engine="openvino", precision=precision, threads=1)
    sizes.append(e.locate(e.embed(crops["template"]), crops["search"]).size)
np.save({str(tmp_path / "sizes.npy")!r}, sizes)
"""
    done = run_python(code)  # apart: see one_engine in conftest.py
    if "does not offer it on this processor" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    high, low = np.load(tmp_path / "sizes.npy")
    np.testing.assert_allclose(low, high, rtol=0, atol=0.02)
    assert (low != high).any()


@EXPORT
def test_tracker_of_an_exported_folder_needs_no_torch(exported):
    code = f"""
import numpy as np
from examples.tracker.inference.tracker import Tracker
t = Tracker({str(exported.folder)!r}, precision="float32", threads=1)
f = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
t.init(f, (40, 30, 20, 20)); print(t.engine.name, t.update(f)[0].shape)
"""
    done = run_python(code, without=["torch"])
    assert done.stdout.split() == ["openvino", "(4,)"], done.stderr


@pytest.mark.parametrize("command", ["track", "evaluate", "export"])
def test_commands_start_without_torch(command):
    done = run_python(f"import examples.tracker.{command}", without=["torch"])
    assert done.returncode == 0, done.stderr


@EXPORT
def test_tracker_of_an_exported_folder_pickles_in_the_middle_of_a_video(exported):
    first = Tracker(exported.folder, precision="float32", threads=1)
    frames = [textured(np.random.default_rng(i), 90, 120) for i in range(3)]
    first.init(frames[0], (40, 30, 20, 20))
    first.update(frames[1])
    second = pickle.loads(pickle.dumps(first))
    (box, score), (other_box, other_score) = first.update(frames[2]), second.update(frames[2])
    np.testing.assert_array_equal(box, other_box)
    assert score == other_score


@EXPORT
def test_export_that_fails_leaves_nothing_behind(network, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(OSError, match="disk full"):
        exporting.export(network, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@EXPORT
def test_export_spares_a_folder_that_is_no_export(tmp_path, network):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not empty and no exported tracker"):
        exporting.export(network, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@needs("openvino")
def test_int8_that_was_not_calibrated_raises(network):
    with pytest.raises(ValueError, match="int8 needs a network that was calibrated"):
        make_engine(network, precision="int8")


@needs("openvino", "nncf")
def test_int8_is_near_float32_and_runs_in_its_own_precision_only(network, tmp_path):
    config = CropConfig().for_model(network)
    videos = [moving_square("a"), moving_square("b", seed=1)]
    crops = exporting.calibration_crops(videos, config, 6)
    assert len(crops) == 6
    small = exporting.quantise(network, crops, tmp_path / "int8")
    n_bytes = sum(value.numel() for value in network.parameters()) * 4
    assert small.locate.with_suffix(".bin").stat().st_size < 0.6 * n_bytes
    with pytest.raises(ValueError, match="exported in int8; got precision float32"):
        make_engine(small, precision="float32")
    with pytest.raises(ValueError, match="engine torch computes in float32, bfloat16; got int8"):
        make_engine(small, engine="torch")
    low, high = make_engine(small, threads=1), make_engine(network, threads=1)
    assert (low.precision, high.precision) == ("int8", "float32")
    one, other = (e.locate(e.embed(crops[0][0]), crops[0][1]) for e in (low, high))
    assert 0 < np.abs(one.size - other.size).mean() < 0.02


def test_export_stays_quiet_after_a_part_that_is_quiet_too():
    logger = logging.getLogger("nncf")
    with exporting._quiet():
        with exporting._quiet():
            pass
        assert not logger.isEnabledFor(logging.WARNING)
    assert logger.isEnabledFor(logging.WARNING)


def test_export_command_tells_what_is_wrong(tmp_path, capsys):
    assert export_command(["--weights", str(tmp_path / "none.pt"), "--out", "x"]) == 1
    assert capsys.readouterr().err.startswith("error: no file of weights")


@EXPORT
def test_export_command_writes_a_folder_that_tracks(tmp_path, capsys):
    torch.manual_seed(0)
    weights, out = tmp_path / "w.pt", tmp_path / "out"
    save_weights(weights, build_model("conv_small"), "conv_small", {})
    assert export_command(["--weights", str(weights), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: float32")
    assert Exported(out).search_size == 128


# ---- memory --------------------------------------------------------------------------------


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc")
def test_tracker_memory_is_flat():
    follower, frames = started(), [dot(60 + i, 50) for i in range(8)]

    def pages():
        for i in range(400):
            follower.update(frames[i % 8])
        return int(STATM.read_text().split()[1])

    first = min(pages(), pages())
    assert pages() - first < 512  # 2 MB: one frame's copy kept would be 23 MB


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("keep_ratio", [1.0, 0.7])
def test_vit_tiny_by_openvino_equals_torch(keep_ratio):
    pytest.importorskip("openvino", reason="not installed: openvino")
    model = vit.make(keep_ratio)
    template, search = (crop[0].permute(1, 2, 0).numpy() for crop in vit.crops(model, 1))
    engines = [make_engine(model, engine=e, precision="float32") for e in ("openvino", "torch")]
    found, expected = (engine.locate(engine.embed(template), search) for engine in engines)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
