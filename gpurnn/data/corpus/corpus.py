"""An opened corpus: its vocabulary, its splits, and where documents begin."""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus.chunks import ChunkedData, Descriptor
from gpurnn.data.corpus.schema import SPLITS, Manifest
from gpurnn.data.corpus.validate import open_validated
from gpurnn.data.text.language import Language
from gpurnn.data.text.tokens import Kind, TextPolicy, Vocabulary
from gpurnn.exceptions import CorpusError, DataError

_BLOCK = 1 << 17
"""Entries that a pass over a whole dataset reads at once."""


class Documents:
    """Where the documents of a split begin: rising token positions, the first one 0, looked up in bounded memory."""

    def __init__(self, starts: ChunkedData | None, where: str) -> None:
        self._starts = starts
        self._where = where
        self._buffer = np.zeros(4096, np.int64)

    def __len__(self) -> int:
        return 0 if self._starts is None else len(self._starts)

    def read(self, first: int, out: NDArray[np.uint64]) -> None:
        """Overwrites out, (n,) uint64, with the starts of the documents first .. first + n."""
        if self._starts is not None:
            self._starts.read(first, out)

    def locate(self, position: int) -> int:
        """How many documents begin before this token."""
        low, high = 0, len(self)
        one = np.zeros(1, np.uint64)
        while low < high:
            middle = (low + high) // 2
            self.read(middle, one)
            low, high = (middle + 1, high) if int(one[0]) < position else (low, middle)
        return low

    def mark(self, start: int, out: NDArray[np.uint8]) -> None:
        """Overwrites out, (n,) uint8: 1 where the token start + i is the first of a document, else 0.

        One call at a time: a buffer of this object is used. Raises CorpusError when the starts do not rise.
        """
        out[:] = 0
        first = self.locate(start)
        while first < len(self):
            part = self._buffer[: min(len(self._buffer), len(self) - first)]
            self.read(first, part.view(np.uint64))
            part -= start
            count = int(part.searchsorted(len(out)))
            inside = part[:count]
            if count and (int(inside.min()) < 0 or int(inside.max()) >= len(out)):
                raise CorpusError(f"{self._where}: the documents are not in order; prepare the corpus again")
            np.put(out, inside, 1)
            if count < len(part):
                return
            first += count


class Split:
    """The tokens of one split. symbols: K, what all of them are below.

    Raises CorpusError when the file changed or was closed while it is read.
    """

    def __init__(
        self,
        name: str,
        descriptor: Descriptor,
        data: tuple[ChunkedData, ChunkedData] | None,
        dtype: np.dtype[Any],
        symbols: int,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.path = descriptor.path
        self._descriptor = descriptor
        self._data = data
        self.symbols = symbols
        self._narrow = symbols < 2 ** (8 * dtype.itemsize)
        self.documents = Documents(None if data is None else data[1], f"{self.path}, split {name}")

    def __len__(self) -> int:
        return 0 if self._data is None else len(self._data[0])

    def read(self, start: int, out: NDArray[Any]) -> None:
        """Overwrites out, (n,) contiguous of `dtype`, with the tokens start .. start + n, all below K."""
        if self._data is None or len(out) == 0:
            if len(out):
                raise IndexError(f"split {self.name} is empty")
            return
        self._data[0].read(start, out)
        if self._narrow and int(out.max()) >= self.symbols:
            raise CorpusError(
                f"{self.path}: split {self.name} has a token {int(out.max())} at or after {start}, "
                f"the vocabulary ends at {self.symbols - 1}; prepare the corpus again"
            )

    def independent(self) -> "Split":
        """The same split on a descriptor of its own, which closing the corpus does not touch."""
        own = self._descriptor.duplicate()
        data = None if self._data is None else (self._data[0].on(own), self._data[1].on(own))
        return Split(self.name, own, data, self.dtype, self.symbols)


class Corpus:
    """A corpus file, opened by `Corpus.open`; a context manager that closes it.

    path; kind; policy; vocabulary; splits: tokens of each split by name; fingerprint: SHA-256 over everything the
    file says (hexadecimal).
    """

    def __init__(
        self, path: Path, descriptor: Descriptor, manifest: Manifest, datasets: dict[str, ChunkedData]
    ) -> None:
        self.path = path
        self.manifest = manifest
        self._descriptor = descriptor
        self._datasets = datasets
        self.kind: Kind = manifest.kind
        self.policy: TextPolicy = manifest.policy
        self.fingerprint = manifest.fingerprint
        self.splits = {name: manifest.splits[name].tokens for name in SPLITS}
        self.vocabulary = self._load_vocabulary()

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
        if name not in self.splits:
            raise DataError(f"{self.path}: no split {name!r}, expected one of {', '.join(SPLITS)}")
        tokens, documents = self._datasets.get(f"tokens/{name}"), self._datasets.get(f"documents/{name}")
        data = None if tokens is None or documents is None else (tokens, documents)
        dtype = np.dtype("u1") if tokens is None else tokens.dtype
        return Split(name, self._descriptor, data, dtype, len(self.vocabulary))

    def targets(self, name: str) -> int:
        """How many tokens of a split are predicted: all but the first of each document."""
        size = self.manifest.splits[name]
        return size.tokens - size.documents

    @property
    def counts(self) -> NDArray[np.uint64]:
        """How often each symbol occurs in the train split, (K,) uint64, read from the file."""
        return self._datasets["vocabulary/counts"].all()

    @property
    def starts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first symbols of train documents and how many documents begin with each, two (n,) int64.

        The commonest come first; at most 65,536 are kept.
        """
        symbols = self._datasets["starts/symbols"].all().astype(np.int64)
        counts = self._datasets["starts/counts"].all().astype(np.int64)
        if int(symbols.max()) >= len(self.vocabulary) or int(counts.min()) < 1:
            raise CorpusError(f"{self.path}: the first symbols of documents are damaged; prepare the corpus again")
        return symbols, counts

    @property
    def language(self) -> Language:
        """What turns text into its symbols and back; reads how documents begin."""
        return Language(self.vocabulary, self.policy, *self.starts)

    def verify(self) -> None:
        """Reads everything and compares it with the digests in the file; CorpusError where they differ."""
        for name, data in self._datasets.items():
            digest = hashlib.sha256()
            for start in range(0, len(data), _BLOCK):
                block = np.empty(min(_BLOCK, len(data) - start), data.dtype)
                data.read(start, block)
                digest.update(block.data)
            if digest.hexdigest() != self.manifest.sha256[name]:
                raise CorpusError(f"{self.path}: {name} does not have the SHA-256 in the file; it was damaged")
        for name in SPLITS:
            self._verify_split(name)

    def _verify_split(self, name: str) -> None:
        split = self.split(name)
        for start in range(0, len(split), _BLOCK):
            split.read(start, np.empty(min(_BLOCK, len(split) - start), split.dtype))
        previous = -1
        for first in range(0, len(split.documents), _BLOCK):
            starts = np.empty(min(_BLOCK, len(split.documents) - first), np.uint64)
            split.documents.read(first, starts)
            rising = bool((starts[1:] > starts[:-1]).all()) and int(starts[0]) > previous
            previous = int(starts[-1])
            if not rising or previous >= len(split) or (first == 0 and int(starts[0]) != 0):
                raise CorpusError(f"{self.path}: the documents of split {name} are not in order")

    def _load_vocabulary(self) -> Vocabulary:
        data, offsets = self._datasets["vocabulary/bytes"].all(), self._datasets["vocabulary/offsets"].all()
        try:
            return Vocabulary.from_arrays(self.kind, data, offsets, self.manifest.unknown)
        except DataError as error:
            raise CorpusError(f"{self.path}: not a corpus: its {error}") from None

    def close(self) -> None:
        """Closes the file; streams that were made from it go on."""
        self._descriptor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
