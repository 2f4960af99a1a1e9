"""What a corpus was made of: for programs in fields, for people in lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import counted, told_of_bytes, told_of_names
from gpurnn.exceptions import shell_word


@dataclass(frozen=True)
class PrepareReport:
    """What prepare made.

    splits: tokens and documents by split. unknown: tokens of each split that became the unknown symbol.
    unknown_symbols: how many different symbols that were; unknown_examples: the commonest of them.
    empty: files found in folders that held nothing. passed_over: names found there that are not of files.
    wrong_bytes: bytes that are not in the encoding and were dropped or replaced; replacements: how many U+FFFD stand
    for them; damaged: in how many texts they are.
    separators: how often the document separator was found; None where there is none.
    It stands for the corpus wherever a path of one is asked for; as a text it says all this to people.
    """

    output: Path
    kind: Kind
    symbols: int
    splits: Mapping[str, SplitSize]
    unknown: Mapping[str, int]
    unknown_symbols: int
    unknown_examples: Sequence[str | bytes]
    sources: int
    empty: int
    fingerprint: str
    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0
    separators: int | None = None
    passed_over: Sequence[Path] = ()

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        lines = [f"{shell_word(self.output)}: {self.symbols:,} {self.kind} in the vocabulary"]
        for name, size in self.splits.items():
            unknown = f", {self.unknown[name]:,} of them unknown" if self.unknown[name] else ""
            lines.append(f"  {name:<6}{size.tokens:>15,} tokens in {counted(size.documents, 'document')}{unknown}")
        if self.unknown_symbols:
            shown = " ".join(repr(symbol) for symbol in self.unknown_examples)
            lines.append(f"  {self.unknown_symbols:,} symbols outside the vocabulary became unknown: {shown}")
        if self.empty:
            lines.append(f"  {self.empty:,} empty files were left out")
        lines.extend(told_of_names(self.passed_over))
        lines.extend(told_of_bytes(self.wrong_bytes, self.replacements, self.damaged))
        if self.separators:
            lines.append(f"  the document separator was found {counted(self.separators, 'time')}")
        return "\n".join(lines)
