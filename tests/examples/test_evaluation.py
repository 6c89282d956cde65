"""Tests of confidence intervals, tables, plots and the command ``evaluate``."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from examples.tracker import evaluate
from examples.tracker.evaluation import plots, summary
from examples.tracker.evaluation.measures import score
from examples.tracker.evaluation.runs import Contestant, track_sequence

from .conftest import moving_square
from .test_one_pass import Follower


class TestConfidence:
    def test_interval_equals_scipys_percentile_bootstrap(self):
        pytest.importorskip("scipy", minversion="1.15")  # whose bootstrap takes rng
        from scipy import stats

        values = np.random.default_rng(0).random(30)

        found = summary.bootstrap_mean(values)

        other = stats.bootstrap((values,), np.mean, method="percentile", rng=1)
        assert found.mean == values.mean()
        assert found.low == pytest.approx(other.confidence_interval.low, abs=0.005)
        assert found.high == pytest.approx(other.confidence_interval.high, abs=0.005)

    def test_all_resamples_of_two_sequences_give_the_exact_ends(self):
        # Means of two draws of {0, 1}: 0, 1/2, 1 with chances 1/4, 1/2, 1/4.
        assert summary.bootstrap_mean(np.array([0.0, 1.0])) == (0.5, 0.0, 1.0)

    def test_weights_make_it_a_mean_over_frames(self):
        found = summary.bootstrap_mean(np.array([0.0, 1.0]), np.array([100.0, 300.0]))

        # Draws of the two: both the first, one of each, both the second.
        assert found == (0.75, 0.0, 1.0)

    def test_a_sequence_without_value_is_left_out_and_one_has_no_interval(self):
        found = summary.bootstrap_mean(np.array([0.3, np.nan]))

        assert found.mean == 0.3 and np.isnan(found.low) and np.isnan(found.high)
        assert np.isnan(summary.bootstrap_mean(np.array([np.nan]))).all()

    def test_the_same_seed_gives_the_same_interval(self):
        values = np.random.default_rng(1).random(9)

        assert summary.bootstrap_mean(values) == summary.bootstrap_mean(values)

    def test_runs_and_sequences_are_drawn_together(self):
        rng = np.random.default_rng(0)
        counts = np.array([3, 0, 5, 2, 4])
        sums = rng.random((4, 5)) * counts
        found = summary.bootstrap_crossed(sums, counts)
        assert found.mean == pytest.approx(sums.sum() / (4 * 14))
        means = []
        chosen = np.flatnonzero(counts)
        for _ in range(4000):
            runs, videos = rng.choice(4, 4), rng.choice(chosen, 4)
            means.append(sums[np.ix_(runs, videos)].sum() / (4 * counts[videos].sum()))
        assert found[1:] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)

    def test_one_run_is_over_sequences_only(self):
        counts = np.array([1, 1, 1])
        sums = np.array([[0.1, 0.4, 0.7]])
        crossed = summary.bootstrap_crossed(sums, counts)
        assert crossed == pytest.approx(summary.bootstrap_mean(sums[0]), abs=0.011)
        assert np.isnan(summary.bootstrap_crossed(sums[:, :1], counts[:1]))[1:].all()
        assert np.isnan(summary.bootstrap_crossed(sums, 0 * counts)).all()

    def test_runs_that_differ_widen_it(self):
        counts = np.ones(6)
        alike, apart = (np.full((5, 6), 0.5) + s * np.arange(-2, 3)[:, None] for s in (0.0, 0.1))
        assert summary.bootstrap_crossed(alike, counts) == (0.5, 0.5, 0.5)
        assert summary.bootstrap_crossed(apart, counts).low < 0.45


@pytest.fixture
def outcomes():
    """Two trackers over three sequences."""
    videos = [moving_square(f"v{i}", n_frames=20 + 10 * i, seed=i) for i in range(3)]
    found = {}
    for name, speed in (("slow", 0.25), ("right", 1.0)):
        tracks = {v.name: track_sequence(Follower(speed), v) for v in videos}
        scores = {v.name: score(tracks[v.name].boxes, v.boxes, v.visible) for v in videos}
        found[name] = summary.Outcome(
            {
                video: [replace(s, frames_per_second=rate)]
                for (video, s), rate in zip(scores.items(), (100.0, 200.0, 300.0))
            }
        )
    return found


class TestSummary:
    def test_ao_is_a_mean_over_frames_and_auc_one_over_sequences(self, outcomes):
        slow = outcomes["slow"]

        ao = [scores.ao for (scores,) in slow.scores.values()]
        assert slow.mean("ao").mean == pytest.approx(np.average(ao, weights=[19, 29, 39]))
        auc = [scores.auc for (scores,) in slow.scores.values()]
        assert slow.mean("auc").mean == pytest.approx(np.mean(auc))

    def test_tables_hold_every_tracker_and_sequence_best_first(self, outcomes):
        lines = summary.sequence_table(outcomes).splitlines()
        assert len(lines) == 2 + 3 * 2
        assert lines[2].split()[:2] == ["v0", "slow"] and lines[3].split()[0] == "right"

        means = summary.mean_table(outcomes).splitlines()
        assert [means[2].split()[0], means[4].split()[0]] == ["right", "slow"]
        assert means[2].split()[1] == "0.952" and means[2].split()[-1] == "200"
        assert means[3].split()[0] == "0.952-0.952" and means[3].split()[-1] == "100-300"

    @pytest.mark.parametrize(
        "benchmark, measures",
        [
            ("lasot_extension", ("auc", "normalised_precision", "precision")),
            ("lasot", ("auc", "normalised_precision", "precision")),
            ("trackingnet", ("auc", "normalised_precision_auc", "precision")),
            ("uav123", ("auc", "precision")),
        ],
    )
    def test_a_benchmark_has_the_columns_of_its_papers(self, benchmark, measures, outcomes):
        lines = summary.benchmark_table(outcomes, benchmark).splitlines()

        assert lines[0].split()[0] == benchmark
        assert [line.split()[0] for line in lines[2:]] == ["right", "slow"]
        slow = [f"{100 * outcomes['slow'].mean(measure).mean:.1f}" for measure in measures]
        assert lines[3].split()[1:] == slow

    def test_differences_are_the_first_less_the_others_on_the_same_sequences(self, outcomes):
        (line,) = summary.auc_lines(outcomes)

        assert line.startswith("AUC of slow less right: -0.")
        hard = np.linspace(0.1, 0.9, 20)
        videos = [next(iter(outcomes["right"].scores.values()))[0]] * 20
        one, other = (
            summary.Outcome(
                {i: [replace(s, auc=v + less)] for i, (s, v) in enumerate(zip(videos, hard))}
            )
            for less in (0.05, 0.0)
        )
        assert one.mean("auc", less=other) == pytest.approx((0.05, 0.05, 0.05))

    def test_numbers_are_plain_json(self, outcomes):
        numbers = json.loads(json.dumps(summary.numbers(outcomes), allow_nan=False))

        assert numbers["right"]["mean"]["auc"]["mean"] == pytest.approx(20 / 21, abs=1e-6)
        assert len(numbers["slow"]["curves"]["success_curve"]) == 21
        assert numbers["slow"]["first_less_this"] == {}
        assert numbers["right"]["first_less_this"]["auc"]["high"] < 0


class TestPlots:
    @pytest.mark.parametrize("kind", list(plots.CURVES))
    def test_the_legend_ranks_trackers(self, kind, outcomes):
        figure = plots.curves(outcomes, kind)

        words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        assert [text.split("] ")[1] for text in words] == ["right", "slow"]
        assert words[0].startswith("[0.952]" if kind == "success" else "[1.000]")

    def test_the_success_curve_drawn_is_the_mean_over_sequences(self, outcomes):
        figure = plots.curves(outcomes, "success")

        drawn = figure.axes[0].lines[1].get_ydata()
        expected = np.mean([s.success_curve for (s,) in outcomes["slow"].scores.values()], axis=0)
        np.testing.assert_allclose(drawn, expected)

    def test_calibration_is_the_share_of_hits_over_all_frames(self, outcomes, tmp_path):
        counts = np.zeros((2, 10))
        counts[0, 3], counts[1, 3] = 40, 10
        other = np.zeros((2, 10))
        other[0, 3], other[1, 3] = 10, 10
        run = next(iter(outcomes["right"].scores.values()))[0]
        runs = {"a": [replace(run, by_score=counts)] * 2, "b": [replace(run, by_score=other)] * 2}
        outcome = summary.Outcome(runs)

        assert outcome.calibration[3].mean == 0.4  # 2 * (10 + 10) of 2 * (40 + 10)
        assert (outcome.calibration[3].low, outcome.calibration[3].high) == (0.25, 1.0)
        assert np.isnan(outcome.calibration[4].mean)
        figure = plots.calibration({"a tracker": outcome})
        figure.savefig(tmp_path / "calibration.png")

    def test_speed_is_on_a_log_axis(self, outcomes, tmp_path):
        figure = plots.speed_accuracy(outcomes, "1 CPU thread")

        assert figure.axes[0].get_xscale() == "log"
        figure.savefig(tmp_path / "speed.png")

    def test_groups_that_no_sequence_reaches_leave_a_gap(self, tmp_path):
        nothing = summary.Interval(np.nan, np.nan, np.nan)
        groups = {"a": [summary.Interval(0.5, 0.4, 0.7), nothing]}

        plots.by_time(groups, ["1-29", "30+"], [3, 0]).savefig(tmp_path / "time.png")


@pytest.fixture
def folder(tmp_path):
    """Two videos in the layout of GOT-10k."""
    for i in range(2):
        video = moving_square(f"video-{i}", n_frames=12, seed=i)
        place = tmp_path / "data" / video.name
        place.mkdir(parents=True)
        for k, frame in enumerate(video.frames):
            cv2.imwrite(str(place / f"{k + 1:08d}.png"), frame[:, :, ::-1])
        np.savetxt(place / "groundtruth.txt", video.boxes, delimiter=",", fmt="%.1f")
    return tmp_path / "data"


class TestCommand:
    @pytest.fixture(autouse=True)
    def followers(self, monkeypatch):
        """Two trackers that need no weights, by the names ``a`` and ``b``."""
        self.made = []

        def find(names, settings):
            def make(name):
                self.made.append(name)
                return Follower(speed=1.0 if name == "a" else 0.5)

            return [Contestant(n, f"{n} {settings.engine}", lambda n=n: make(n)) for n in names]

        monkeypatch.setattr(evaluate, "find_contestants", find)

    def arguments(self, folder, *more):
        out = folder.parent / "out"
        return ["--data", str(folder), "--tracker", "a", "b", "--out", str(out), *more]

    def test_it_writes_table_plots_numbers_and_raw_results(self, folder, capsys):
        more = ("--by-time", "--every", "5", "--run-frames", "10")
        # Twelve frames are shorter than the shortest run that counts.
        assert evaluate.main(self.arguments(folder, *more)) == 0

        out = folder.parent / "out"
        printed = capsys.readouterr().out
        assert "AUC of a less b: +0." in printed and "video-1" in printed
        title, _, best = printed.partition("as papers print it\n")[2].splitlines()[:3]
        assert title.split() == ["got10k", "AO", "SR", "0.5", "SR", "0.75"]
        assert best.split() == ["a", "100.0", "100.0", "100.0"]
        names = {path.name for path in out.iterdir()}
        assert names == {"tracks", "raw", "results.json"} | {
            f"{kind}.png" for kind in (*plots.CURVES, "speed", "calibration", "by_time")
        }
        found = json.loads((out / "results.json").read_text())
        assert found["one_pass"]["a"]["mean"]["ao"]["mean"] == 1.0
        assert (out / "raw" / "GOT-10k" / "b" / "video-0" / "video-0_001.txt").is_file()

    def test_each_sequence_counts_once_by_time(self, folder, monkeypatch, capsys):
        def many_runs(contestant, sequence, path, **options):
            n_starts, iou = (3, 0.9) if sequence.name == "video-0" else (1, 0.1)
            rows = np.full((n_starts, 40), iou)
            rows[:, 29:] = iou if n_starts > 1 else np.nan
            return rows

        monkeypatch.setattr(evaluate.runs, "many_runs", many_runs)
        assert evaluate.main(self.arguments(folder, "--by-time")) == 0

        found = json.loads((folder.parent / "out" / "results.json").read_text())["by_time"]
        assert found["sequences"][:3] == [2, 1, 0]
        assert [part["mean"] for part in found["success"]["a"]][:3] == [0.5, 1.0, None]
        assert found["mean_iou"]["b"][0]["mean"] == pytest.approx(0.5)
        assert found["runs"] == {"a": 4, "b": 4}
        assert "1-29" in capsys.readouterr().out

    def test_it_goes_on_where_it_was_and_starts_over_when_told(self, folder, capsys):
        assert evaluate.main(self.arguments(folder)) == 0
        before = (folder.parent / "out" / "results.json").read_text()
        assert self.made == ["a", "b"]

        assert evaluate.main(self.arguments(folder)) == 0
        assert self.made == ["a", "b"]
        assert capsys.readouterr().out.count("(kept)") == 4
        assert (folder.parent / "out" / "results.json").read_text() == before

        assert evaluate.main(self.arguments(folder, "--fresh")) == 0
        assert self.made == ["a", "b"] * 2

    def test_runs_with_other_settings_are_not_mixed(self, folder, capsys):
        assert evaluate.main(self.arguments(folder)) == 0

        assert evaluate.main(self.arguments(folder, "--engine", "torch")) == 1
        assert "--fresh" in capsys.readouterr().err

    def test_absent_frames_fail_when_told(self, folder):
        for place in folder.iterdir():
            (place / "absence.label").write_text("\n".join(["0"] * 9 + ["1"] * 3))
        found = {}
        for more in ((), ("--absent-fail",)):
            assert evaluate.main(self.arguments(folder, *more)) == 0
            results_ = json.loads((folder.parent / "out" / "results.json").read_text())
            found[more] = results_["one_pass"]["a"]["mean"]

        assert found[()]["precision"]["mean"] == 1.0
        assert found["--absent-fail",]["precision"]["mean"] == 0.75
        assert found["--absent-fail",]["ao"] == found[()]["ao"]

    def test_runs_are_averaged_and_their_spread_is_printed(self, folder, capsys):
        assert evaluate.main(self.arguments(folder, "--runs", "3")) == 0

        out = folder.parent / "out"
        printed = capsys.readouterr().out
        assert "AUC of b over 3 runs: mean 0." in printed
        found = json.loads((out / "results.json").read_text())["one_pass"]["b"]
        assert len(found["auc_of_runs"]) == 3
        assert np.mean(found["auc_of_runs"]) == pytest.approx(found["mean"]["auc"]["mean"])
        kept = sorted(path.name for path in (out / "tracks" / "b").iterdir())
        assert kept[:3] == ["video-0.1.npz", "video-0.2.npz", "video-0.npz"]
        again = evaluate.main(self.arguments(folder))
        one = json.loads((out / "results.json").read_text())["one_pass"]["b"]
        assert again == 0 and one["auc_of_runs"] == found["auc_of_runs"][:1]
        assert evaluate.main(self.arguments(folder, "--runs", "0")) == 1
        assert "runs must be at least 1; got 0" in capsys.readouterr().err

    def test_a_set_with_only_the_first_box_is_tracked_but_not_scored(self, folder, capsys):
        for place in folder.iterdir():
            first = (place / "groundtruth.txt").read_text().splitlines()[0]
            (place / "groundtruth.txt").write_text("\n".join([first] + ["nan,nan,nan,nan"] * 11))
        assert evaluate.main(self.arguments(folder)) == 0

        out = folder.parent / "out"
        found = json.loads((out / "results.json").read_text())["one_pass"]["a"]
        assert found["mean"]["auc"]["mean"] is None
        assert (out / "raw" / "GOT-10k" / "b" / "video-0" / "video-0_001.txt").is_file()
        assert "nan" not in capsys.readouterr().out.split("sequence  ")[-1]

    def test_bad_folders_end_with_one_line(self, folder, tmp_path, capsys):
        assert evaluate.main(["--data", str(tmp_path / "none")]) == 1
        assert capsys.readouterr().err.startswith("error: no folder")
        assert evaluate.main(self.arguments(folder, "--split", "test", "--every", "0")) == 1
        assert "every must be at least 1" in capsys.readouterr().err
