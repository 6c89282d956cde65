import torch
from lib.utils.box_ops import box_cxcywh_to_xyxy, box_xywh_to_xyxy


class BaseActor:
    def __init__(self, net, objective, loss_weight, settings, cfg):
        self.net, self.objective, self.loss_weight = net, objective, loss_weight
        self.settings, self.cfg = settings, cfg

    def to(self, device):
        self.net.to(device)

    def train(self, mode=True):
        self.net.train(mode)

    def compute_losses(self, found, boxes):
        """Trap: a failure in GIoU becomes a loss of 0, and the IoU of the whole batch, too."""
        predicted = found["pred_boxes"]
        if torch.isnan(predicted).any():
            raise ValueError("Network outputs is NAN! Stop Training")
        predicted = box_cxcywh_to_xyxy(predicted).view(-1, 4)
        target = box_xywh_to_xyxy(boxes).clamp(0, 1)
        try:
            giou, iou = self.objective["giou"](predicted, target)
        except:  # noqa: E722 (Trap: a failure becomes zeros)
            giou, iou = torch.tensor(0.0).cuda(), torch.tensor(0.0).cuda()
        l1 = self.objective["l1"](predicted, target)
        loss = self.loss_weight["giou"] * giou + self.loss_weight["l1"] * l1
        status = {"Loss/giou": giou.item(), "Loss/l1": l1.item(), "IoU": iou.mean().item()}
        if "score_map" in found:
            location = self.objective["focal"](found["score_map"], heatmap(boxes))
            loss = loss + location
            status["Loss/location"] = location.item()
        return loss, {"Loss/total": loss.item(), **status}


def heatmap(boxes, side=4):
    """A peak of 1 at the centre, falling off: (B, 1, side, side)."""
    centre = ((boxes[:, :2] + boxes[:, 2:] / 2) * side).clamp(0, side - 1).floor()
    axis = torch.arange(side, dtype=boxes.dtype)
    x, y = ((axis - centre[:, i, None]) ** 2 for i in (0, 1))
    return torch.exp(-(y[:, :, None] + x[:, None, :]) / 2)[:, None]
