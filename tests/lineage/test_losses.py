"""Losses by sample against the actors' own, on the stand-in's actors of all three trackers."""

from types import SimpleNamespace

import pytest
import torch

from examples.lineage.checkout import SetupError
from examples.lineage.losses import ScheduledLosses, check_losses, focal
from sstrack_sched.torch import LossWeight

WEIGHTS = [0.5, 1.0, 2.25]
BINS = [2, 0, 1, 1, 2, 0]
REGULARISERS = {"ostrack": False, "avtrack": True, "hit": False}


@pytest.fixture(params=list(REGULARISERS))
def tracker(request):
    return request.param


@pytest.fixture
def library(tracker, checkouts, import_from, monkeypatch):
    """The modules of the stand-in; their ``.cuda()`` stays where it is."""
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    script = "HiT" if tracker == "hit" else tracker
    names = {
        "actors": f"lib.train.actors.{script}",
        "model": f"lib.models.{script}.{script}",
        "box_ops": "lib.utils.box_ops",
        "focal": "lib.utils.focal_loss",
        "data": "lib.utils",
    }
    return SimpleNamespace(
        **{key: import_from(checkouts[tracker], name) for key, name in names.items()}
    )


@pytest.fixture
def net(library):
    torch.manual_seed(0)
    levit = getattr(library.model, "levit", None)
    if levit is not None:
        levit.load_pretrained = lambda *_args: None
    config = SimpleNamespace(MODEL=SimpleNamespace(PRETRAIN_FILE="", DROPOUT=0.0))
    return library.model.build(config)


def make_actor(library, net, tracker):
    objective = {
        "giou": library.box_ops.giou_loss,
        "l1": torch.nn.functional.l1_loss,
        "focal": library.focal.FocalLoss(),
    }
    if tracker == "hit":
        del objective["focal"]
    return library.actors.Actor(net, objective, {"giou": 2.0, "l1": 5.0}, None, None)


@pytest.fixture
def plain(library, net, tracker):
    """An actor as the checkout makes it."""
    return make_actor(library, net, tracker)


@pytest.fixture
def scheduled(library, net, tracker):
    """An actor of the same network, weighed and recorded: ``scheduled(weights)``."""

    def make(weights):
        actor = make_actor(library, net, tracker)
        recorded = []
        curriculum = SimpleNamespace(
            weigh=LossWeight(weights), record=lambda *batch: recorded.append(batch)
        )
        ScheduledLosses(actor, curriculum, library.box_ops.generalized_box_iou)
        return actor, recorded

    return make


@pytest.fixture
def batch(library):
    """A batch as it is collated; box centres lie in different cells of the score map."""
    generator = torch.Generator().manual_seed(1)
    n = len(BINS)
    boxes = torch.rand(1, n, 4, generator=generator) * 0.4 + 0.1
    return library.data.TensorDict(
        template_images=torch.rand(1, n, 3, 8, 8, generator=generator),
        search_images=torch.rand(1, n, 3, 16, 16, generator=generator),
        search_anno=boxes,
        dataset=["lasot"] * n,
        bin=torch.LongTensor(BINS),
    )


def without_bins(batch):
    return type(batch)({name: value for name, value in batch.items() if name != "bin"})


def one_of(batch, i):
    """The batch of the one sample i."""
    parts = {
        name: value[:, i : i + 1] if isinstance(value, torch.Tensor) else value
        for name, value in without_bins(batch).items()
    }
    return type(batch)(parts)


def gradients(net, loss):
    net.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def regularisers(net, tracker):
    if not REGULARISERS[tracker]:
        return 0.0
    return 0.00001 * net.conv.weight.pow(2).sum() + 48 * net.score.weight.abs().mean()


def test_weights_of_1_give_the_loss_the_gradients_and_the_log_of_upstream(
    plain, scheduled, net, batch
):
    actor, _ = scheduled([1.0, 1.0, 1.0])
    loss, status = actor(batch)
    expected, expected_status = plain(without_bins(batch))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert status == pytest.approx(expected_status, rel=1e-6)
    found, wanted = gradients(net, loss), gradients(net, expected)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)


def test_other_weights_give_the_weighted_sum_of_upstreams_losses_of_one_sample(
    plain, scheduled, net, batch, tracker
):
    actor, _ = scheduled(WEIGHTS)
    loss, _ = actor(batch)
    expected = regularisers(net, tracker)  # which stay unweighted
    for i, bin_id in enumerate(BINS):
        alone = plain(one_of(batch, i))[0] - regularisers(net, tracker)
        expected = expected + WEIGHTS[bin_id] * alone / len(BINS)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    found, wanted = gradients(net, loss), gradients(net, expected)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_batch_is_recorded_once_with_its_bins_and_the_iou_of_its_boxes(plain, scheduled, batch):
    actor, recorded = scheduled(WEIGHTS)
    actor(batch)
    ((ious, bins),) = recorded
    assert bins.tolist() == BINS
    expected = [plain(one_of(batch, i))[1]["IoU"] for i in range(len(BINS))]
    assert ious.tolist() == pytest.approx(expected, abs=1e-6)
    assert not ious.requires_grad


def test_a_batch_without_bins_is_upstreams_alone_even_after_one_with_bins(plain, scheduled, batch):
    actor, recorded = scheduled(WEIGHTS)
    actor(batch)
    assert actor(without_bins(batch)) == plain(without_bins(batch))
    assert len(recorded) == 1


def test_a_degenerate_box_keeps_upstreams_rule_and_does_not_spoil_the_recorded_iou(
    plain, scheduled, batch, monkeypatch
):
    predicted = torch.tensor([[0.3, 0.3, 0.2, 0.2]] * len(BINS))[:, None]
    predicted[1, 0, 2] = -0.1  # left and right are swapped
    found = {"pred_boxes": predicted, "mine_loss": 0.0, "activeness_loss": 0.0}
    for actor in (plain, scheduled([1.0] * 3)[0]):
        monkeypatch.setattr(actor, "forward_pass", lambda *_args, **_options: found)
    theirs = plain(without_bins(batch))[1]
    assert theirs["Loss/giou"] == theirs["IoU"] == 0  # their trap
    actor, recorded = scheduled([1.0] * 3)
    wrapped = actor.forward_pass.__self__
    wrapped._forward_pass = lambda *_args, **_options: found
    assert actor(batch)[1] == pytest.approx(theirs)
    ((ious, _),) = recorded
    assert ious[1] == 0
    assert (ious[[0, 2, 3, 4, 5]] > 0).any()


@pytest.mark.parametrize("n_peaks", [0, 1, 5])
def test_focal_losses_of_the_samples_sum_to_upstreams_of_the_batch(library, n_peaks):
    generator = torch.Generator().manual_seed(2)
    score = torch.rand(5, 1, 4, 4, generator=generator)
    score[0, 0, 0, 0] = 0  # clamped, not infinite
    target = torch.rand(5, 1, 4, 4, generator=generator) * 0.9
    target.view(-1)[torch.arange(n_peaks) * 7] = 1
    theirs = library.focal.FocalLoss()
    found = focal(score, target, theirs.alpha, theirs.beta)
    assert found.shape == (5,)
    assert float(found.sum()) == pytest.approx(float(theirs(score, target)), rel=1e-6)


def changed_l1(boxes, others):
    return torch.nn.functional.smooth_l1_loss(boxes, others)


def changed_giou(boxes, others):
    return torch.zeros(()), torch.zeros(len(boxes))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"l1": changed_l1}, ("l1 loss is not known",)),
        ({"giou": changed_giou}, ("giou loss is not known",)),
        ({"giou": lambda boxes, others: torch.zeros(())}, ("losses are not known",)),
        ({"l1": None}, ("losses are not known",)),
        ({"focal": lambda score, target: 0}, ("losses are not known", "alpha")),
    ],
)
def test_a_loss_of_another_version_is_refused_at_the_start(plain, library, says, change, words):
    objective = {**plain.objective, **change}
    objective = {name: loss for name, loss in objective.items() if loss is not None}
    with pytest.raises(SetupError, match=says("this version", *words)):
        check_losses(objective, library.box_ops.generalized_box_iou)


def test_a_focal_loss_of_other_constants_is_weighed_with_its_own(library, plain):
    objective = {**plain.objective, "focal": library.focal.FocalLoss(alpha=1, beta=3)}
    check_losses(objective, library.box_ops.generalized_box_iou)
