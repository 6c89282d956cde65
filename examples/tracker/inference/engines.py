"""What runs the network on a CPU: OpenVINO, ONNX Runtime or torch."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple, Type

import numpy as np
from numpy.typing import NDArray

from .choose import Maps
from .graphs import EXPORT_TOOLS, Graphs
from .pictures import Picture

PRECISIONS = ("float32", "bfloat16", "int8")
MAX_DEFAULT_THREADS = 4  # networks this small gain nothing from more


class Engine:
    """Runs `embed` once per video and `locate` every frame.

    Attributes
    ----------
    name : str
        A key of ``ENGINES``.
    package : str
        What must be installed.
    able : tuple of str
        Precisions that it computes in.
    precision : str
        The one that it computes in now.
    threads : int
        How many it uses.
    """

    name: str
    package: str
    able: Tuple[str, ...]

    def __init__(self, precision: str, threads: int) -> None:
        self.precision, self.threads = precision, threads

    @classmethod
    def best_precision(cls) -> str:
        """The fastest precision here that changes results by next to nothing."""
        return "float32"

    def embed(self, template: Picture) -> Any:
        """The template's part of the work, for `locate`; crop (side, side, 3), RGB."""
        raise NotImplementedError

    def locate(self, embedded: Any, search: Picture) -> Maps:
        """The maps of a search crop (side, side, 3), RGB."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{self.name}, {self.precision}, {self.threads} thread(s)"


class GraphEngine(Engine):
    """Runs exported graphs; what it compiled stays in its process, a pickle takes the files' names.

    Parameters
    ----------
    source : Graphs
        What to run.
    precision : str
        One of ``able``.
    threads : int
        How many to use.
    """

    def __init__(self, source: Graphs, precision: str, threads: int) -> None:
        super().__init__(precision, threads)
        self._source = source

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self._source, self.precision, self.threads)


class OpenVinoEngine(GraphEngine):
    """OpenVINO. Its threads are not tied to cores, so that several trackers may run at once."""

    name, package, able = "openvino", "openvino", PRECISIONS

    def __init__(self, source: Graphs, precision: str, threads: int) -> None:
        from openvino import Core

        super().__init__(source, precision, threads)
        if precision == "bfloat16" and self.best_precision() != "bfloat16":
            raise ValueError("precision bfloat16: OpenVINO does not offer it on this processor")
        core = Core()
        hint = "bf16" if precision == "bfloat16" else "f32"
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._embed, self._locate = (
            core.compile_model(
                str(path), "CPU", {**settings, "INFERENCE_PRECISION_HINT": each}
            ).create_infer_request()
            for path, each in ((source.embed, "f32"), (source.locate, hint))
        )

    @classmethod
    def best_precision(cls) -> str:
        from openvino import Core

        able = Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "bfloat16" if "BF16" in able else "float32"

    def embed(self, template: Picture) -> NDArray[np.float32]:
        return np.array(self._embed.infer([template[None]])[0])

    def locate(self, embedded: NDArray[np.float32], search: Picture) -> Maps:
        maps = self._locate.infer([embedded, search[None]], share_inputs=True)
        return Maps(maps[0][0, 0], maps[1][0], maps[2][0])


class OnnxRuntimeEngine(GraphEngine):
    """ONNX Runtime, which has no bfloat16 on CPUs."""

    name, package, able = "onnxruntime", "onnxruntime", ("float32", "int8")

    def __init__(self, source: Graphs, precision: str, threads: int) -> None:
        import onnxruntime

        super().__init__(source, precision, threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # Else idle threads would keep their cores busy between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._embed, self._locate = (
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for path in (source.embed, source.locate)
        )

    def embed(self, template: Picture) -> NDArray[np.float32]:
        return np.asarray(self._embed.run(None, {"template": template[None]})[0])

    def locate(self, embedded: NDArray[np.float32], search: Picture) -> Maps:
        maps = self._locate.run(None, {"embedded": embedded, "search": search[None]})
        return Maps(maps[0][0, 0], maps[1][0], maps[2][0])


class TorchEngine(Engine):
    """torch, layer by layer: the slowest, and what is there wherever the network was trained.

    The number of threads, which torch keeps for the whole process, is set during a call only.
    """

    name, package, able = "torch", "torch", ("float32", "bfloat16")

    def __init__(self, source: Any, precision: str, threads: int) -> None:
        import torch

        super().__init__(precision, threads)
        model = copy.deepcopy(source).cpu().float().eval()  # the caller may go on training
        self._model = model.to(memory_format=torch.channels_last)

    def embed(self, template: Picture) -> Any:
        import torch

        with self._settings():
            return self._model.embed(torch.from_numpy(template[None]).permute(0, 3, 1, 2))

    def locate(self, embedded: Any, search: Picture) -> Maps:
        import torch

        with self._settings():
            maps = self._model.locate(embedded, torch.from_numpy(search[None]).permute(0, 3, 1, 2))
        score, offset, size = (
            maps[name][0].float().numpy() for name in ("score_map", "offset_map", "size_map")
        )
        return Maps(score[0], offset, size)

    @contextlib.contextmanager
    def _settings(self) -> Iterator[None]:
        import torch

        before = torch.get_num_threads()
        lower = torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16")
        if before != self.threads:
            torch.set_num_threads(self.threads)
        try:
            with torch.inference_mode(), lower:
                yield
        finally:
            if before != self.threads:
                torch.set_num_threads(before)


ENGINES: Dict[str, Type[Engine]] = {
    kind.name: kind for kind in (OpenVinoEngine, OnnxRuntimeEngine, TorchEngine)
}


def make_engine(
    source: Any, *, engine: str = "auto", precision: str = "auto", threads: Optional[int] = None
) -> Engine:
    """Something that runs a network.

    Parameters
    ----------
    source : TrackerModel or Graphs
        A network, or one that was exported.
    engine : str
        A key of ``ENGINES``; ``"auto"``: the first that is installed and has the precision.
    precision : {"auto", "float32", "bfloat16", "int8"}
        ``"auto"``: what the graphs were exported in, or the engine's best.
    threads : int, optional
        Default: as many as cores that this process may use, at most 4.

    Returns
    -------
    Engine

    Raises
    ------
    ImportError
        If what the engine needs is not installed; says what to install.
    ValueError
        If an argument is unknown, or the engine cannot compute in the precision.
    """
    if engine != "auto" and engine not in ENGINES:
        raise ValueError(f"engine must be auto or one of {', '.join(ENGINES)}; got {engine!r}")
    if precision != "auto" and precision not in PRECISIONS:
        raise ValueError(
            f"precision must be auto or one of {', '.join(PRECISIONS)}; got {precision!r}"
        )
    n_threads = _number_of_threads(threads)
    if isinstance(source, Graphs):
        precision = _of_graphs(source, precision)
    kind = _first_able(source, precision) if engine == "auto" else ENGINES[engine]
    missing = _missing(kind, source)
    if missing:
        raise ImportError(f"engine {kind.name} needs packages: pip install {' '.join(missing)}")
    if precision == "auto":
        precision = kind.best_precision()
    if precision not in kind.able:
        raise ValueError(f"engine {kind.name} computes in {', '.join(kind.able)}; got {precision}")
    if kind is TorchEngine and isinstance(source, Graphs):
        raise ValueError("engine torch needs a network or a file of weights; got exported graphs")
    if kind is not TorchEngine and not isinstance(source, Graphs):
        from .export import cached

        source = cached(source, "int8" if precision == "int8" else "float32")
    return kind(source, precision, n_threads)


def _number_of_threads(threads: Optional[int]) -> int:
    if threads is None:
        # The cores that this process may use, which can be fewer than the machine has.
        usable = getattr(os, "sched_getaffinity", None)
        n_cores = len(usable(0)) if usable else os.cpu_count() or 1
        return min(n_cores, MAX_DEFAULT_THREADS)
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads must be a whole number, at least 1; got {threads!r}")
    return int(threads)


def _of_graphs(graphs: Graphs, precision: str) -> str:
    """The precision that exported graphs can be run in."""
    calibrated = graphs.facts.precision == "int8"
    if calibrated and precision not in ("auto", "int8"):
        raise ValueError(f"these graphs were exported in int8; got precision {precision}")
    if not calibrated and precision == "int8":
        raise ValueError("these graphs were exported in float32; got precision int8")
    return "int8" if calibrated else precision


def _missing(kind: Type[Engine], source: Any) -> List[str]:
    """Packages that an engine needs for this and that are not installed."""
    needed = [kind.package]
    if kind is not TorchEngine and not isinstance(source, Graphs):
        needed += EXPORT_TOOLS
    return [name for name in needed if importlib.util.find_spec(name) is None]


def _first_able(source: Any, precision: str) -> Type[Engine]:
    able = [kind for kind in ENGINES.values() if precision in ("auto", *kind.able)]
    if isinstance(source, Graphs):
        able = [kind for kind in able if kind is not TorchEngine]
    return next((kind for kind in able if not _missing(kind, source)), able[0])
