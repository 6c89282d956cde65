"""Tests of raw results: layouts, what got10k's toolkit makes of them, published results."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from examples.tracker.evaluation import summary
from examples.tracker.evaluation.measures import score
from examples.tracker.evaluation.runs import track_sequence, write_results

from .conftest import moving_square
from .test_one_pass import Follower


@pytest.fixture
def sequence():
    return moving_square("square", n_frames=40)


class TestResults:
    @pytest.fixture
    def track(self, sequence):
        return track_sequence(Follower(speed=1.25), sequence)

    def test_files_lie_where_the_toolkits_look_for_them(self, track, tmp_path):
        write_results(tmp_path, "mine", {"square": track})

        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
        assert files == {
            str(Path(path))
            for path in (
                "GOT-10k/mine/square/square_001.txt",
                "GOT-10k/mine/square/square_time.txt",
                "GOT-10k/mine.zip",
                "OTB2015/mine/square.txt",
                "OTB2015/mine/times/square_time.txt",
                "LaSOT/mine_tracking_result/square.txt",
                "TrackingNet/mine/square.txt",
                "TrackingNet/mine.zip",
            )
        }

    def test_lasot_and_otb_are_1_based(self, track, tmp_path):
        write_results(tmp_path, "mine", {"square": track})

        got, otb, lasot, net = (
            (tmp_path / path).read_text().splitlines()[0]
            for path in (
                "GOT-10k/mine/square/square_001.txt",
                "OTB2015/mine/square.txt",
                "LaSOT/mine_tracking_result/square.txt",
                "TrackingNet/mine/square.txt",
            )
        )
        assert got == net == "10.0000,30.0000,20.0000,20.0000"
        assert otb == lasot == "11.0000,31.0000,20.0000,20.0000"

    def test_zips_hold_what_is_below_the_trackers_folder(self, track, tmp_path):
        write_results(tmp_path, "mine", {"square": track})

        with zipfile.ZipFile(tmp_path / "GOT-10k" / "mine.zip") as archive:
            assert archive.namelist() == ["square/square_001.txt", "square/square_time.txt"]
        with zipfile.ZipFile(tmp_path / "TrackingNet" / "mine.zip") as archive:
            assert archive.namelist() == ["square.txt"]

    def test_every_line_is_a_box_even_where_the_tracker_gave_none(self, track, tmp_path):
        track.boxes[0], track.boxes[5] = np.nan, np.nan
        write_results(tmp_path, "mine", {"square": track})

        boxes = np.loadtxt(tmp_path / "GOT-10k/mine/square/square_001.txt", delimiter=",")

        assert boxes[0].tolist() == [0, 0, 0, 0]
        assert boxes[5].tolist() == boxes[4].tolist()
        rest = np.setdiff1d(np.arange(40), [0, 5])
        np.testing.assert_allclose(boxes[rest], track.boxes[rest], atol=5e-5)


@pytest.mark.filterwarnings("ignore")  # the toolkit's own
class TestToolkitReads:
    """got10k's own experiments read the files and score them to the same numbers."""

    @pytest.fixture
    def experiments(self):
        import matplotlib

        matplotlib.use("Agg")
        return pytest.importorskip("got10k.experiments", reason="lets got10k's toolkit read files")

    @pytest.fixture
    def tracks(self):
        """Three sequences and runs that lose the target little by little."""
        videos = [moving_square(f"v{i}", n_frames=30 + i, seed=i) for i in range(3)]
        speeds = (1.0, 1.25, 1.75)
        return videos, {v.name: track_sequence(Follower(s), v) for v, s in zip(videos, speeds)}

    def test_got10k(self, experiments, tracks, tmp_path):
        videos, runs = tracks
        for video in videos:
            self._write_got10k(tmp_path / "data" / "val" / video.name, video)
        (tmp_path / "data" / "val" / "list.txt").write_text("\n".join(v.name for v in videos))
        write_results(tmp_path / "raw", "mine", runs)

        report = experiments.ExperimentGOT10k(
            str(tmp_path / "data"), "val", str(tmp_path / "raw"), str(tmp_path / "reports")
        ).report(["mine"])["mine"]

        scores = [score(runs[v.name].boxes, v.boxes, v.visible, size=(120, 90)) for v in videos]
        outcome = summary.Outcome({v.name: [s] for v, s in zip(videos, scores)})
        assert report["overall"]["ao"] == pytest.approx(outcome.mean("ao").mean, abs=1e-5)
        assert report["overall"]["sr"] == pytest.approx(outcome.mean("sr50").mean)
        assert report["overall"]["ao"] < 0.95

    def test_otb(self, experiments, tracks, tmp_path):
        videos, runs = tracks
        write_results(tmp_path / "raw", "mine", runs)

        class Data(list):  # OTB, but for the download of its videos
            seq_names = [video.name for video in videos]

        experiment = experiments.ExperimentOTB.__new__(experiments.ExperimentOTB)
        experiment.dataset = Data(([], video.boxes + [1, 1, 0, 0]) for video in videos)
        experiment.result_dir = str(tmp_path / "raw" / "OTB2015")
        experiment.report_dir = str(tmp_path / "reports")
        experiment.nbins_iou, experiment.nbins_ce = 21, 51
        report = experiment.report(["mine"])["mine"]

        for video in videos:
            ours = score(runs[video.name].boxes, video.boxes, video.visible)
            theirs = report["seq_wise"][video.name]
            assert theirs["success_score"] == pytest.approx(ours.auc)
            assert theirs["precision_score"] == pytest.approx(ours.precision)
            assert theirs["speed_fps"] > 0

    def _write_got10k(self, folder, video):
        folder.mkdir(parents=True)
        np.savetxt(folder / "groundtruth.txt", video.boxes, delimiter=",", fmt="%.4f")
        for i in range(len(video)):
            (folder / f"{i + 1:08d}.jpg").touch()
        for name in ("cover", "absence", "cut_by_image"):
            np.savetxt(folder / f"{name}.label", np.full(len(video), 8 * (name == "cover")))
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (120, 90)\n")


def shared_data():
    """Folder of real sequences, where this machine has one."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("SSTRACK_DATA", root.parent / "shared" / "data"))
    path = folder / "annotations" / "otb100_results.npz"
    if not path.is_file():
        pytest.skip("needs real trackers' results: set SSTRACK_DATA")
    return path


def test_auc_of_published_results_is_the_published_auc():
    with np.load(shared_data()) as file:
        ends = np.cumsum(file["lengths"])
        truth = file["gt"].T.astype(np.float64)
        # AUC on OTB-100, of which tiger1 is missing here: SiamFC-3s 0.582, SRDCF 0.598, CFNet 0.568
        for tracker, published in (("SiamFC-3s", 0.582), ("SRDCF", 0.598), ("cfnet-conv2", 0.568)):
            stored = file[f"pred__{tracker}"].T
            boxes = np.where(stored == -32768, np.nan, stored / 4.0)
            found = []
            for start, stop in zip([0, *ends[:-1]], ends):
                if np.isfinite(boxes[start:stop]).any():
                    part = slice(start, stop)
                    visible = np.isfinite(truth[part]).all(axis=1)
                    found.append(score(boxes[part], truth[part], visible).auc)
            assert len(found) == 99
            assert np.mean(found) == pytest.approx(published, abs=0.002)
