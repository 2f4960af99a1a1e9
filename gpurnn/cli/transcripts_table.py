"""What `gpurnn evaluate` prints of frames: how much of the texts is read as it is, then the worst of them."""

from __future__ import annotations

from collections.abc import Iterator

from gpurnn.cli.cells import cut, left, width
from gpurnn.evaluation.transcripts import TranscriptEvaluation

_FILE, _TEXT = 28, 40
"""Columns of the longest name, and of a text."""


def table_of(result: TranscriptEvaluation) -> Iterator[str]:
    """The lines of the table."""
    yield f"  sequences {result.sequences:,}, loss {result.loss:.4f} nats a label"
    yield f"  CER {result.cer:.4f}, WER {result.wer:.4f}, exact {result.exact:.4f}"
    if not result.worst:
        return
    yield ""
    names = [_end(each.file) for each in result.worst]
    texts = [_shown(each.text) for each in result.worst]
    first, second = max(map(width, [*names, "worst"])), max(map(width, [*texts, "text"]))
    yield f"  {left('worst', first)}{'edits':>7}  {left('text', second)}  read as"
    for each, name, text in zip(result.worst, names, texts, strict=True):
        yield f"  {left(name, first)}{each.edits:>7}  {left(text, second)}  {_shown(each.found)}".rstrip()


def _shown(text: str) -> str:
    return cut(text, _TEXT) if text else ""


def _end(file: str) -> str:
    """A name in so many columns, the end of it where it is longer."""
    return cut(file, _FILE) if width(file) <= _FILE else f"…{cut(file[1 - _FILE :], _FILE - 1)}"
