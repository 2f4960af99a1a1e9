"""PyTorch on a GPU: the windows of `bench_lib`, through cuDNN, as its users run them."""

from __future__ import annotations

import gc
from itertools import cycle
from typing import Any

import torch
from bench_lib.cases import BETA1, BETA2, EPSILON, RATE, Case
from bench_lib.programs.torch_peer import Program

from gpu_check_lib.clock import SmClock, warm_up
from gpu_check_lib.timing import WARM_UP, check_loss, window_seconds

WAYS = ("default", "float16", "bfloat16", "graph")
"""default: what nn.LSTM does unless told otherwise, TF32 within cuDNN. float16, bfloat16: under autocast (float16
without a gradient scaler). graph: the default, whole windows captured in a CUDA graph."""

_INPUTS = ("rows", "one-hot")  # see `bench_lib.programs.torch_peer`; the faster one is taken
_RACE = 10  # windows


class AutocastProgram(Program):
    """Forward and loss in half precision where autocast wants it; parameters and update in float32."""

    def __init__(self, case: Case, way: str, dtype: torch.dtype) -> None:
        self._dtype = dtype
        super().__init__(case, way, "cuda")

    def window(self) -> None:
        with torch.autocast("cuda", self._dtype):
            super().window()


class GraphProgram(Program):
    """Whole windows as one CUDA graph, from tokens in fixed places; the state stays in its place, too."""

    def __init__(self, case: Case) -> None:
        super().__init__(case, "rows", "cuda")  # one-hot rows would be cleared by the tokens of the wrong window
        self._adam = torch.optim.Adam(
            self._learnt, RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=True, capturable=True
        )
        self._places = [host.to("cuda") for host in self._pool[0]]
        self._kept = _tensors(self._state)
        self._from_host = cycle(self._pool)
        self._windows = cycle([tuple(self._places)])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._one()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        self._adam.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self._one()

    def _one(self) -> None:
        """A window that leaves its state where it found it."""
        super().window()
        with torch.no_grad():
            for place, now in zip(self._kept, _tensors(self._state), strict=True):
                place.copy_(now)
        self._state = tuple(self._kept) if isinstance(self._state, tuple) else self._kept[0]

    def window(self) -> None:
        for place, host in zip(self._places, next(self._from_host), strict=True):
            place.copy_(host, non_blocking=True)
        self._graph.replay()


def _tensors(state: Any) -> list[torch.Tensor]:
    return list(state) if isinstance(state, tuple) else [state]


class TorchWorker:
    """A method for each request, see `bench_lib.worker`. Variants of one case are held side by side, by name."""

    def __init__(self) -> None:
        self._variants: dict[str, Program] = {}

    def hello(self) -> dict[str, Any]:
        """What runs here; ways: none where there is no device."""
        if not torch.cuda.is_available():
            return {"versions": f"torch {torch.__version__} finds no CUDA device", "ways": []}
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}"
        return {"versions": f"{versions}, {torch.cuda.get_device_name()}", "ways": list(WAYS)}

    def prepare(self, variant: str, case: dict[str, Any], way: str, clock: str) -> dict[str, Any]:
        """A variant of a case, warm; see `GpurnnWorker.prepare`. clock: the PCI address of the device."""
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        program = self._fastest(Case(**case), way)
        for _ in range(WARM_UP):
            program.window()
        mhz = warm_up(program.window, torch.cuda.synchronize, SmClock(clock))
        check_loss(program.read_loss())
        self._variants[variant] = program
        memory = torch.cuda.max_memory_allocated() - before
        return {"possible": True, "path": "cuDNN", "why": "", "memory": memory, "clock_mhz": mhz, "warnings": []}

    def run(self, variant: str, windows: int) -> dict[str, Any]:
        """Seconds of a window."""
        program = self._variants[variant]
        spent = window_seconds(program.window, _mark, _elapsed, windows)
        check_loss(program.read_loss())
        return {"seconds": spent, "clock_mhz": None}

    def release(self) -> dict[str, Any]:
        """Let all variants go."""
        self._variants.clear()
        gc.collect()
        torch.cuda.empty_cache()
        return {}

    def _fastest(self, case: Case, way: str) -> Program:
        if way == "graph":
            return GraphProgram(case)
        made: list[tuple[float, Program]] = []
        for inputs in _INPUTS:
            if way == "default":
                program = Program(case, inputs, "cuda")
            else:
                program = AutocastProgram(case, inputs, getattr(torch, way))
            for _ in range(WARM_UP):
                program.window()
            made.append((window_seconds(program.window, _mark, _elapsed, _RACE), program))
        return min(made, key=lambda timed: timed[0])[1]


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _elapsed(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000
