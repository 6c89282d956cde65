import collections

import torch
from lib.utils import TensorDict
from torch._six import string_classes


def collate_stack1(batch):
    """Trap: tensors are stacked on dim 1, so that a 0-d tensor or a NumPy number is an error."""
    first = batch[0]
    if isinstance(first, torch.Tensor):
        return torch.stack(batch, 1)
    if type(first).__module__ == "numpy":
        return torch.stack([torch.from_numpy(item) for item in batch], 1)
    if isinstance(first, int):
        return torch.LongTensor(batch)
    if isinstance(first, float):
        return torch.DoubleTensor(batch)
    if isinstance(first, (TensorDict, collections.Mapping)):
        return type(first)({key: collate_stack1([item[key] for item in batch]) for key in first})
    if isinstance(first, string_classes) or first is None:
        return batch
    return [collate_stack1(items) for items in zip(*batch)]


class LTRLoader(torch.utils.data.DataLoader):
    def __init__(
        self,
        name,
        dataset,
        training=True,
        epoch_interval=1,
        collate_fn=None,
        stack_dim=0,
        **options,
    ):
        super().__init__(
            dataset, collate_fn=collate_fn or {1: collate_stack1}[stack_dim], **options
        )
        self.name, self.training = name, training
        self.epoch_interval, self.stack_dim = epoch_interval, stack_dim
