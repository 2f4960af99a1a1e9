"""What a corpus of pairs or captions was made of: for programs in fields, for people in lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.pairs.options import What
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import counted, told_of_bytes, told_of_names
from gpurnn.exceptions import shell_word


@dataclass(frozen=True)
class PairsReport:
    """What prepare made of pairs of texts, or of vectors with captions.

    kind: "pairs" or "captions". tokens: what those of the targets, or of captions, are; symbols: how many are in their
    vocabulary; longest: of the longest, how many it has, without its end; unknown: tokens of each split that became the
    unknown symbol. source_tokens, source_symbols, source_longest, source_unknown: the same of the sources, None, 0, 0
    and {} of captions. vectors: numbers of each vector, 0 of pairs. splits: tokens of both sides and pairs by split.
    left_out: pairs that were too long. passed_over, wrong_bytes, replacements, damaged: as in the report of texts.
    It stands for the corpus wherever a path of one is asked for; as a text it says all this to people.
    """

    output: Path
    kind: What
    tokens: Kind
    symbols: int
    longest: int
    unknown: Mapping[str, int]
    splits: Mapping[str, SplitSize]
    sources: int
    fingerprint: str
    source_tokens: Kind | None = None
    source_symbols: int = 0
    source_longest: int = 0
    source_unknown: Mapping[str, int] | None = None
    vectors: int = 0
    max_length: int | None = None
    left_out: int = 0
    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0
    passed_over: Sequence[Path] = ()

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        noun = "pair" if self.kind == "pairs" else "caption"
        lines = [f"{shell_word(self.output)}: {self._sides()}"]
        for name, size in self.splits.items():
            source = f"{size.source:>15,} source tokens," if self.kind == "pairs" else ""
            what = " target tokens" if self.kind == "pairs" else " tokens"
            lines.append(
                f"  {name:<6}{source}{size.tokens:>15,}{what} in {counted(size.documents, noun)}{self._unknown(name)}"
            )
        longest = counted(self.longest, "token")
        if self.kind == "pairs":
            lines.append(
                f"  the longest source has {counted(self.source_longest, 'token')}, the longest target {longest}"
            )
        else:
            lines.append(f"  the longest caption has {longest}")
        if self.left_out:
            lines.append(
                f"  {counted(self.left_out, noun)} of more than {counted(self.max_length or 0, 'token')} were left out"
            )
        lines.extend(told_of_names(self.passed_over))
        lines.extend(told_of_bytes(self.wrong_bytes, self.replacements, self.damaged))
        return "\n".join(lines)

    def _sides(self) -> str:
        if self.kind == "pairs":
            return (
                f"{self.source_symbols:,} {self.source_tokens} in the source vocabulary, {self.symbols:,} "
                f"{self.tokens} in the target vocabulary"
            )
        return f"{self.symbols:,} {self.tokens} in the vocabulary, vectors of {counted(self.vectors, 'number')}"

    def _unknown(self, name: str) -> str:
        found = [self.unknown[name], (self.source_unknown or {}).get(name, 0)]
        return f", {sum(found):,} of them unknown" if any(found) else ""
