"""A passage of a text, read from an empty state: what each of its symbols costs, and what units do at each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpurnn.data.stream.windows import Cursor, Window
from gpurnn.data.text.decoding import Advice, as_bytes, as_text
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.lanes import Numbers
from gpurnn.diagnosis.text import shown
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, activations
from gpurnn.training.feed import Feed

LONGEST = 512
"""Symbols of a passage, for which a page has room."""
_ADVICE = Advice("give a `text` in the encoding of the corpus", "give a `text` in the encoding of the corpus", "", "")


@dataclass(frozen=True)
class Passage:
    """Symbols one after the other, and what each cost, (n,): nan for the first that is read.

    at: what gates and states are when they have read each, (n, H), by name.
    """

    symbols: tuple[str, ...]
    losses: Numbers
    at: dict[str, np.ndarray]


def given_passage(language: Language, text: str | bytes) -> Window:
    """A text from a person as a window of one lane, the last symbol without a target.

    Raises UsageError for a text that is too short or too long, DataError for one with a symbol that the vocabulary
    lacks, or in another encoding.
    """
    vocabulary, policy = language.vocabulary, language.policy
    whole = as_bytes(text) if vocabulary.kind == "bytes" else policy.apply(as_text(text, "the text", policy, _ADVICE))
    tokens = vocabulary.encode(whole)
    if not 2 <= len(tokens) <= LONGEST:
        raise UsageError(f"expected a text of 2 to {LONGEST} symbols, found {len(tokens):,}")
    carry, weight = np.ones((2, len(tokens), 1), np.float32)
    weight[-1] = 0
    return Window(
        0,
        0,
        carry=carry,
        weight=weight,
        has_boundary=False,
        uniform=False,
        weight_sum=float(len(tokens) - 1),
        cursor=Cursor(0, 1, len(tokens), len(tokens) + 1),
        tokens=tokens[:, None],
        targets=np.append(tokens[1:], tokens[:1])[:, None],
    )


def read_passage(model: Model, vocabulary: Vocabulary, window: Window, first: int = 0) -> Passage:
    """What a model makes of a window of one lane. first: the symbol from which on it is told."""
    ws, state = model.workspace(1, len(window.carry), train=False), model.state(1)
    Feed(model.be, ws.batch).load(window)
    model.begin(state)
    model.forward(ws, state)
    at = {name: model.be.to_host(array)[first:, 0].copy() for name, array in activations(ws).items()}
    model.loss(ws)
    losses = model.be.to_host(ws.losses[: window.carry.size]).astype(np.float64)
    tokens = window.tokens[first:, 0].tolist()
    of_words = vocabulary.decoder()  # puts spaces between them
    symbols = [str(of_words.push(t)) if vocabulary.kind == "words" else shown(vocabulary, t) for t in tokens]
    return Passage(tuple(symbols), np.append(np.nan, losses[:-1])[first:], at)
