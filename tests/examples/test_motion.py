"""The prior on the target's place, and the calibrated score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from examples.tracker import evaluate, track
from examples.tracker.inference.choose import Bias, Maps, TrackSettings, choose
from examples.tracker.inference.motion import Expected, Motion
from examples.tracker.inference.tracker import DEFAULTS, Tracker

from .brightest import Brightest

UNIT = 20.0  # root of the target's area, in pixels


def after(steps, least=0.3, unit=UNIT):
    """The prior after a target took these steps, in pixels per frame."""
    motion, centre = Motion(np.zeros(2), least), np.zeros(2)
    for step in steps:
        centre = centre + step
        motion.observe(centre.copy(), unit, 0)
    return motion, centre


def test_prior_of_a_still_target_is_as_narrow_as_allowed():
    motion, _ = after(np.zeros((40, 2)))
    expected = motion.expect(0, UNIT)
    np.testing.assert_allclose(expected.centre, 0)
    assert expected.spread == pytest.approx(0.3 * UNIT)


def test_prior_of_a_steady_target_is_ahead_of_it_and_narrow():
    step = np.array([9.0, -4.0])
    motion, centre = after(np.tile(step, (60, 1)))
    expected = motion.expect(0, UNIT)
    np.testing.assert_allclose(expected.centre, centre + step, atol=0.01)
    assert expected.spread == pytest.approx(0.3 * UNIT, rel=1e-3)


def test_prior_of_a_restless_target_is_wide():
    steps = np.random.default_rng(0).normal(0, 12.0, (60, 2))
    assert after(steps)[0].expect(0, UNIT).spread > UNIT


def test_prior_widens_while_the_target_is_lost_and_expects_no_motion():
    motion, centre = after(np.tile([5.0, 0.0], (60, 1)))
    spreads = [motion.expect(lost, UNIT).spread for lost in range(8)]
    np.testing.assert_allclose(np.diff(spreads), 0.15 * UNIT)
    np.testing.assert_array_equal(motion.expect(1, UNIT).centre, centre)
    assert motion.expect(100, UNIT).spread == 2.0 * UNIT  # where it was lost stays the likeliest


def test_prior_does_not_depend_on_the_zoom():
    steps = np.random.default_rng(1).normal(0, 3.0, (30, 2))
    near, far = after(3 * steps, unit=3 * UNIT)[0], after(steps)[0]
    for one, other in zip(near.expect(2, 3 * UNIT), far.expect(2, UNIT)):
        np.testing.assert_allclose(one, np.multiply(3, other))


def two_peaks(higher):
    """A target in the middle with a score of 0.05 and a look-alike 3 cells to its right."""
    score = np.full((9, 9), 1e-6, np.float32)
    score[4, 4], score[4, 7] = 0.05, higher
    return Maps(score, np.full((2, 9, 9), 0.5, np.float32), np.full((2, 9, 9), 0.25, np.float32))


@pytest.mark.parametrize("spread", [0.15, 0.3])
@pytest.mark.parametrize("margin", [0.98, 1.02])
def test_look_alike_must_outdo_the_prior(spread, margin):
    ratio = np.exp((3 / 9) ** 2 / (2 * spread**2))  # of a Gaussian at the two places
    higher = 0.05 * ratio * margin
    size, expected = np.full(2, 0.25), Expected(np.full(2, 0.5), spread)
    found = choose(two_peaks(higher), size, TrackSettings(), expected=expected)
    assert found.centre[0] == pytest.approx(0.5 if margin < 1 else 0.5 + 3 / 9)
    assert found.score == pytest.approx(0.05 if margin < 1 else higher)  # the prior leaves it


def frame(*squares):
    """A dark frame with squares of 16 pixels: left edge and brightness of each."""
    image = np.full((120, 200, 3), 4, np.uint8)
    for left, brightness in squares:
        image[52:68, left : left + 16] = brightness
    return image


@pytest.mark.parametrize("motion", [0.0, 0.3])
def test_brighter_stranger_beside_a_still_target_wins_only_without_the_prior(motion):
    tracker = Tracker(Brightest(), engine="torch", settings=TrackSettings(motion=motion, blend=0.5))
    tracker.init(frame((92, 100)), (92, 52, 16, 16))
    for _ in range(30):
        tracker.update(frame((92, 100)))
    box, _ = tracker.update(frame((92, 100), (116, 250)))
    assert abs(box[0] - 92) < 8 if motion else abs(box[0] - 116) < 8


def test_prior_follows_a_target_that_has_jumped_within_five_frames():
    tracker = Tracker(Brightest(), engine="torch", settings=TrackSettings(motion=0.3, blend=0.5))
    tracker.init(frame((92, 200)), (92, 52, 16, 16))
    for _ in range(30):
        tracker.update(frame((92, 200)))
    for _ in range(5):
        box, _ = tracker.update(frame((112, 200)))  # moved by more than its own width
    assert abs(box[0] - 112) < 8


def test_target_found_again_has_the_mean_velocity_since_it_was_lost():
    motion = Motion(np.zeros(2), 0.3)
    motion.observe(np.array([10.0, 0.0]), 20.0, 4)
    np.testing.assert_allclose(motion.velocity, [0.2 * 10 / 5, 0])


class Looks(Brightest):
    """Counts search crops; in some of them the target has a lower score."""

    n, dim = 0, ()

    def locate(self, embedded, search):
        self.n += 1
        found = super().locate(embedded, search)
        if self.n in self.dim:
            found["score_map"] = found["score_map"] / 2
        return found


def looks(jump, look_again, dim=()):
    """The box's left edge after a jump, and how many crops were looked at."""
    tracker = Tracker(Looks(), engine="torch", settings=TrackSettings(look_again=look_again))
    tracker.init(frame((92, 200)), (92, 52, 16, 16))
    network = tracker.engine._model
    network.n, network.dim = 0, dim
    box, _ = tracker.update(frame((92 + jump, 200)))
    return box[0], network.n


def test_target_that_moved_far_is_looked_at_again():
    once, twice = looks(12, 0.0), looks(12, 0.5)
    assert (once[1], twice[1], looks(4, 0.5)[1]) == (1, 2, 1)
    assert max(abs(once[0] - 104), abs(twice[0] - 104)) < 8


def test_second_look_with_a_lower_score_changes_nothing():
    assert looks(12, 0.5, dim=(2,)) == (looks(12, 0.0)[0], 2)


FIND = TrackSettings(lost_score=0.4, blend=0.5, motion=0.3, found_again=0.6)


def wandered(frames=0, settings=FIND):
    """A tracker whose target has jumped about by its width for some frames."""
    tracker = Tracker(Brightest(), engine="torch", settings=settings)
    tracker.init(field((192, 200)), (192, 152, 16, 16))
    for i in range(frames):
        tracker.update(field((192 + 14 * (i % 2), 200)))
    return tracker


def field(*squares):
    """A dark frame with squares of 16 pixels: left edge and brightness of each."""
    image = np.full((320, 400, 3), 4, np.uint8)
    for left, brightness in squares:
        image[152:168, left : left + 16] = brightness
    return image


def test_restless_target_that_leaves_the_search_square_is_found_in_the_same_frame():
    box, score = wandered(10).update(field((248, 200)))
    assert abs(box[0] - 248) < 8 and score > 0.6
    box, score = wandered(10, replace(FIND, found_again=0.0)).update(field((248, 200)))
    assert abs(box[0] - 192) < 24 and score < 0.4


def test_still_target_is_not_found_farther_away_than_it_can_have_moved():
    tracker = wandered(0)
    for _ in range(30):
        tracker.update(field((192, 200)))
    found = [tracker.update(field((248, 200)))[1] > 0.6 for _ in range(80)]
    first = found.index(True)
    unit = np.sqrt(tracker._box[2] * tracker._box[3])
    assert 0.9 + 0.05 * first >= 50 / unit  # root areas: three times the least spread, and growth
    assert first > 40


def test_dimmer_look_alike_is_not_taken_for_a_lost_target():
    tracker = wandered(10)
    assert max(tracker.update(field((248, 140)))[1] for _ in range(30)) < 0.4


def test_look_alike_farther_away_must_outdo_what_is_in_the_lost_targets_place():
    for place, expected in [((192, 90), 192), ((192, 10), 248)]:  # the target, dim; nothing
        tracker = wandered(0)
        for _ in range(30):
            tracker.update(field((192, 200)))
        for _ in range(60):
            tracker.update(field())
        for _ in range(10):
            box, _ = tracker.update(field(place, (248, 200)))
        assert abs(box[0] - expected) < 8


def test_brighter_look_alike_in_the_same_square_is_too_far_away_for_the_prior():
    tracker = wandered(0)
    tracker._motion.surprise = 0.6  # so that it can be as far away
    box, _ = tracker.update(field((232, 200), (252, 230)))
    assert abs(box[0] - 232) < 8


def test_limit_grows_with_what_surprises_and_with_the_time_lost():
    still, _ = after(np.zeros((40, 2)))
    assert [still.limit(n) for n in (0, 10)] == pytest.approx([0.9, 1.4])
    settled, _ = after(np.zeros((5000, 2)), least=0.0)
    assert settled.limit(0) == pytest.approx(0.9)  # without a prior, too
    restless, _ = after(np.random.default_rng(0).normal(0, 12.0, (60, 2)))
    assert restless.limit(0) == pytest.approx(9 * restless.surprise) and restless.limit(0) > 3


def test_correction_of_the_first_box_fades_along_the_path():
    settings = TrackSettings(correction=1.0, lasting=0.7)
    tracker = Tracker(Brightest(), engine="torch", settings=settings)
    tracker.init(frame((92, 200)), (92, 52, 16, 16))
    tracker._bias = bias = Bias(np.array([0.1, -0.2]), np.array([1.2, 0.9]))
    np.testing.assert_array_equal(tracker._trusted_bias().offset, bias.offset)
    tracker._motion.path = 10.0
    share = 0.7 + 0.3 * np.exp(-1)
    np.testing.assert_allclose(tracker._trusted_bias().offset, share * bias.offset)
    np.testing.assert_allclose(tracker._trusted_bias().size, bias.size**share)


def test_path_is_in_root_areas():
    motion, _ = after(np.tile([3.0, 4.0], (8, 1)))
    assert motion.path == pytest.approx(8 * 5 / UNIT)


class Tiny(Brightest):
    """Answers a box of a fraction of a pixel at the edge of the crop."""

    def locate(self, embedded, search):
        found = super().locate(embedded, search)
        found["size_map"] = found["size_map"] * 0 + 1e-5
        return {**found, "score_map": found["score_map"].flip(-1) * 0 + 0.9}


def test_second_look_at_a_speck_outside_the_frame_is_taken():
    tracker = Tracker(Tiny(), engine="torch", settings=TrackSettings(look_again=0.1))
    tracker.init(frame((2, 200)), (-6, -6, 16, 16))
    for _ in range(20):
        box, _ = tracker.update(frame((2, 200)))
        assert np.isfinite(box).all() and (box[2:] > 0).all()


def test_prior_does_not_draw_the_box_towards_it():
    peak = two_peaks(0.04)
    peak.score[4, 5] = 0.04
    alone, drawn = (
        choose(peak, np.full(2, 0.25), TrackSettings(blend=0.5), expected=expected)
        for expected in (None, Expected(np.array([0.4, 0.5]), 0.1))
    )
    np.testing.assert_array_equal(alone.centre, drawn.centre)


def test_calibrated_score_is_the_logistic_of_its_numbers():
    settings = TrackSettings(score_slope=2.0, score_shift=-1.0)
    scores = np.linspace(0.01, 0.99, 33)
    odds = np.exp(-1.0) * (scores / (1 - scores)) ** 2
    found = [settings.share_on_target(value) for value in scores]
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-12)
    assert settings.share_on_target(0.0) == 0 and settings.share_on_target(1.0) == 1
    plain = [TrackSettings().share_on_target(value) for value in scores]
    np.testing.assert_allclose(plain, scores, rtol=1e-12)


def test_choice_has_the_calibrated_score():
    settings = TrackSettings(score_slope=2.0, score_shift=1.0)
    found = choose(two_peaks(0.3), np.full(2, 0.25), settings)
    assert found.score == pytest.approx(settings.share_on_target(np.float32(0.3)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("motion", -0.1), ("score_slope", 0.0), ("score_slope", np.inf), ("score_shift", np.nan)],
)
def test_bad_settings_raise(name, value):
    with pytest.raises(ValueError, match=f"{name} must be in"):
        TrackSettings(**{name: value})


@pytest.mark.parametrize("command", [track.parse, evaluate.parse])
def test_settings_of_the_command_line_replace_the_default_ones(command, capsys):
    needed = ["video.mp4"] if command is track.parse else ["--data", "folder"]
    assert command(needed).settings == DEFAULTS
    found = command([*needed, "--settings", '{"motion": 0, "blend": 0.25}']).settings
    assert found == replace(DEFAULTS, motion=0, blend=0.25)
    for text in ('{"speed": 1}', "[1]", "motion=0", '{"blend": 2}'):
        with pytest.raises(SystemExit):
            command([*needed, "--settings", text])
        assert "must be a JSON object with any of window_product" in capsys.readouterr().err
