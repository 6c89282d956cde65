"""The network: a small perceptron that embeds template and search frames alike."""

from __future__ import annotations

import numpy as np
import torch

from .world import N_SEEN


def initial_weights(width: int, rng: np.random.Generator):
    """Weights and biases of two layers, tensors that require gradients."""
    weights = []
    for n_inputs in (N_SEEN, width):
        matrix = rng.normal(0, (2 / n_inputs) ** 0.5, (n_inputs, width))
        weights += [matrix, np.zeros(width)]
    return [torch.tensor(w, dtype=torch.float32, requires_grad=True) for w in weights]


def embed(weights, seen: torch.Tensor) -> torch.Tensor:
    """Embeddings (..., width), scaled so that a dot product of two is a logit."""
    first, first_bias, second, second_bias = weights
    hidden = torch.relu(seen @ first + first_bias)
    return (hidden @ second + second_bias) / second.shape[1] ** 0.25
