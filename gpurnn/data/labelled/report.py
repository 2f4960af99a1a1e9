"""What a corpus with labels or tags was made of: for programs in fields, for people in lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpurnn.data.corpus.sizes import SplitSize
from gpurnn.data.labelled.options import What
from gpurnn.data.text.tokens import Kind
from gpurnn.data.told import SHOWN_NAMES, counted, told_of_bytes, told_of_names
from gpurnn.exceptions import shell_word

_SHOWN_LABELS = 12


@dataclass(frozen=True)
class LabelledReport:
    """What prepare made of labelled texts or tagged sentences.

    kind: "labels" or "tags". tokens: what they are; symbols: how many are in the vocabulary. longest: of the longest
    document, how many. labels: how many documents, or tokens, of each split have each label, by its name:
    {"neutral": {"train": 9, ...}}. splits: tokens and documents by split. unknown: tokens of each split that became the
    unknown symbol. scheme: of tags, IOB1, IOB2 or IOBES; None where they are of none. by_class: files whose documents
    stood in order of their labels. empty, passed_over, wrong_bytes, replacements, damaged: as in the report of texts.
    It stands for the corpus wherever a path of one is asked for; as a text it says all this to people.
    """

    output: Path
    kind: What
    tokens: Kind
    symbols: int
    labels: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, SplitSize]
    unknown: Mapping[str, int]
    longest: int
    scheme: str | None
    by_class: Sequence[str]
    sources: int
    empty: int
    fingerprint: str
    wrong_bytes: int = 0
    replacements: int = 0
    damaged: int = 0
    passed_over: Sequence[Path] = ()

    def __fspath__(self) -> str:
        return str(self.output)

    def __str__(self) -> str:
        document = "text" if self.kind == "labels" else "sentence"
        lines = [f"{shell_word(self.output)}: {self.symbols:,} {self.tokens} in the vocabulary, {self._labels()}"]
        for name, size in self.splits.items():
            unknown = f", {self.unknown[name]:,} of them unknown" if self.unknown[name] else ""
            lines.append(f"  {name:<6}{size.tokens:>15,} tokens in {counted(size.documents, document)}{unknown}")
        lines.append(f"  the longest {document} has {counted(self.longest, 'token')}")
        if self.by_class:
            files = " ".join(map(shell_word, self.by_class[:SHOWN_NAMES]))
            more = f" and {len(self.by_class) - SHOWN_NAMES:,} more" if len(self.by_class) > SHOWN_NAMES else ""
            lines.append(f"  sorted by label, now shuffled: {files}{more}")
        if self.empty:
            lines.append(f"  {self.empty:,} empty files were left out")
        lines.extend(told_of_names(self.passed_over))
        lines.extend(told_of_bytes(self.wrong_bytes, self.replacements, self.damaged))
        return "\n".join(lines)

    def _labels(self) -> str:
        """The labels with their numbers in all splits, the commonest first."""
        noun = self.kind[:-1]
        scheme = f" ({self.scheme})" if self.scheme else ""
        totals = {name: sum(counts.values()) for name, counts in self.labels.items() if name.strip()}
        commonest = sorted(totals, key=lambda name: -totals[name])
        shown = ", ".join(f"{' '.join(name.split())} {totals[name]:,}" for name in commonest[:_SHOWN_LABELS])
        more = f" and {len(commonest) - _SHOWN_LABELS:,} more" if len(commonest) > _SHOWN_LABELS else ""
        return f"{counted(len(commonest), noun)}{scheme}: {shown}{more}"
