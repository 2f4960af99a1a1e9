"""The end of a corpus that is not text: its tables and its manifest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import Names, Row, SplitSize, Symbols
from gpurnn.data.corpus.tables import ARRAYS, Tables
from gpurnn.data.corpus.writer import CorpusWriter
from gpurnn.data.text.tokens import TextPolicy, Vocabulary


def finish_corpus(
    writer: CorpusWriter,
    kind: str,
    splits: Mapping[str, SplitSize],
    tables: Tables,
    *,
    policy: TextPolicy | None = None,
    counts: Mapping[str, Sequence[int] | NDArray[Any]] | None = None,
    vectors: int = 0,
) -> Manifest:
    """Writes the tables and the manifest of a corpus that is not text; its splits are there already.

    counts: how often each symbol ("vocabulary"), symbol of the source ("source_vocabulary") and label ("labels")
    occurs in the train split. vectors: numbers of a vector. Returns the manifest; `verify` and `publish` are left.
    """

    def write(folder: str, data: NDArray[np.uint8], offsets: NDArray[np.uint64], more: Mapping[str, Any]) -> None:
        for name, values in {"bytes": data, "offsets": offsets, **more}.items():
            if len(values):
                writer.create(f"{folder}/{name}", len(values), values.dtype)
                writer.append(f"{folder}/{name}", values)

    def vocabulary(folder: str, given: Vocabulary | None) -> Symbols | None:
        if given is None:
            return None
        data, offsets = given.to_arrays()
        write(folder, data, offsets, counted(folder))
        return Symbols(len(given), len(data), given.kind, given.unknown)

    def named(folder: str, given: Sequence[str] | None, more: Mapping[str, Any]) -> Names | None:
        if given is None:
            return None
        data, offsets = _joined(given)
        write(folder, data, offsets, more)
        return Names(len(given), len(data))

    def counted(folder: str) -> dict[str, NDArray[np.uint64]]:
        return {"counts": np.asarray((counts or {})[folder], "<u8")}

    row = None
    if tables.columns is not None:
        about = tables.columns.to_json()
        arrays = {name: np.asarray(getattr(tables.columns, name), "<f8") for name in ARRAYS}
        names = named("columns", about.pop("names"), arrays)
        row = None if names is None else Row(names.count, names.bytes, about)
    manifest = Manifest(
        kind=kind,
        splits=splits,
        vocabulary=vocabulary("vocabulary", tables.vocabulary),
        policy=policy,
        columns=row,
        keys=named("key_names", tables.keys, {}),
        source=vocabulary("source_vocabulary", tables.source),
        labels=vocabulary("labels", tables.strings)
        or named("labels", tables.labels, {} if tables.labels is None else counted("labels")),
        vectors=vectors,
        sha256=writer.digests(),
    )
    writer.finish(manifest)
    return manifest


def _joined(names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Texts one after the other, (n,) uint8 (UTF-8), and where each begins, (count+1,) uint64 ending with n."""
    encoded = [name.encode() for name in names]
    offsets = np.zeros(len(encoded) + 1, "<u8")
    np.cumsum([len(each) for each in encoded], out=offsets[1:], dtype="<u8")
    return np.frombuffer(b"".join(encoded), np.uint8), offsets
