import torch


def box_cxcywh_to_xyxy(boxes):
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def box_xywh_to_xyxy(boxes):
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def _area(sides):
    return sides[:, 0] * sides[:, 1]


def generalized_box_iou(boxes, others):
    """GIoU and IoU. Trap: one degenerate box is an error for the whole batch."""
    for corners in (boxes, others):
        assert (corners[:, 2:] >= corners[:, :2]).all()
    low, high = torch.max(boxes, others), torch.min(boxes, others)
    overlap = _area((high[:, 2:] - low[:, :2]).clamp(min=0))
    union = _area(boxes[:, 2:] - boxes[:, :2]) + _area(others[:, 2:] - others[:, :2]) - overlap
    hull = _area((low[:, 2:] - high[:, :2]).clamp(min=0))
    return overlap / union - (hull - union) / hull, overlap / union


def giou_loss(boxes, others):
    giou, iou = generalized_box_iou(boxes, others)
    return (1 - giou).mean(), iou
