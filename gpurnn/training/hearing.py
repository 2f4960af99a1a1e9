"""How the texts of frames are found in what a model says of each frame: greedily, or by a prefix beam."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from gpurnn.data.text.decoding import Advice
from gpurnn.data.text.inputs import Source
from gpurnn.data.text.text import read_pieces
from gpurnn.data.text.tokens import TextPolicy
from gpurnn.data.told import counted
from gpurnn.exceptions import DataError, UsageError
from gpurnn.settings import Count, NotNegative, checked
from gpurnn.training.alignments import log_probability
from gpurnn.training.collapse import collapsed
from gpurnn.training.finite import expect_finite
from gpurnn.training.load import Trained, load_trained
from gpurnn.training.nextlabels import TextLabels
from gpurnn.training.prefixbeam import PrefixBeam, Width
from gpurnn.training.prefixes import Heard, NextLabels
from gpurnn.training.wordlist import WordList

BEAM, WEIGHT = 8, 0.5
"""How many prefixes are followed where a language model or a list of words is given, and the weight of the former."""
_LONGEST = 1 << 24
"""Characters that a list of words may have."""
_ADVICE = Advice("convert the list with iconv", "convert the list with iconv from {encoding}", "> FILE", "")


class Hearing:
    """Finds texts in the probabilities of labels.

    beam: how many prefixes of a text are followed; with 1, and neither language model nor words, the likeliest label of
    each frame is taken. None: 1, but with either of them `BEAM`. n_best: how many texts of each sequence there are.
    language, weight, words: see `PrefixBeam`. scores: whether scores are wanted.
    Raises UsageError for settings that are none.
    """

    def __init__(
        self,
        labels: int,
        *,
        beam: int | None = None,
        n_best: int = 1,
        language: NextLabels | None = None,
        weight: float = WEIGHT,
        words: WordList | None = None,
        scores: bool = True,
    ) -> None:
        guided = language is not None or words is not None
        beam = (BEAM if guided else 1) if beam is None else checked("`beam`", Width, beam)
        self._n_best, self._scores = checked("n_best", Count, n_best), scores
        if n_best > beam:
            raise UsageError(f"`n_best={n_best}`: a beam of {beam} has no more than {beam}; use `beam={n_best}`")
        self._beam: PrefixBeam | None = None
        if guided or beam > 1:
            self._beam = PrefixBeam(labels, beam, words=words, language=language, weight=weight)

    @classmethod
    def of(
        cls,
        trained: Trained,
        *,
        lm: Path | None = None,
        lm_weight: float | None = None,
        words: Path | Sequence[str] | None = None,
        on_warning: Callable[[str], None],
        **settings: Any,
    ) -> Self:
        """That of a model of frames.

        lm: a run of a model of text. lm_weight: None: `WEIGHT`. words: those of a text: a list, or a file with white
        space between them. on_warning: is told of words that the model cannot hear. settings: others of this class.
        Raises UsageError; DataError, RunError, CheckpointError for a language model or words that cannot be used.
        """
        meaning = trained.transcription
        if lm_weight is not None and lm is None:
            raise UsageError("`lm_weight` is the weight of a language model; give `lm`, too, or leave it out")
        weight = WEIGHT if lm_weight is None else checked("`lm_weight`", NotNegative, lm_weight)
        language = None
        if lm is not None:
            other = load_trained(lm, trained.model.be, on_warning=on_warning)
            language = TextLabels.of(other, meaning.vocabulary)
        listed = None
        if words is not None:
            given = [_text_of(words, meaning.policy)] if isinstance(words, Path) else words
            listed = WordList(given, meaning.vocabulary, meaning.policy)
            if listed.lacking:
                told = f"{counted(listed.lacking, 'word')} with symbols that the model has no labels for"
                on_warning(f"{told}, such as {listed.first:.40}, were left out of `words`")
        return cls(len(meaning.vocabulary), language=language, weight=weight, words=listed, **settings)

    def texts(self, sequences: Iterable[NDArray[Any]]) -> Iterator[list[Heard]]:
        """Of each sequence its texts, the likeliest first, in their order.

        sequences: (n, K) logarithms of probabilities; see `PrefixBeam.found`. Raises GpurnnError for what is not
        finite.
        """
        return self._greedy(sequences) if self._beam is None else self._beam.found(sequences, self._n_best)

    def _greedy(self, sequences: Iterable[NDArray[Any]]) -> Iterator[list[Heard]]:
        for logs in sequences:
            expect_finite("a probability", logs)
            labels, _ = collapsed(logs)
            yield [Heard(labels, log_probability(logs, labels) if self._scores else 0.0)]


def _text_of(path: Path, policy: TextPolicy) -> str:
    """A file of words as a text. Raises DataError for what is no text, and for one that is too long."""
    pieces: list[str] = []
    length = 0
    read_as = replace(policy, normalise=None, lower=False)
    for group in read_pieces(Source(path, named=True), read_as, None, None, lambda count: None, _ADVICE):
        for piece, _ in group:
            pieces.append(str(piece))
            length += len(piece)
            if length > _LONGEST:
                raise DataError(f"{path}: it has more than {_LONGEST:,} characters; give a shorter list of words")
    return "".join(pieces)
