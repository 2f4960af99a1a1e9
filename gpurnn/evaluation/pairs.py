"""How well a model makes the texts of pairs and captions, beside what a copy of the source would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus, Split
from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.stream.pairs import CaptionStream, PairStream, longest_of, pair_geometry
from gpurnn.data.stream.sequences import pairs_of
from gpurnn.evaluation.mean_loss import mean_loss
from gpurnn.evaluation.pair_scores import PairScore, PairScores
from gpurnn.evaluation.part import expect_corpus_of, part_of
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.settings import expect_kind
from gpurnn.training.decoding import Decoding

COPY = "copy of the source"
_LANES, _STEPS = 32, 64
_LENGTHS = 10
"""Of so many groups of sources by length the score is said."""


@dataclass(frozen=True)
class LengthScore:
    """Of the sources of `shortest` to `longest` symbols: how many there are, and what part comes out right."""

    shortest: int
    longest: int
    sources: int
    exact: float


@dataclass(frozen=True)
class PairEvaluation:
    """What a model makes of the sources of a split.

    pairs: how many there are. sources: how many different sources, or vectors, these have: each counts once, and its
    references are the targets of all of its pairs. score: see `PairScore`. loss: mean nats of a symbol of the targets,
    their ends among them, each from the true symbols before it. cut: how many texts came to no end.
    by_length: of pairs, from the shortest sources on. baselines: by name; of pairs a copy of the source.
    """

    pairs: int
    sources: int
    score: PairScore
    loss: float
    cut: int
    by_length: tuple[LengthScore, ...]
    baselines: dict[str, PairScore]

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary, those of the score among them."""
        return {
            "pairs": self.pairs,
            "sources": self.sources,
            **self.score.to_json(),
            "loss": self.loss,
            "cut": self.cut,
            "by_length": [asdict(each) for each in self.by_length],
            "baselines": {name: each.to_json() for name, each in self.baselines.items()},
        }


def evaluate_pairs(
    model: Model,
    language: PairLanguage,
    corpus: Corpus,
    split: str = "valid",
    *,
    beam: int = 1,
    longest: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, sources: None,
) -> PairEvaluation:
    """How well a model makes the targets of a split.

    language: the model's; its vocabularies have to be those of the corpus. beam: how many texts of a source are
    followed at a time, of which the likeliest is judged; with 1 always the likeliest next symbol is taken. longest: see
    `Decoding`. on_progress: called with the sources that were dealt with and those there are.
    Raises DataError: other vocabularies or vectors, an empty split; UsageError: what is no model, language or corpus,
    captions without `longest`; GpurnnError: a loss that is not finite.
    """
    for name, kind, value in (
        ("model", Model, model),
        ("language", PairLanguage, language),
        ("corpus", Corpus, corpus),
    ):
        expect_kind(name, kind, value)
    expect_pairs(language, corpus)
    part = part_of(corpus, split, "symbols")
    loss = _loss(model, corpus, part)
    sources, references = _references(part)
    texts = [[language.vocabulary.decode(each) for each in targets] for targets in references]
    scores, copies = PairScores(language.vocabulary.kind), PairScores(language.vocabulary.kind)
    lengths, right, cut = np.zeros(len(sources), np.int64), np.zeros(len(sources), np.bool_), 0
    for number, (made,) in enumerate(Decoding(model, longest=longest).beam(sources, beam)):
        right[number] = scores.add(language.vocabulary.decode(made.symbols), texts[number])
        cut += not made.ended
        if language.source is not None:
            lengths[number] = len(sources[number])
            copies.add(language.source.decode(sources[number]), texts[number])
        on_progress(number + 1, len(sources))
    return PairEvaluation(
        pairs=len(part.documents),
        sources=len(sources),
        score=scores.score,
        loss=loss,
        cut=cut,
        by_length=() if language.source is None else tuple(_by_length(lengths, right)),
        baselines={} if language.source is None else {COPY: copies.score},
    )


def expect_pairs(language: PairLanguage, corpus: Corpus) -> None:
    """Raises DataError where a corpus has no pairs, or captions, with the symbols, or vectors, of a model."""
    expect_corpus_of("captions" if language.source is None else "pairs", corpus)
    theirs = PairLanguage.of(corpus)
    if language.vectors != theirs.vectors:
        found = f"vectors of {theirs.vectors:,} numbers"
        raise DataError(f"{corpus.path}: it has {found}, the model was trained on such of {language.vectors:,}")
    other = language.differs(theirs)
    if other:
        advice = "prepare it with `vocab_from`"
        raise DataError(f"{corpus.path}: its {other} is not the one that the model was trained with; {advice}")


def _references(part: Split) -> tuple[list[NDArray[Any]], list[list[NDArray[np.int32]]]]:
    """The different sources in their order, and the targets of each."""
    places: dict[bytes, int] = {}
    sources: list[NDArray[Any]] = []
    references: list[list[NDArray[np.int32]]] = []
    for source, target in pairs_of(part):
        place = places.setdefault(source.tobytes(), len(sources))
        if place == len(sources):
            sources.append(source.copy())
            references.append([])
        references[place].append(target.copy())
    return sources, references


def _loss(model: Model, corpus: Corpus, part: Split) -> float:
    """Mean nats of a symbol."""
    source, target = longest_of(part)
    lanes, source_steps, steps = pair_geometry(source, target, _LANES, _STEPS)
    given: dict[str, Any] = {"lanes": lanes, "steps": max(steps, target.longest)}
    given |= {"epochs": 1, "prefetch": False, "plan": False}
    if source.longest:
        stream = PairStream(corpus, part.name, source_steps=max(source_steps, source.longest), **given)
    else:
        stream = CaptionStream(corpus, part.name, **given)
    return mean_loss(model, stream, part.name)


def _by_length(lengths: NDArray[np.int64], right: NDArray[np.bool_]) -> Iterator[LengthScore]:
    """Groups of like lengths, equally wide."""
    wide = -(-int(lengths.max()) // _LENGTHS)
    groups = (lengths - 1) // wide
    for group in np.unique(groups).tolist():
        inside = groups == group
        yield LengthScore(group * wide + 1, (group + 1) * wide, int(inside.sum()), float(right[inside].mean()))
