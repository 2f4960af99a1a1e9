"""What the learner's page is about: a short text, a network of a few units, and the windows it is read in."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np

from gpurnn.data.stream.windows import Cursor, Window
from gpurnn.exceptions import UsageError
from gpurnn.network import ModelConfig
from gpurnn.settings import OneOf, Rule, check_fields

RATE = 1.0
"""Learning rate: so large that every renewal shows in the digits of the page."""
STEPS = 8
"""How many are shown at least, where the text has them; with more than four to a window there are two windows."""
SEEDS = {"simple": 571, "lstm": 61, "gru": 29}
"""Of the parameters, by cell: found by search for what tests/diagnosis/test_explain_numbers.py says."""
_LARGEST = {"simple": 0.9, "lstm": 2.0, "gru": 2.0}
_WORDS = {" ": "␣", "\n": "↵", "\t": "⇥"}


@dataclass(frozen=True)
class Story:
    """A text that is read symbol by symbol, each of which the network guesses from those before it.

    Raises UsageError for values out of their range and for a text without a symbol beyond the first window.

    text: The text that is read: its first 9 symbols, or one more than two windows have.
    cell: The recurrent cell.
    hidden: Hidden units, 1 to 3.
    bptt: Steps of a window, 1 to 6.
    """

    text: str = "hello hello"
    cell: Annotated[str, OneOf(SEEDS)] = "simple"
    hidden: Annotated[int, Rule("from 1 to 3, which a page has room for", lambda n: 1 <= n <= 3)] = 2
    bptt: Annotated[int, Rule("from 1 to 6, which a page has room for", lambda n: 1 <= n <= 6)] = 4

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.text) < self.bptt + 2:
            raise UsageError(
                f"text: expected at least {self.bptt + 2} symbols for a window of {self.bptt} steps and one step "
                f"beyond its seam, found {len(self.text)}; give a longer `text`, or lower `bptt`"
            )

    @property
    def steps(self) -> int:
        """How many are shown."""
        return min(len(self.text) - 1, max(STEPS, 2 * self.bptt))

    @cached_property
    def symbols(self) -> str:
        """Each once, in the order in which they come: the vocabulary."""
        return "".join(dict.fromkeys(self.text[: self.steps + 1]))

    @property
    def shown(self) -> list[str]:
        """The symbols as one can see them."""
        return [_visible(symbol) for symbol in self.symbols]

    @cached_property
    def tokens(self) -> list[int]:
        """The number of each symbol that is read, `steps` + 1 of them: those from the second on are the targets."""
        return [self.symbols.index(symbol) for symbol in self.text[: self.steps + 1]]

    @property
    def document(self) -> int:
        """At which step a document begins, where one does: behind the first blank, or else in the middle."""
        blank = self.text[: self.steps - 1].find(" ")
        return blank + 1 if blank >= 0 else (self.steps + 1) // 2

    @property
    def config(self) -> ModelConfig:
        """Of the model: one layer, one-hot input, float64, no dropout."""
        return ModelConfig(len(self.symbols), self.cell, self.hidden, dropout=0.0, dtype="float64")

    def parameters(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """With which the run begins, by name: drawn evenly, rounded to two decimals, so that all digits are shown."""
        rng, largest = np.random.default_rng(SEEDS[self.cell]), _LARGEST[self.cell]
        return {name: np.round(rng.uniform(-largest, largest, shape), 2) for name, shape in shapes.items()}

    def windows(self, steps: int, *, document: bool) -> list[Window]:
        """The text in windows of `steps` steps of one lane, the last perhaps shorter.

        document: whether one begins at step `document`: carry is 0 there, weight at the step before.
        """
        carry, weight = np.ones((self.steps, 1), np.float32), np.ones((self.steps, 1), np.float32)
        carry[0] = 0
        if document:
            carry[self.document] = weight[self.document - 1] = 0
        tokens = np.array(self.tokens, np.int32)[:, None]
        return [
            Window(
                index,
                0,
                carry=carry[part],
                weight=weight[part],
                has_boundary=bool((carry[part] == 0).any()),
                uniform=bool((weight[part] == 1).all()),
                weight_sum=float(weight[part].sum()),
                cursor=Cursor(index + 1, 1, steps, self.steps + 1),
                fields={"tokens": tokens[:-1][part], "targets": tokens[1:][part]},
            )
            for index, part in enumerate(slice(s, s + steps) for s in range(0, self.steps, steps))
        ]


def _visible(symbol: str) -> str:
    """A character that one can see in place of one that one cannot."""
    return _WORDS.get(symbol) or (symbol if unicodedata.category(symbol)[0] not in "CZM" else f"U+{ord(symbol):04X}")
