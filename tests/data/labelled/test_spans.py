"""Spans of tagged words against what seqeval finds (see `make_seqeval_values`), and against their definition."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from gpurnn.data.labelled.spans import SpanFinder
from tests.spans import spans_of

VALUES = json.loads((Path(__file__).resolve().parents[2] / "goldens" / "seqeval.json").read_text())


def test_spans_are_those_of_seqeval():
    found = [
        (scheme, tags, [list(span) for span in spans_of(tags.split(), scheme)]) for scheme, tags, _ in VALUES["spans"]
    ]
    assert found == [tuple(each) for each in VALUES["spans"]]
    assert sum(len(spans) for *_, spans in VALUES["spans"]) > 200


def test_what_breaks_its_scheme_is_no_span():
    assert spans_of(["I-X", "I-X", "O", "B-X", "I-Y"], "IOB2") == [("X", 3, 4)]
    assert spans_of(["I-X", "B-X", "I-X", "B-Y"], "IOB1") == [("X", 0, 1), ("X", 1, 3)]
    assert spans_of(["B-X", "I-X", "O", "S-X", "E-X", "B-X", "E-X"], "IOBES") == [("X", 3, 4), ("X", 5, 7)]
    assert spans_of([], "IOB2") == []


def test_types_are_all_that_follows_the_mark():
    tags = ["B-a-b", "I-a-b", "B-- ", "I-- ", "I-- b", "Bx", "B-"]
    assert spans_of(tags, "IOB2") == [("a-b", 0, 2), ("- ", 2, 4)]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES"])
def test_sentences_together_have_the_spans_of_each(scheme: str):
    rng = random.Random(scheme)
    labels = ["O", " ", *(f"{mark}-{kind}" for mark in ("BIES" if scheme == "IOBES" else "BI") for kind in "XY")]
    sentences = [np.array([rng.randrange(len(labels)) for _ in range(rng.randint(1, 9))]) for _ in range(200)]
    finder = SpanFinder(labels, scheme)
    assert finder.types == ("X", "Y")
    kinds, starts, ends = (each.tolist() for each in finder.find(sentences))
    expected, position = [], 0
    for sentence in sentences:
        spans = spans_of([labels[number] for number in sentence], scheme)
        expected += [(kind, position + start, position + end) for kind, start, end in spans]
        position += len(sentence) + 1
    assert list(zip([finder.types[kind] for kind in kinds], starts, ends, strict=True)) == expected
    assert len(expected) > 150
