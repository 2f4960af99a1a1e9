"""`gpurnn predict` as a process that tests talk with."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signalled import default_signals

ROOT = Path(__file__).resolve().parents[2]
CPU = ("--device", "cpu")


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "gpurnn", "predict", *map(str, arguments), *CPU]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=default_signals
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def answer(child: subprocess.Popen[bytes], line: str, lines: int = 1) -> str:
    """What comes back at once for a line, while the pipe stays open."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(line.encode())
    child.stdin.flush()
    found = b""
    while found.count(b"\n") < lines:
        assert select.select([child.stdout], [], [], 60)[0], f"nothing came for {line!r}"
        piece = os.read(child.stdout.fileno(), 1 << 16)
        assert piece, "the process has ended"
        found += piece
    return found.decode()
