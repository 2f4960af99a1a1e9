"""From files to documents in a store: texts with a label each, sentences with tags, a folder a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.labelled.lines import ADVICE, Opener, Place
from gpurnn.data.labelled.names import Names
from gpurnn.data.labelled.options import LabelledOptions
from gpurnn.data.labelled.schemes import Transitions
from gpurnn.data.labelled.sentences import Sentence, read_sentences
from gpurnn.data.labelled.store import Store
from gpurnn.data.labelled.texts import Text, read_texts
from gpurnn.data.labelled.words import SPACE, Cells, Spelt, tagged_tokens
from gpurnn.data.text.inputs import Source, find_sources
from gpurnn.data.text.text import Piece, read_pieces
from gpurnn.data.text.tokenise import TOKENISERS, Tokeniser
from gpurnn.exceptions import DataError

_BLOCK = 1 << 16
"""About so many characters become tokens at once."""


@dataclass(frozen=True)
class File:
    """A file to read. root: the folder that was given, where it was found in one."""

    source: Source
    root: Path | None = None


def find_files(inputs: Sequence[str | Path], passed_over: list[Path]) -> list[File]:
    """The files that the inputs mean, as `find_sources` finds them."""
    found = []
    for given in inputs:
        root = Path(given) if str(given) != "-" and Path(given).is_dir() else None
        found += [File(source, root) for source in find_sources([given], passed_over)]
    return found


class LabelReader:
    """Reads texts with a label each. by_class: files whose texts stood in order of their labels; empty: files in
    folders of classes that held nothing.
    """

    def __init__(self, options: LabelledOptions, opener: Opener, store: Store) -> None:
        self.names = Names("label_column")
        self.tokens: Tokeniser = TOKENISERS[options.kind]()
        self.by_class: list[str] = []
        self.empty = 0
        self._options, self._opener, self._store = options, opener, store

    def read(self, files: Sequence[File]) -> None:
        """Reads the files of one split. Raises DataError."""
        classes: dict[Path, set[str]] = {}
        for file in files:
            if file.root is None:
                self._read_table(file.source)
            else:
                classes.setdefault(file.root, set()).update(self._read_member(file.source, file.root))
            self._store.append(*self.tokens.finish())
        for root, there in classes.items():
            for folder in sorted(root.iterdir()):
                if folder.is_dir() and not folder.name.startswith(".") and folder.name not in there:
                    raise DataError(f"{folder}: the class has no text; give it one, or remove the folder")

    def _read_table(self, source: Source) -> None:
        pieces: list[Piece] = []
        size = changes = 0
        seen: set[int] = set()
        before = len(self._store.labels)
        for text in read_texts(self._opener.lines(source), source.label, self._options):
            number = self.names.number(text.label, text.place)
            changes += bool(seen) and number != self._store.labels[-1]
            seen.add(number)
            self._store.labels.append(number)
            pieces.append((self._piece(text), True))
            size += len(text.text)
            if size >= _BLOCK:
                self._store.append(*self.tokens.feed(pieces))
                pieces, size = [], 0
        self._store.append(*self.tokens.feed(pieces))
        if not seen:
            raise DataError(f"{source.label}: it has no text but its header")
        if 1 < len(seen) == changes + 1 < len(self._store.labels) - before:
            self.by_class.append(source.label)

    def _piece(self, text: Text) -> str | bytes:
        if self._options.kind == "bytes":
            return text.text.encode()
        return self._opener.policy.apply(text.text)

    def _read_member(self, source: Source, root: Path) -> list[str]:
        """Reads a file in the folder of its class; the names of the classes that it makes sure of."""
        assert source.path is not None
        inner = source.path.relative_to(root).parts
        if len(inner) < 2:
            raise DataError(
                f"{source.label}: it is in no folder of a class; a folder has one for each class, with its texts in "
                "files; give other files by name"
            )
        policy = None if self._options.kind == "bytes" else self._opener.policy
        before, opener = self._store.tokens, self._opener
        for pieces in read_pieces(source, policy, None, opener.stdin, opener.advance, ADVICE, opener.losses):
            self._store.append(*self.tokens.feed(pieces))
        self._store.append(*self.tokens.finish())
        if self._store.tokens == before:
            self.empty += 1
            return []
        self._store.labels.append(self.names.number(inner[0], source.label))
        return [inner[0]]


class TagReader:
    """Reads sentences of words with tags. scheme: of the tags, once all files are read."""

    def __init__(self, options: LabelledOptions, opener: Opener, store: Store) -> None:
        self.names = Names("tag_column")
        spelt = options.kind == "chars"
        self.tokens: Cells | Spelt = tagged_tokens(options.kind, self.names.number(SPACE, "") if spelt else 0)
        self.empty = 0
        self.by_class: list[str] = []
        self._transitions = Transitions()
        self._options, self._opener, self._store = options, opener, store

    def read(self, files: Sequence[File]) -> None:
        """Reads the files of one split. Raises DataError."""
        for file in files:
            before = self._store.tokens
            label = file.source.label
            for sentence in read_sentences(self._opener.lines(file.source), label, self._options):
                self._transitions.add(sentence.tags, label, sentence.lines)
                words = self._opener.policy.apply("\n".join(sentence.words)).split("\n")
                self._store.append(*self._tokens(words, sentence, label))
            if self._store.tokens == before:
                if file.root is None:
                    raise DataError(f"{label}: it has no sentence")
                self.empty += 1

    def _tokens(self, words: list[str], sentence: Sentence, file: str) -> tuple[NDArray[Any], ...]:
        known = self.names.numbers
        if not known.keys() >= set(sentence.tags):
            for tag, line in zip(sentence.tags, sentence.lines, strict=True):
                self.names.number(tag, Place(file, line))
        ids, tags = self.tokens.take(words, [known[tag] for tag in sentence.tags])
        return ids, np.zeros(1, np.int64), tags

    @property
    def scheme(self) -> str | None:
        """The scheme of the tags. Raises DataError where they break it."""
        return self._transitions.scheme()


def reader_of(options: LabelledOptions, opener: Opener, store: Store) -> Any:
    """What reads this kind of files."""
    return (LabelReader if options.what == "labels" else TagReader)(options, opener, store)
