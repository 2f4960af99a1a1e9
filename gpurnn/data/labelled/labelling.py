"""What the labels of a corpus mean, and what its steps are: what a model of labels or tags has to know to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import names_from
from gpurnn.data.labelled.options import What
from gpurnn.data.labelled.schemes import SCHEMES, Pair, find_scheme
from gpurnn.data.labelled.words import SPACE
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError

_BLOCK = 1 << 20
"""So many tags are looked at at once."""


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels by their number, and what a step is: a symbol, or a row of numbers.

    what: "labels", one a sequence, or "tags", one a step. counts: (K,) int64, how often each is in the train split.
    scheme: how tags mark spans, a name in `SCHEMES`; None: not at all. vocabulary, policy: of steps that are symbols.
    columns: of steps that are rows. Raises DataError where they do not fit each other.
    """

    what: What
    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    scheme: str | None = None
    vocabulary: Vocabulary | None = None
    policy: TextPolicy | None = None
    columns: Columns | None = None

    def __post_init__(self) -> None:
        if self.what not in ("labels", "tags") or self.scheme not in (None, *SCHEMES):
            raise DataError("labels: what they are of, or their scheme, is not what it has to be")
        if len(self.counts) != len(self.labels) or not len(self.labels) or int(self.counts.min()) < 0:
            raise DataError("labels: expected a name and a count of each")
        if (self.vocabulary is None) != (self.policy is None) or (self.vocabulary is None) == (self.columns is None):
            raise DataError("labels: expected a vocabulary and a text policy, or columns")

    @property
    def space(self) -> int | None:
        """The number of what marks the space between words where tokens are characters of words; it is no tag."""
        characters = self.vocabulary is not None and self.vocabulary.kind == "chars"
        return self.labels.index(SPACE) if self.what == "tags" and characters and SPACE in self.labels else None

    @property
    def spelt(self) -> bool:
        """Whether words have tags and tokens are their characters, with a space between words."""
        return self.space is not None

    @property
    def inputs(self) -> int:
        """How many symbols a step tells apart, or how many numbers it has."""
        if self.vocabulary is not None:
            return len(self.vocabulary)
        assert self.columns is not None
        return self.columns.inputs

    def differs(self, other: Labelling) -> str:
        """What is not the same in both, in words: "labels", "vocabulary", "columns"; "" where they mean the same."""
        if (self.what, self.labels) != (other.what, other.labels):
            return self.what
        if self.vocabulary is None or other.vocabulary is None:
            same = self.columns is not None and other.columns is not None and self.columns.same_inputs(other.columns)
            return "" if same else "columns"
        return "" if self.vocabulary.fingerprint == other.vocabulary.fingerprint else "vocabulary"

    @classmethod
    def of(cls, corpus: Corpus) -> Self:
        """That of a corpus, whose tags in the train split are read. Raises DataError where it has no labels."""
        manifest, labels = corpus.manifest, corpus.labels
        if corpus.kind not in ("labels", "tags"):
            raise DataError(f"{corpus.path}: it holds {manifest.shape.called}, no labels and no tags")
        what = cast("What", corpus.kind)
        rows = manifest.columns is not None
        return cls(
            what,
            labels,
            corpus.label_counts.astype(np.int64),
            _scheme(corpus) if what == "tags" else None,
            None if rows else corpus.vocabulary,
            None if rows else corpus.policy,
            corpus.columns if rows else None,
        )

    def to_json(self) -> dict[str, Any]:
        """What checkpoints hold of it in their header, under `corpus`."""
        found: dict[str, Any] = {"labelled": self.what, "scheme": self.scheme}
        if self.columns is not None:
            return found | {"columns": self.columns.to_json()}
        assert self.vocabulary is not None
        assert self.policy is not None
        vocabulary = {"tokens": self.vocabulary.kind, "unknown": self.vocabulary.unknown}
        return found | vocabulary | {"policy": self.policy.to_json()}

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What they hold of it as tensors, by their names there."""
        names = [label.encode() for label in self.labels]
        offsets = np.append(0, np.cumsum([len(name) for name in names])).astype("<u8")
        found: dict[str, NDArray[Any]] = {
            "labels.data": np.frombuffer(b"".join(names), np.uint8),
            "labels.offsets": offsets,
            "labels.counts": np.asarray(self.counts, np.int64),
        }
        if self.columns is not None:
            return found | self.columns.to_arrays()
        assert self.vocabulary is not None
        data, places = self.vocabulary.to_arrays()
        return found | {"vocabulary.data": data, "vocabulary.offsets": places}

    @classmethod
    def from_json(cls, known: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], source: str) -> Self:
        """What `to_json` and `to_arrays` described.

        source: where they come from, for the message. Raises DataError for anything else.
        """
        try:
            labels = names_from(arrays["labels.data"], arrays["labels.offsets"], "labels")
            counts = arrays["labels.counts"].astype(np.int64)
            what, scheme = known["labelled"], known["scheme"]
            if "columns" in known:
                return cls(what, labels, counts, scheme, columns=Columns.from_json(known["columns"], arrays, source))
            data, offsets = arrays["vocabulary.data"], arrays["vocabulary.offsets"]
            vocabulary = Vocabulary.from_arrays(known["tokens"], data, offsets, known["unknown"])
            return cls(what, labels, counts, scheme, vocabulary, TextPolicy.from_json(known["policy"]))
        except (KeyError, TypeError, IndexError) as error:
            raise DataError(f"{source}: {error} is missing or of another type") from None


def _scheme(corpus: Corpus) -> str | None:
    """How the tags of the train split mark spans."""
    split, labels = corpus.split("train"), corpus.labels
    end = len(labels)  # stands before the first tag of a sentence, and after its last one
    space = labels.index(SPACE) if SPACE in labels else -1
    pairs = np.zeros((end + 1, end + 1), np.int64)
    targets, before = split.targets, end
    first = np.zeros(_BLOCK, np.uint8)
    for start in range(0, len(split), _BLOCK):
        count = min(_BLOCK, len(split) - start)
        tags = np.zeros(count, targets.dtype)
        targets.read(start, tags)
        split.documents.mark(start, first[:count])
        line = np.insert(tags.astype(np.int64), np.flatnonzero(first[:count]), end)
        line = np.concatenate(([before], line[line != space]))
        np.add.at(pairs, (line[:-1], line[1:]), 1)
        before = int(line[-1])
    pairs[before, end] += 1
    names: list[str | None] = [*labels, None]
    counts: dict[Pair, int] = {
        (names[a], names[b]): int(pairs[a, b]) for a, b in np.argwhere(pairs).tolist() if a != end or b != end
    }
    return find_scheme(counts)[0]
