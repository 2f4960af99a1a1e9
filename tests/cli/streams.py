"""Processes of `gpurnn` whose standard streams are in a state that they can have."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
BROKEN = ("closed", "full", "reader gone", "terminal gone")
"""States of a stream in which nothing can be written; each holds from the beginning of the process."""


class Ended(NamedTuple):
    """How a process ended, and what of its output could be read."""

    code: int
    stdout: bytes
    stderr: bytes


def gpurnn(*arguments: object, given: bytes = b"", **states: str | int) -> Ended:
    """Run a command to its end. given: standard input. states: see `start`."""
    with start(*arguments, **states) as child:
        stdout, stderr = child.communicate(given if child.stdin else None, timeout=120)
    return Ended(child.returncode, stdout or b"", stderr or b"")


@contextmanager
def start(
    *arguments: object, program: Sequence[str] = ("-m", "gpurnn"), **states: str | int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with pipes to its standard streams, but where a state or a descriptor is given for one.

    program: what Python runs.
    """
    command = [sys.executable, *program, *map(str, arguments)]
    closed = [STREAMS[name] for name, state in states.items() if state == "closed"]
    if closed:
        command = ["sh", "-c", 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed), "sh", *command]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    with ExitStack() as stack:
        streams = dict.fromkeys(STREAMS, subprocess.PIPE)
        for name, state in states.items():
            streams[name] = state if isinstance(state, int) else _opened(state, stack)
        child = subprocess.Popen(command, env=environment, **streams)  # type: ignore[call-overload]
    with child:
        yield child


def _opened(state: str, stack: ExitStack) -> int:
    """A descriptor of a stream in this state, closed with the stack; any for one that the child closes itself."""
    if state == "closed":
        number = os.open(os.devnull, os.O_RDWR)
    elif state == "full":
        number = os.open("/dev/full", os.O_RDWR)
    elif state == "reader gone":
        ours, number = os.pipe()
        os.close(ours)
    elif state == "terminal gone":
        ours, number = pty.openpty()
        os.close(ours)
    else:
        raise ValueError(state)
    stack.callback(os.close, number)
    return number
