"""Replacements of a tracker's classes for the snippets of your-own.md, with equal names."""

import torch
from torch.utils.data import DataLoader, Dataset


class Videos:
    """Replacement of a STARK data set."""

    def __init__(self, lengths, images=False):
        self.lengths, self.images = lengths, images

    def is_video_sequence(self):
        return not self.images

    def get_num_sequences(self):
        return len(self.lengths)

    def get_sequence_info(self, i):
        return {"visible": torch.ones(self.lengths[i], dtype=torch.uint8)}

    def get_frames(self, _i, ids, _info):
        frames = [torch.full((8, 8, 3), float(k)) for k in ids]
        return frames, {"bbox": [torch.tensor([0.2, 0.2, 0.5, 0.5]) for _ in ids]}, {}


def processing(data):
    """Replace cropping; every seventh search frame is invalid."""
    for part in ("template", "search"):
        data[part + "_images"] = [frame.permute(2, 0, 1) for frame in data[part + "_images"]]
    data["valid"] = int(data["search_images"][0].flatten()[0]) % 7 != 0
    stacked = {
        name: torch.stack(data[name]) for name in data if name.endswith(("_images", "_anno"))
    }
    return {**stacked, "valid": data["valid"]}


class TrackingSampler(Dataset):
    def __init__(self, datasets, p_datasets, samples_per_epoch, processing):
        self.datasets, self.p_datasets = datasets, p_datasets
        self.samples_per_epoch, self.processing = samples_per_epoch, processing

    def __len__(self):
        return self.samples_per_epoch


def collate(samples):
    first = samples[0]
    stack = {n: torch.stack([s[n] for s in samples], 1) for n in first if torch.is_tensor(first[n])}
    return {**stack, "bin": torch.tensor([s["bin"] for s in samples])}


class LTRLoader(DataLoader):
    def __init__(self, name, dataset, training, stack_dim, **options):
        assert stack_dim == 1
        self.name, self.training = name, training
        super().__init__(dataset, collate_fn=collate, **options)


def generalized_box_iou(boxes, others):
    low, high = torch.max(boxes[:, :2], others[:, :2]), torch.min(boxes[:, 2:], others[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    union = sum((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others)) - overlap
    far, near = torch.max(boxes[:, 2:], others[:, 2:]), torch.min(boxes[:, :2], others[:, :2])
    outer = (far - near).prod(1)
    return overlap / union - (outer - union) / outer, overlap / union


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.size = torch.nn.Parameter(torch.tensor([0.4, 0.4]))


class Actor:
    def __init__(self, net):
        self.net, self.loss_weight = net, {"giou": 2.0, "l1": 5.0}

    def __call__(self, data):
        truth = data["search_anno"][-1]
        low = truth[:, :2]
        boxes = torch.cat([low, low + self.net.size.abs()], 1)
        return self.compute_losses(boxes, torch.cat([low, low + truth[:, 2:]], 1), data)


class LTRTrainer:
    def __init__(self, actor, loaders):
        self.actor, self.loaders, self.epoch = actor, loaders, 0
        self.optimizer = torch.optim.SGD(actor.net.parameters(), lr=0.01)

    def train_epoch(self):
        for loader in self.loaders:
            for data in loader:
                loss = self.actor(data)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def load_checkpoint(self, checkpoint):
        self.actor.net.info = checkpoint["net_info"]


datasets, ratios = [Videos([300, 90, 10, 450]), Videos([1] * 5, images=True)], [3, 1]
