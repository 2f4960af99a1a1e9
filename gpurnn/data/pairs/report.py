"""What a corpus of pairs or captions was made of: for programs in fields, for people in lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpurnn.data.pairs.options import What
from gpurnn.data.report import Report
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import counted


@dataclass(frozen=True, kw_only=True)
class PairsReport(Report):
    """What prepare made of pairs of texts, or of vectors with captions.

    kind: "pairs" or "captions". tokens: what those of the targets, or of captions, are; symbols: how many are in their
    vocabulary; longest: of the longest, how many it has, without its end; unknown: tokens of each split that became the
    unknown symbol. source_tokens, source_symbols, source_longest, source_unknown: the same of the sources, None, 0, 0
    and {} of captions. vectors: numbers of each vector, 0 of pairs. splits: tokens of both sides and pairs. left_out:
    pairs that were too long. The others: see `Report`.
    """

    kind: What
    tokens: Kind
    longest: int
    unknown: Mapping[str, int]
    source_tokens: Kind | None = None
    source_symbols: int = 0
    source_longest: int = 0
    source_unknown: Mapping[str, int] | None = None
    vectors: int = 0
    max_length: int | None = None
    left_out: int = 0

    def _lines(self) -> Iterator[str]:
        noun = "pair" if self.kind == "pairs" else "caption"
        for name, size in self.splits.items():
            source = f"{size.source:>15,} source tokens," if self.kind == "pairs" else ""
            what = " target tokens" if self.kind == "pairs" else " tokens"
            yield f"  {name:<6}{source}{size.tokens:>15,}{what} in {counted(size.documents, noun)}{self._unknown(name)}"
        longest = counted(self.longest, "token")
        if self.kind == "pairs":
            yield f"  the longest source has {counted(self.source_longest, 'token')}, the longest target {longest}"
        else:
            yield f"  the longest caption has {longest}"
        if self.left_out:
            long = counted(self.max_length or 0, "token")
            yield f"  {counted(self.left_out, noun)} of more than {long} were left out"

    def _what(self) -> str:
        if self.kind == "pairs":
            return (
                f"{self.source_symbols:,} {self.source_tokens} in the source vocabulary, {self.symbols:,} "
                f"{self.tokens} in the target vocabulary"
            )
        return f"{self.symbols:,} {self.tokens} in the vocabulary, vectors of {counted(self.vectors, 'number')}"

    def _unknown(self, name: str) -> str:
        found = [self.unknown[name], (self.source_unknown or {}).get(name, 0)]
        return f", {sum(found):,} of them unknown" if any(found) else ""
