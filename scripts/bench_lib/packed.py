"""Whole sequences of several lengths: the same numbers for every program, and whether they compute the same of them.

gpurnn packs them into lanes of one window; PyTorch reads them by `pack_sequence`. Two layers, in one direction or both;
a label for each step, or for each sequence from what a pool makes of it; with smoothed labels too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np

from bench_lib.cases import GATES
from bench_lib.check import TOLERANCE, difference
from bench_lib.process import Process

LENGTHS = (5, 3, 1, 4, 2, 7, 2)
INPUTS, HIDDEN, LAYERS, LABELS = 3, 6, 2, 5
POOLS = ("", "last", "mean", "max")
_SEED = 30


@dataclass(frozen=True)
class Packed:
    """One model. both: whether in both directions. pool: "" for a label of each step."""

    cell: str
    both: bool
    pool: str
    smoothing: float

    @property
    def width(self) -> int:
        """Of what a layer hands on."""
        return HIDDEN * (1 + self.both)

    @property
    def directions(self) -> list[str]:
        """What the parameters of each direction have in their names."""
        return ["", "reverse."][: 1 + self.both]

    def __str__(self) -> str:
        way = "both directions" if self.both else "one direction"
        smoothed = f", labels smoothed by {self.smoothing}" if self.smoothing else ""
        return f"{self.cell} x{LAYERS}, {way}, {f'pool {self.pool}' if self.pool else 'each step'}{smoothed}"


def packed_cases() -> list[Packed]:
    """Every cell in both directions with every pool, and what there is besides."""
    cases = [Packed(cell, True, pool, 0.1 * (pool in ("", "mean"))) for cell, pool in product(GATES, POOLS)]
    return cases + [Packed("gru", False, pool, 0.0) for pool in POOLS]


def parameters(case: Packed) -> dict[str, np.ndarray]:
    """By the names and in the layouts of gpurnn, float32."""
    shapes: dict[str, tuple[int, ...]] = {}
    columns, width = GATES[case.cell] * HIDDEN, INPUTS
    for layer in range(LAYERS):
        for direction in case.directions:
            name = f"layers.{layer}.{direction}"
            shapes |= {f"{name}U": (width, columns), f"{name}W": (HIDDEN, columns), f"{name}b": (columns,)}
            if case.cell == "gru":
                shapes[f"{name}b_h"] = (HIDDEN,)
        width = case.width
    shapes |= {"output.V": (width, LABELS), "output.c": (LABELS,)}
    rng = np.random.default_rng(_SEED)
    return {name: rng.uniform(-0.6, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}


def sequences(case: Packed) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each its rows (n, F) float32, and its labels: (n,) int64, or (1,) where a pool is."""
    rng = np.random.default_rng(_SEED + 1)
    rows = [rng.standard_normal((n, INPUTS)).astype(np.float32) for n in LENGTHS]
    return [(x, rng.integers(0, LABELS, 1 if case.pool else len(x))) for x in rows]


def check_packed(processes: Mapping[str, Process]) -> Iterator[tuple[bool, str]]:
    """For each case: whether PyTorch's gradients and loss agree with those of gpurnn, and a line that says so."""
    if "pytorch" not in processes:
        return
    for case in packed_cases():
        wanted, found = (processes[name].ask("packed", case=asdict(case)) for name in ("gpurnn", "pytorch"))
        worst = difference(wanted, found)
        yield worst <= TOLERANCE, f"{case}: pytorch: largest difference {worst:.1e}"
