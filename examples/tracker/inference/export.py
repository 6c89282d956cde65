"""Write a network to a folder: as ONNX, or for OpenVINO in 8-bit integers."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import logging
import tempfile
import warnings
from itertools import cycle
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.augment import Change
from ..data.crops import CropConfig, CropError, crop_pair
from ..data.frames import FrameStore
from ..data.sequences import Sequence as Video
from ..models.base import MAPS, TrackerModel
from .engines import FACTS, PARTS, Exported, OpenVinoEngine

Pair = Tuple[NDArray[np.uint8], NDArray[np.uint8]]  # a template and a search crop
OPSET = 18
MAX_INTERVAL = 100  # frames between template and search crop that int8 is calibrated on
SHIFT, SCALE = 1.0, 0.2  # how far a tracker's search crop is off, as in training


class _Part(nn.Module):
    """`embed` or `locate` of a network, for crops that have their channels last."""

    def __init__(self, model: TrackerModel, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, *inputs: Tensor) -> Any:
        *embedded, crop = inputs
        found = getattr(self.model, self.name)(*embedded, crop.permute(0, 3, 1, 2))
        return found if self.name == "embed" else tuple(found[name] for name in MAPS)


def _parts(model: TrackerModel) -> List[Tuple[nn.Module, Dict[str, Tensor]]]:
    """The part that depends on the template alone, and the rest, each with inputs for tracing."""
    model = copy.deepcopy(model).cpu().float().eval()
    sides = model.template_size, model.search_size
    template, search = (torch.zeros(1, side, side, 3, dtype=torch.uint8) for side in sides)
    embed, locate = (_Part(model, name).eval() for name in PARTS)
    with torch.no_grad():
        embedded = embed(template)
    return [(embed, {"template": template}), (locate, {"embedded": embedded, "search": search})]


def to_openvino(model: TrackerModel) -> List[Any]:
    """OpenVINO's models of `embed` and `locate`."""
    import openvino

    with _quiet(), torch.no_grad():
        return [
            openvino.convert_model(
                # Traced here because its own tracing checks the result, which takes longer.
                torch.jit.trace(part, tuple(inputs.values()), check_trace=False),
                input=[list(value.shape) for value in inputs.values()],
            )
            for part, inputs in _parts(model)
        ]


def export(model: TrackerModel, folder: Path) -> Exported:
    """Write a network as ONNX in float32. Raises ImportError if onnx or onnxscript is missing."""
    _need("exporting", "onnx", "onnxscript")
    with _writing(model, folder, "float32") as partial, _quiet():
        for name, (part, inputs) in zip(PARTS, _parts(model)):
            torch.onnx.export(
                part,
                tuple(inputs.values()),
                str(partial / f"{name}.onnx"),
                input_names=list(inputs),
                output_names=list(MAPS) if name == "locate" else ["embedded"],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
            )
    return Exported(folder)


def quantise(model: TrackerModel, crops: Sequence[Pair], folder: Path) -> Exported:
    """Write a network for OpenVINO in 8-bit integers, calibrated on `calibration_crops`."""
    _need("int8", "openvino", "nncf")
    import nncf
    import openvino

    engine = OpenVinoEngine(model, "float32", 1)
    data = [(engine.embed(template), search[None]) for template, search in crops]
    with _writing(model, folder, "int8") as partial, _quiet():
        embed, locate = to_openvino(model)
        mixes = any(node.get_type_name() == "Softmax" for node in locate.get_ops())
        small = nncf.quantize(
            locate,
            nncf.Dataset(data),
            subset_size=len(data),
            fast_bias_correction=False,  # layer after layer: the boxes come nearer to float32
            model_type=nncf.ModelType.TRANSFORMER if mixes else None,
            ignored_scope=nncf.IgnoredScope(names=kept_in_float(locate), validate=False),
        )
        for name, part in zip(PARTS, (embed, small)):
            openvino.save_model(part, partial / f"{name}.xml", compress_to_fp16=False)
    return Exported(folder)


def kept_in_float(locate: Any) -> List[str]:
    """Names of the nodes of OpenVINO's `locate` that are not to be rounded.

    Only layers that see the search crop alone are rounded. The head of a Siamese tracker depends on
    the template: it takes little time and would suffer most. A network that mixes template and
    search from the start has no such layers; of it only the last ones stay in float32.
    """
    nodes, after = locate.get_ordered_ops(), []
    reached = {locate.inputs[0].get_node().get_friendly_name()}
    for node in nodes:
        sources = (port.get_source_output().get_node() for port in node.inputs())
        if any(source.get_friendly_name() in reached for source in sources):
            reached.add(node.get_friendly_name())
            after.append(node)
    siamese = 2 * sum(map(_is_heavy, after)) <= sum(map(_is_heavy, nodes))
    kept = after if siamese else map(_last_heavy, locate.get_results())
    return [node.get_friendly_name() for node in kept]


def _last_heavy(node: Any) -> Any:
    return node if _is_heavy(node) else _last_heavy(node.input(0).get_source_output().get_node())


def _is_heavy(node: Any) -> bool:
    return node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul")


def calibration_crops(videos: Sequence[Video], config: CropConfig, n_pairs: int) -> List[Pair]:
    """At most so many pairs of crops as a tracker would cut them, of all videos in turn."""
    store = FrameStore([video for video in videos if video.visible.any()])
    rng, pairs = np.random.default_rng(0), []
    for _, video in zip(range(n_pairs), cycle(range(len(store.sequences)))):
        sequence = store.sequences[video]
        usable = np.flatnonzero(sequence.visible)
        first = rng.choice(usable)
        second = rng.choice(usable[np.abs(usable - first) <= MAX_INTERVAL])
        shift, scale = rng.uniform(-SHIFT, SHIFT, 2), np.exp(rng.normal() * SCALE)
        views = [(store.frame(video, i), sequence.boxes[i]) for i in (first, second)]
        with contextlib.suppress(CropError):
            pairs.append(crop_pair(*views, config, Change(shift=tuple(shift), scale=scale))[:2])
    if not pairs:
        raise ValueError(f"no pair of crops can be cut from {len(videos)} videos")
    return pairs


def _need(what: str, *names: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{what} needs packages: pip install {' '.join(missing)}")


@contextlib.contextmanager
def _writing(model: TrackerModel, folder: Path, precision: str) -> Iterator[Path]:
    """A folder to write to that becomes ``folder`` only when all is written."""
    if folder.exists() and any(folder.iterdir()) and not (folder / FACTS).is_file():
        raise ValueError(f"{folder} is not empty and no exported tracker: give another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as temporary:
        partial = Path(temporary) / "new"
        partial.mkdir()
        yield partial
        names = ("template_size", "search_size", "template_factor", "search_factor", "context")
        facts = {"precision": precision, **{name: getattr(model, name) for name in names}}
        (partial / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        partial.rename(folder)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what tools tell of their progress, and of packages that they do not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
