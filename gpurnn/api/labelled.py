"""What `gpurnn.prepare` and the command do with labelled texts and tagged sentences."""

from __future__ import annotations

from gpurnn.api.request import Request
from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.labelled.report import LabelledReport
from gpurnn.data.prepare_labelled import prepare_labelled


def prepare_with_labels(asked: Request) -> LabelledReport:
    """Makes a corpus of labels or tags. Raises UsageError, DataError, OSError (of the disk)."""
    options = labelled_options(
        "labels" if asked["labels"] else "tags",
        target=asked["label_column" if asked["labels"] else "tag_column"],
        texts=asked["text_column"],
        **asked.options("tokens", "min_count", "split", "seed"),
    )
    more = asked.handed_on("vocab_from")
    return prepare_labelled(asked["texts"], asked["output"], options, policy=asked.policy, **more)
