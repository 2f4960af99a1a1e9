"""Asks the programs for every row, one after the other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench_lib.cases import Case
from bench_lib.process import Process, ProgramError

from gpu_check_lib.machine import ROOT
from gpu_check_lib.sizes import GRAPH, WHOLE_GRAPH, Plan


@dataclass(frozen=True)
class Row:
    """One way of one program at one size.

    possible: whether the device can go this way; None where that could not be found out.
    seconds: of a window, the median; None on the emulated device.
    memory: bytes that the allocator of the program's library took.
    counts: what a window asked for, see `counting`; counters: the same as the emulated device itself counted it.
    """

    program: str
    case: Case
    tf32: bool
    way: str
    possible: bool | None = None
    seconds: float | None = None
    memory: int | None = None
    counts: dict[str, float] | None = None
    counters: dict[str, float] | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Targets a second."""
        return self.case.tokens / self.seconds if self.seconds else None

    def __str__(self) -> str:
        return f"{self.program}: {self.case}, TF32 {'on' if self.tf32 else 'off'}, {self.way}"

    def as_json(self) -> dict[str, Any]:
        """One flat object."""
        fields = asdict(self)
        case: dict[str, Any] = fields.pop("case")
        return {"program": self.program} | case | fields | {"tokens_per_second": self.tokens_per_second}


class Asked:
    """A program's process, made anew after a request that failed: a GPU does no more for one that made an error."""

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        """Raises ProgramError where the program's library cannot be imported."""
        self.name, self._start = name, start
        self._process: Process | None = start()
        self.versions, self.ways = self._process.versions, self._process.ways

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """See `Process.ask`."""
        self._process = self._process or self._start()
        try:
            return self._process.ask(do, **fields)
        except ProgramError:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.close()
        self._process = None


@contextlib.contextmanager
def started(name: str, python: str, *, emulated: bool) -> Iterator[Asked]:
    """A program in a process of its own, run by this interpreter. Raises ProgramError where it cannot be imported."""
    command = [python, "-m", "gpu_check_lib.worker", name, *(["--emulated"] if emulated else [])]
    paths = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if not emulated:
        environment.setdefault("CUPY_CACHE_DIR", str(ROOT / ".cache" / "cupy"))
    asked = Asked(name, lambda: Process(name, command, environment))
    try:
        yield asked
    finally:
        asked.close()


def measure(programs: Sequence[Asked], plan: Plan, problem: Callable[[str], None]) -> Iterator[Row]:
    """A row for each run, program and way. problem: gets a line for each that could not be measured as it should."""
    for case, tf32 in plan.runs:
        for program in programs:
            for way in program.ways:
                yield _row(program, Row(program.name, case, tf32, way), plan, problem)
        if sys.stderr.isatty():
            print(f"{case}, TF32 {'on' if tf32 else 'off'}: done", file=sys.stderr)


def _row(program: Asked, row: Row, plan: Plan, problem: Callable[[str], None]) -> Row:
    """The row with what could be measured."""
    fields = {"way": row.way, "tf32": row.tf32, "windows": plan.windows, "seconds": plan.seconds}
    try:
        found = program.ask("measure", case=asdict(row.case), **fields)
        for warning in found.pop("warnings", ()):
            problem(f"{row}: {warning}")
        row = replace(row, **found)
        if row.possible and program.name == "gpurnn":
            row = replace(row, **program.ask("count"))
    except ProgramError as error:
        problem(f"{row}: {str(error).removeprefix(f'{program.name}: ')}")
    graphs = row.counts["graph_launches"] if row.counts else None
    if row.way in (GRAPH, WHOLE_GRAPH) and graphs not in (None, 1):
        problem(f"{row}: expected one graph launch a window, found {graphs:g}")
    return row
