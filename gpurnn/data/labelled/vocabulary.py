"""What labelled texts take from another corpus, and the vocabulary that they get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.options import LabelledOptions, check_tokens
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.exceptions import DataError, UsageError, shell_word


@dataclass(frozen=True)
class Given:
    """Options with their tokens, the text policy, and what is used instead of a new vocabulary and new labels."""

    options: LabelledOptions
    policy: TextPolicy
    vocabulary: Vocabulary | None = None
    labels: tuple[str, ...] | None = None


class Numbered(Protocol):
    """What numbered the tokens of texts."""

    def symbols(self, ids: NDArray[np.int64]) -> Sequence[Any]:
        """What the numbers stand for."""

    def provisional(self, symbols: list[Any]) -> NDArray[np.int64]:
        """The numbers of symbols, -1 of those that were not met."""


def given_by(source: str | Path | None, options: LabelledOptions, fields: Mapping[str, Any]) -> Given:
    """What the corpus `vocab_from` gives: tokens, vocabulary, policy and, if it is of the same kind, its labels.

    fields: of the text policy. Raises UsageError where options contradict it, DataError, CorpusError.
    """
    if source is None:
        return _checked(Given(replace(options, tokens=options.kind), replace(TextPolicy(), **fields)), fields)
    with Corpus.open(source) as other:
        kind, policy = other.vocabulary.kind, other.policy
        if options.tokens not in (None, kind):
            has = f"`vocab_from={shell_word(source)}`, which has {kind}"
            raise UsageError(f"`tokens={options.tokens}` contradicts {has}")
        if options.min_count > 1:
            raise UsageError(f"`min_count={options.min_count}`: a rare-word cut-off is for a new vocabulary")
        for name in ("newline", "normalise", "lower"):
            if fields.get(name, getattr(policy, name)) != getattr(policy, name):
                raise UsageError(
                    f"`{name}={fields[name]}` contradicts `vocab_from={shell_word(source)}`, which has "
                    f"{getattr(policy, name)}; leave `{name}` out"
                )
        labels = other.labels if other.kind == options.what else None
        found = Given(replace(options, tokens=kind), replace(policy, **fields), other.vocabulary, labels)
        return _checked(found, fields)


def _checked(given: Given, fields: Mapping[str, Any]) -> Given:
    check_tokens(given.options)
    if given.options.kind == "bytes" and fields:
        raise UsageError(f"`{sorted(fields)[0]}` does not go with `tokens=bytes`: bytes are taken as they are")
    return given


def find_vocabulary(
    kind: Kind,
    given: Vocabulary | None,
    tokens: Numbered,
    train: NDArray[np.int64],
    others: NDArray[np.int64],
    min_count: int,
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """The vocabulary, and the id of each provisional id; words are in order of their number in train.

    train, others: how often each provisional id occurs in the train split and in the others.
    Raises DataError where no word is common enough, and where a given vocabulary lacks a symbol and has none for that.
    """
    present = np.flatnonzero(train + others)
    vocabulary = _new(kind, tokens, train, len(present), min_count) if given is None else given
    provisional = tokens.provisional(list(vocabulary.symbols))
    table = np.full(max(len(train), int(provisional.max()) + 1), -1, np.int64)
    known = provisional >= 0
    table[provisional[known]] = np.flatnonzero(known)
    lacking = present[table[present] < 0]
    if len(lacking) and vocabulary.unknown is None:
        raise DataError(
            f"{len(lacking)} symbols of the text, {tokens.symbols(lacking[:1])[0]!r} among them, are not in the "
            "vocabulary of `vocab_from`, which has no unknown symbol"
        )
    if vocabulary.unknown is not None:
        table[table < 0] = vocabulary.unknown
    return vocabulary, table


def _new(kind: Kind, tokens: Numbered, train: NDArray[np.int64], present: int, min_count: int) -> Vocabulary:
    kept = np.flatnonzero(train >= min_count)
    if not len(kept):
        raise DataError(
            f"`min_count={min_count}`: no word of the train split is there so often, the commonest "
            f"{int(train.max())} times; give a lower one"
        )
    if kind == "words":
        kept = kept[np.argsort(-train[kept], kind="stable")]
    symbols = list(tokens.symbols(kept))
    for symbol in symbols:
        if isinstance(symbol, str) and any("\ud800" <= character <= "\udfff" for character in symbol):
            raise DataError(f"the text has {symbol!r:.60}, half of a surrogate pair; give the right `encoding`")
    unknown = len(symbols) if len(kept) < present else None
    empty: Any = b"" if kind == "bytes" else ""
    return Vocabulary(kind, symbols + ([] if unknown is None else [empty]), unknown)
