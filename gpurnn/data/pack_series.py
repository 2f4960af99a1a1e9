"""The last pass over measured series: from the rows of the splits to the corpus file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize, index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, Progress, new_corpus
from gpurnn.data.labelled.options import What
from gpurnn.data.series.clock import clocks
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.splits import SplitRows

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Stored:
    """The labels or tags that are stored. names: by number. train: how often each occurs in the train split.

    numbers: of each label as it was met. of_key: such a one of each key; None of tags, which are the last column.
    """

    what: What
    names: tuple[str, ...]
    train: NDArray[np.int64]
    numbers: NDArray[np.int64]
    of_key: NDArray[np.int64] | None = None


class SeriesWriter:
    """Writes the splits as a corpus. kept: which columns of the splits' rows. stored: labels or tags, where there are.

    Without a time in `columns` keys and times are left out.
    """

    def __init__(
        self,
        columns: Columns,
        kept: list[int],
        splits: list[SplitRows],
        progress: Progress,
        stored: Stored | None = None,
    ) -> None:
        self._columns = columns
        self._kept = kept
        self._stored = stored
        self._splits = dict(zip(SPLITS, splits, strict=True))
        self._progress = progress
        self._written = 0

    def write(self, target: Path, force: bool, keys: tuple[str, ...]) -> Manifest:
        """Writes and verifies the file, and gives it its name. keys: the name of each, where several may have one."""
        places = {name: place for place, name in enumerate(dict.fromkeys(keys))}
        numbers = np.array([places[key] for key in keys], index_type(len(places)))
        with new_corpus(target, replace=force, progress=self._progress) as writer:
            for name, split in self._splits.items():
                if len(split):
                    self._write_split(writer, name, split, numbers)
            sizes = {name: SplitSize(len(split), len(split.documents)) for name, split in self._splits.items()}
            stored = self._stored
            tables = Tables(
                columns=self._columns,
                keys=tuple(places) if self._columns.time else None,
                labels=None if stored is None else stored.names,
            )
            counts = {} if stored is None else {"labels": stored.train}
            kind = "series" if stored is None else stored.what
            return finish_corpus(writer, kind, sizes, tables, counts=counts)

    def _write_split(self, writer: CorpusWriter, name: str, split: SplitRows, keys: NDArray[Any]) -> None:
        parts: list[tuple[str, Any, np.dtype[Any]]] = [("documents", split.documents, np.dtype("<u8"))]
        if self._columns.time:
            mine = keys[np.array(split.keys, np.int64)]
            parts += [("keys", mine, mine.dtype), ("starts", split.starts, np.dtype("<i8"))]
        for what, values, dtype in parts:
            writer.create(f"{what}/{name}", len(values), dtype)
            for start in range(0, len(values), _BLOCK):
                writer.append(f"{what}/{name}", np.array(values[start : start + _BLOCK], dtype))
        if self._stored is not None:
            self._write_targets(writer, name, split, self._stored)
        writer.create(f"reals/{name}", len(split) * self._columns.inputs, np.dtype("<f4"))
        whole = sum(map(len, self._splits.values()))
        for rows in self._rows(split):
            writer.append(f"reals/{name}", rows.reshape(-1))
            self._written += len(rows)
            self._progress("writing", self._written, whole)

    def _write_targets(self, writer: CorpusWriter, name: str, split: SplitRows, stored: Stored) -> None:
        numbers, path = stored.numbers.astype(index_type(len(stored.names))), f"targets/{name}"
        of_key = stored.of_key
        writer.create(path, len(split) if of_key is None else len(split.keys), numbers.dtype)
        if of_key is None:
            for _, values in split.read():
                writer.append(path, numbers[values[:, -1].astype(np.int64)])
            return
        for start in range(0, len(split.keys), _BLOCK):
            writer.append(path, numbers[of_key[np.array(split.keys[start : start + _BLOCK], np.int64)]])

    def _rows(self, split: SplitRows) -> Iterator[NDArray[np.float32]]:
        """The rows as they are stored, with the columns of the clock."""
        measured = len(self._kept)
        for first, values in split.read():
            rows = np.empty((len(values), self._columns.inputs), np.float32)
            rows[:, :measured] = values[:, self._kept]
            if self._columns.clock:
                clocks(split.times(first, len(values), self._columns.interval), rows[:, measured:])
            yield rows
