"""Whether the programs compute the same: gradients and a short training, on small models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bench_lib.cases import GATES, Case
from bench_lib.process import Process
from bench_lib.programs import ROUNDED

_WINDOWS = 6
TOLERANCE = 1e-5
"""Float32 sums in another order differ by about 3e-7, one update left out by 1e-3."""
_ROUNDED_TOLERANCE = 3e-2
"""With factors rounded to bf16 (by at most 2^-9) up to 1e-2 is seen: a wrong gradient shows, a lost update does not."""


def check(processes: Mapping[str, Process]) -> Iterator[tuple[bool, str]]:
    """For each cell, peer and way, with one layer and two: whether it agrees with gpurnn, and a line that says so."""
    for cell in GATES:
        for layers in (1, 2):
            case = Case(cell, 4, 7, 12, 9, layers)
            wanted = _trace(processes["gpurnn"], case, "")
            for name, process in processes.items():
                tolerance = _ROUNDED_TOLERANCE if name in ROUNDED else TOLERANCE
                for way in process.ways if name != "gpurnn" else ():
                    worst = difference(wanted, _trace(process, case, way))
                    told = f"{name} {way}".strip()
                    yield worst <= tolerance, f"{case}: {told}: largest difference {worst:.1e}"


def _trace(process: Process, case: Case, way: str) -> dict[str, Any]:
    return process.ask("trace", case=asdict(case), way=way, windows=_WINDOWS)


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """The largest difference of a gradient, relative to its largest element, or of a loss, relative to it.

    Infinite where names or shapes differ, or anything is not finite.
    """
    if set(wanted["gradients"]) != set(found["gradients"]):
        return math.inf
    pairs = [(wanted["gradients"][name], found["gradients"][name]) for name in wanted["gradients"]]
    pairs += [([w], [f]) for w, f in zip(wanted["losses"], found["losses"], strict=True)]
    return max(_relative(_flat(w), _flat(f)) for w, f in pairs)


def _relative(wanted: list[float], found: list[float]) -> float:
    if len(wanted) != len(found) or not all(map(math.isfinite, wanted + found)):
        return math.inf
    largest = max(map(abs, wanted))
    worst = max(abs(w - f) for w, f in zip(wanted, found, strict=True))
    return worst / largest if largest else math.inf


def _flat(nested: list[Any]) -> list[float]:
    return [x for row in nested for x in (_flat(row) if isinstance(row, list) else [row])]
