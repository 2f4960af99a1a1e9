"""An opened corpus: what it says of all its splits, and the splits."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.chunks import ChunkedData, Descriptor
from gpurnn.data.corpus.schema import Manifest
from gpurnn.data.corpus.sizes import SPLITS
from gpurnn.data.corpus.split import Split
from gpurnn.data.corpus.tables import Tables, read_tables
from gpurnn.data.corpus.validate import open_validated
from gpurnn.data.corpus.verify import verify_corpus
from gpurnn.data.series.columns import Columns
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import CorpusError, DataError


class Corpus:
    """A corpus file, opened by `Corpus.open`; a context manager that closes it.

    path; kind: "chars", "bytes" or "words" of text, or what else it holds, "series"; splits: steps of each split by
    name, tokens or rows; fingerprint: SHA-256 over everything the file says (hexadecimal). What only some kinds have
    is a DataError of the others.
    """

    def __init__(
        self, path: Path, descriptor: Descriptor, manifest: Manifest, datasets: Mapping[str, ChunkedData]
    ) -> None:
        self.path = path
        self.manifest = manifest
        self._descriptor = descriptor
        self._datasets = datasets
        self.kind = manifest.kind
        self.fingerprint = manifest.fingerprint
        self.splits = {name: manifest.splits[name].steps for name in SPLITS}
        try:
            self.tables: Tables = read_tables(manifest, datasets)
        except DataError as error:
            raise CorpusError(f"{path}: not a corpus: its {error}") from None

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens a corpus after looking it over; CorpusError, one line with the reason, when it is not one."""
        path = Path(path)
        descriptor, manifest, datasets = open_validated(path)
        try:
            return cls(path, descriptor, manifest, datasets)
        except BaseException:
            descriptor.close()
            raise

    def split(self, name: str) -> Split:
        """A split by its name; DataError when there is none of this name."""
        if not isinstance(name, str) or name not in self.splits:
            raise DataError(f"{self.path}: no split {name!r}, expected one of {', '.join(SPLITS)}")
        return Split(name, self._descriptor, self.manifest, self._datasets)

    def targets(self, name: str) -> int:
        """How many targets a split has: of symbols that go on, all but the first of each document; rows of a series.

        Of pairs and captions all symbols and an end of each document.
        """
        size, shape = self.manifest.splits[name], self.manifest.shape
        if shape.labels:
            return int(getattr(size, shape.labels))
        if shape.source or shape.vectors:
            return size.steps + size.documents
        return size.steps if self.manifest.columns is not None else size.steps - size.documents

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols of its steps. Raises DataError where the steps are none."""
        if self.tables.vocabulary is None:
            raise self._lacks("vocabulary", "text")
        return self.tables.vocabulary

    @property
    def policy(self) -> TextPolicy:
        """How its text, or that of strings of labels, became characters. Raises DataError where there was none."""
        if self.manifest.policy is None:
            raise self._lacks("text", "text")
        return self.manifest.policy

    @property
    def counts(self) -> NDArray[np.uint64]:
        """How often each symbol occurs in the train split, (K,) uint64, read from the file."""
        return self._counts("vocabulary", "vocabulary")

    @property
    def label_counts(self) -> NDArray[np.uint64]:
        """The same of the labels."""
        return self._counts("labels", "labels")

    def _counts(self, folder: str, what: str) -> NDArray[np.uint64]:
        if f"{folder}/counts" not in self._datasets:
            raise self._lacks(what)
        return self._datasets[f"{folder}/counts"].all()

    @property
    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first symbols of train documents and how many documents begin with each, two (n,) int64.

        The commonest come first; at most 65,536 are kept. Raises DataError for what is not text.
        """
        if not self.manifest.starts:
            raise self._lacks("text alone", "text")
        symbols = self._datasets["starts/symbols"].all().astype(np.int64)
        counts = self._datasets["starts/counts"].all().astype(np.int64)
        if int(symbols.max()) >= len(self.vocabulary) or int(counts.min()) < 1:
            raise CorpusError(f"{self.path}: the first symbols of documents are damaged; prepare the corpus again")
        return symbols, counts

    @property
    def language(self) -> Language:
        """What turns text into its symbols and back; reads how documents begin. DataError of what is not text."""
        return Language(self.vocabulary, self.policy, *self.starts)

    @property
    def columns(self) -> Columns:
        """What is known of the columns of its rows. Raises DataError where its steps are symbols."""
        if self.tables.columns is None:
            raise self._lacks("columns", "measured series")
        return self.tables.columns

    @property
    def key_names(self) -> tuple[str, ...]:
        """What the series are of: names of stations; of frames the files they come from. DataError without them."""
        if self.tables.keys is None:
            raise self._lacks("keys", "measured series")
        return self.tables.keys

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, by their number. Raises DataError where there are none."""
        if self.tables.strings is not None:
            return tuple(map(str, self.tables.strings.symbols))
        if self.tables.labels is None:
            raise self._lacks("labels")
        return self.tables.labels

    @property
    def strings(self) -> Vocabulary:
        """The labels of strings of labels. Raises DataError where there are none."""
        if self.tables.strings is None:
            raise self._lacks("strings of labels")
        return self.tables.strings

    @property
    def source_vocabulary(self) -> Vocabulary:
        """The symbols of the other side of pairs. Raises DataError for what is no pairs."""
        if self.tables.source is None:
            raise self._lacks("other side")
        return self.tables.source

    def _lacks(self, what: str, wanted: str = "") -> DataError:
        advice = f"; name a corpus of {wanted}" if wanted else ""
        return DataError(f"{self.path}: it holds {self.manifest.shape.called}, no {what}{advice}")

    def verify(self) -> None:
        """Reads everything and compares it with the digests in the file; CorpusError where they differ."""
        verify_corpus(self.path, self.manifest, self._datasets, self.split)

    def close(self) -> None:
        """Closes the file; streams that were made from it go on."""
        self._descriptor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
