"""Do all ways of a window learn the same as the CPU does?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench_lib.cases import Case
from bench_lib.programs.ours import Program

from gpu_check_lib.row import Context
from gpu_check_lib.way import WayBackend
from gpu_check_lib.ways import WAYS, WHOLE, WHOLE_GRAPH
from gpurnn import backend
from gpurnn.backend import Backend

NEAR = {False: 2e-4, True: 2e-2}
"""How far a loss may be from the CPU's, as a part of it, without TF32 and with it."""


def against_cpu(context: Context, *, cases: Sequence[Mapping[str, Any]], windows: int) -> dict[str, Any]:
    """The loss of each of some windows in training, by case and way, beside the CPU's.

    Raises ArithmeticError where one is further from it than `NEAR`.
    """
    rows, wrong = [], []
    for fields in cases:
        case = Case(**fields)
        expected = _losses(backend.get("cpu"), case, windows)
        for tf32 in (False, True):
            for way in WAYS:
                be = WayBackend(way, tf32)
                found = _losses(be, case, windows)
                if way in (WHOLE, WHOLE_GRAPH) and not be.holds_whole:
                    continue
                distance = max(abs(a - b) / b for a, b in zip(found, expected, strict=True))
                row = {**fields, "way": way, "tf32": tf32, "last": found[-1], "cpu": expected[-1], "distance": distance}
                rows.append(row)
                if not distance <= NEAR[tf32]:
                    wrong.append(
                        f"{case}, {way}, TF32 {'on' if tf32 else 'off'}: {distance:.2g} of the CPU's loss apart"
                    )
    if wrong:
        raise ArithmeticError("; ".join(wrong))
    return {"windows": windows, "losses": rows}


def _losses(be: Backend, case: Case, windows: int) -> list[float]:
    program = Program(case, be=be)
    found = []
    for _ in range(windows):
        program.window()
        found.append(program.read_loss())
    return found
