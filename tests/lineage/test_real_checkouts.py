"""The plug-ins on real checkouts of the three trackers, on a small data tree, without a GPU.

Runs where OSTRACK_ROOT, AVTRACK_ROOT and HIT_ROOT name unmodified clones and the packages that they
need can be imported. OSTRACK_PYTHONPATH and so on may put a folder before them: AVTrack needs
another timm than the other two.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from .data_tree import make_data_tree

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "ostrack": "vitb_256_mae_ce_32x4_ep300",
    "avtrack": "deit_tiny_patch16_224",
    "hit": "HiT_Tiny",
}
NEEDED = [
    *("cv2", "easydict", "jpeg4py", "lmdb", "matplotlib", "pandas", "pycocotools", "scipy"),
    *("tensorboard", "timm", "torch", "torchvision", "tqdm", "yaml"),
]
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@pytest.fixture(scope="module", params=list(CONFIGS))
def tracker(request):
    if not os.environ.get(f"{request.param.upper()}_ROOT"):
        pytest.skip(f"{request.param.upper()}_ROOT does not name a checkout")
    return request.param


@pytest.fixture(scope="module")
def checkout(tracker):
    """The checkout; its git status may not change while the tests run."""
    root = Path(os.environ[f"{tracker.upper()}_ROOT"]).resolve()
    before = git_status(root)
    yield root
    assert git_status(root) == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Data tree and index cache of all tests."""
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(scope="module")
def data(shared, checkout):
    if not (shared / "coco").exists():
        make_data_tree(shared, checkout / "lib/train/data_specs/lasot_train_split.txt")
    return shared


@pytest.fixture(scope="module")
def finished(tracker, checkout, data, tmp_path_factory):
    """Folder and output of a run of three epochs."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(tracker, checkout, data, folder)


def git_status(root):
    command = ["git", "-C", str(root), "status", "--porcelain", "--ignored"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def options(tracker, checkout, data, folder, *more, epochs=3, samples=16):
    return [
        *("--checkout", checkout, "--config", CONFIGS[tracker], "--save-dir", folder),
        *("--lasot", data / "lasot", "--got10k", data / "got10k", "--coco", data / "coco"),
        *("--cache", data / "cache", "--from-scratch", "--seed", 5),
        *("--epochs", epochs, "--samples-per-epoch", samples, *more),
        *(["--backbone", "vit_tiny"] if tracker == "ostrack" else []),
        *("--set", "TRAIN.BATCH_SIZE=4", "TRAIN.NUM_WORKER=1", "TRAIN.VAL_EPOCH_INTERVAL=1"),
        *("DATA.TRAIN.DATASETS_NAME=[LASOT,COCO17]", "DATA.TRAIN.DATASETS_RATIO=[2,1]"),
        *("DATA.VAL.SAMPLE_PER_EPOCH=8", "TRAIN.PRINT_INTERVAL=1"),
    ]


def start(tracker, *command):
    extra = os.environ.get(f"{tracker.upper()}_PYTHONPATH")
    path = os.pathsep.join([*([extra] if extra else []), str(ROOT)])
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    environment = {**os.environ, **threads, "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the launcher itself sees to it
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def train(tracker, checkout, data, folder, *more, before=(), **sizes):
    program = ROOT / "examples" / tracker / "train.py"
    return start(
        tracker, *before, program, *options(tracker, checkout, data, folder, *more, **sizes)
    )


def inside(check, tracker, checkout, data, folder, *more, **sizes):
    given = options(tracker, checkout, data, folder, *more, **sizes)
    done = start(tracker, "-m", "tests.lineage.inside", check, tracker, *given)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def checkpoints(folder):
    return sorted(folder.glob("checkpoints/train/*/*/*_ep*.pth.tar"))


def history(tracker, path):
    """The schedule in a checkpoint, read without the checkout."""
    code = (
        "import json, os, sys, torch; os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'; "
        "sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[2]); "
        "state = torch.load(sys.argv[1], map_location='cpu')['net_info']['sstrack_sched']; "
        "print(json.dumps(state['scheduler']['history']))"
    )
    done = start(tracker, "-c", code, path, os.environ[f"{tracker.upper()}_ROOT"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_three_epochs_train_validate_and_save(tracker, finished):
    folder, done = finished
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Finished training!" in done.stdout
    assert [path.name[-11:-8] for path in checkpoints(folder)] == ["001", "002", "003"]
    log = next((folder / "logs").glob("*.log")).read_text()
    for epoch in (1, 2, 3):
        assert f"[train: {epoch}, 4 / 4]" in log
        assert f"[val: {epoch}, 2 / 2]" in log
        assert f"[schedule: {epoch}] tau: " in log
    assert (folder / "schedule.png").read_bytes().startswith(b"\x89PNG")
    assert len(history(tracker, checkpoints(folder)[-1])) == 3


def test_tensorboard_shows_the_schedule(tracker, finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(next(finished[0].glob("tensorboard/train/*/*/train"))))
    events.Reload()
    assert [scalar.step for scalar in events.Scalars("schedule/threshold")] == [1, 2, 3]
    shares = [tag for tag in events.Tags()["scalars"] if tag.startswith("distribution/")]
    assert len(shares) == 8
    assert sum(events.Scalars(tag)[-1].value for tag in shares) == pytest.approx(1)


def test_resuming_goes_on_with_the_same_schedule_and_pairs(
    tracker, checkout, data, finished, tmp_path
):
    folder, _ = finished
    whole = history(tracker, checkpoints(folder)[-1])
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    checkpoints(cut)[-1].unlink()
    done = train(tracker, checkout, data, cut, "--resume")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "[schedule: 3]" in done.stdout and "[schedule: 2]" not in done.stdout
    resumed = history(tracker, checkpoints(cut)[-1])
    assert resumed[:2] == whole[:2]  # the Q of epoch 3, to the last bit
    assert resumed[2]["count"] == whole[2]["count"]  # the pairs of epoch 3
    assert resumed[2]["redetection"] == whole[2]["redetection"]


def test_another_run_in_a_used_folder_is_refused(tracker, checkout, data, finished):
    done = train(tracker, checkout, data, finished[0])
    assert done.returncode == 1
    assert "use --resume to continue" in done.stderr and "Traceback" not in done.stderr


def test_resuming_with_the_upstream_sampler_is_refused(tracker, checkout, data, finished):
    done = train(
        tracker, checkout, data, finished[0], "--resume", "--sampler", "upstream", epochs=4
    )
    assert done.returncode == 1
    assert "is of a run with a schedule" in done.stderr


def test_a_crash_is_a_crash(tracker, checkout, data, tmp_path):
    done = train(tracker, checkout, data, tmp_path, "--set", "TRAIN.GRAD_CLIP_NORM=none", epochs=1)
    assert done.returncode != 0
    assert "Finished training!" not in done.stdout


def test_realised_bins_follow_q(tracker, checkout, data, tmp_path):
    found = inside("bins", tracker, checkout, data, tmp_path, samples=800)
    count, q = np.array(found["count"]), np.array(found["q"])
    assert count.sum() == 800 and (q > 0).all()
    # false alarm: one in 10,000 seeds, and the seed is fixed
    assert stats.chisquare(count, q * 800).pvalue > 1e-4


def test_q_random_is_what_the_checkouts_own_sampler_draws(tracker, checkout, data, tmp_path):
    found = inside("upstream_bins", tracker, checkout, data, tmp_path, samples=4000)
    count, q = np.array(found["count"]), np.array(found["q"])
    assert stats.chisquare(count, q * 4000).pvalue > 1e-4


def test_unreadable_frames_are_redrawn_in_their_bin_then_named(tracker, checkout, data, tmp_path):
    found = inside("unreadable", tracker, checkout, data, tmp_path, samples=60)
    assert found["same"] and found["redrawn"] > 10
    assert "no usable pair of bin" in found["error"] and ".jpg" in found["error"]


def test_validation_is_what_it_is_upstream(tracker, checkout, data, tmp_path):
    found = {
        name: inside("validation", tracker, checkout, data, tmp_path / name, "--sampler", name)
        for name in ("upstream", "random", "weighted")
    }
    assert len({result["digest"] for result in found.values()}) == 1
    assert {result["val"] for result in found.values()} == {"TrackingSampler"}
    assert found["upstream"]["train"] == "TrackingSampler"
    assert "ScheduledLosses" not in str(found["upstream"]["objective"])
    assert "ScheduledLosses" in str(found["weighted"]["objective"])


def test_losses_are_upstreams_at_weight_1_and_the_sum_by_sample_at_others(
    tracker, checkout, data, tmp_path
):
    worst = inside("losses", tracker, checkout, data, tmp_path)
    assert worst["loss"] < 1e-6
    assert worst["gradient"] < 1e-6
    assert worst["weighted"] < 1e-6


def test_two_processes(tracker, checkout, data, tmp_path):
    launch = ("-m", "torch.distributed.run", "--nproc_per_node", 2, "--master_port", 29533)
    done = train(tracker, checkout, data, tmp_path, before=launch, epochs=2)
    if tracker == "avtrack":
        assert done.returncode != 0 and "Finished training!" not in done.stdout
        assert "AVTrack cannot train on several processes" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-3000:]
    records = history(tracker, checkpoints(tmp_path)[-1])
    assert [sum(record["count"]) for record in records] == [16, 16]


def test_a_wrong_checkout_is_named(tracker, checkout, data, tmp_path):
    done = train(tracker, tmp_path, data, tmp_path / "run")
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr and "lib/train/train_script.py" in done.stderr


def test_missing_data_is_named(tracker, checkout, data, tmp_path):
    done = train(tracker, checkout, data, tmp_path, "--coco", tmp_path / "none")
    assert done.returncode == 1
    assert "COCO17" in done.stderr and str(tmp_path / "none") in done.stderr


def test_an_unknown_version_is_found_out_at_the_start(tracker, checkout, data, tmp_path):
    other = tmp_path / "checkout"
    shutil.copytree(checkout, other, ignore=shutil.ignore_patterns(".git"), symlinks=True)
    script = other / "lib/utils/box_ops.py"
    script.write_text(script.read_text().replace("(1 - giou).mean()", "(2 - giou).mean()"))
    done = train(tracker, other, data, tmp_path / "run")
    assert done.returncode == 1
    assert "this version's giou loss is not known" in done.stderr
