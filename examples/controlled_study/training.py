"""Training and test of one run, given a setting, a row and a seed."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch

from sstrack_sched import IntervalSampler, Pairs

from .model import back_propagate, embed, initial_weights
from .rows import ROWS, Epoch, Row, make_scheduler, this_epoch
from .settings import BINS, Setting
from .world import N_RIVALS, N_TEST_FRAMES, World, make_world

TEST_TEMPLATES, TEST_SEARCHES = 15, 5  # spacing of template and search frames in test videos


def run_rows(setting: Setting, names: List[str], seed: int) -> List[Dict[str, Any]]:
    """Run the rows of one seed; a row that replays another one trains that row first."""
    torch.set_num_threads(1)
    world = make_world(setting, seed)
    results: Dict[str, Dict[str, Any]] = {}
    plans: Dict[str, List[Epoch]] = {}

    def run(row: Row) -> None:
        plan = None
        if row.replayed is not None:
            if row.replayed not in plans:
                run(ROWS[row.replayed])
            plan = row.replay(plans[row.replayed])
        results[row.name], plans[row.name] = train(setting, row, seed, world, plan)

    for name in names:
        if name not in results:
            run(ROWS[name])
    return [results[name] for name in names]


def train(
    setting: Setting, row: Row, seed: int, world: World, plan: Optional[List[Epoch]] = None
) -> Tuple[Dict[str, Any], List[Epoch]]:
    """Train and test one row; return the result, and Q and loss weights of each epoch."""
    inputs = world.digest.copy()  # hash of inputs that all rows share
    weights = initial_weights(setting.width, np.random.default_rng([seed, 1]))
    for w in weights:
        inputs.update(w.numpy().tobytes())
    frames = torch.from_numpy(world.frames)
    optimizer = torch.optim.Adam(weights, lr=setting.rate, fused=True)
    sampler = IntervalSampler(world.videos, BINS, seed=seed)
    scheduler = make_scheduler(row, sampler, setting.epochs)
    epochs = []
    for epoch in range(setting.epochs):
        if epoch == setting.epochs * 4 // 5:
            optimizer.param_groups[0]["lr"] /= 10
        q, weight_of_bin = this_epoch(row, scheduler, plan)
        epochs.append((q, weight_of_bin))
        pairs = sampler.sample(q, epoch, 0, setting.steps * setting.batch)
        rivals, of_video = draw_rivals(setting, world, seed, epoch)
        inputs.update(rivals.tobytes())
        of_pairs = frames_of_pairs(setting, world, pairs)
        seen = frames[torch.from_numpy(np.concatenate([of_pairs, rivals], axis=1))]
        of_target = torch.from_numpy(pairs.video.reshape(setting.steps, -1, 1))
        same = of_target == torch.from_numpy(of_video[:, None, :])
        loss_weight = torch.from_numpy(weight_of_bin[pairs.bin].astype(np.float32))
        losses = []
        for step in zip(seen, same, loss_weight.split(setting.batch)):
            losses.append(back_propagate(weights, *step))
            optimizer.step()
        given = torch.exp(-torch.cat(losses)).clamp(0, 1)  # probability of the target
        scheduler.step(given.numpy(), pairs.bin)
    accuracy, score = test(weights, world)
    result = {
        "setting": setting.name,
        "row": row.name,
        "seed": seed,
        "inputs": inputs.hexdigest(),
        "by_arena": accuracy.mean(axis=1).tolist(),
        "by_bin": accuracy.mean(axis=0).tolist(),
        "score": score.mean(),
        "mean_q": np.mean([q for q, _ in epochs], axis=0).tolist(),
        "first_success": scheduler.history[0].success_rate.tolist(),
        "last_success": scheduler.history[-1].success_rate.tolist(),
    }
    return result, epochs


def frames_of_pairs(setting: Setting, world: World, pairs: Pairs) -> np.ndarray:
    """Return the frame indices of each step: templates, then search frames."""
    offset = world.videos.offsets[pairs.video]
    columns = offset + pairs.template, offset + pairs.search + world.videos.n_frames
    return np.concatenate([c.reshape(setting.steps, setting.batch) for c in columns], axis=1)


def draw_rivals(setting: Setting, world: World, seed: int, epoch: int):
    """Draw distractor frames and their videos for each step, equal for all rows."""
    rng = np.random.default_rng([seed, 2, epoch])
    video = rng.integers(setting.n_videos, size=(setting.steps, N_RIVALS - 1))
    frame = (rng.random(video.shape) * world.videos.lengths[video]).astype(int)
    return world.videos.offsets[video] + frame + world.videos.n_frames, video


def test(weights, world: World):
    """Return accuracy and mean score, both (n_arenas, n_bins).

    Every template is compared with a later or earlier frame of all videos in its arena.
    """
    t, s = np.arange(0, N_TEST_FRAMES, TEST_TEMPLATES), np.arange(0, N_TEST_FRAMES, TEST_SEARCHES)
    template = embed(weights, torch.from_numpy(world.test_templates[:, :, t]))
    search = embed(weights, torch.from_numpy(world.test_searches[:, :, s]))
    logits = torch.einsum("avtd,awsd->avtsw", template, search)
    target = torch.diagonal(logits, dim1=1, dim2=4).permute(0, 3, 1, 2)  # arena, video, t, s
    right = (target >= logits.amax(dim=4)).double().mean(dim=1)
    score = torch.exp(target - logits.logsumexp(dim=4)).double().mean(dim=1)
    interval = np.abs(t[:, None] - s)
    inside = torch.from_numpy(interval < BINS.upper[-1])
    bin_of = BINS.assign(interval[inside.numpy()])
    means = []
    for values in (right, score):
        flat = values[:, inside].numpy()
        means.append(np.stack([flat[:, bin_of == b].mean(axis=1) for b in range(len(BINS))], 1))
    return means
