"""What `gpurnn.prepare` and the command do with measured series, with labels or tags or without."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpurnn.api.arguments import path_of
from gpurnn.api.request import Request
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.labelled.options import What
from gpurnn.data.prepare_series import prepare_series
from gpurnn.data.series.columns import Columns
from gpurnn.data.series.options import series_options
from gpurnn.data.series.report import SeriesReport
from gpurnn.exceptions import DataError, UsageError
from gpurnn.training.meaning import kind_of, load_meaning
from gpurnn.training.origin import load_checkpoint

SERIES = {
    **dict.fromkeys(("time", "key", "columns", "clock", "fill", "every", "date_order", "decimal", "columns_from")),
    "header": False,
    "missing": (),
    "bad_rows": "stop",
}
"""The arguments that only series have, with their defaults."""
TEXT = {
    **dict.fromkeys(("tokens", "vocab_from", "document_separator", "errors", "newline", "normalise", "lower")),
    "min_count": 1,
    "text_column": (),
    "pairs": False,
    "frames": False,
    "vectors": None,
    "valid": (),
    "test": (),
}
"""Those that only texts have."""

_logger = logging.getLogger("gpurnn")


def refuse_mixture(series: bool, given: Mapping[str, Any]) -> None:
    """Raises UsageError where an argument of texts was given for series, or the other way round.

    given: at least all arguments of both and of labels and tags, by name.
    """
    labelled = given["labels"] or given["tags"]
    for name, default in (TEXT if series else SERIES).items():
        value = given[name]
        if name in ("valid", "test") and labelled:
            continue
        if value != default and not (default == () and not value):
            if series:
                raise UsageError(f"`{name}` is for texts, not for `series`; leave one of them out")
            raise UsageError(f"`{name}` is for measured series; give `series`, too")


def prepare_tables(asked: Request) -> SeriesReport:
    """Makes a corpus of series, or of labels or tags of them. Raises UsageError, DataError, OSError (of the disk)."""
    names = (*(name for name in SERIES if name != "columns_from"), "split", "encoding", "seed")
    source = asked["columns_from"]
    what: What | None = "labels" if asked["labels"] else "tags" if asked["tags"] else None
    known, labels = (None, {}) if source is None else _known_of(path_of("columns_from", source))
    options = series_options(
        **asked.options(*names),
        columns_from=known,
        what=what,
        target=None if what is None else asked["label_column" if what == "labels" else "tag_column"],
        labels=None if what is None else labels.get(what),
    )
    return prepare_series(asked["texts"], asked["output"], options, **asked.handed_on())


def _known_of(path: Path) -> tuple[Columns, dict[str, tuple[str, ...]]]:
    """The columns of a corpus, or of a run or checkpoint that was trained on one; and its labels by kind, if any.

    Raises DataError for those of text, and RunError, CheckpointError, CorpusError for what is none.
    """
    if path.is_dir() or path.suffix == ".safetensors":
        loaded = load_checkpoint(path, "best", _logger.warning)
        meaning = load_meaning(loaded)
        columns = meaning.columns if isinstance(meaning, Labelling) else meaning
        if not isinstance(columns, Columns):
            raise DataError(f"{loaded.path}: a model of {kind_of(meaning)}; give a run on measured series")
        return columns, {meaning.what: meaning.labels} if isinstance(meaning, Labelling) else {}
    with Corpus.open(path) as corpus:
        if corpus.kind == "frames":
            raise DataError(f"{path}: it holds {corpus.manifest.shape.called}; name a corpus of measured series")
        return corpus.columns, {corpus.kind: corpus.labels} if corpus.kind in ("labels", "tags") else {}
