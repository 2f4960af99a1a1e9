"""How near texts come to those that they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gpurnn.data.text.tokens import Kind
from gpurnn.evaluation.bleu import Bleu
from gpurnn.evaluation.chrf import Chrf
from gpurnn.training.edits import ErrorRate, Symbols


@dataclass(frozen=True)
class PairScore:
    """exact: the part of the texts that are equal to a reference. symbol_error, word_error: edits a symbol, or a word,
    of the nearest references. chrf, bleu: 0 to 100, see `Chrf` and `Bleu`.
    """

    exact: float
    symbol_error: float
    word_error: float
    chrf: float
    bleu: float

    def to_json(self) -> dict[str, float]:
        """The fields as a dictionary."""
        return asdict(self)


class PairScores:
    """Adds up scores of texts. kind: what their symbols are."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._texts = self._exact = 0
        self._symbols, self._words = ErrorRate(), ErrorRate()
        self._chrf, self._bleu = Chrf(), Bleu()

    def add(self, found: str, references: Sequence[str]) -> bool:
        """found: one text. references: at least one. Returns whether it is equal to one of them."""
        exact = found in references
        self._texts += 1
        self._exact += exact
        self._symbols.add(self._symbols_of(found), [self._symbols_of(each) for each in references])
        self._words.add(found.split(), [each.split() for each in references])
        self._chrf.add(found, references)
        self._bleu.add(found, references)
        return exact

    def _symbols_of(self, text: str) -> Symbols:
        if self._kind == "words":
            return text.split()
        return text.encode("utf-8", "surrogatepass") if self._kind == "bytes" else text

    @property
    def score(self) -> PairScore:
        """Of all texts so far."""
        return PairScore(
            exact=self._exact / max(1, self._texts),
            symbol_error=self._symbols.rate,
            word_error=self._words.rate,
            chrf=self._chrf.score,
            bleu=self._bleu.score,
        )
