"""What training has to know of the kind of corpus that it is done on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Cursor, Geometry, WindowStream
from gpurnn.data.stream.stream import split_geometry
from gpurnn.exceptions import UsageError
from gpurnn.fields import Field, Sizes
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig
from gpurnn.training.meaning import Meaning

BOTH_DIRECTIONS = "both_directions"
_SERIES, _LABELLED, _PAIRS = "measured series", "labels and tags", "pairs"
OF_KINDS = {
    **dict.fromkeys(("target", "ahead", "loss", "quantiles"), _SERIES),
    **dict.fromkeys(("pool", "class_weights", "label_smoothing", "cut", "context"), _LABELLED),
    **dict.fromkeys(("attention", "target_bptt"), _PAIRS),
    BOTH_DIRECTIONS: "labels, tags, pairs and frames",
    "layout": "labels, tags and captions",
    "scheduled_sampling": "pairs and captions",
}
"""Settings that are for corpora of some kinds alone, and which these are."""
_LEAST_DECAY = 400
_WINDOWS_PER_LANE = 16
"""A lane shorter than this many windows gives too few updates an epoch."""


class Validation(Protocol):
    """What a validation found. mean: the loss over all targets. stuck: how many lanes never left a bad state."""

    @property
    def mean(self) -> float: ...

    @property
    def stuck(self) -> int: ...

    def judged(self, counted_lanes: str) -> float:
        """What decides which parameters are the best; not finite where none can be."""

    def to_json(self) -> dict[str, float | int | None]:
        """What the log says of it."""

    def in_words(self) -> str:
        """What a person is told of it; of a mean that is finite."""


class Task(ABC):
    """A corpus as training sees it: its windows, its validation, what a checkpoint keeps of it, what the log says.

    config: of the run. Keys of the log: rate_key, how many targets a second were learnt from; loss_key, the mean loss;
    valid_key, that of a validation. least_between_validations: windows, where that was not said. decay_epochs: the
    rate falls for so many, or for 400 windows where these are more; 0: see `usual_decay`.
    """

    rate_key: ClassVar[str]
    loss_key: ClassVar[str]
    valid_key: ClassVar[str]
    least_between_validations: ClassVar[int] = 1
    decay_epochs: int = 0

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        self.corpus, self.config = corpus, config

    @classmethod
    @abstractmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """What settings are where they are not given; those that follow from the corpus among them.

        given: the settings by name. Raises UsageError for those that do not go with the corpus.
        """

    @classmethod
    def geometry(cls, corpus: Corpus, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
        """lanes and bptt: what is given, else what suits the corpus. defaults: as they were found. Raises DataError."""
        return fitting_geometry(corpus.splits["train"], given, defaults)

    @property
    @abstractmethod
    def meaning(self) -> Meaning:
        """What a checkpoint keeps of the corpus, so that its model can be used without it."""

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """What its windows have of each step, whether planned or not."""

    @property
    def windows_per_epoch(self) -> int:
        """How many windows read the train split once. Raises DataError where it cannot hold the lanes and steps."""
        return self.lanes_of(len(self.corpus.split("train"))).windows

    def lanes_of(self, tokens: int) -> Geometry:
        """How the train split is laid out in lanes. Raises DataError where it cannot hold them."""
        return split_geometry(self.corpus.split("train"), tokens, self.config.lanes, self.config.bptt)

    @abstractmethod
    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """The windows of training, from where the run stands, without an end."""

    def stream(self, cursor: Cursor | None, **more: Any) -> WindowStream:
        """Windows of the train split with the settings of the run. more: for `WindowStream`."""
        config = self.config
        return WindowStream(
            self.corpus,
            "train",
            lanes=config.lanes,
            steps=config.bptt,
            cursor=cursor,
            restart=config.restart,
            seed=config.seed,
            **more,
        )

    @abstractmethod
    def validate(self, model: Model, stopping: Callable[[], bool]) -> Validation | None:
        """The loss over the first windows of the valid split; None where they have no target with weight.

        model: always the same one. stopping: asked after each window; the rest is left out once it says so.
        """

    @property
    def sizes(self) -> Sizes:
        """How much its windows have."""
        return Sizes(self.config.lanes, self.config.bptt)

    @property
    def usual_geometry(self) -> dict[str, int]:
        """lanes and bptt where neither is given and the corpus is large enough; none where they are made for it."""
        return {}

    @property
    def usual_decay(self) -> int:
        """Windows in which a cosine schedule lowers the rate where that is not given; 0: it has to be."""
        return max(_LEAST_DECAY, self.decay_epochs * self.windows_per_epoch) if self.decay_epochs else 0

    def line(self, loss: float | None) -> dict[str, float | None]:
        """What a line of the log says of the mean loss since the last one; None: no target counted."""
        return {self.loss_key: loss}

    def best_in_words(self, judged: float) -> str:
        """What a person is told of the best validation, of which this was `Validation.judged`."""
        return f"{judged:.4f}"


def fitting_geometry(tokens: int, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[int, int]:
    """lanes and bptt for so many train tokens: what is given, else the default or as much as the text allows.

    The default of lanes is halved until each has enough windows; that of bptt is at most a whole lane. defaults: where
    they are not those of `TrainConfig`.
    """
    lanes = given.get("lanes", defaults.get("lanes", TrainConfig.lanes))
    bptt = given.get("bptt", defaults.get("bptt", TrainConfig.bptt))
    while "lanes" not in given and lanes > 1 and (tokens - 1) // lanes < _WINDOWS_PER_LANE * bptt:
        lanes //= 2
    return lanes, bptt if "bptt" in given else max(1, min(bptt, (tokens - 1) // lanes))


def refuse_others(given: Mapping[str, Any], own: tuple[str, ...], corpus: Corpus) -> None:
    """Raises UsageError where a setting is given that is for corpora of another kind, or for symbols where it has none.

    own: those of the settings in `OF_KINDS` that are for this one.
    """
    for name, kinds in OF_KINDS.items():
        if name in given and name not in own:
            raise UsageError(f"train: `{name}` is for {kinds}; {corpus.path} holds {corpus.manifest.shape.called}")
    if given.get("embedding") and corpus.manifest.columns is not None:
        raise UsageError("train: `embedding` is for symbols; rows of numbers have none")
