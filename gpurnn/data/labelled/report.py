"""What a corpus with labels or tags was made of: for programs in fields, for people in lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gpurnn.data.labelled.options import What
from gpurnn.data.report import Report
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import SHOWN_NAMES, counted
from gpurnn.exceptions import shell_word

_SHOWN_LABELS = 12


@dataclass(frozen=True, kw_only=True)
class LabelledReport(Report):
    """What prepare made of labelled texts or tagged sentences.

    kind: "labels" or "tags". tokens: what they are. longest: of the longest document, how many. labels: how many
    documents, or tokens, of each split have each label, by its name: {"neutral": {"train": 9, ...}}. splits: tokens and
    documents. unknown: tokens of each split that became the unknown symbol. scheme: of tags, IOB1, IOB2 or IOBES; None
    where they are of none. by_class: files whose documents stood in order of their labels. The others: see `Report`.
    """

    kind: What
    tokens: Kind
    labels: Mapping[str, Mapping[str, int]]
    unknown: Mapping[str, int]
    longest: int
    scheme: str | None
    by_class: Sequence[str]

    def _lines(self) -> Iterator[str]:
        document = "text" if self.kind == "labels" else "sentence"
        for name, size in self.splits.items():
            unknown = f", {self.unknown[name]:,} of them unknown" if self.unknown[name] else ""
            yield f"  {name:<6}{size.tokens:>15,} tokens in {counted(size.documents, document)}{unknown}"
        yield f"  the longest {document} has {counted(self.longest, 'token')}"
        if self.by_class:
            files = " ".join(map(shell_word, self.by_class[:SHOWN_NAMES]))
            more = f" and {len(self.by_class) - SHOWN_NAMES:,} more" if len(self.by_class) > SHOWN_NAMES else ""
            yield f"  sorted by label, now shuffled: {files}{more}"

    def _what(self) -> str:
        """The labels with their numbers in all splits, the commonest first."""
        noun = self.kind[:-1]
        scheme = f" ({self.scheme})" if self.scheme else ""
        totals = {name: sum(counts.values()) for name, counts in self.labels.items() if name.strip()}
        commonest = sorted(totals, key=lambda name: -totals[name])
        shown = ", ".join(f"{' '.join(name.split())} {totals[name]:,}" for name in commonest[:_SHOWN_LABELS])
        more = f" and {len(commonest) - _SHOWN_LABELS:,} more" if len(commonest) > _SHOWN_LABELS else ""
        labels = f"{counted(len(commonest), noun)}{scheme}: {shown}{more}"
        return f"{self.symbols:,} {self.tokens} in the vocabulary, {labels}"
