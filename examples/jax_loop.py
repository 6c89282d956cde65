"""A JAX training loop, scheduled by its own IoUs: ``python examples/jax_loop.py``.

The core needs no PyTorch: NumPy arrays of pairs come out, IoUs go in. The loop in plain NumPy is
quickstart.py. The tracker is a toy, its IoUs are real: boxes wander through made-up videos, and a
network that sees the change since the template, distorted and noisy, answers with a box.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from sstrack_sched import (
    IntervalBins,
    IntervalSampler,
    SuccessAwareScheduler,
    VideoIndex,
    random_sampler_distribution,
)

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    sys.exit("this example needs JAX: pip install jax")

EPOCHS, SAMPLES, BATCH, RATE = 8, 8192, 128, 0.1
N_VIDEOS, N_FRAMES, N_SEEN = 64, 300, 16
RNG = np.random.default_rng(0)
# Boxes by video and frame: centre x and y in widths of the target, logarithms of width and height.
BOXES = RNG.normal(0, [0.06, 0.06, 0.01, 0.01], (N_VIDEOS, N_FRAMES, 4)).cumsum(axis=1)
NOISE = RNG.normal(0, 0.05, (N_VIDEOS, N_FRAMES, N_SEEN))
DISTORTION = RNG.normal(0, 1, (4, N_SEEN))
SHAPES = {"w1": (N_SEEN, 64), "b1": 64, "w2": (64, 4), "b2": 4}


def crops(pairs):
    """Input of the network for each pair, and the target box."""
    change = BOXES[pairs.video, pairs.search] - BOXES[pairs.video, pairs.template]
    return np.tanh(change @ DISTORTION) + NOISE[pairs.video, pairs.search], change


def predict(params, seen):
    return jax.nn.relu(seen @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


def iou(a, b):
    """Overlap of boxes (n, 4), one by one."""
    (centre_a, size_a), (centre_b, size_b) = ((x[:, :2], jnp.exp(x[:, 2:])) for x in (a, b))
    low = jnp.maximum(centre_a - size_a / 2, centre_b - size_b / 2)
    high = jnp.minimum(centre_a + size_a / 2, centre_b + size_b / 2)
    common = jnp.maximum(high - low, 0).prod(axis=1)
    return common / (size_a.prod(axis=1) + size_b.prod(axis=1) - common)


@jax.jit
def train_step(params, seen, boxes, weights):
    """New parameters, and the IoU of each sample before the step."""

    def loss(params):
        answers = predict(params, seen)
        return (weights * jnp.abs(answers - boxes).mean(axis=1)).mean(), iou(answers, boxes)

    (_, ious), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    return jax.tree.map(lambda p, g: p - RATE * g, params, gradient), ious


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, help="JSON file to save to, and to go on from")
    parser.add_argument("--stop-after", type=int, default=EPOCHS, help="epochs to stop after")
    options = parser.parse_args()

    videos, bins = VideoIndex([N_FRAMES] * N_VIDEOS), IntervalBins(max_interval=200, spacing=30)
    sampler = IntervalSampler(videos, bins)
    q_random = random_sampler_distribution(videos, bins)
    scheduler = SuccessAwareScheduler(len(bins), EPOCHS, random_distribution=q_random)
    params = {name: jnp.asarray(RNG.normal(0, 0.1, shape)) for name, shape in SHAPES.items()}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
        scheduler.load_state_dict(state["scheduler"])
        params = {name: jnp.asarray(values) for name, values in state["params"].items()}
    print("epoch    tau      d      S   next epoch's share (Q, %) of", *bins.labels)
    while scheduler.epoch < options.stop_after:
        for start in range(0, SAMPLES, BATCH):
            pairs = sampler.sample(scheduler.distribution, scheduler.epoch, start, start + BATCH)
            params, ious = train_step(params, *crops(pairs), scheduler.loss_weights[pairs.bin])
            scheduler.record(ious, pairs.bin)
        q = scheduler.step()
        row = scheduler.threshold, scheduler.redetection, scheduler.expected_success, *(100 * q)
        print(f"{scheduler.epoch:5}", *(f"{value:6.2f}" for value in row))
        if options.state:
            lists = {name: values.tolist() for name, values in params.items()}
            state = {"scheduler": scheduler.state_dict(), "params": lists}
            options.state.write_text(json.dumps(state))


if __name__ == "__main__":
    main()
