"""The sequences of a split one by one, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Split
from gpurnn.data.corpus.readers import Documents
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
    for first, (edges,) in _groups(split, [(split.documents, len(split))]):
        begins = (edges - edges[0]).tolist()
        values = _read(inputs, int(edges[0]), begins[-1])
        if split.labelled == "documents":
            labels = _read(targets, first, len(edges) - 1).tolist()
            yield from ((values[a:b], label) for (a, b), label in zip(pairwise(begins), labels, strict=True))
        else:
            tags = _read(targets, int(edges[0]), begins[-1])
            yield from ((values[a:b], tags[a:b]) for a, b in pairwise(begins))


def pairs_of(split: Split) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """Each pair of a split in its order: the symbols of its source, (n,) int32, and those of its target, (n,) int32.

    Of captions the first is a vector, (V,) float32. No target has its end. What is in memory does not grow with the
    split. Raises DataError for a corpus without another side and without vectors, CorpusError where it is damaged.
    """
    targets, sides = Symbols(split), [(split.documents, len(split))]
    if split.numbers:
        for first, (edges,) in _groups(split, sides):
            vectors = np.empty((len(edges) - 1, split.numbers), np.float32)
            split.vectors.read(first, vectors)
            yield from zip(vectors, _parts(targets, edges), strict=True)
        return
    sources = Symbols(split.source)
    sides.append((split.source_documents, len(split.source)))
    for _, (edges, others) in _groups(split, sides):
        yield from zip(_parts(sources, others), _parts(targets, edges), strict=True)


def strings_of(split: Split, columns: Columns) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Each sequence of a split of frames in its order: its scaled rows, (n, F), and its string of labels, (m,).

    What is in memory does not grow with the split. Raises DataError for a corpus without strings, CorpusError where it
    is damaged.
    """
    rows, labels = Rows(split, columns), Symbols(split.targets)
    for first, (edges,) in _groups(split, [(split.documents, len(split))]):
        strings = split.target_strings(first, len(edges) - 1)
        yield from zip(_parts(rows, edges), _parts(labels, strings), strict=True)


def _parts(reader: Reader, edges: NDArray[np.int64]) -> list[NDArray[Any]]:
    """What the steps of sequences have, which lie between the edges."""
    values = _read(reader, int(edges[0]), int(edges[-1] - edges[0]))
    return [values[a:b] for a, b in pairwise((edges - edges[0]).tolist())]


def _groups(split: Split, sides: Sequence[tuple[Documents, int]]) -> Iterator[tuple[int, list[NDArray[np.int64]]]]:
    """Sequences that are read at once: the number of the first; of each side where each begins and the last ends.

    sides: where the sequences of each begin, and where all end.
    """
    first, count = 0, len(split.documents)
    while first < count:
        edges = [_edges(documents, first, end, f"{split.path}, split {split.name}") for documents, end in sides]
        taken = max(1, min(int(each.searchsorted(each[0] + _STEPS, "right")) - 1 for each in edges))
        yield first, [each[: taken + 1] for each in edges]
        first += taken


def _edges(documents: Documents, first: int, end: int, where: str) -> NDArray[np.int64]:
    """Where the next sequences begin, and where the last of these ends. end: where all end."""
    count = len(documents)
    edges = np.full(min(_SEQUENCES, count - first) + 1, end, np.int64)
    known = min(len(edges), count - first)  # the end of the last one of all is that of the split
    documents.read(first, edges[:known].view(np.uint64))
    if edges[0] < 0 or (edges[1:] <= edges[:-1]).any() or edges[-1] > end:
        raise CorpusError(f"{where}: the documents are not in order; prepare the corpus again")
    return edges


def _read(reader: Reader, start: int, count: int) -> NDArray[Any]:
    """What steps have, in a new array: numbers of rows as they are, others as int32."""
    found = reader.buffer(count)
    reader.read(start, found)
    return found if found.dtype.kind == "f" else found.astype(np.int32)
