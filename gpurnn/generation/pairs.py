"""Texts that a model of pairs makes of other texts, or one of captions of vectors: many at a time, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from gpurnn.data.labelled.encoding import Encoder
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.exceptions import UsageError
from gpurnn.network import Model
from gpurnn.training.decoding import Decoding, usual_longest
from gpurnn.training.load import Trained

LONGEST = 1 << 14
"""Symbols that a source may have."""


class Made(NamedTuple):
    """A text that a model has made. score, ended, attended: see `Decoded`."""

    text: str
    score: float
    ended: bool
    attended: list[int] | None


class PairModel:
    """A model of pairs or captions.

    beam: how many texts of a source are followed at a time; with 1 the likeliest next symbol is taken. n_best: how many
    of them are handed on. longest: symbols that one may have, with its end, before it is cut; None: twice those of its
    source and 10. attended: whether it is said which symbol of the source each symbol comes from.
    encoder: of pairs, makes the symbols of sources.
    Raises UsageError for settings that are none.
    """

    def __init__(
        self,
        model: Model,
        language: PairLanguage,
        *,
        beam: int = 1,
        n_best: int = 1,
        longest: int | None = None,
        attended: bool = False,
    ) -> None:
        if attended and not model.config.attention:
            raise UsageError("`alignment`: the model was trained without `attention`, so it does not say what it sees")
        if n_best > beam:
            raise UsageError(f"`n_best={n_best}`: a beam of {beam} has no more than {beam}; use `beam={n_best}`")
        self.model, self.language = model, language
        self._beam, self._n_best = beam, n_best
        self._decoding = Decoding(model, longest=longest, attended=attended)
        self.encoder = None if language.source is None else Encoder(language.source, language.policy)

    @classmethod
    def of(cls, trained: Trained, *, longest: int | None = None, **settings: Any) -> Self:
        """That of a checkpoint. longest: None: see `usual_longest`.

        Raises DataError for a model of other things, UsageError for settings that are none.
        """
        longest = usual_longest(trained.config) if longest is None else longest
        return cls(trained.model, trained.pairs, longest=longest, **settings)

    def made(self, sources: Iterable[NDArray[Any] | None]) -> Iterator[list[Made]]:
        """What is made of each source, the likeliest first. sources, raises: see `Decoding.beam`."""
        decode = self.language.vocabulary.decode
        for found in self._decoding.beam(sources, self._beam, self._n_best):
            yield [
                Made(
                    decode(each.symbols),
                    each.score,
                    each.ended,
                    None if each.attended is None else each.attended.tolist(),
                )
                for each in found
            ]
