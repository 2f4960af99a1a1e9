"""The kinds of task: what training has to know of each kind of corpus."""

from gpurnn.data.corpus import Corpus
from gpurnn.exceptions import DataError
from gpurnn.training.config import TrainConfig
from gpurnn.training.tasks.base import Task
from gpurnn.training.tasks.frames import Frames
from gpurnn.training.tasks.labelled import Labelled
from gpurnn.training.tasks.pairs import Pairs
from gpurnn.training.tasks.series import Series
from gpurnn.training.tasks.text import Text

__all__ = ["TASKS", "Task", "kind_of", "task_of"]

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


def kind_of(corpus: Corpus) -> type[Task]:
    """The kind of task that a corpus is for. Raises DataError for one that nothing can be learnt from yet."""
    if corpus.kind not in TASKS:
        held = corpus.manifest.shape.called
        raise DataError(
            f"{corpus.path}: it holds {held}; only text, measured series, labels and tags can be trained on"
        )
    return TASKS[corpus.kind]


def task_of(corpus: Corpus, config: TrainConfig) -> Task:
    """What a run on this corpus with these settings learns. Raises UsageError, DataError."""
    return kind_of(corpus)(corpus, config)
