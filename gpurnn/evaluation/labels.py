"""How well a model finds the labels of sequences, or the tags of their steps, beside what simple guesses find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.labelled.options import What
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.evaluation.label_baselines import Baseline, label_baselines
from gpurnn.evaluation.language_model import expect_vocabulary
from gpurnn.evaluation.part import expect_corpus_of, part_of
from gpurnn.evaluation.series import expect_columns
from gpurnn.exceptions import DataError
from gpurnn.network import Model
from gpurnn.settings import expect_kind
from gpurnn.training.beside import beside
from gpurnn.training.config import TrainConfig
from gpurnn.training.finite import expect_finite
from gpurnn.training.judged import LabelScores
from gpurnn.training.labeller import Labeller
from gpurnn.training.scores import ALL, Score


@dataclass(frozen=True)
class LabelsEvaluation:
    """What a model finds in a split.

    what: "labels" or "tags". count: how many there are; of tags where tokens are the characters of words, words, whose
    probabilities are the mean of those of their characters. accuracy: the part that is right. macro_f1: the mean F1 of
    the labels that are there or were found. loss: mean nats of a label, or of the tag of a step.
    classes: by label. confusion: how often each label was found, by the true one and the one found.
    scheme: of tags that mark spans, else None. spans: "all" and by type, strictly, see `SpanFinder`; empty without a
    scheme. baselines: by name, see `label_baselines`.
    """

    what: What
    count: int
    accuracy: float
    macro_f1: float
    loss: float
    classes: dict[str, Score]
    confusion: dict[str, dict[str, int]]
    scheme: str | None
    spans: dict[str, Score]
    baselines: dict[str, Baseline]

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary; `count` is called sequences or tokens, and only tags have a scheme."""
        plain: dict[str, Any] = {"sequences" if self.what == "labels" else "tokens": self.count}
        plain |= {name: getattr(self, name) for name in ("accuracy", "macro_f1", "loss")}
        plain |= {
            name: {key: asdict(each) for key, each in getattr(self, name).items()} for name in ("classes", "spans")
        }
        plain |= {"confusion": self.confusion} | ({"scheme": self.scheme} if self.what == "tags" else {})
        return plain | {"baselines": {name: each.to_json() for name, each in self.baselines.items()}}


def evaluate_labels(
    model: Model,
    labelling: Labelling,
    config: TrainConfig,
    corpus: Corpus,
    split: str = "valid",
    *,
    on_progress: Callable[[int, int], None] = lambda done, sequences: None,
) -> LabelsEvaluation:
    """How well a model finds the labels, or the tags, of a split, beside the baselines on the same sequences.

    labelling: the model's; symbols, or columns, and labels have to be those of the corpus. config: says how sequences
    are read. on_progress: called with the sequences that were read and those there are.
    Raises DataError: another vocabulary, other columns or labels, an empty split, a sequence that no window holds;
    UsageError: what is no model, labelling, configuration or corpus; GpurnnError: a loss that is not finite.
    """
    kinds = (("model", Model, model), ("labelling", Labelling, labelling))
    for name, kind, value in (*kinds, ("config", TrainConfig, config), ("corpus", Corpus, corpus)):
        expect_kind(name, kind, value)
    expect_labels(labelling, corpus)
    part, scores = part_of(corpus, split, "steps"), LabelScores(labelling)
    count, sequences = len(part.documents), sequences_of(part, labelling.columns)
    labeller = Labeller(model, config, labelling.what == "labels")
    for done, (found, targets) in enumerate(beside(labeller.log_probabilities, sequences), 1):
        scores.add(found, targets)
        on_progress(done, count)
    if not scores.confusion.count:
        raise DataError(f"{corpus.path}: split {split} has no tag to count, all of it is spaces between words")
    expect_finite(f"the loss over split {split}", scores.loss)
    return _evaluation(labelling, scores, label_baselines(labelling, corpus, split))


def expect_labels(labelling: Labelling, corpus: Corpus) -> None:
    """Raises DataError where the labels, the symbols or the columns of a corpus are not those of a model."""
    what = labelling.what
    expect_corpus_of(what, corpus)
    if labelling.columns is not None:
        expect_columns(labelling.columns, corpus)
    if labelling.vocabulary is not None:
        expect_vocabulary(labelling.vocabulary, corpus)
    if corpus.labels != labelling.labels:
        advice = "`columns_from`" if labelling.vocabulary is None else "`vocab_from`"
        raise DataError(
            f"{corpus.path}: its {what} ({_shown(corpus.labels)}) are not those that the model was trained with "
            f"({_shown(labelling.labels)}); prepare it with {advice}"
        )


def _shown(labels: tuple[str, ...]) -> str:
    return f"{len(labels):,}: {', '.join(f'{label:.20}' for label in labels[:4])}{', ...' if len(labels) > 4 else ''}"


def _evaluation(labelling: Labelling, scores: LabelScores, baselines: dict[str, Baseline]) -> LabelsEvaluation:
    labels, space = labelling.labels, labelling.space
    confusion: dict[str, dict[str, int]] = {}
    for truth, found, count in zip(*(each.tolist() for each in scores.confusion.entries()), strict=True):
        confusion.setdefault(labels[truth], {})[labels[found]] = count
    spans = {}
    if scores.spans is not None:
        spans = {ALL: scores.spans.all} | scores.spans.by_type | {ALL: scores.spans.all}
    return LabelsEvaluation(
        what=labelling.what,
        count=scores.confusion.count,
        accuracy=scores.confusion.accuracy,
        macro_f1=scores.confusion.macro_f1,
        loss=scores.loss,
        classes={
            name: each for name, each in scores.confusion.classes.items() if space is None or name != labels[space]
        },
        confusion=confusion,
        scheme=labelling.scheme,
        spans=spans,
        baselines=baselines,
    )
