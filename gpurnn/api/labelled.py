"""What `gpurnn.prepare` and the command do with labelled texts and tagged sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.labelled.report import LabelledReport
from gpurnn.data.prepare_labelled import prepare_labelled


def prepare_with_labels(
    texts: Sequence[str | Path],
    output: Path,
    given: Mapping[str, Any],
    *,
    policy: Mapping[str, Any],
    valid: Sequence[str | Path],
    test: Sequence[str | Path],
    vocab_from: str | Path | None,
    force: bool,
    stdin: IO[bytes] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LabelledReport:
    """Makes a corpus of labels or tags. given: the arguments of `gpurnn.prepare`; policy: those of the text policy.

    Raises UsageError, DataError, OSError (of the disk).
    """
    options = labelled_options(
        "labels" if given["labels"] else "tags",
        target=given["label_column" if given["labels"] else "tag_column"],
        texts=given["text_column"],
        tokens=given["tokens"],
        min_count=given["min_count"],
        split=given["split"],
        files=bool(valid or test),
        seed=given["seed"],
    )
    return prepare_labelled(
        texts,
        output,
        options,
        policy=policy,
        valid=valid,
        test=test,
        vocab_from=vocab_from,
        force=force,
        stdin=stdin,
        progress=progress,
    )
