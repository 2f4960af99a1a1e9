"""What a corpus says once for all its splits: vocabularies, columns, names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.chunks import ChunkedData
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import Symbols
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import DataError

ARRAYS = ("mean", "scale", "season_error")
"""Of each column a number."""


@dataclass(frozen=True)
class Tables:
    """What a corpus says once; None is what its kind does not have.

    vocabulary: of steps that are symbols. columns: of steps that are rows. keys: names of what series are of, the
    empty one where there is no other; of frames those of their files. source: the vocabulary of the other side of
    pairs. labels: by their number. strings: the vocabulary of strings of labels, instead of these.
    """

    vocabulary: Vocabulary | None = None
    columns: Columns | None = None
    keys: tuple[str, ...] | None = None
    source: Vocabulary | None = None
    labels: tuple[str, ...] | None = None
    strings: Vocabulary | None = None


def read_tables(manifest: Manifest, datasets: Mapping[str, ChunkedData]) -> Tables:
    """The tables of a file. Raises DataError, which says what is wrong."""

    def listed(folder: str) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        data = datasets.get(f"{folder}/bytes")  # not there where all are empty
        return np.zeros(0, np.uint8) if data is None else data.all(), datasets[f"{folder}/offsets"].all()

    def vocabulary(folder: str, size: Symbols | None) -> Vocabulary | None:
        return None if size is None else Vocabulary.from_arrays(size.tokens, *listed(folder), size.unknown)

    strings = vocabulary("labels", manifest.labels) if isinstance(manifest.labels, Symbols) else None
    named = manifest.labels is not None and strings is None
    columns = None
    if manifest.columns is not None:
        fields = dict(manifest.columns.about) | {"names": list(names_from(*listed("columns"), "columns"))}
        arrays = {f"columns.{name}": datasets[f"columns/{name}"].all() for name in ARRAYS}
        columns = Columns.from_json(fields, arrays, "manifest")
    return Tables(
        vocabulary=vocabulary("vocabulary", manifest.vocabulary),
        columns=columns,
        keys=None if manifest.keys is None else names_from(*listed("key_names"), "key names"),
        source=vocabulary("source_vocabulary", manifest.source),
        labels=names_from(*listed("labels"), "labels") if named else None,
        strings=strings,
    )


def names_from(data: NDArray[np.uint8], offsets: NDArray[np.uint64], what: str) -> tuple[str, ...]:
    """Different texts that stand one after the other in data, (n,) UTF-8, from offset to offset, (count+1,).

    what: they are, for the message. Raises DataError for anything else.
    """
    if offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise DataError(f"{what}: the offsets do not rise from 0 to {len(data)}")
    raw = data.tobytes()
    try:
        names = tuple(raw[start:end].decode() for start, end in itertools.pairwise(offsets.tolist()))
    except UnicodeDecodeError as error:
        raise DataError(f"{what}: one is not UTF-8: {error.object!r:.60}") from None
    if len(set(names)) != len(names):
        raise DataError(f"{what}: one is there twice")
    return names
