"""Seconds until the first window has been trained, in a new process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import Any

from gpu_check_lib.row import Context

_PROGRAM = """
import sys, time
began = time.perf_counter()
if sys.argv[1] == "emulated":
    import cudahost
    cudahost.activate()
from bench_lib.cases import Case
from bench_lib.programs.ours import Program
from gpurnn import backend
imported = time.perf_counter()
program = Program(Case(sys.argv[2], *map(int, sys.argv[3:])), be=backend.get("cuda"))
made = time.perf_counter()
program.window()
loss = program.read_loss()
print(imported - began, made - imported, time.perf_counter() - made, loss)
"""


def first_window(context: Context, *, sizes: list[int]) -> dict[str, Any]:
    """Of an LSTM: imports, making the model, its first window; without kernels that were compiled before, and with."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as cache:
        environment = os.environ | ({} if context.emulated else {"CUPY_CACHE_DIR": cache})
        for name in ("cold", "warm"):
            words = ["emulated" if context.emulated else "gpu", "lstm", *map(str, sizes)]
            said = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True, check=False, env=environment
            )
            if said.returncode:
                raise RuntimeError(said.stderr.strip().splitlines()[-1] if said.stderr.strip() else "it said nothing")
            *seconds, loss = map(float, said.stdout.split())
            if not loss < 10:
                raise ArithmeticError(f"the loss of the first window is {loss}")
            parts = dict(zip(("imports", "model", "first window"), seconds, strict=True))
            found[name] = {"seconds": None} if context.emulated else parts | {"seconds": sum(seconds)}
    return {"startup": found}
