"""What is timed: cells, shapes, and how many floating-point operations one training window is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

GATES = {"simple": 1, "lstm": 4, "gru": 3}
SHAPES = (
    (1, 25, 100, 65),
    (16, 50, 128, 65),
    (32, 64, 256, 100),
    (64, 128, 512, 100),
    (64, 64, 1024, 100),
    (32, 64, 256, 10000),
)
"""B, T, H, K."""
_COMMON = (32, 64, 256, 100)

RATE = 1e-3
CLIP = 5.0
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LOG_EVERY = 50
"""Windows from one reading of the loss to the next."""


@dataclass(frozen=True)
class Case:
    """One model and one shape of window: B lanes, T steps (bptt), H hidden units, K symbols, L layers."""

    cell: str
    lanes: int
    bptt: int
    hidden: int
    symbols: int
    layers: int = 1

    @property
    def gates(self) -> int:
        """G, the blocks of H columns of U and W."""
        return GATES[self.cell]

    @property
    def columns(self) -> int:
        """G times H."""
        return self.gates * self.hidden

    @property
    def tokens(self) -> int:
        """T times B, the targets of a window."""
        return self.lanes * self.bptt

    def __str__(self) -> str:
        two = f" x{self.layers}" if self.layers > 1 else ""
        return f"{self.cell}{two} B={self.lanes} T={self.bptt} H={self.hidden} K={self.symbols}"


def grid() -> list[Case]:
    """Every case of the full benchmark."""
    cases = [Case(cell, *shape) for cell, shape in product(GATES, SHAPES)]
    return cases + [Case(cell, *_COMMON, layers=2) for cell in GATES]


def quick() -> list[Case]:
    """One case for each cell."""
    return [Case(cell, *_COMMON) for cell in GATES]


def window_flops(case: Case) -> int:
    """Operations of the matrix products of one training window that the model needs, whoever computes it.

    A product of (m, k) with (k, n) is 2 m k n. Each forward product has two more behind it, one for the error of its
    input and one for the gradient of its matrix. One-hot input is no product but a choice of rows, and counts nothing,
    as do pointwise work, softmax and update.
    """
    recurrent = case.layers * case.hidden * case.columns
    between_layers = (case.layers - 1) * case.hidden * case.columns
    output = case.hidden * case.symbols
    return 3 * 2 * case.tokens * (recurrent + between_layers + output)
