"""What a corpus was made of: for programs in fields, for people in lines."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import SHOWN_NAMES, counted
from gpurnn.exceptions import shell_word


@dataclass(frozen=True, kw_only=True)
class Report(ABC):
    """What is told of all kinds of corpora but those of series.

    symbols: of the vocabulary. splits: their sizes by name. sources: how many files were read. empty: files found in
    folders that held nothing. wrong_bytes: bytes that are not in the encoding and were dropped or replaced;
    replacements: how many U+FFFD stand for them; damaged: in how many texts they are. passed_over: names found in
    folders that are not of files.
    It stands for the corpus wherever a path of one is asked for; as a text it says all this to people.
    """

    output: Path
    symbols: int
    splits: Mapping[str, SplitSize]
    sources: int
    fingerprint: str
    empty: int = 0
    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0
    passed_over: Sequence[Path] = ()

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        return "\n".join([f"{shell_word(self.output)}: {self._what()}", *self._lines(), *self._left_out()])

    @abstractmethod
    def _what(self) -> str:
        """What it holds."""

    @abstractmethod
    def _lines(self) -> Iterator[str]:
        """What else there is to say of this kind."""

    def _left_out(self) -> Iterator[str]:
        if self.empty:
            yield f"  {self.empty:,} empty files were left out"
        if self.passed_over:
            shown = " ".join(shell_word(path) for path in self.passed_over[:SHOWN_NAMES])
            yield f"  {counted(len(self.passed_over), 'name')} in folders, not of files, were left out: {shown}"
        if self.wrong_bytes:
            fate = f"became {self.replacements:,} U+FFFD" if self.replacements else "were dropped"
            yield f"  {self.wrong_bytes:,} bytes not in the encoding {fate}, in {counted(self.damaged, 'file')}"


@dataclass(frozen=True, kw_only=True)
class PrepareReport(Report):
    """What prepare made of texts.

    splits: tokens and documents. unknown: tokens of each split that became the unknown symbol. unknown_symbols: how
    many different symbols that were; unknown_examples: the commonest of them. separators: how often the document
    separator was found; None where there is none. The others: see `Report`.
    """

    kind: Kind
    unknown: Mapping[str, int]
    unknown_symbols: int
    unknown_examples: Sequence[str | bytes]
    separators: int | None = None

    def _what(self) -> str:
        return f"{self.symbols:,} {self.kind} in the vocabulary"

    def _lines(self) -> Iterator[str]:
        for name, size in self.splits.items():
            unknown = f", {self.unknown[name]:,} of them unknown" if self.unknown[name] else ""
            yield f"  {name:<6}{size.tokens:>15,} tokens in {counted(size.documents, 'document')}{unknown}"
        if self.unknown_symbols:
            shown = " ".join(repr(symbol) for symbol in self.unknown_examples)
            yield f"  {self.unknown_symbols:,} symbols outside the vocabulary became unknown: {shown}"
        if self.separators:
            yield f"  the document separator was found {counted(self.separators, 'time')}"
