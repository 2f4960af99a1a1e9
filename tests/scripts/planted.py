"""Rows of scripts/gpu_check that go wrong, each in its own way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gpu_check_lib.row import Context, LeftOut

OUT_OF_BOUNDS = 'extern "C" __global__ void store(float *x, int at) { x[at] = 1.0f; }'


def good(context: Context, *, value: float = 1.0) -> dict[str, Any]:
    return {"value": value}


def device(context: Context, *, value: dict[str, Any]) -> dict[str, Any]:
    return {"device": value}


def crash(context: Context) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def leave(context: Context) -> dict[str, Any]:
    os._exit(7)


def hang(context: Context, *, pids: str) -> dict[str, Any]:
    """It and a process that it started leave their pids; neither ends."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(pids).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
    return {}


def nan(context: Context) -> dict[str, Any]:
    return {"value": 1.0, "inner": [{"loss": float("nan")}, {"loss": float("inf")}]}


def wrong(context: Context) -> dict[str, Any]:
    raise ValueError("what it found\nis not right")


def cannot(context: Context) -> dict[str, Any]:
    raise LeftOut("this machine has no such thing")


def unusable(context: Context) -> dict[str, Any]:
    raise RuntimeError("device 'cuda': CuPy finds no usable GPU (CUDA driver version is insufficient)")


def out_of_bounds(context: Context) -> dict[str, Any]:
    import cupy
    import numpy as np

    cupy.cuda.set_allocator(None)  # an allocation of its own, which ends where it ends
    x = cupy.zeros(1024, np.float32)
    cupy.RawKernel(OUT_OF_BOUNDS, "store")((1,), (1,), (x, np.int32(1 << 20)))
    cupy.cuda.Device().synchronize()
    return {"value": float(x[0])}


def alone(folder: str, rows: int) -> None:
    """A check whose rows are done at once, for being killed: as many rows as there is time for."""
    from gpu_check_lib import __main__ as command
    from gpu_check_lib.report import Report
    from gpu_check_lib.row import Row

    command.run = lambda row, context: {"name": row.name, "status": "done", "reason": None, "seconds": 0.1, "n": 3}
    plan = [Row(f"row {number}", "a number", "planted:good", estimate=0.0) for number in range(rows)]
    command.check(lambda gpu: plan, Report(Path(folder), "report", False, 10.0), Context(False, sys.executable))


if __name__ == "__main__":
    alone(sys.argv[1], int(sys.argv[2]))
