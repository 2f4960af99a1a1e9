"""The CuPy test suite, and the same tests under NVIDIA's compute-sanitizer."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu_check_lib.lifetime import end_with_parent
from gpu_check_lib.machine import ROOT
from gpu_check_lib.row import Context, LeftOut
from gpu_check_lib.saying import say

_PYTEST = (sys.executable, "-m", "pytest", "--backend", "cuda", "-q", "-p", "no:cacheprovider")
_PACKAGE = "nvidia-cuda-sanitizer-api"


def tests(context: Context, *, arguments: Sequence[str]) -> dict[str, Any]:
    """Some of the suite. Raises RuntimeError with its last line where a test failed."""
    found = _run((*_PYTEST, *arguments))
    del found["lines"]
    if found["exit"]:
        raise RuntimeError(f"{found['summary']} (exit {found['exit']}; {found['command']})")
    return found


def sanitized(context: Context, *, tool: str, arguments: Sequence[str], command: str | None = None) -> dict[str, Any]:
    """Some of the suite under a tool of the sanitizer. command: the sanitizer, where it is not to be looked for.

    Raises RuntimeError with what it found. LeftOut: there is none.
    """
    if context.emulated and command is None:
        raise LeftOut("compute-sanitizer looks into a real GPU; the emulated device checks memory and barriers itself")
    sanitizer = command or _sanitizer()
    found = _run((sanitizer, f"--tool={tool}", "--error-exitcode=99", *_PYTEST, *arguments))
    marked = [line.lstrip("= ") for line in found.pop("lines") if line.startswith("=========")]
    errors = next(
        (int(m[1]) for line in reversed(marked) if (m := re.match(r"ERROR SUMMARY: (\d+) error", line))), None
    )
    if found["exit"] or errors:
        told = "; ".join(line for line in marked if line)[:400] or found["summary"]
        raise RuntimeError(f"{tool}: {told} (exit {found['exit']})")
    return found | {"errors": errors}


def _sanitizer() -> str:
    """What the machine has, or PyPI's package. Raises LeftOut."""
    on_path = shutil.which("compute-sanitizer")
    if on_path:
        return on_path
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for file in sorted(Path(folder).rglob("compute-sanitizer")):
            if file.is_file():
                return str(file)
    raise LeftOut(f"compute-sanitizer is missing: pip install {_PACKAGE}, or the CUDA toolkit, brings it")


def _run(command: Sequence[str]) -> dict[str, Any]:
    """Its command, exit code, last line, and all lines. What it prints is shown as it comes."""
    lines = []
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": ROOT}
    with subprocess.Popen(command, **options, preexec_fn=end_with_parent) as child:
        assert child.stdout is not None
        for line in child.stdout:
            say(line.rstrip("\n"))
            lines.append(line.rstrip())
    last = next((line for line in reversed(lines) if line.strip()), "nothing was printed")
    shown = " ".join(("python" if part == sys.executable else part) for part in command)
    return {"command": shown, "exit": child.returncode, "summary": last.strip("= "), "lines": lines}
