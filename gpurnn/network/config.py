"""What a model is, in names and numbers: everything that fixes its parts and the shapes of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Any

import numpy as np

from gpurnn.exceptions import UsageError
from gpurnn.network.cells import CELLS
from gpurnn.network.params import INITIALISERS
from gpurnn.network.tables import ATTENTIONS, HEADS, INPUTS, LAYERS, POOLS, STARTS
from gpurnn.settings import BelowOne, Count, Natural, OneOf, Rule, Size, check_fields

_LAYERS = Rule("at most 512", lambda n: n <= 512)  # the header of a checkpoint has room for so many
_MOST_PARTS = 4096  # of the stack; a file can ask for any number, and each is made before it is compared with the file
_ADDED = {
    "inputs": 0,
    "outputs": 0,
    "input": "",
    "head": "softmax",
    "start": "zero",
    "stack": ("recurrent", "dropout"),
    "quantiles": (),
    "pool": "",
    "label_smoothing": 0.0,
    "source": 0,
    "encoder": (),
    "source_embedding": 0,
    "attention": "",
    "vectors": 0,
}
"""Fields that earlier models did not have, and what these were; left out of JSON where they are that."""


@dataclass(frozen=True)
class ModelConfig:
    """A recurrent model: an input, L times the layers in `stack`, and a head.

    symbols: K, the size of the vocabulary; 0: there is none. cell: a name in `CELLS`. hidden: H. layers: L.
    embedding: E, 0 for one-hot input. dropout: p in dropout layers. dtype: "float32" or "float64".
    recurrent_init: a name in `INITIALISERS` for W, "" for the cell's own; init: for the other matrices.
    forget_bias: an LSTM's at the start.
    inputs: how many symbols the input tells apart, or how many numbers it reads a step; outputs: how many the head
    has; 0: as many as there are symbols. input: a name in `INPUTS`, "" for what `embedding` says. head: in `HEADS`.
    start: in `STARTS`. stack: in `LAYERS`, from below; with all its repetitions at most 4,096. quantiles: of the head
    quantile alone: which ones each target has outputs for, rising and between 0 and 1.
    pool: what the head sees of a sequence, a name in `POOLS`; "": each step by itself. label_smoothing: of the head
    smoothed_softmax alone: the share of each target that is spread over all symbols.
    source: how many symbols the source has that an encoder reads before the first step; 0: there is none. encoder: its
    layers, as `stack`, `layers` times too. source_embedding: as `embedding`. attention: what each step sees of the
    source, a name in `ATTENTIONS`; "": nothing. vectors: of the start vector: how many numbers a sequence has.
    Raises UsageError for a value out of its range.
    """

    symbols: Natural
    cell: Annotated[str, OneOf(CELLS)] = "lstm"
    hidden: Size = 256  # one that is too large is told as memory that is not there
    layers: Annotated[Count, _LAYERS] = 1
    embedding: Natural = 0
    dropout: BelowOne = 0.15
    dtype: Annotated[str, OneOf(("float32", "float64"))] = "float32"
    init: Annotated[str, OneOf(INITIALISERS)] = "uniform"
    recurrent_init: Annotated[str, OneOf(INITIALISERS, ("",))] = ""
    forget_bias: float = 1.0
    inputs: Natural = 0
    outputs: Natural = 0
    input: Annotated[str, OneOf(INPUTS, ("",))] = ""
    head: Annotated[str, OneOf(HEADS)] = "softmax"
    start: Annotated[str, OneOf(STARTS)] = "zero"
    stack: tuple[str, ...] = ("recurrent", "dropout")
    quantiles: tuple[float, ...] = ()
    pool: Annotated[str, OneOf(POOLS, ("",))] = ""
    label_smoothing: BelowOne = 0.0
    source: Natural = 0
    encoder: tuple[str, ...] = ()
    source_embedding: Natural = 0
    attention: Annotated[str, OneOf(ATTENTIONS, ("",))] = ""
    vectors: Natural = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if abs(self.forget_bias) > float(np.finfo(self.real).max):
            raise UsageError(f"forget_bias: expected a number that {self.dtype} can hold, found {self.forget_bias:g}")
        self._check_layers("stack", self.stack)
        if self.source:
            self._check_layers("encoder", self.encoder)
        elif self.encoder or self.source_embedding:
            raise UsageError("source: expected at least 1 for an encoder, found 0; leave the encoder out, or give it")
        if not (self.input_width and self.output_width):
            raise UsageError("symbols: expected at least 1, found 0; or give both inputs and outputs")
        self._check_quantiles()
        if (self.label_smoothing > 0) != (self.head == "smoothed_softmax"):
            found = f"{self.label_smoothing:g} for the head {self.head}"
            raise UsageError(f"label_smoothing: expected above 0 for the head smoothed_softmax alone, found {found}")

    def _check_layers(self, name: str, stack: tuple[str, ...]) -> None:
        if not stack or not set(stack) <= set(LAYERS):
            raise UsageError(f"{name}: expected names among {', '.join(LAYERS)}, found {stack!r:.60}")
        if len(stack) * self.layers > _MOST_PARTS:
            raise UsageError(
                f"{name}: expected at most {_MOST_PARTS} in all, found {len(stack)} x {self.layers} layers"
            )

    def _check_quantiles(self) -> None:
        levels, wanted = self.quantiles, self.head == "quantile"
        if levels and not wanted:
            raise UsageError(f"quantiles: they are for the head quantile, found {self.head}; leave one of them out")
        if wanted and not (levels and all(a < b for a, b in pairwise((0.0, *levels, 1.0)))):
            raise UsageError(
                f"quantiles: expected numbers between 0 and 1, rising, such as (0.1, 0.5, 0.9), found {levels!r:.60}"
            )
        if wanted and self.output_width % len(levels):
            found = f"{self.output_width} outputs for {len(levels)} quantiles"
            raise UsageError(f"outputs: expected as many for each target as there are quantiles, found {found}")

    @property
    def real(self) -> np.dtype[np.floating]:
        """The dtype of every real array."""
        return np.dtype(self.dtype)

    @property
    def input_kind(self) -> str:
        """The name of the input in `INPUTS`."""
        return self.input or ("embedding" if self.embedding else "one_hot")

    @property
    def input_width(self) -> int:
        """How many symbols, or numbers a step, the input reads."""
        return self.inputs or self.symbols

    @property
    def output_width(self) -> int:
        """How many outputs the head has."""
        return self.outputs or self.symbols

    @property
    def encodes_both(self) -> bool:
        """Whether the last layers of the encoder that go through time go both ways: the halves of what they hand on."""
        return [name for name in self.encoder if name in ("recurrent", "both_directions")][-1:] == ["both_directions"]

    @property
    def encoded_width(self) -> int:
        """How many numbers an encoder hands on for each step of the source."""
        return (1 + self.encodes_both) * self.hidden

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain values."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        kept = {name: value for name, value in plain.items() if name not in _ADDED or value != _ADDED[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}

    @classmethod
    def completed(cls, data: dict[str, Any]) -> dict[str, Any]:
        """`data` of `to_json` with what it leaves out."""
        return _ADDED | data
