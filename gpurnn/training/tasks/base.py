"""What training has to know of the kind of corpus that it is done on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.series.columns import Columns
from gpurnn.data.stream import Cursor, WindowStream
from gpurnn.data.text.language import Language
from gpurnn.fields import Field
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig


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
    valid_key, that of a validation.
    """

    rate_key: ClassVar[str]
    loss_key: ClassVar[str]
    valid_key: ClassVar[str]

    def __init__(self, corpus: Corpus, config: TrainConfig) -> None:
        self.corpus, self.config = corpus, config

    @classmethod
    @abstractmethod
    def defaults(cls, corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
        """What settings are where they are not given; those that follow from the corpus among them.

        given: the settings by name. Raises UsageError for those that do not go with the corpus.
        """

    @property
    @abstractmethod
    def meaning(self) -> Language | Columns:
        """What a checkpoint keeps of the corpus, so that its model can be used without it."""

    @abstractmethod
    def fields(self, be: Backend) -> tuple[Field, ...]:
        """What its windows have of each step."""

    @property
    @abstractmethod
    def windows_per_epoch(self) -> int:
        """How many windows read the train split once. Raises DataError where it cannot hold the lanes and steps."""

    @abstractmethod
    def windows(self, be: Backend, cursor: Cursor | None) -> WindowStream:
        """The windows of training, from where the run stands, without an end."""

    @abstractmethod
    def validate(self, model: Model, stopping: Callable[[], bool]) -> Validation | None:
        """The loss over the first windows of the valid split; None where they have no target with weight.

        model: always the same one. stopping: asked after each window; the rest is left out once it says so.
        """

    @property
    @abstractmethod
    def usual_geometry(self) -> dict[str, int]:
        """lanes and bptt where neither is given and the corpus is large enough."""

    @property
    def usual_decay(self) -> int:
        """Windows in which a cosine schedule lowers the rate where that is not given; 0: it has to be."""
        return 0

    @abstractmethod
    def line(self, loss: float | None) -> dict[str, float | None]:
        """What a line of the log says of the mean loss since the last one; None: no target counted."""
