"""What `gpurnn.prepare` and the command do with labelled texts and tagged sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.labelled.report import LabelledReport
from gpurnn.data.prepare_labelled import prepare_labelled
from gpurnn.exceptions import UsageError

KINDS = ("labels", "tags")
"""The arguments that say that a corpus has labels, or tags: of texts, or of series where they are given, too."""
_OF: dict[str, tuple[Any, tuple[str, ...]]] = {
    "label_column": (None, ("labels",)),
    "tag_column": (None, ("tags",)),
    "text_column": ((), ("labels", "tags")),
    "seed": (0, ("labels", "tags")),
}
"""The arguments that only these have: the default, and what they are for."""


def refuse_other_kinds(given: Mapping[str, Any]) -> None:
    """Raises UsageError where two kinds are asked for, and where an argument is for another kind.

    given: at least all arguments of labels, tags and texts, by name.
    """
    kinds = [name for name in KINDS if given[name]]
    if len(kinds) > 1:
        raise UsageError("`labels` contradicts `tags`: a corpus is of one kind; leave one of them out")
    for name, (default, of) in _OF.items():
        value = given[name]
        if value != default and not (default == () and not value) and not set(kinds) & set(of):
            shown = " and ".join(f"`{each}`" for each in of)
            raise UsageError(f"`{name}` is for {shown}; give {'it' if len(of) == 1 else 'one of them'}, too")
    if given["document_separator"] is not None and kinds and not given["series"]:
        raise UsageError(f"`document_separator` is for texts, not for `{kinds[0]}`; leave one of them out")


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
