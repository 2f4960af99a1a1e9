"""What a model is, in numbers: everything that fixes the names and shapes of its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpurnn.exceptions import UsageError
from gpurnn.network.cells import CELLS
from gpurnn.network.params import INITIALISERS, Spec


@dataclass(frozen=True)
class ModelConfig:
    """A recurrent language model.

    symbols: K, the size of the vocabulary. cell: a name in `CELLS`. hidden: H. layers: L. embedding: E, 0 for one-hot
    input. dropout: p between layers and before the output. dtype: "float32" or "float64". recurrent_init: a name in
    `INITIALISERS` for W, "" for the cell's own; init: for the other matrices. forget_bias: an LSTM's at the start.
    """

    symbols: int
    cell: str = "lstm"
    hidden: int = 256
    layers: int = 1
    embedding: int = 0
    dropout: float = 0.0
    dtype: str = "float32"
    init: str = "uniform"
    recurrent_init: str = ""
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        _expect(self.symbols >= 1, f"symbols: expected at least 1, found {self.symbols}")
        _expect(self.cell in CELLS, f"cell: expected one of {', '.join(CELLS)}, found {self.cell!r}")
        _expect(self.hidden >= 1, f"hidden: expected at least 1, found {self.hidden}")
        _expect(self.layers >= 1, f"layers: expected at least 1, found {self.layers}")
        _expect(self.embedding >= 0, f"embedding: expected 0 or more, found {self.embedding}")
        _expect(0 <= self.dropout < 1, f"dropout: expected 0 <= p < 1, found {self.dropout}")
        _expect(self.dtype in ("float32", "float64"), f"dtype: expected float32 or float64, found {self.dtype!r}")
        _expect(math.isfinite(self.forget_bias), f"forget_bias: expected a finite number, found {self.forget_bias}")
        for name in filter(None, (self.init, self.recurrent_init)):
            _expect(name in INITIALISERS, f"init: expected one of {', '.join(INITIALISERS)}, found {name!r}")

    @property
    def real(self) -> np.dtype[np.floating]:
        """The dtype of every real array."""
        return np.dtype(self.dtype)

    def specs(self) -> list[Spec]:
        """Every parameter, in the order input, layers, output."""
        cell, hidden = CELLS[self.cell], self.hidden
        width = self.embedding or self.symbols
        specs = [Spec("embedding.table", (self.symbols, self.embedding), "normal")] if self.embedding else []
        for layer in range(self.layers):
            name = f"layers.{layer}."
            columns = cell.gates * hidden
            specs += [
                Spec(name + "U", (width, columns), self.init, cell.gates, hidden),
                Spec(name + "W", (hidden, columns), self.recurrent_init or cell.recurrent_init, cell.gates, hidden),
                Spec(name + "b", (columns,), gates=cell.gates, forget_bias=self.forget_bias * cell.forget_gate),
                *(Spec(name + bias, (hidden,)) for bias in cell.biases),
            ]
            width = hidden
        return [
            *specs,
            Spec("output.V", (hidden, self.symbols), self.init, 1, hidden),
            Spec("output.c", (self.symbols,)),
        ]


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)
