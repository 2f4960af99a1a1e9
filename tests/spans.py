"""The spans of one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gpurnn.data.labelled.spans import SpanFinder


class Span(NamedTuple):
    """The words start .. end of a sentence. kind: the type."""

    kind: str
    start: int
    end: int


def spans_of(tags: Sequence[str], scheme: str) -> list[Span]:
    """scheme: of its tags."""
    labels = tuple(dict.fromkeys(tags))
    numbers = {label: number for number, label in enumerate(labels)}
    finder = SpanFinder(labels, scheme)
    found = finder.find([np.array([numbers[tag] for tag in tags], np.int64)])
    return [
        Span(finder.types[kind], start, end)
        for kind, start, end in zip(*(each.tolist() for each in found), strict=True)
    ]
