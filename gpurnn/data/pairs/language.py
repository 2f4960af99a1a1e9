"""What the steps of pairs and captions are: the symbols that are made, and what they are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError


@dataclass(frozen=True, eq=False)
class PairLanguage:
    """A vocabulary whose symbols are made, with one number more, `end`, that ends a text and stands before it.

    policy: how text becomes symbols, on both sides. source: the vocabulary of what a text is made from, or None;
    vectors: how many numbers the vector has that it is made from, or 0. Raises DataError unless it is one of the two.
    """

    vocabulary: Vocabulary
    policy: TextPolicy
    source: Vocabulary | None = None
    vectors: int = 0

    def __post_init__(self) -> None:
        if type(self.vectors) is not int or self.vectors < 0 or (self.source is None) != (self.vectors > 0):
            raise DataError("pairs: expected the vocabulary of a source, or the width of vectors")

    @property
    def end(self) -> int:
        """The number of what ends a text."""
        return len(self.vocabulary)

    @property
    def symbols(self) -> int:
        """How many symbols a model makes, the end among them."""
        return len(self.vocabulary) + 1

    def differs(self, other: PairLanguage) -> str:
        """What is not the same in both, in words; "" where they mean the same."""
        if self.vectors != other.vectors:
            return "vectors"
        for name in ("vocabulary", "source"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None and mine.fingerprint != theirs.fingerprint:
                return {"vocabulary": "target vocabulary", "source": "source vocabulary"}[name]
        return ""

    @classmethod
    def of(cls, corpus: Corpus) -> Self:
        """That of a corpus. Raises DataError where it has neither pairs nor captions."""
        if corpus.kind not in ("pairs", "captions"):
            raise DataError(f"{corpus.path}: it holds {corpus.manifest.shape.called}, no pairs and no captions")
        source = corpus.source_vocabulary if corpus.kind == "pairs" else None
        return cls(corpus.vocabulary, corpus.policy, source, corpus.manifest.vectors)

    def to_json(self) -> dict[str, Any]:
        """What checkpoints hold of it in their header, under `corpus`."""
        source = None
        if self.source is not None:
            source = {"tokens": self.source.kind, "unknown": self.source.unknown}
        return {
            "tokens": self.vocabulary.kind,
            "unknown": self.vocabulary.unknown,
            "policy": self.policy.to_json(),
            "source": source,
            "vectors": self.vectors,
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What they hold of it as tensors, by their names there."""
        found = _arrays("vocabulary", self.vocabulary)
        return found if self.source is None else found | _arrays("source_vocabulary", self.source)

    @classmethod
    def from_json(cls, known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], source: str) -> Self:
        """What `to_json` and `to_arrays` described.

        source: where they come from, for the message. Raises DataError for anything else.
        """
        try:
            other = known["source"]
            return cls(
                _vocabulary("vocabulary", known, arrays),
                TextPolicy.from_json(known["policy"]),
                None if other is None else _vocabulary("source_vocabulary", other, arrays),
                known["vectors"],
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"{source}: {error} is missing or of another type") from None


def _arrays(name: str, vocabulary: Vocabulary) -> dict[str, NDArray[Any]]:
    data, offsets = vocabulary.to_arrays()
    return {f"{name}.data": data, f"{name}.offsets": offsets}


def _vocabulary(name: str, known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Vocabulary:
    data, offsets = arrays[f"{name}.data"], arrays[f"{name}.offsets"]
    return Vocabulary.from_arrays(known["tokens"], data, offsets, known["unknown"])
