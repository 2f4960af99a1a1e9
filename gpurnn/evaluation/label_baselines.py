"""What finds labels and tags without a network, on the very sequences that a model is measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.evaluation.bag_of_words import MOST_LABELS, BagOfWords
from gpurnn.evaluation.commonest import OUTSIDE, CommonestTags, commonest
from gpurnn.training.judged import LabelScores

LABEL, BAG_OF_WORDS = "commonest label", "bag of words"
ALL_OUTSIDE, TAG, TAG_A_TOKEN = "all O", "commonest tag", "commonest tag a token"
_BLOCK = 1024


@dataclass(frozen=True)
class Baseline:
    """How well a baseline does. span_f1: of tags of a scheme, else None.

    learnt_from: so many texts of the train split, where it has more than a bag of words takes.
    """

    accuracy: float
    macro_f1: float
    span_f1: float | None = None
    learnt_from: int | None = None

    def to_json(self) -> dict[str, float | int]:
        """The fields that there are."""
        return {name: value for name, value in vars(self).items() if value is not None}


def label_baselines(labelling: Labelling, corpus: Corpus, split: str) -> dict[str, Baseline]:
    """How well each baseline does on a split, by its name.

    Of labels: the commonest one, and a bag of words, see `BagOfWords`, where steps are symbols, there are at most 1,000
    labels, and the train split is not empty. Of tags: "all O", or the commonest one where there is no O, and, of
    symbols, the commonest tag of each token.
    """
    if labelling.what == "labels":
        return _of_labels(labelling, corpus, split)
    return _of_tags(labelling, corpus, split)


def _of_labels(labelling: Labelling, corpus: Corpus, split: str) -> dict[str, Baseline]:
    always = commonest(labelling)
    found: dict[str, Callable[[list[NDArray[Any]]], NDArray[Any]]] = {LABEL: lambda texts: np.full(len(texts), always)}
    bag = None
    train = corpus.manifest.splits["train"].documents
    if labelling.vocabulary is not None and train and len(labelling.labels) <= MOST_LABELS:
        bag = BagOfWords(labelling.vocabulary, len(labelling.labels))
        bag.fit(_sequences(labelling, corpus, "train"), _sequences(labelling, corpus, "valid"))
        found[BAG_OF_WORDS] = bag.found
    scores = {name: LabelScores(labelling) for name in found}
    sequences = iter(_sequences(labelling, corpus, split))
    while block := list(islice(sequences, _BLOCK)):
        truth = np.array([label for _, label in block])
        for name, labels in found.items():
            scores[name].add_found(truth, labels([text for text, _ in block]))
    learnt = {BAG_OF_WORDS: bag.texts} if bag is not None and bag.texts < train else {}
    return {name: _baseline(each, learnt.get(name)) for name, each in scores.items()}


def _of_tags(labelling: Labelling, corpus: Corpus, split: str) -> dict[str, Baseline]:
    outside = OUTSIDE in labelling.labels
    always = labelling.labels.index(OUTSIDE) if outside else commonest(labelling)
    scores = {ALL_OUTSIDE if outside else TAG: LabelScores(labelling)}
    of_tokens = CommonestTags(labelling)
    if labelling.vocabulary is not None:
        scores[TAG_A_TOKEN] = LabelScores(labelling)
        of_tokens.fit(_sequences(labelling, corpus, "train"))
    for values, tags in _sequences(labelling, corpus, split):
        tokens, truth = (values, tags) if labelling.vocabulary is None else of_tokens.tokens(values, tags)
        for name, each in scores.items():
            each.add_found(truth, of_tokens.found(tokens) if name == TAG_A_TOKEN else np.full(len(truth), always))
    return {name: _baseline(each) for name, each in scores.items()}


def _sequences(labelling: Labelling, corpus: Corpus, split: str) -> Iterable[Any]:
    return sequences_of(corpus.split(split), labelling.columns) if corpus.splits[split] else ()


def _baseline(scores: LabelScores, learnt_from: int | None = None) -> Baseline:
    spans = None if scores.spans is None else scores.spans.all.f1
    return Baseline(scores.confusion.accuracy, scores.confusion.macro_f1, spans, learnt_from)
