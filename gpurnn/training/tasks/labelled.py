"""Labels and tags: which label a sequence has, or each of its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.stream import Cursor, WindowStream, whole_geometry
from gpurnn.data.stream.labelled import LAYOUTS, labelled_stream
from gpurnn.data.stream.pieces import longest_sequence
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.exceptions import UsageError
from gpurnn.network import Model
from gpurnn.training.beside import beside
from gpurnn.training.config import TrainConfig
from gpurnn.training.judged import LabelScores, Targets
from gpurnn.training.labeller import Labeller
from gpurnn.training.tasks.base import BOTH_DIRECTIONS, refuse_others
from gpurnn.training.tasks.planned import PlannedTask

_OWN = ("layout", BOTH_DIRECTIONS, "pool", "class_weights", "label_smoothing", "cut", "context")
DEFAULTS: Mapping[str, Any] = {
    "cell": "gru",
    "hidden": 96,
    "lanes": 32,
    "bptt": 64,
    "schedule": "cosine",
    "restart": 0.0,
    "patience": 10,
}
OF_KIND: Mapping[str, Mapping[str, Any]] = {
    "labels": {"dropout": 0.5, "lr": 4e-3},
    "tags": {"dropout": 0.3, "lr": 8e-3},
}
"""What else is usual, of labels and of tags: they were chosen on the valid splits of tweets, and of names in news."""
_EMBEDDING = 96
_DECAY_EPOCHS = {"labels": 4, "tags": 8}
BALANCED = "balanced"
_TIE = 1e-7
"""What the loss adds to the part that is wrong at most: less than one target of ten million does."""


@dataclass(frozen=True)
class LabelLosses:
    """How well the labels of the valid split are found.

    mean: nats a label. accuracy, macro_f1: see `Confusion`. span_f1: of the spans of all types; None without a scheme.
    """

    mean: float
    accuracy: float
    macro_f1: float
    span_f1: float | None
    stuck = 0

    @classmethod
    def of(cls, scores: LabelScores) -> Self:
        """From what was added up."""
        spans = scores.spans
        found = scores.confusion
        return cls(scores.loss, found.accuracy, found.macro_f1, None if spans is None else spans.all.f1)

    def judged(self, counted_lanes: str) -> float:
        """What is wrong of the spans, or of the labels where there are none; of equals the lower loss is better."""
        if not math.isfinite(self.mean):
            return math.nan
        return 1 - (self.accuracy if self.span_f1 is None else self.span_f1) + _TIE * self.mean / (1 + self.mean)

    def in_words(self) -> str:
        """What a person is told of it."""
        spans = "" if self.span_f1 is None else f"span F1 {self.span_f1:.4f}, "
        return f"{spans}accuracy {self.accuracy:.4f}, macro F1 {self.macro_f1:.4f}, loss {self.mean:.4f}"

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""
        found: dict[str, float | int | None] = {
            "valid_loss": self.mean if math.isfinite(self.mean) else None,
            "valid_accuracy": self.accuracy,
            "valid_macro_f1": self.macro_f1,
        }
        return found if self.span_f1 is None else found | {"valid_span_f1": self.span_f1}


class Labelled(PlannedTask):
    """The target of each step is its tag, or that of the last step of a sequence its label."""

    rate_key, loss_key, valid_key = "steps_per_second", "loss", "valid_loss"
    least_between_validations = 20

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        super().__init__(corpus, config)
        model = config.model
        if config.layout == "through":
            _refuse_in_through(model.stack, model.pool, config)
        self.labelling = Labelling.of(corpus)
        self.decay_epochs = _DECAY_EPOCHS[self.labelling.what]
        self._weights = weights_of(config.class_weights, self.labelling)
        self._labeller: Labeller | None = None

    @classmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Task`."""
        refuse_others(given, _OWN, corpus)
        rows = corpus.manifest.columns is not None
        if corpus.kind == "tags" and "pool" in given:
            raise UsageError("train: `pool` is for labels of whole sequences; each step has a tag of its own")
        if rows:
            own: dict[str, Any] = {"symbols": 0, "inputs": corpus.columns.inputs, "input": "real"}
        else:
            own = {"symbols": len(corpus.vocabulary), "embedding": _EMBEDDING}
        return {
            **DEFAULTS,
            **OF_KIND[corpus.kind],
            **own,
            "outputs": len(corpus.labels),
            "head": "smoothed_softmax" if given.get("label_smoothing") else "softmax",
            "stack": ("dropout", BOTH_DIRECTIONS if given.get(BOTH_DIRECTIONS) else "recurrent"),
            "pool": "last" if corpus.kind == "labels" else "",
            "layout": LAYOUTS[0],
        }

    @classmethod
    def geometry(cls, corpus: Corpus, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
        """See `Task`. Windows of whole sequences are as long as the longest one, and have fewer lanes instead."""
        if given.get("layout", defaults["layout"]) == "through":
            return super().geometry(corpus, given, defaults)
        lanes, steps = given.get("lanes"), given.get("bptt")
        usual_lanes, usual_steps = defaults["lanes"], defaults["bptt"]
        if steps is None:
            longest = longest_sequence(corpus.split("train"))
            usual, steps = whole_geometry(longest, usual_lanes, usual_steps)
            return usual if lanes is None else lanes, steps
        return max(1, usual_lanes * usual_steps // max(1, steps)) if lanes is None else lanes, steps

    @property
    def meaning(self) -> Labelling:
        """The labels, and what a step is."""
        return self.labelling

    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """See `Task`."""
        return self._stream("train", cursor=cursor, plan=be.plans_rows)

    def _stream(self, split: str, **more: Any) -> WindowStream:
        config = self.config
        return labelled_stream(
            self.corpus,
            split,
            layout=config.layout,
            lanes=config.lanes,
            steps=config.bptt,
            seed=config.seed,
            cut=config.cut,
            context=config.context,
            weights=self._weights,
            restart=config.restart,
            **more,
        )

    def validate(self, model: Model, stopping: Callable[[], bool]) -> LabelLosses | None:
        """See `Task`; `validate_windows` counts steps, as many as windows of training have."""
        split, config = self.corpus.split("valid"), self.config
        if not len(split):
            return None
        if self._labeller is None:
            self._labeller = Labeller(model, config, self.labelling.what == "labels")
        most, scores = config.validate_windows * config.lanes * config.bptt, LabelScores(self.labelling)
        sequences = _at_least(most, sequences_of(split, self.labelling.columns))
        taken = takewhile(lambda each: not stopping(), sequences)
        for found, targets in beside(self._labeller.log_probabilities, taken):
            scores.add(found, targets)
        return LabelLosses.of(scores) if scores.confusion.count else None

    def best_in_words(self, judged: float) -> str:
        """See `Task`."""
        return f"{'accuracy' if self.labelling.scheme is None else 'span F1'} {1 - judged:.4f}"


def _at_least(steps: int, sequences: Iterable[tuple[NDArray[Any], Targets]]) -> Iterator[tuple[NDArray[Any], Targets]]:
    """The first sequences, until they have so many steps."""
    for inputs, targets in sequences:
        yield inputs, targets
        steps -= len(inputs)
        if steps <= 0:
            return


def _refuse_in_through(stack: tuple[str, ...], pool: str, config: TrainConfig) -> None:
    """Raises UsageError for what needs sequences that are whole in a window."""
    for name, there in (
        (BOTH_DIRECTIONS, BOTH_DIRECTIONS in stack),
        ("pool", pool not in ("", "last")),
        ("cut", config.cut),
        ("context", config.context > 0),
    ):
        if there:
            raise UsageError(
                f"train: `{name}` needs whole sequences, and with `layout=through` they go on from window to window; "
                f"leave one of them out"
            )


def weights_of(given: tuple[str, ...], labelling: Labelling) -> NDArray[np.float32] | None:
    """(K,), what the loss of each label counts: as class weights say, and 0 for the space between words.

    None where all count alike. Raises UsageError for weights that are none.
    """
    weights = np.ones(len(labelling.labels), np.float32)
    if given == (BALANCED,):
        counts = labelling.counts.astype(np.float64)
        if labelling.space is not None:
            counts[labelling.space] = 0
        there = counts > 0
        weights[there] = counts.sum() / (np.count_nonzero(there) * counts[there])
    else:
        for each in given:
            label, equals, number = each.rpartition("=")
            if not equals or label not in labelling.labels:
                names = ", ".join(map(repr, labelling.labels[:10]))
                raise UsageError(
                    f"train: `class_weights`: expected {BALANCED}, or LABEL=W of the labels {names}; found {each!r:.60}"
                )
            weights[labelling.labels.index(label)] = _weight(label, number)
    if labelling.space is not None:
        weights[labelling.space] = 0
    if not weights.any():
        raise UsageError("train: `class_weights`: every weight is 0, so nothing would be learnt")
    return None if (weights == 1).all() else weights


def _weight(label: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= float(np.finfo(np.float32).max):
        raise UsageError(f"train: `class_weights`: {label}={number:.40}: expected a number, 0 or more")
    return weight
