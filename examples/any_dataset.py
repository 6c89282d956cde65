"""Any dataset with ordered difficulty: digits under noise, at random and scheduled."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from sstrack_sched import BinnedSampler
from sstrack_sched.torch import Curriculum

NOISE = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])  # standard deviation; pixels are in [0, 1]
EPOCHS, SAMPLES = 20, 2048


def digits(first, last, seed):
    """Every digit once per noise level: images, labels, bins."""
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images[first:last] / 16, dtype=torch.float32)
    labels = torch.tensor(labels[first:last])
    noise = torch.randn(len(NOISE), *images.shape, generator=torch.Generator().manual_seed(seed))
    noisy = images + NOISE[:, None, None] * noise
    bins = torch.arange(len(NOISE)).repeat_interleave(len(images))
    return noisy.flatten(0, 1), labels.repeat(len(NOISE)), bins


def accuracy(seed, **options):
    """Accuracy by noise level on held-out digits, in percent."""
    torch.manual_seed(seed)
    train = TensorDataset(*digits(0, 1200, seed))  # a plain dataset: __getitem__(int)
    source = BinnedSampler(train.tensors[2], seed=seed)
    curriculum = Curriculum(source, EPOCHS, SAMPLES, **options)
    loader = DataLoader(train, batch_size=64, sampler=curriculum.sampler)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for images, labels, bins in loader:
            losses = torch.nn.functional.cross_entropy(model(images), labels, reduction="none")
            optimizer.zero_grad()
            curriculum.weigh(losses, bins).mean().backward()
            optimizer.step()
            curriculum.record(torch.exp(-losses.detach()), bins)  # probability of the label
        curriculum.step()
    images, labels, bins = digits(1200, None, seed + 1000)
    right = (model(images).argmax(1) == labels).double()
    return [100 * right[bins == i].mean().item() for i in range(len(NOISE))]


if __name__ == "__main__":
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
    random = np.array([accuracy(seed, update_epochs=()) for seed in seeds])
    scheduled = np.array([accuracy(seed) for seed in seeds])
    gain = scheduled - random
    error = gain.std(axis=0, ddof=1) / len(gain) ** 0.5
    print(f"accuracy in %, {len(gain)} paired seeds\nnoise  random  scheduled  difference")
    for row in zip(NOISE, random.mean(0), scheduled.mean(0), gain.mean(0), error):
        print("{:5.2f}  {:6.1f}  {:9.1f}  {:+6.2f} +- {:.2f}".format(*row))
