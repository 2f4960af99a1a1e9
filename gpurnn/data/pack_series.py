"""The last pass over measured series: from the rows of the splits to the corpus file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.packing import Progress
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize, index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, new_corpus
from gpurnn.data.series.clock import clocks
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.splits import SplitRows

_BLOCK = 1 << 16


class SeriesWriter:
    """Writes the splits as a corpus. kept: which columns of the splits' rows."""

    def __init__(self, columns: Columns, kept: list[int], splits: list[SplitRows], progress: Progress) -> None:
        self._columns = columns
        self._kept = kept
        self._splits = dict(zip(SPLITS, splits, strict=True))
        self._progress = progress
        self._written = 0

    def write(self, target: Path, force: bool, keys: tuple[str, ...]) -> Manifest:
        """Writes and verifies the file, and gives it its name."""
        with new_corpus(target, replace=force) as writer:
            for name, split in self._splits.items():
                if len(split):
                    self._write_split(writer, name, split, len(keys))
            sizes = {name: SplitSize(len(split), len(split.documents)) for name, split in self._splits.items()}
            manifest = finish_corpus(writer, "series", sizes, Tables(columns=self._columns, keys=keys))
            self._progress("verifying", 0, 0)
            writer.verify(target)
            writer.publish()
        return manifest

    def _write_split(self, writer: CorpusWriter, name: str, split: SplitRows, keys: int) -> None:
        for what, values, dtype in (
            ("documents", split.documents, np.dtype("<u8")),
            ("keys", split.keys, index_type(keys)),
            ("starts", split.starts, np.dtype("<i8")),
        ):
            writer.create(f"{what}/{name}", len(values), dtype)
            for start in range(0, len(values), _BLOCK):
                writer.append(f"{what}/{name}", np.array(values[start : start + _BLOCK], dtype))
        writer.create(f"reals/{name}", len(split) * self._columns.inputs, np.dtype("<f4"))
        whole = sum(map(len, self._splits.values()))
        for rows in self._rows(split):
            writer.append(f"reals/{name}", rows.reshape(-1))
            self._written += len(rows)
            self._progress("writing", self._written, whole)

    def _rows(self, split: SplitRows) -> Iterator[NDArray[np.float32]]:
        """The rows as they are stored, with the columns of the clock."""
        measured = len(self._kept)
        for first, values in split.read():
            rows = np.empty((len(values), self._columns.inputs), np.float32)
            rows[:, :measured] = values[:, self._kept]
            if self._columns.clock:
                clocks(split.times(first, len(values), self._columns.interval), rows[:, measured:])
            yield rows
