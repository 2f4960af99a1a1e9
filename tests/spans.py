"""The spans of one sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpurnn.data.labelled.spans import Span, SpanFinder


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
