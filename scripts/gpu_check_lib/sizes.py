"""What is measured: the sizes, and the ways of gpurnn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

from bench_lib import cases
from bench_lib.cases import GATES, Case

EAGER, GRAPH, WHOLE, WHOLE_GRAPH = "eager", "graph", "whole-window", "whole-window graph"
WAYS = (EAGER, GRAPH, WHOLE, WHOLE_GRAPH)
"""The steps of a window launch by launch, or all of them in one kernel; each without and with a CUDA graph."""

_SMALL = ((32, 64, 64, 65), (64, 128, 128, 100))
"""B, T, H, K that whole-window kernels hold for every cell."""


@dataclass(frozen=True)
class Plan:
    """runs: cases to measure, each without TF32 or with it. windows: timed at least. seconds: for a way, about."""

    runs: list[tuple[Case, bool]]
    windows: int
    seconds: float


def full() -> Plan:
    """Small models and the grid of the benchmark."""
    small = [Case(cell, *shape) for cell, shape in product(GATES, _SMALL)]
    return Plan(list(product(small + cases.grid(), (False, True))), 20, 0.5)


def smoke() -> Plan:
    """Small enough for the emulated device; the last is too large for whole-window kernels."""
    large = Case("lstm", 1, 2, 160, 5)
    return Plan([(Case(cell, 2, 32, 8, 50), False) for cell in GATES] + [(large, False), (large, True)], 2, 0.0)


def default_way(possible: Collection[str]) -> str:
    """What `gpurnn train` does, where these ways are possible."""
    return WHOLE_GRAPH if WHOLE_GRAPH in possible else GRAPH
