"""One piece of work in a child process that may die or fail, and what became of it."""

import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signalled import default_handlers

from faults.shim import Shim
from gpurnn.exceptions import GpurnnError
from gpurnn.signals import SAVE, STOPS


@dataclass
class Outcome:
    """What became of a child.

    ending: "done", "reported" (it raised a GpurnnError), "crashed" (anything else) or "killed".
    text:   the error or the traceback. warnings: what it was warned of. marks: what it had completed.
    counted, fired: calls below the folder, and those made to fail; 0 where it was killed.
    signal: that ended it; code: that it exited with.
    """

    ending: str = "killed"
    text: str = ""
    warnings: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    counted: int = 0
    fired: int = 0
    signal: int = 0
    code: int = 0


class Context:
    """What the work of a scenario may tell."""

    def __init__(self, pipe: int, shim: Shim | None) -> None:
        self._pipe = pipe
        self._shim = shim

    def warn(self, line: str) -> None:
        """A line that a user would read."""
        self.tell("warning", line)

    def mark(self, word: str) -> None:
        """Say that a step is complete and may not be lost any more."""
        if self._shim is not None:
            self._shim.mark(word)
        self.tell("mark", word)

    def ready(self) -> None:
        """Say that handlers are set: signals that came before arrive now."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPS, SAVE))

    def tell(self, kind: str, value: Any) -> None:
        """One line for the parent."""
        os.write(self._pipe, json.dumps([kind, value]).encode() + b"\n")


@dataclass(frozen=True)
class Scenario:
    """prepare(folder) builds what is there before; work(folder, context) is what may fail; check(folder, outcome)
    raises AssertionError where something was lost, and goes on with the work to show that it can be gone on with."""

    prepare: Callable[[Path], None]
    work: Callable[[Path, Context], None]
    check: Callable[[Path, Outcome], None]


def run_child(
    scenario: Scenario,
    folder: Path,
    *,
    shim: Shim | None = None,
    send: tuple[float, int] | None = None,
    **arming: Any,
) -> Outcome:
    """Do the work in a forked child, with the library armed (arming: see Shim.arm) or sent a signal.

    send: after how many seconds, and which. What the program handles waits until the work calls `ready`.
    """
    reader, writer = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPS, SAVE) if send else ())
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_child(scenario, folder, Context(writer, shim), shim, arming)
    os.close(writer)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if send is not None:
        time.sleep(send[0])
        os.kill(child, send[1])
    with open(reader, "rb") as pipe:
        lines = pipe.read().splitlines()
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    outcome = Outcome(signal=max(0, -code), code=max(0, code))
    for kind, value in map(json.loads, lines):
        if kind == "warning":
            outcome.warnings.append(value)
        elif kind == "mark":
            outcome.marks.append(value)
        else:
            outcome.ending = kind
            outcome.text, outcome.counted, outcome.fired = value
    return outcome


def _be_child(scenario: Scenario, folder: Path, context: Context, shim: Shim | None, arming: dict[str, Any]) -> None:
    ending, text = "done", ""
    default_handlers()
    try:
        if shim is not None:
            shim.arm(folder, **arming)
        scenario.work(folder, context)
    except GpurnnError as exc:
        ending, text = "reported", str(exc)
    except BaseException:
        ending, text = "crashed", traceback.format_exc()
    if shim is not None:
        shim.disarm()
    context.tell(ending, [text, shim.counter if shim else 0, shim.fired if shim else 0])
    os._exit(0)


def kill_randomly(scenario: str, count: int, seed: int, scratch: str, longest: float = 0.05) -> dict[str, Any]:
    """Kill the work `count` times, each time after a random part of `longest` seconds, and go on from what is left.

    Returns {"cases": kills, "violations": what was lost, one line each}.
    """
    from faults.shim import resolve

    chosen: Scenario = resolve(scenario)
    folder = Path(scratch) / "killed"
    folder.mkdir()
    chosen.prepare(folder)
    generator = random.Random(seed)
    violations = []
    for number in range(count):
        outcome = run_child(chosen, folder, send=(generator.uniform(0, longest), signal.SIGKILL))
        try:
            assert outcome.signal == signal.SIGKILL, f"ended before: {outcome.ending}: {outcome.text}"
            chosen.check(folder, outcome)
        except (AssertionError, GpurnnError) as exc:
            violations.append(f"kill {number}: {exc}")
    return {"cases": count, "violations": violations}


def stop_randomly(scenario: str, count: int, seed: int, scratch: str, longest: float = 0.05) -> dict[str, Any]:
    """Send a stop signal `count` times, each time after a random part of `longest` seconds, and go on.

    The work calls `ready` once its handlers are set, and marks the exit code that it ends with.

    Returns {"cases": signals, "violations": one line each}.
    """
    from faults.shim import resolve

    chosen: Scenario = resolve(scenario)
    folder = Path(scratch) / "stopped"
    folder.mkdir()
    chosen.prepare(folder)
    generator = random.Random(seed)
    violations = []
    for number in range(count):
        sent = generator.choice(STOPS)
        outcome = run_child(chosen, folder, send=(generator.uniform(0, longest), sent))
        try:
            assert outcome.ending == "done", f"{outcome.ending} by signal {outcome.signal}: {outcome.text}"
            assert outcome.marks.pop() == f"exit {128 + sent}"
            chosen.check(folder, outcome)
        except (AssertionError, GpurnnError) as exc:
            violations.append(f"signal {number}: {exc}")
    return {"cases": count, "violations": violations}
