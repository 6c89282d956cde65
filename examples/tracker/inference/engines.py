"""Run the network on a CPU, by OpenVINO or torch."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Type

import numpy as np
from numpy.typing import NDArray

from .choose import Maps
from .images import Image

PRECISIONS = ("float32", "bfloat16", "int8")
MAX_DEFAULT_THREADS = 4  # networks this small gain nothing from more
FACTS = "tracker.json"
PARTS = ("embed", "locate")


class Exported:
    """A network in a folder that the export command wrote; it needs no torch.

    ``embed`` makes ``embedded`` of ``template``; ``locate`` makes ``score_map``, ``offset_map`` and
    ``size_map`` of ``embedded`` and ``search``. Crops are uint8, (1, side, side, 3), RGB. Each is
    an ``.onnx`` file or, in int8, OpenVINO's ``.xml``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / FACTS).is_file():
            raise FileNotFoundError(f"{folder} is no exported tracker: it has no {FACTS}")
        vars(self).update(json.loads((folder / FACTS).read_text()))  # precision, crops' sizes
        suffix = ".xml" if self.precision == "int8" else ".onnx"
        self.embed, self.locate = (folder / f"{part}{suffix}" for part in PARTS)


class Engine:
    """Runs ``embed`` once per video and ``locate`` every frame; crops are (side, side, 3), RGB."""

    name: str
    able: Tuple[str, ...]  # precisions that it computes in

    def __init__(self, source: Any, precision: str, threads: int) -> None:
        self.source, self.precision, self.threads = source, precision, threads

    @classmethod
    def best_precision(cls) -> str:
        """The fastest precision here that changes results by next to nothing."""
        return "float32"

    def __repr__(self) -> str:
        return f"{self.name}, {self.precision}, {self.threads} thread(s)"

    def __reduce__(self) -> Tuple[Any, ...]:  # what is compiled stays in its process
        return type(self), (self.source, self.precision, self.threads)


class OpenVinoEngine(Engine):
    """OpenVINO. Its threads are not tied to cores, so that several trackers may run at once."""

    name, able = "openvino", PRECISIONS

    def __init__(self, source: Any, precision: str, threads: int) -> None:
        super().__init__(source, precision, threads)
        lower = precision == "bfloat16"
        if lower and self.best_precision() != "bfloat16":
            raise ValueError("precision bfloat16: OpenVINO does not offer it on this processor")
        if isinstance(source, Exported):
            embed, locate = str(source.embed), str(source.locate)
        else:
            from .export import to_openvino  # torch, which exported networks do not need

            embed, locate = to_openvino(source)
        self._embed = self._compile(embed, "f32")
        self._locate = self._compile(locate, "bf16" if lower else "f32")

    def _compile(self, part: Any, number: str) -> Any:
        from openvino import Core

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": number,
            "ENABLE_CPU_PINNING": False,
        }
        return Core().compile_model(part, "CPU", settings).create_infer_request()

    @classmethod
    def best_precision(cls) -> str:
        from openvino import Core

        able = Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "bfloat16" if "BF16" in able else "float32"

    def embed(self, template: Image) -> NDArray[np.float32]:
        return np.array(self._embed.infer([template[None]])[0])

    def locate(self, embedded: NDArray[np.float32], search: Image) -> Maps:
        maps = self._locate.infer([embedded, search[None]], share_inputs=True)
        return Maps(maps[0][0, 0], maps[1][0], maps[2][0])


class TorchEngine(Engine):
    """torch, layer by layer: the slowest, and what is there wherever the network was trained."""

    name, able = "torch", ("float32", "bfloat16")

    def __init__(self, source: Any, precision: str, threads: int) -> None:
        import torch

        if isinstance(source, Exported):
            raise ValueError("engine torch needs a file of weights; got an exported network")
        super().__init__(source, precision, threads)
        model = copy.deepcopy(source).cpu().float().eval()  # the caller may go on training
        self._model = model.to(memory_format=torch.channels_last)

    def embed(self, template: Image) -> Any:
        return self._run(self._model.embed, template)

    def locate(self, embedded: Any, search: Image) -> Maps:
        maps = self._run(self._model.locate, search, embedded)
        score, offset, size = (maps[f"{name}_map"][0].float().numpy() for name in Maps._fields)
        return Maps(score[0], offset, size)

    def _run(self, part: Any, crop: Image, *embedded: Any) -> Any:
        import torch

        before = torch.get_num_threads()  # of the whole process: set during a call only
        torch.set_num_threads(self.threads)
        lower = torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16")
        try:
            with torch.inference_mode(), lower:
                return part(*embedded, torch.from_numpy(crop[None]).permute(0, 3, 1, 2))
        finally:
            torch.set_num_threads(before)


ENGINES: Dict[str, Type[Engine]] = {kind.name: kind for kind in (OpenVinoEngine, TorchEngine)}


def make_engine(
    source: Any, *, engine: str = "auto", precision: str = "auto", threads: Optional[int] = None
) -> Engine:
    """Something that runs a network, a `TrackerModel` or `Exported`; options as `Tracker` takes."""
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value != "auto" and value not in known:
            raise ValueError(f"{name} must be auto or one of {', '.join(known)}; got {value!r}")
    if threads is None:
        # The cores that this process may use, which can be fewer than the machine has.
        usable = getattr(os, "sched_getaffinity", None)
        threads = min(len(usable(0)) if usable else os.cpu_count() or 1, MAX_DEFAULT_THREADS)
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads must be a whole number, at least 1; got {threads!r}")
    installed = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise ImportError("engine openvino needs a package: pip install openvino")
    if engine == "auto":
        engine = "openvino" if installed and "openvino" in ENGINES else "torch"
    kind = ENGINES[engine]
    return kind(source, _precision(source, precision, kind), int(threads))


def _precision(source: Any, precision: str, kind: Type[Engine]) -> str:
    calibrated = isinstance(source, Exported) and source.precision == "int8"
    if precision == "auto":
        precision = "int8" if calibrated else kind.best_precision()
    if calibrated and precision != "int8":
        raise ValueError(f"this network was exported in int8; got precision {precision}")
    if precision not in kind.able:
        raise ValueError(f"engine {kind.name} computes in {', '.join(kind.able)}; got {precision}")
    if precision == "int8" and not calibrated:
        words = "a folder that python -m examples.tracker.export --precision int8 writes"
        raise ValueError(f"int8 needs a network that was calibrated, {words}")
    return precision
