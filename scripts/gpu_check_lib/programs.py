"""The programs that are compared, each in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from bench_lib.process import Process, ProgramError

from gpu_check_lib.row import Context
from gpu_check_lib.running import environment


class Asked:
    """A program's process, made anew after a request that failed: a GPU does no more for one that made an error."""

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        """Raises ProgramError where the program's library cannot be imported."""
        self.name, self._start = name, start
        self._process: Process | None = start()
        self.versions, self.ways = self._process.versions, self._process.ways

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """See `Process.ask`; the error has the program's name no more."""
        self._process = self._process or self._start()
        try:
            return self._process.ask(do, **fields)
        except ProgramError as error:
            self.close()
            raise ProgramError(str(error).removeprefix(f"{self.name}: ")) from None

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.close()
        self._process = None


@contextlib.contextmanager
def started(name: str, python: str, *, emulated: bool) -> Iterator[Asked]:
    """A program in a process of its own, run by this interpreter. Raises ProgramError where it cannot be imported."""
    command = [python, "-m", "gpu_check_lib.worker", name, *(["--emulated"] if emulated else [])]
    inherited = environment(emulated=emulated)
    asked = Asked(name, lambda: Process(name, command, inherited, own_group=False))
    try:
        yield asked
    finally:
        asked.close()


@contextlib.contextmanager
def peer(context: Context) -> Iterator[tuple[Asked | None, str]]:
    """PyTorch, where it is there and finds a GPU, else None; and what there is, in words."""
    with contextlib.ExitStack() as stack:
        try:
            asked = stack.enter_context(started("pytorch", context.peer_python, emulated=context.emulated))
        except ProgramError as error:
            yield None, f"not compared: {str(error).removeprefix('pytorch: ')} ({context.peer_python})"
            return
        if asked.ways:
            yield asked, asked.versions
        else:
            yield None, f"not compared: {asked.versions} ({context.peer_python})"
