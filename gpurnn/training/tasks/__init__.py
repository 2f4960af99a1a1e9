"""The kinds of task: what training has to know of each kind of corpus."""

from collections.abc import Mapping
from typing import Any

from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import DataError
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task
from gpurnn.training.tasks.series import Series
from gpurnn.training.tasks.text import Text

__all__ = ["TASKS", "Task", "defaults_of", "task_of"]

TASKS: dict[str, type[Task]] = {"chars": Text, "bytes": Text, "words": Text, "series": Series}
"""The task by what a corpus holds."""


def task_of(corpus: Corpus, config: TrainConfig) -> Task:
    """What a run on this corpus with these settings learns. Raises UsageError, DataError."""
    return _kind_of(corpus)(corpus, config)


def defaults_of(corpus: Corpus, given: Mapping[str, Any]) -> dict[str, Any]:
    """What settings are where they are not given, by the kind of the corpus; those that follow from it among them.

    given: the settings by name. Raises UsageError for those that do not go with the corpus, DataError for a corpus that
    nothing can be learnt from.
    """
    return _kind_of(corpus).defaults(corpus, given)


def _kind_of(corpus: Corpus) -> type[Task]:
    if corpus.kind not in TASKS:
        held = corpus.manifest.shape.called
        raise DataError(f"{corpus.path}: it holds {held}; only text and measured series can be trained on")
    return TASKS[corpus.kind]
