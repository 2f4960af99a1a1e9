"""The sequences of a split one by one, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream.values import Reader, Rows, Symbols
from gpurnn.exceptions import CorpusError

_STEPS = 1 << 16
"""About so many steps are read at once; more where one sequence has more."""
_SEQUENCES = 1 << 13
"""No more sequences than that are read at once, however short they are."""


def sequences_of(
    split: Split, columns: Columns | None = None
) -> Iterator[tuple[NDArray[Any], NDArray[np.int32] | int]]:
    """Each sequence of a split of labels or tags with its targets, as the windows of `WholeStream` have them.

    columns: how rows are scaled; None where steps are symbols. A sequence: (n,) int32 symbols, or (n, F) float32 scaled
    rows. Its targets: (n,) int32 tags, or its label. What is in memory does not grow with the split.
    Raises DataError for a corpus without labels, CorpusError where it is damaged.
    """
    targets = Symbols(split.targets)
    inputs = Symbols(split) if columns is None else Rows(split, columns)
    for first, edges in _groups(split):
        begins = (edges - edges[0]).tolist()
        values = _read(inputs, int(edges[0]), begins[-1])
        if split.labelled == "documents":
            labels = _read(targets, first, len(edges) - 1).tolist()
            yield from ((values[a:b], label) for (a, b), label in zip(pairwise(begins), labels, strict=True))
        else:
            tags = _read(targets, int(edges[0]), begins[-1])
            yield from ((values[a:b], tags[a:b]) for a, b in pairwise(begins))


def _groups(split: Split) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Sequences that are read at once: the number of the first, where each begins, and where the last ends."""
    first, count = 0, len(split.documents)
    while first < count:
        edges = np.full(min(_SEQUENCES, count - first) + 1, len(split), np.int64)
        known = min(len(edges), count - first)  # the end of the last one of all is that of the split
        split.documents.read(first, edges[:known].view(np.uint64))
        if edges[0] < 0 or (edges[1:] <= edges[:-1]).any() or edges[-1] > len(split):
            where = f"{split.path}, split {split.name}"
            raise CorpusError(f"{where}: the documents are not in order; prepare the corpus again")
        taken = max(1, int(edges.searchsorted(edges[0] + _STEPS, "right")) - 1)
        yield first, edges[: taken + 1]
        first += taken


def _read(reader: Reader, start: int, count: int) -> NDArray[Any]:
    """What steps have, in a new array: numbers of rows as they are, others as int32."""
    found = reader.buffer(count)
    reader.read(start, found)
    return found if found.dtype.kind == "f" else found.astype(np.int32)
