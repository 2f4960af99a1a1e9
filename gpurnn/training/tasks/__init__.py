"""The kinds of task: what training has to know of each kind of corpus."""

from collections.abc import Mapping
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task
from gpurnn.training.tasks.series import Series
from gpurnn.training.tasks.text import Text

__all__ = ["TASKS", "Task", "defaults_of", "task_of"]

TASKS: dict[str, type[Task]] = {"chars": Text, "bytes": Text, "words": Text, "series": Series}
"""The task by what a corpus holds."""


def task_of(corpus: Corpus, config: TrainConfig) -> Task:
    """What a run on this corpus with these settings learns. Raises UsageError, DataError."""
    return TASKS[corpus.kind](corpus, config)


def defaults_of(corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
    """What settings are where they are not given, by the kind of the corpus; those that follow from it among them.

    given: the settings by name. Raises UsageError for those that do not go with the corpus.
    """
    return TASKS[corpus.kind].defaults(corpus, given)
