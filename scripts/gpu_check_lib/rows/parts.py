"""Where the time of a window goes on the device, and what the host needs for one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from bench_lib.cases import Case
from bench_lib.programs.ours import Program

from gpu_check_lib.clock import SmClock, warm_up
from gpu_check_lib.row import Context
from gpu_check_lib.timing import WARM_UP
from gpu_check_lib.way import WayBackend
from gpu_check_lib.ways import EAGER, WHOLE, WHOLE_GRAPH
from gpurnn.network import Model
from gpurnn.network.layers.recurrence import Recurrence
from gpurnn.training.optimizer import Optimizer

_PARTS: dict[str, tuple[type, str]] = {
    "recurrent forward": (Recurrence, "forward"),
    "recurrent backward": (Recurrence, "backward"),
    "recurrent gradients": (Recurrence, "weight_gradients"),
    "update": (Optimizer, "step"),
    "forward": (Model, "forward"),
    "backward": (Model, "backward"),
}
"""Parts of a window and the call that is each; those of the recurrent layers lie within forward and backward."""
_WINDOWS = 30
_TINY = (1, 2, 8, 5)
"""B, T, H, K of windows whose work on the device is next to nothing."""


def parts(context: Context, *, case: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds of each part of a window launched step by step or in persistent kernels, the mean over some.

    head: forward and backward without the recurrent layers. Raises ArithmeticError where looking changed the loss.
    """
    size, way = Case(**case), WHOLE
    be = WayBackend(way, False)
    program = Program(size, be=be)
    if not be.holds_whole:
        be, way = WayBackend(EAGER, False), EAGER
        program = Program(size, be=be)
    unwatched = Program(size, be=WayBackend(way, False))
    windows = 2 if context.emulated else _WINDOWS
    clock = None
    if not context.emulated:
        clock = warm_up(program.window, be.synchronize, SmClock(context.device.get("pci_address", "")))
        unwatched = None
    marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    with _watched(be.event, marks):
        begin = be.event()
        for _ in range(windows):
            program.window()
        end = be.event()
    whole = be.elapsed(begin, end) / windows
    seconds = {name: sum(be.elapsed(*pair) for pair in pairs) / windows for name, pairs in marks.items()}
    if set(marks) != set(_PARTS):
        raise RuntimeError(f"these parts were never called: {', '.join(sorted(set(_PARTS) - set(marks)))}")
    if unwatched is not None:
        for _ in range(windows):
            unwatched.window()
        if unwatched.read_loss() != program.read_loss():
            raise ArithmeticError("a window that is looked at has another loss than one that is not")
    inner = sum(seconds[name] for name in _PARTS if name.startswith("recurrent "))
    seconds["head and input"] = seconds.pop("forward") + seconds.pop("backward") - inner
    found: dict[str, Any] = {"case": dict(case), "way": way, "clock_mhz": clock, "windows": windows}
    if context.emulated:
        return found | {"parts": dict.fromkeys(seconds)}
    return found | {"parts": seconds | {"rest": whole - inner - seconds["head and input"] - seconds["update"]}}


@contextmanager
def _watched(event: Callable[[], Any], marks: dict[str, list[tuple[Any, Any]]]) -> Iterator[None]:
    """Inside, every part puts an event before and one behind it."""

    def watching(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            before = event()
            result = call(*arguments, **named)
            marks[name].append((before, event()))
            return result

        return watched

    with ExitStack() as stack:
        for name, (owner, method) in _PARTS.items():
            stack.enter_context(mock.patch.object(owner, method, watching(name, getattr(owner, method))))
        yield


def host(context: Context) -> dict[str, Any]:
    """Seconds that the host needs for a window: of windows so small that the device waits for it, as graphs."""
    found = {}
    for cell in ("simple", "lstm", "gru"):
        be = WayBackend(WHOLE_GRAPH, False)
        program = Program(Case(cell, *_TINY), be=be)
        for _ in range(WARM_UP):
            program.window()
        be.synchronize()
        windows = 2 if context.emulated else 500
        began = time.perf_counter()
        for _ in range(windows):
            program.window()
        be.synchronize()
        spent = (time.perf_counter() - began) / windows
        found[cell] = {"graph_launches": be.graph_launches, "seconds": None if context.emulated else spent}
        if not be.graph_launches:
            raise RuntimeError(f"{cell}: no graph was launched")
        loss = program.read_loss()
        if not loss < 10:
            raise ArithmeticError(f"{cell}: the loss is {loss}")
    return {"host": found}
