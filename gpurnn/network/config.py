"""What a model is, in numbers: everything that fixes the names and shapes of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gpurnn.exceptions import UsageError
from gpurnn.network.cells import CELLS
from gpurnn.network.params import INITIALISERS, Spec
from gpurnn.settings import BelowOne, Count, Natural, OneOf, Rule, Size, check_fields

_LAYERS = Rule("at most 512", lambda n: n <= 512)  # the header of a checkpoint has room for so many


@dataclass(frozen=True)
class ModelConfig:
    """A recurrent language model.

    symbols: K, the size of the vocabulary. cell: a name in `CELLS`. hidden: H. layers: L. embedding: E, 0 for one-hot
    input. dropout: p between layers and before the output. dtype: "float32" or "float64". recurrent_init: a name in
    `INITIALISERS` for W, "" for the cell's own; init: for the other matrices. forget_bias: an LSTM's at the start.
    """

    symbols: Count
    cell: Annotated[str, OneOf(CELLS)] = "lstm"
    hidden: Size = 256  # one that is too large is told as memory that is not there
    layers: Annotated[Count, _LAYERS] = 1
    embedding: Natural = 0
    dropout: BelowOne = 0.15
    dtype: Annotated[str, OneOf(("float32", "float64"))] = "float32"
    init: Annotated[str, OneOf(INITIALISERS)] = "uniform"
    recurrent_init: Annotated[str, OneOf(INITIALISERS, ("",))] = ""
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        if abs(self.forget_bias) > float(np.finfo(self.real).max):
            raise UsageError(f"forget_bias: expected a number that {self.dtype} can hold, found {self.forget_bias:g}")

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
