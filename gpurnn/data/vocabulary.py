"""The vocabulary of texts: of another corpus, which their settings must not contradict, or of the train split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.exceptions import DataError, UsageError, shell_word


class Numbered(Protocol):
    """What numbered the tokens of texts."""

    def symbols(self, ids: NDArray[np.int64]) -> Sequence[Any]:
        """What the numbers stand for."""

    def provisional(self, symbols: list[Any]) -> NDArray[np.int64]:
        """The numbers of symbols, -1 of those that were not met."""


def policy_like(other: Corpus, source: str | Path, tokens: Kind | None, fields: Mapping[str, Any]) -> TextPolicy:
    """The text policy of the corpus `vocab_from` with what `fields` say.

    source: what that is called. tokens: what was asked for. Raises UsageError where these contradict its vocabulary.
    """
    expect_tokens("tokens", tokens, other.vocabulary, source)
    return expect_policy(other.policy, source, fields)


def expect_policy(policy: TextPolicy, source: str | Path, fields: Mapping[str, Any]) -> TextPolicy:
    """The text policy of the corpus `vocab_from` with what `fields` say. Raises UsageError where they contradict it."""
    for name in ("newline", "normalise", "lower"):
        if fields.get(name, getattr(policy, name)) != getattr(policy, name):
            raise UsageError(
                f"`{name}={fields[name]}` contradicts `vocab_from={shell_word(source)}`, which has "
                f"{getattr(policy, name)}; leave `{name}` out"
            )
    return replace(policy, **fields)


def expect_tokens(setting: str, asked: Kind | None, vocabulary: Vocabulary, source: str | Path) -> None:
    """Raises UsageError where a setting asked for other tokens than a vocabulary of the corpus `vocab_from` has."""
    if asked is not None and asked != vocabulary.kind:
        raise UsageError(
            f"`{setting}={asked}` contradicts `vocab_from={shell_word(source)}`, which has {vocabulary.kind}"
        )


def refuse_policy_of_bytes(kind: Kind, fields: Mapping[str, Any]) -> None:
    """Raises UsageError where fields of the text policy are given for bytes."""
    if kind == "bytes" and fields:
        raise UsageError(f"`{sorted(fields)[0]}` does not go with `tokens=bytes`: bytes are taken as they are")


def find_vocabulary(
    kind: Kind,
    given: Vocabulary | None,
    tokens: Numbered,
    train: NDArray[np.int64],
    others: NDArray[np.int64],
    min_count: int,
) -> tuple[Vocabulary, NDArray[np.int64]]:
    """The vocabulary, and the id of each provisional id; words are in order of their number in train.

    given: used instead of a new one. train, others: how often each provisional id occurs in the train split and in the
    others. Raises DataError where no word is common enough, and where a given vocabulary lacks a symbol and has none
    for that.
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


def mapped(counts: NDArray[np.int64], table: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Counts of provisional numbers as those of what the table gives for them, (length,)."""
    total = np.zeros(length, np.int64)
    present = np.flatnonzero(counts)
    np.add.at(total, table[present], counts[present])
    return total


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
