"""The programs' processes: one computes while the others are stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

THREADS = 2
_PINNED_KERNEL = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class ProgramError(Exception):
    """What a program said instead of answering."""


class Process:
    """One program's process. It is stopped (SIGSTOP) but while it answers, so that no idle pool of threads spins."""

    def __init__(
        self,
        program: str,
        command: Sequence[str] | None = None,
        inherited: Mapping[str, str] | None = None,
        *,
        own_group: bool = True,
    ) -> None:
        """Raises ProgramError where the program's library cannot be imported.

        command, inherited: what is started and its environment, where it is not the worker of this benchmark.
        own_group: whether in a process group of its own.
        """
        self.program = program
        # A group of its own: an interrupt reaches this process only, and orphaned, the stopped one is hung up.
        self._child = subprocess.Popen(
            command or [sys.executable, "-m", "bench_lib.worker", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(program, dict(os.environ)) if inherited is None else inherited,
            process_group=0 if own_group else None,
        )
        self.pid = self._child.pid
        try:
            about = self._answer()
        except ProgramError:
            self.close()
            raise
        self.versions: str = about["versions"]
        self.ways: list[str] = about["ways"]

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """The reply to one request. Raises ProgramError for one that failed, or where the process ended."""
        assert self._child.stdin is not None
        self._child.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):  # _answer says how it ended
            self._child.stdin.write(json.dumps({"do": do, **fields}) + "\n")
            self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise ProgramError(f"{self.program}: its process ended with status {self._child.wait()}")
        self._child.send_signal(signal.SIGSTOP)
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ProgramError(f"{self.program}: {reply['error']}")
        return reply

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        with contextlib.suppress(BrokenPipeError):
            self._child.communicate()


def environment(program: str, inherited: dict[str, str]) -> dict[str, str]:
    """The user's environment with the number of threads; a peer's NumPy gets one, which computes nothing.

    The program "numpy" shows what the machine can do: its BLAS chooses the kernel, whatever the user pinned.
    """
    blas = THREADS if program.startswith(("gpurnn", "numpy")) else 1
    here = str(Path(__file__).resolve().parent.parent)
    pinned = _PINNED_KERNEL if program == "numpy" else ()
    return {name: value for name, value in inherited.items() if name not in pinned} | {
        "PYTHONPATH": os.pathsep.join(filter(None, (here, inherited.get("PYTHONPATH", "")))),
        "OPENBLAS_NUM_THREADS": str(blas),
        "OMP_NUM_THREADS": str(THREADS),
        "MKL_NUM_THREADS": str(THREADS),
        "NPROC": str(THREADS),  # what sizes the thread pools of XLA
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
    }
