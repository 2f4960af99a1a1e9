"""Runs a row in a process group of its own, which ends with it or at its limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpu_check_lib.machine import ROOT
from gpu_check_lib.row import Context, Row

_EMULATED = 10
"""How much longer a row may take on the emulated device, whose kernels a host compiler makes anew."""


def environment(*, emulated: bool) -> dict[str, str]:
    """What the processes of the check need to find its modules, and kernels that were compiled before."""
    paths = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    made = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if not emulated:
        made.setdefault("CUPY_CACHE_DIR", str(ROOT / ".cache" / "cupy"))
    return made


def run(row: Row, context: Context, *, limit: float | None = None) -> dict[str, Any]:
    """The row's answer: name, status ("done", "failed" or "left_out"), reason, seconds, and what it found.

    limit: seconds, where it is not the row's own. Whatever the row left running is ended.
    """
    limit, began = limit or row.limit * (_EMULATED if context.emulated else 1), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as folder:
        found = _run(row, context, Path(folder) / "answer.json", limit)
    return found | {"name": row.name, "seconds": round(time.monotonic() - began, 1)}


def _run(row: Row, context: Context, answer: Path, limit: float) -> dict[str, Any]:
    asked = json.dumps({"do": row.do, "arguments": dict(row.arguments), "context": asdict(context)})
    child = subprocess.Popen(
        [sys.executable, "-m", "gpu_check_lib.one", str(answer)],
        stdin=subprocess.PIPE,
        text=True,
        env=environment(emulated=context.emulated),
        start_new_session=True,
    )
    status: int | None = None
    try:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(asked)
            child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = child.wait(limit)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if status is None:
        return {"status": "failed", "reason": f"ended after {limit:.0f} s, in which it should have been done"}
    if not answer.exists():
        return {"status": "failed", "reason": f"its process ended {_how(status)}"}
    found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    return found


def _how(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-status).name}"
    return f"by signal {-status}"
