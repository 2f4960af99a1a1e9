"""Runs the CuPy test suite, as `scripts/test` does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from gpu_check_lib.machine import ROOT

COMMAND = ("-m", "pytest", "--backend", "cuda")


def run(command: Sequence[str] = (sys.executable, *COMMAND)) -> dict[str, Any]:
    """Its command, exit code and last line. What it prints is shown as it comes."""
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return {"command": " ".join(("python", *command[1:])), "exit": child.returncode, "summary": last.strip("= ")}
