"""The tokens of a store as a split of a corpus has them: final ids, and where documents begin."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.sizes import SPLITS, index_type
from gpurnn.data.corpus.writer import CorpusWriter
from gpurnn.data.labelled.store import Store
from gpurnn.data.text.tokens import Vocabulary

_BLOCK = 1 << 16


@dataclass
class TokenWriter:
    """Writes the documents of a store in the order of each split.

    ids: the id of each provisional id. advance: takes how many tokens were written. names: what the tokens, and where
    documents begin, are called in the corpus. longest: of the longest document, how many tokens. unknown: tokens of
    each split that became the unknown symbol.
    """

    store: Store
    vocabulary: Vocabulary
    ids: NDArray[np.int64]
    advance: Callable[[int], None]
    names: tuple[str, str] = ("tokens", "documents")
    longest: int = 0
    unknown: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))

    def split(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> int:
        """Writes a split, one document or more; returns its tokens."""
        steps = self._documents(writer, f"{self.names[1]}/{name}", order)
        ids, path = self.ids.astype(index_type(len(self.vocabulary))), f"{self.names[0]}/{name}"
        writer.create(path, steps, ids.dtype)
        for block in self.store.ordered(order):
            tokens = ids[block]
            writer.append(path, tokens)
            if self.vocabulary.unknown is not None:
                self.unknown[name] += int(np.count_nonzero(tokens == self.vocabulary.unknown))
            self.advance(len(block))
        return steps

    def _documents(self, writer: CorpusWriter, path: str, order: NDArray[Any]) -> int:
        """Writes where documents begin; returns their tokens."""
        edges, position = self.store.edges, 0
        writer.create(path, len(order), np.dtype("<u8"))
        for first in range(0, len(order), _BLOCK):
            chosen = order[first : first + _BLOCK]
            lengths = edges[chosen + 1] - edges[chosen]
            ends = position + np.cumsum(lengths)
            writer.append(path, (ends - lengths).astype("<u8"))
            position = int(ends[-1])
            self.longest = max(self.longest, int(lengths.max()))
        return position
