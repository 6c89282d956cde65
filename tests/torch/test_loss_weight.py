"""LossWeight against a loop over samples."""

import pytest

torch = pytest.importorskip("torch")

from sstrack_sched import SuccessAwareScheduler  # noqa: E402
from sstrack_sched.torch import LossWeight  # noqa: E402


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 2)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_loss_weight_each_sample_gets_its_bin_s(shape, dtype):
    weights = [1.0, 2.5, 4.0]
    losses, bins = torch.rand(shape).to(dtype), torch.tensor([2, 0, 1, 1, 2])
    weighted = LossWeight(weights)(losses, bins)
    expected = torch.stack([loss * weights[b] for loss, b in zip(losses, bins.tolist())])
    expected = expected.to(dtype)
    assert weighted.shape == losses.shape
    assert weighted.dtype == dtype
    assert torch.equal(weighted, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loss_weight_half_precision_does_not_round_the_weight(dtype):
    """1.003 is 1 in bfloat16, and 1e6 is infinite in float16."""
    losses = torch.tensor([1000.0, 0.0], dtype=dtype)
    weighted = LossWeight([1.005, 1e6])(losses, torch.tensor([0, 1]))
    assert weighted.dtype == dtype
    assert weighted[0] == (losses[0].double() * 1.005).to(dtype)
    assert weighted[1] == 0


def test_loss_weight_gradient_is_the_weight():
    losses = torch.ones(3, requires_grad=True)
    LossWeight([1.0, 3.0])(losses, torch.tensor([1, 0, 1])).sum().backward()
    assert losses.grad.tolist() == [3.0, 1.0, 3.0]


def test_loss_weight_follows_the_scheduler():
    scheduler = SuccessAwareScheduler(3, 10)
    weigh = LossWeight(scheduler)
    ones, bins = torch.ones(3, dtype=torch.float64), torch.arange(3)
    assert weigh(ones, bins).tolist() == [1, 1, 1]
    scheduler.step([[0.9, 0.1], [0.8, 0.1], [0.7, 0.1]])
    assert weigh(ones, bins).tolist() == scheduler.loss_weights.tolist()
    assert scheduler.loss_weights[2] > 1  # or following it would prove nothing


def test_loss_weight_adds_nothing_to_a_model_s_state():
    model = torch.nn.ModuleDict({"weigh": LossWeight([1.0, 2.0])})
    model["weigh"](torch.ones(1), torch.tensor([0]))
    assert not model.state_dict()
    assert not list(model.parameters())
    assert not list(model.buffers())


@pytest.mark.parametrize(
    ("losses", "bins", "message"),
    [
        (torch.tensor(0.3), torch.tensor([0]), r"scalar.*reduction='none'"),
        (torch.rand(3), torch.tensor([0, 1]), r"bins must have shape \(3,\).*got \(2,\)"),
        (torch.rand(2), torch.tensor([0, 2]), r"bins must be in \[0, 2\); got 2 at index 1"),
        (torch.rand(2), torch.tensor([0, -1]), r"bins must be in \[0, 2\); got -1 at index 1"),
        (torch.rand(2), torch.tensor([0.0, 1.0]), "bins must be of an integer dtype"),
        (
            torch.ones(2, dtype=torch.long),
            torch.tensor([0, 1]),
            "losses must be a Tensor of floating",
        ),
        (0.3, torch.tensor([0]), "losses must be a Tensor of floating point, per sample; got 0.3"),
        (torch.rand(2), None, "bins must be a Tensor or an array of numbers; got None"),
    ],
)
def test_loss_weight_bad_batch_raises(losses, bins, message):
    with pytest.raises((TypeError, ValueError), match=message):
        LossWeight([1.0, 2.0])(losses, bins)


@pytest.mark.parametrize(
    "bad", [3.0, [[1.0]], [], [-1.0, 2.0], [float("nan")], [float("inf")], "weights"]
)
def test_loss_weight_bad_weights_raise(bad):
    with pytest.raises((TypeError, ValueError), match="scheduler must"):
        LossWeight(bad)
