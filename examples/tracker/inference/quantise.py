"""Exported networks in 8-bit integers, calibrated on what a tracker sees."""

from __future__ import annotations

import contextlib
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.augment import Change
from ..data.crops import CropConfig, CropError, crop_pair
from ..data.frames import FrameStore
from ..data.sequences import Sequence as Video
from .engines import OnnxRuntimeEngine
from .export import quiet
from .graphs import Graphs, write_folder

Crop = NDArray[np.uint8]
TOOLS = ("onnx", "onnxruntime", "nncf")
MAX_INTERVAL = 100  # frames between template and search
SHIFT, SCALE = 1.0, 0.2  # how far a tracker's search crop is off, as in training
HEAVY = ("Conv", "Gemm", "MatMul")


def calibration_crops(
    videos: Sequence[Video], config: CropConfig, n_pairs: int = 128, *, seed: int = 0
) -> List[Tuple[Crop, Crop]]:
    """Template and search crops as a tracker would cut them, from all videos in turn.

    Parameters
    ----------
    videos : sequence of Video
        Each gives about the same number of pairs.
    config : CropConfig
        Of the network.
    n_pairs : int, default=128
        How many, at most.
    seed : int, default=0
        Of frames and shifts.

    Returns
    -------
    list of (ndarray, ndarray)
        Crops of uint8, (side, side, 3), RGB.

    Raises
    ------
    ValueError
        If no pair can be cut.
    """
    store, rng = FrameStore(list(videos)), np.random.default_rng(seed)
    pairs = []
    for i in range(n_pairs):
        with contextlib.suppress(CropError):
            pairs.append(_pair(store, i % len(videos), config, rng))
    if not pairs:
        raise ValueError(f"no pair of crops can be cut from {len(videos)} videos")
    return pairs


def _pair(
    store: FrameStore, video: int, config: CropConfig, rng: np.random.Generator
) -> Tuple[Crop, Crop]:
    sequence = store.sequences[video]
    usable = np.flatnonzero(sequence.visible)
    if not len(usable):
        raise CropError(f"sequence {sequence.name!r} has no visible frame")
    first = rng.choice(usable)
    second = rng.choice(usable[np.abs(usable - first) <= MAX_INTERVAL])
    change = Change(shift=tuple(rng.uniform(-SHIFT, SHIFT, 2)), scale=np.exp(rng.normal() * SCALE))
    sides = [(store.frame(video, i), sequence.boxes[i]) for i in (first, second)]
    template, search, _ = crop_pair(sides[0], sides[1], config, change)
    return template, search


def quantise(graphs: Graphs, crops: Sequence[Tuple[Crop, Crop]], folder: Path) -> Graphs:
    """Write a network's features in 8-bit integers; the rest stays in float32.

    Weights are rounded channel by channel, activations by the range that they have on the crops,
    and each layer's mean error is put right in its bias (NNCF's bias correction). What depends
    on the template, the head of a Siamese tracker, takes little time and would suffer most. In a
    network that mixes template and search from the start only the last layers stay in float32.

    Parameters
    ----------
    graphs : Graphs
        In float32.
    crops : sequence of (ndarray, ndarray)
        `calibration_crops`.
    folder : Path
        Made anew; replaced if it holds an exported network.

    Returns
    -------
    Graphs

    Raises
    ------
    ImportError
        If onnx, onnxruntime or nncf is missing; says so.
    ValueError
        If the folder is there and is something else, or the graphs are not in float32.
    """
    missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"int8 needs packages: pip install {' '.join(missing)}")
    if graphs.facts.precision != "float32":
        raise ValueError(f"graphs must be in float32; got {graphs.facts.precision}")
    return write_folder(
        folder,
        replace(graphs.facts, precision="int8"),
        embed=lambda path: path.write_bytes(graphs.embed.read_bytes()),
        locate=lambda path: _quantise(graphs, crops, path),
    )


def _quantise(graphs: Graphs, crops: Sequence[Tuple[Crop, Crop]], path: Path) -> None:
    import nncf
    import onnx
    from nncf.quantization.advanced_parameters import QuantizationParameters

    model = onnx.load(str(graphs.locate))
    mixes = any(node.op_type == "Softmax" for node in model.graph.node)
    per_tensor = QuantizationParameters(per_channel=False)  # ONNX Runtime knows no other
    with quiet("nncf"):
        small = nncf.quantize(
            model,
            nncf.Dataset(_inputs(graphs, crops)),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(crops),
            fast_bias_correction=False,  # layer after layer: the boxes come nearer to float32
            model_type=nncf.ModelType.TRANSFORMER if mixes else None,
            ignored_scope=nncf.IgnoredScope(names=kept_in_float(model), validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_quantization_params=per_tensor
            ),
        )
    onnx.save(small, str(path))


def _inputs(graphs: Graphs, crops: Sequence[Tuple[Crop, Crop]]) -> List[Dict[str, Any]]:
    """What the search graph is fed with."""
    engine = OnnxRuntimeEngine(graphs, "float32", 1)
    return [
        {"embedded": engine.embed(template), "search": search[None]} for template, search in crops
    ]


def kept_in_float(model: Any) -> List[str]:
    """Names of the nodes of an ONNX model of `LOCATE` that are not to be rounded."""
    reached, after = {"embedded"}, []
    for node in model.graph.node:  # in the order of their dependence
        if reached.intersection(node.input):
            reached.update(node.output)
            after.append(node)
    heavy = sum(node.op_type in HEAVY for node in model.graph.node)
    if 2 * sum(node.op_type in HEAVY for node in after) <= heavy:
        return [node.name for node in after]
    return _last_layers(model)


def _last_layers(model: Any) -> List[str]:
    """Names of the last convolution or product before each output."""
    makers = {name: node for node in model.graph.node for name in node.output}
    found = []
    for output in model.graph.output:
        node = makers.get(output.name)
        while node is not None and node.op_type not in HEAVY:
            node = makers.get(node.input[0])
        if node is not None:
            found.append(node.name)
    return found
