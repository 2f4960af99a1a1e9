"""What the parts of a corpus measure: its splits, its lists of names, its vocabularies; and which kinds have which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gpurnn.data.text.tokens import KINDS as TEXT_KINDS
from gpurnn.data.text.tokens import Kind

SPLITS = ("train", "valid", "test")
MAX_SYMBOLS = 2**31 - 1
MAX_STARTS = 65_536
"""At most so many different first symbols of documents are kept, the commonest ones."""
MAX_WIDTH = 65_536
"""Of a row, or of a vector."""


@dataclass(frozen=True)
class SplitSize:
    """How much a split holds; one without steps has no datasets in the file.

    steps: tokens, or rows of reals. source: tokens of the other side of pairs. strings: labels of all strings together.
    """

    steps: int
    documents: int
    source: int = 0
    strings: int = 0

    @property
    def tokens(self) -> int:
        """The steps, as texts call them."""
        return self.steps


@dataclass(frozen=True)
class Names:
    """A list of different texts: how many, and their UTF-8 bytes together."""

    count: int
    bytes: int


@dataclass(frozen=True)
class Symbols(Names):
    """A vocabulary. tokens: what its symbols are. unknown: id of the one that stands for all others, or None."""

    tokens: Kind
    unknown: int | None


@dataclass(frozen=True)
class Row(Names):
    """The columns of a row. about: what `Columns.to_json` says of them besides their names."""

    about: Mapping[str, Any]


@dataclass(frozen=True)
class Shape:
    """What a kind of corpus holds.

    called: in words. symbols, reals: whether its steps may be the one or the other. labels: of what there is one each.
    source: whether documents have another side. vectors: whether they have a vector. keys: whether they have a key,
    where its steps are reals; times: whether they have a time then, too.
    """

    called: str
    symbols: bool = False
    reals: bool = False
    labels: Literal["", "steps", "documents", "strings"] = ""
    source: bool = False
    vectors: bool = False
    keys: Literal["never", "maybe", "always"] = "never"
    times: bool = True


SHAPES: dict[str, Shape] = {kind: Shape(f"text ({kind})", symbols=True) for kind in TEXT_KINDS} | {
    "series": Shape("measured series", reals=True, keys="always"),
    "labels": Shape("labelled sequences", symbols=True, reals=True, labels="documents", keys="maybe"),
    "tags": Shape("sequences with a tag a step", symbols=True, reals=True, labels="steps", keys="maybe"),
    "pairs": Shape("pairs of texts", symbols=True, source=True),
    "captions": Shape("vectors with captions", symbols=True, vectors=True),
    "frames": Shape("frames with strings of labels", reals=True, labels="strings", keys="maybe", times=False),
}
"""Every kind of corpus, by its name."""


def index_type(count: int) -> np.dtype[Any]:
    """The narrowest little-endian unsigned type that holds the whole numbers below count."""
    return np.dtype("u1") if count <= 2**8 else np.dtype("<u2") if count <= 2**16 else np.dtype("<u4")
