"""The network: a small perceptron that embeds template and search frames."""

from __future__ import annotations

from typing import List

import numpy as np
import torch

from .world import N_SEEN


def initial_weights(width: int, rng: np.random.Generator) -> List[torch.Tensor]:
    """Draw weights and biases of two layers."""
    weights = []
    for n_inputs in (N_SEEN, width):
        matrix = rng.normal(0, (2 / n_inputs) ** 0.5, (n_inputs, width))
        weights += [matrix, np.zeros(width)]
    return [torch.tensor(w, dtype=torch.float32) for w in weights]


def embed(weights, seen: torch.Tensor) -> torch.Tensor:
    """Return embeddings (..., width), scaled so that a dot product of two is a logit."""
    first, first_bias, second, second_bias = weights
    hidden = torch.relu(seen @ first + first_bias)
    return (hidden @ second + second_bias) / second.shape[1] ** 0.25


def match(embeddings: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Return logits (n_pairs, candidates), target first; rivals of its own video are masked."""
    template, search, rivals = embeddings.split([len(same), len(same), same.shape[1]])
    target = (template * search).sum(dim=1, keepdim=True)
    others = (template @ rivals.T).masked_fill(same, -1e9)
    return torch.cat([target, others], dim=1)


def back_propagate(weights, seen, same, loss_weight) -> torch.Tensor:
    """Return cross entropies (n_pairs,); store the gradients of their weighted mean in `weights`.

    The derivatives of `embed` and `match` are coded explicitly, because autograd's overhead exceeds
    the arithmetic of such a small step. The tests compare them with autograd's.
    """
    first, first_bias, second, second_bias = weights
    n_pairs, scale = len(same), second.shape[1] ** 0.25
    hidden = torch.addmm(first_bias, seen, first).relu_()
    embeddings = torch.addmm(second_bias, hidden, second).div_(scale)
    logits = match(embeddings, same)
    log_sum = torch.logsumexp(logits, dim=1, keepdim=True)
    share = (loss_weight / n_pairs)[:, None]
    d_logits = torch.sub(logits, log_sum).exp_().mul_(share)
    d_logits[:, :1] -= share

    template, search, rivals = embeddings.split([n_pairs, n_pairs, same.shape[1]])
    d_target, d_others = d_logits[:, :1], d_logits[:, 1:]
    d_embeddings = torch.empty_like(embeddings)
    d_template, d_search, d_rivals = d_embeddings.split([n_pairs, n_pairs, same.shape[1]])
    torch.mul(d_target, search, out=d_template).addmm_(d_others, rivals)
    torch.mul(d_target, template, out=d_search)
    torch.mm(d_others.T, template, out=d_rivals)

    d_output = d_embeddings.div_(scale)
    d_hidden = torch.mm(d_output, second.T).mul_(hidden > 0)
    first.grad, first_bias.grad = seen.T @ d_hidden, d_hidden.sum(dim=0)
    second.grad, second_bias.grad = hidden.T @ d_output, d_output.sum(dim=0)
    return log_sum[:, 0] - logits[:, 0]
