"""Where a text costs: the loss by the class of the symbol that had to be found, of words by how common they are."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import WindowStream
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.lanes import GoingOn, stuck_of
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.training.validation import ForwardPass

CLASSES = ("first letters of words", "2nd and 3rd letters", "later letters", "spaces", "line ends", "digits", "others")
OF_WORDS = (
    "the 10 commonest words",
    "words of rank 11 to 100",
    "words of rank 101 to 1,000",
    "words of rank 1,001 to 10,000",
    "rarer words",
)
_RANKS = (10, 100, 1_000, 10_000)
_STEPS, _LANES, _MOST = 128, 32, 100_000
_PAIRS = 12


@dataclass(frozen=True)
class Cost:
    """What a class of symbols costs. share: of all loss; each: the mean; count: how many there were."""

    share: float
    each: float
    count: int


@dataclass(frozen=True)
class TextCost:
    """The loss of `targets` targets, whose sum is `total`; lanes that are stuck, `stuck` of them, are left out.

    classes: by `CLASSES`, or `OF_WORDS`, those that occur. hardest: which share the hardest hundredth of targets
    carries. pairs: the dearest pairs of symbols, (what was read, what had to be found, loss of all of them, how many).
    begin: where the first lane that is not stuck began in the split.
    """

    classes: dict[str, Cost]
    hardest: float
    pairs: tuple[tuple[str, str, float, int], ...]
    total: float
    targets: int
    stuck: int
    begin: int


def text_cost(model: Model, corpus: Corpus, name: str, going_on: GoingOn = lambda: True) -> TextCost:
    """Measure it over the split of this name, the state carried on in each of up to 32 lanes.

    Raises DataError for a split that is too short.
    """
    vocabulary, split = corpus.vocabulary, corpus.split(name)
    if len(split) < 2:
        raise DataError(f"{split.path}: split {split.name} has {len(split)} tokens, too few to measure")
    lanes = max(1, min(_LANES, (len(split) - 1) // _STEPS))
    steps = min(_STEPS, (len(split) - 1) // lanes)
    reader = ForwardPass(model, lanes, steps)
    model.begin(reader.state)
    read, found, losses, weight = [], [], [], []
    with closing(WindowStream(split, split.name, lanes=lanes, steps=steps, epochs=1, plan=False)) as stream:
        for window, each in reader.losses(stream):
            read.append(window.tokens.copy())
            found.append(window.targets.copy())
            losses.append(each.astype(np.float64))
            weight.append(window.weight.copy())
            if len(read) * each.size >= _MOST or not going_on():
                break
    before, after, nats, counts = (np.concatenate(each) for each in (read, found, losses, weight))
    stuck = stuck_of(model, (nats * counts).sum(axis=0), counts.sum(axis=0).astype(np.float64))
    known = (counts > 0) & ~stuck
    total = float(nats[known].sum())
    if stuck.all():
        raise DataError(f"{split.path}: split {split.name}: every lane that was looked at is stuck")
    if not total > 0:
        raise DataError(f"{split.path}: split {split.name} has no target that costs anything")
    words = vocabulary.kind == "words"
    classes = _ranks(corpus.counts)[after] if words else _classes(vocabulary, before, after)
    costs = {
        called: Cost(float(nats[chosen].sum()) / total, float(nats[chosen].mean()), int(chosen.sum()))
        for number, called in enumerate(OF_WORDS if words else CLASSES)
        if (chosen := known & (classes == number)).any()
    }
    sorted_nats = np.sort(nats[known])
    top = max(1, len(sorted_nats) // 100)
    pairs = _dearest(vocabulary, before[known], after[known], nats[known])
    return TextCost(
        costs,
        float(sorted_nats[-top:].sum()) / total,
        pairs,
        total,
        int(known.sum()),
        int(stuck.sum()),
        int(np.argmin(stuck)) * ((len(split) - 1) // lanes),
    )


def character(symbol: str | bytes) -> str:
    """What a symbol counts as: a byte beyond ASCII as a letter, one that stands for all others as none."""
    if isinstance(symbol, bytes):
        symbol = symbol.decode("ascii") if symbol.isascii() else "a"
    return symbol or "\ufffd"


def shown(vocabulary: Vocabulary, token: int) -> str:
    """One symbol as a person sees it: a byte beyond ASCII, which is no text by itself, as \\xNN."""
    symbol: str | bytes = vocabulary.symbols[token]
    return symbol.decode("ascii", "backslashreplace") if isinstance(symbol, bytes) else vocabulary.decode([token])


def _kind(symbol: str) -> int:
    """0: a letter, 3: a space, 4: the end of a line, 5: a digit, 6: anything else."""
    if symbol.isalpha():
        return 0
    if symbol in ("\n", "\r"):
        return 4
    if symbol.isspace():
        return 3
    return 5 if symbol.isdigit() else 6


def _classes(vocabulary: Vocabulary, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The class of each target, (steps, B)."""
    kinds = np.array([_kind(character(symbol)) for symbol in vocabulary.symbols])
    classes: np.ndarray = kinds[after]
    length = np.where(kinds[before[0]] == 0, 1, 0)
    for t, kind in enumerate(classes):
        letter = kind == 0
        length = np.where(letter, length + 1, 0)
        classes[t] = np.where(letter, np.where(length == 1, 0, np.where(length <= 3, 1, 2)), kind)
    return classes


def _ranks(counts: np.ndarray) -> np.ndarray:
    """The class of each word by how many in the train split are commoner. counts: (K,), how often each is there."""
    ranks = np.empty(len(counts), np.int64)
    ranks[np.argsort(-counts.astype(np.int64), kind="stable")] = np.arange(len(counts))
    return np.searchsorted(_RANKS, ranks, side="right")


def _dearest(
    vocabulary: Vocabulary, before: np.ndarray, after: np.ndarray, nats: np.ndarray
) -> tuple[tuple[str, str, float, int], ...]:
    symbols = len(vocabulary)
    pairs = before.astype(np.int64) * symbols + after
    unique, where = np.unique(pairs, return_inverse=True)
    sums, counts = np.bincount(where, nats), np.bincount(where)
    order = np.argsort(-sums, kind="stable")[:_PAIRS]
    return tuple(
        (shown(vocabulary, before), shown(vocabulary, after), float(sums[n]), int(counts[n]))
        for n in order
        for before, after in [divmod(int(unique[n]), symbols)]
    )
