"""Every kind of corpus, and what prepares it."""

from __future__ import annotations

from collections.abc import Callable

from gpurnn.api.frames import prepare_frames_with_texts
from gpurnn.api.kinds import refuse_other_kinds
from gpurnn.api.labelled import prepare_with_labels
from gpurnn.api.pairs import prepare_pairs_or_captions
from gpurnn.api.request import Request
from gpurnn.api.series import prepare_tables, refuse_mixture
from gpurnn.data.frames.report import FramesReport
from gpurnn.data.labelled.report import LabelledReport
from gpurnn.data.pairs.report import PairsReport
from gpurnn.data.prepare import prepare as prepare_corpus
from gpurnn.data.report import PrepareReport
from gpurnn.data.series.report import SeriesReport

Report = PrepareReport | SeriesReport | LabelledReport | PairsReport | FramesReport


def _prepare_texts(asked: Request) -> PrepareReport:
    more = asked.handed_on("tokens", "split", "document_separator", "min_count", "vocab_from")
    return prepare_corpus(asked["texts"], asked["output"], policy=asked.policy, **more)


PREPARES: dict[str, Callable[[Request], Report]] = {
    "series": prepare_tables,
    "labels": prepare_with_labels,
    "tags": prepare_with_labels,
    "pairs": prepare_pairs_or_captions,
    "vectors": prepare_pairs_or_captions,
    "frames": prepare_frames_with_texts,
}
"""What makes a corpus, by the argument that asks for it: the first of these that is given. Without one it is text."""


def prepare_asked(asked: Request) -> Report:
    """Makes the corpus that was asked for. Raises UsageError, DataError, OSError (of the disk)."""
    refuse_other_kinds(asked.given)
    refuse_mixture(asked["series"], asked.given)
    kind = next((name for name in PREPARES if asked[name]), None)
    return (_prepare_texts if kind is None else PREPARES[kind])(asked)
