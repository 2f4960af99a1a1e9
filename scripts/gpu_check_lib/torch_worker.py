"""PyTorch on a GPU: the windows of `bench_lib`, through cuDNN."""

from __future__ import annotations

import gc
from typing import Any

import torch
from bench_lib.cases import Case
from bench_lib.programs.torch_peer import Program

from gpu_check_lib.timing import check_loss, seconds_per_window

WAYS = ("one-hot", "rows")
"""See `bench_lib.programs.torch_peer`; its third way is not cuDNN's."""


class TorchWorker:
    """A method for each request, see `bench_lib.worker`."""

    def hello(self) -> dict[str, Any]:
        """What runs here; ways: none where there is no device."""
        if not torch.cuda.is_available():
            return {"versions": f"torch {torch.__version__} finds no CUDA device", "ways": []}
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}"
        return {"versions": f"{versions}, {torch.cuda.get_device_name()}", "ways": list(WAYS)}

    def measure(self, case: dict[str, Any], way: str, tf32: bool, windows: int, seconds: float) -> dict[str, Any]:
        """One way at one size."""
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        program = Program(Case(**case), way, "cuda")
        spent = seconds_per_window(program.window, _mark, _elapsed, windows, seconds)
        check_loss(program.read_loss())
        return {"possible": True, "seconds": spent, "memory": torch.cuda.max_memory_reserved(), "warnings": []}


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _elapsed(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000
