"""Columns of words and tags, and the schemes that tags are in."""

import io
import random
from collections import Counter

import pytest

from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.labelled.schemes import Transitions, find_scheme
from gpurnn.data.labelled.sentences import read_sentences
from gpurnn.exceptions import DataError


def sentences(content: str, **options) -> list[tuple[list[str], list[str], list[int]]]:
    lines = io.StringIO(content, newline="")
    return [tuple(each) for each in read_sentences(lines, "a.conll", labelled_options("tags", **options))]


def test_blank_lines_part_sentences():
    content = "\n\nAnn NNP B-PER\nruns  VB\tO\n \n\n\n# NN O\n"
    # a tab somewhere makes tabs the only dividers, so this one is divided by spaces alone
    content = content.replace("\t", " ")
    assert sentences(content) == [(["Ann", "runs"], ["B-PER", "O"], [3, 4]), (["#"], ["O"], [8])]
    assert sentences(content, target=2, texts="last")[0] == (["B-PER", "O"], ["NNP", "VB"], [3, 4])


def test_with_tabs_cells_have_spaces_and_comments_are_left_out():
    content = "# sent_id = 1\n1\tNew York\tPROPN\n2\t#\tSYM\n\n# text = b\n1\tb\tX"
    found = sentences(content, texts=2)
    assert found == [(["New York", "#"], ["PROPN", "SYM"], [2, 3]), (["b"], ["X"], [6])]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a O\nb NN O\n", {}, "a.conll, line 2: 3 columns, expected 2 as in the first row; correct it"),
        ("a\tO\n\nb\t\n", {}, "a.conll, line 3: the tag is empty; correct it"),
        ("a\tO\n \tO\n", {}, "a.conll, line 2: the word is empty; correct it"),
        ("a\n", {}, "a.conll, line 1: it has 1 column; expected a word and its tag in two"),
        ("a O\n", {"target": 3}, "a.conll, line 1: it has 2 columns, so none for `tag_column=3`"),
        (
            "a O\n",
            {"target": "1"},
            "a.conll, line 1: word and tag are both in column 1; expected a word and its tag in two",
        ),
    ],
)
def test_what_is_none_is_refused_in_one_line(content: str, options: dict, message: str):
    with pytest.raises(DataError) as caught:
        sentences(content, **options)
    assert str(caught.value) == message


def tagged(spans: list[tuple[int, str]], scheme: str) -> list[str]:
    """The tags of spans, (words, type) with type "" outside, that follow each other."""
    tags: list[str] = []
    for index, (words, kind) in enumerate(spans):
        if not kind:
            tags += ["O"] * words
        elif scheme == "IOBES":
            tags += [f"S-{kind}"] if words == 1 else [f"B-{kind}", *[f"I-{kind}"] * (words - 2), f"E-{kind}"]
        else:
            begins = scheme == "IOB2" or (index > 0 and spans[index - 1][1] == kind)
            tags += [f"{'B' if begins else 'I'}-{kind}", *[f"I-{kind}"] * (words - 1)]
    return tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES"])
def test_schemes_are_found_in_tags_made_from_spans(scheme: str):
    draw = random.Random(5)
    found = Transitions()
    for _ in range(300):
        spans = [(draw.randint(1, 3), draw.choice(["", "", "PER", "LOC"])) for _ in range(draw.randint(1, 6))]
        tags = tagged(spans, scheme)
        found.add(tags, "a", range(1, len(tags) + 1))
    assert found.scheme() == scheme


@pytest.mark.parametrize(
    "tags",
    [
        ["NN", "VB"],
        ["O", "S"],
        ["B", "I", "O"],
        ["O", "O"],
        ["B-PER", "O", "M-PER"],
        ["S-1", "S-2"],
        ["B-", "O"],
        ["", "O"],
    ],
)
def test_other_tags_are_of_no_scheme(tags: list[str]):
    assert find_scheme(Counter(zip([None, *tags], [*tags, None], strict=True))) == (None, [])


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (["B-A", "I-A", "O"], ["O", "I-A"], "in IOB2, which most tags are in, 'I-A' cannot follow 'O'"),
        (["B-A", "I-A", "O", "B-B"], ["B-B", "I-A"], "in IOB2, which most tags are in, 'I-A' cannot follow 'B-B'"),
        (["I-A", "B-A", "O"], ["B-A", "O"], "in IOB1, which most tags are in, 'B-A' cannot begin a sentence"),
        (["B-A", "E-A", "S-A"], ["S-A", "E-A"], "in IOBES, which most tags are in, 'E-A' cannot follow 'S-A'"),
        (
            ["B-A", "E-A", "S-A"],
            ["S-A", "B-A"],
            "in IOBES, which most tags are in, the sentence ends inside a span, with 'B-A'",
        ),
    ],
)
def test_tags_that_break_their_scheme_are_named_with_file_and_line(good: list[str], bad: list[str], message: str):
    found = Transitions()
    for number in range(5):
        found.add(good, "good", range(10 * number, 10 * number + len(good)))
    found.add(bad, "bad", [7, 8])
    found.add(bad, "later", [1, 2])
    with pytest.raises(DataError) as caught:
        found.scheme()
    line = 7 if "begin a sentence" in message else 8
    assert str(caught.value) == f"bad, line {line}: {message}; correct it"
