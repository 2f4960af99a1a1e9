"""The kinds of task: what training has to know of each kind of corpus."""

from gpurnn.data.corpus import Corpus
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task
from gpurnn.training.tasks.frames import Frames
from gpurnn.training.tasks.labelled import Labelled
from gpurnn.training.tasks.pairs import Pairs
from gpurnn.training.tasks.series import Series
from gpurnn.training.tasks.text import Text

__all__ = ["TASKS", "Task", "task_of"]

TASKS: dict[str, type[Task]] = {
    "chars": Text,
    "bytes": Text,
    "words": Text,
    "series": Series,
    "labels": Labelled,
    "tags": Labelled,
    "pairs": Pairs,
    "captions": Pairs,
    "frames": Frames,
}
"""The task by what a corpus holds."""


def task_of(corpus: Corpus, config: TrainConfig) -> Task:
    """What a run on this corpus with these settings learns. Raises UsageError, DataError."""
    return TASKS[corpus.kind](corpus, config)
