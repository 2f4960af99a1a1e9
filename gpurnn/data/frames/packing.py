"""The last pass over frames with texts: the corpus file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.finishing import finish_corpus
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS, SplitSize, index_type
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.corpus.writer import CorpusWriter, Progress, new_corpus
from gpurnn.data.frames.form import FrameForm
from gpurnn.data.frames.spool import FrameSpool
from gpurnn.data.labelled.store import Store
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.scaling import Statistics
from gpurnn.data.text.tokens import TextPolicy, Vocabulary

_BLOCK = 1 << 16
"""About so many numbers are scaled, or labels written, at once."""


@dataclass
class FrameWriter:
    """Writes the splits as a corpus.

    labels, ids: the labels of texts in the order of the frames, and the final one of each provisional one. paths: of
    the files, likewise. columns: how frames are scaled, None: as those of the train split are distributed. longest: of
    the longest sequence, how many frames; of the longest text, how many labels.
    """

    form: FrameForm
    frames: FrameSpool
    labels: Store
    vocabulary: Vocabulary
    ids: NDArray[np.int64]
    paths: tuple[str, ...]
    columns: Columns | None
    progress: Progress
    longest: list[int] = field(default_factory=lambda: [0, 0])

    def write(
        self,
        path: Path,
        force: bool,
        orders: Sequence[NDArray[Any]],
        policy: TextPolicy,
        counts: NDArray[np.int64],
    ) -> Manifest:
        """Writes and verifies the file, and gives it its name.

        orders: the sequences of each split. counts: of the labels in the train split.
        """
        self._statistics = Statistics(self.form.inputs, 1)
        self._written = 0
        with new_corpus(path, replace=force, progress=self.progress) as writer:
            sizes = {name: self._split(writer, name, order) for name, order in zip(SPLITS, orders, strict=True)}
            columns = self.columns or self._scaling()
            tables = Tables(columns=columns, keys=self.paths, strings=self.vocabulary)
            return finish_corpus(writer, "frames", sizes, tables, policy=policy, counts={"labels": counts})

    def _split(self, writer: CorpusWriter, name: str, order: NDArray[Any]) -> SplitSize:
        if not len(order):
            return SplitSize(0, 0)
        steps = self._edges(writer, f"documents/{name}", self.frames.edges, order, 0)
        strings = self._edges(writer, f"targets_offsets/{name}", self.labels.edges, order, 1)
        writer.create(f"keys/{name}", len(order), index_type(len(self.paths)))
        writer.append(f"keys/{name}", order)
        writer.create(f"targets/{name}", strings, index_type(len(self.vocabulary)))
        for block in self.labels.ordered(order):
            writer.append(f"targets/{name}", self.ids[block])
        writer.create(f"reals/{name}", steps * self.form.inputs, np.dtype("<f4"))
        for number in order.tolist():
            frames = self.frames.read(number)
            writer.append(f"reals/{name}", frames.reshape(-1))
            if name == "train" and self.columns is None:
                for begins, part in _parts(frames):
                    self._statistics.add(begins, part)
                    self._statistics.finish()
            self._written += len(frames)
            self.progress("writing", self._written, int(self.frames.edges[-1]))
        return SplitSize(steps, len(order), strings=strings)

    def _edges(self, writer: CorpusWriter, path: str, edges: NDArray[np.int64], order: NDArray[Any], what: int) -> int:
        """Writes where the sequences begin (0), or the texts begin and end (1); returns where the last one ends."""
        lengths = edges[1:][order] - edges[:-1][order]
        found = np.append(0, np.cumsum(lengths))
        writer.create(path, len(order) + what, np.dtype("<u8"))
        writer.append(path, found[: len(order) + what])
        self.longest[what] = max(self.longest[what], int(lengths.max()))
        return int(found[-1])

    def _scaling(self) -> Columns:
        """How frames are scaled; numbers that are the same in the whole train split are only moved."""
        statistics = self._statistics
        same = (statistics.low == statistics.high) | (statistics.scale < np.finfo(np.float32).tiny)
        return Columns(
            tuple(map(str, range(1, self.form.inputs + 1))),
            statistics.mean,
            np.where(same, 1, statistics.scale),
            statistics.season_error,
            interval=1,
            form=self.form.to_json(),
        )


def _parts(frames: NDArray[np.float32]) -> Iterator[tuple[bool, NDArray[np.float32]]]:
    """A sequence a few frames at a time, and whether these are its first."""
    step = max(1, _BLOCK // frames.shape[1])
    return ((first == 0, frames[first : first + step]) for first in range(0, len(frames), step))
