"""Files with a label a text: what is found in each form, and what is refused where."""

import csv
import io
import json
import random

import pytest

from gpurnn.data.labelled.options import labelled_options
from gpurnn.data.labelled.texts import read_texts
from gpurnn.exceptions import DataError, UsageError


def texts(content: str, file: str = "posts", **options) -> list[tuple[str, str, int]]:
    """(label, text, line) of each text of a file."""
    lines = io.StringIO(content, newline="")
    return [(t.label, t.text, t.place.line) for t in read_texts(lines, file, labelled_options("labels", **options))]


def test_tabs_divide_and_quotation_marks_do_not_count():
    content = 'label\ttext\tid\npos\t"so, so\t1\r\n\nneg\t it\'s "bad" \t2\n'
    assert texts(content) == [("pos", '"so, so', 2), ("neg", ' it\'s "bad" ', 4)]


def test_commas_are_read_as_the_csv_module_writes_them():
    draw = random.Random(3)
    rows = [
        (
            f"l{draw.randrange(3)}",
            "a" + "".join(draw.choices(['"', ",", "\n", "é", " ", "x"], k=draw.randrange(9))),
            "7",
        )
        for _ in range(200)
    ]
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("label", "text", "n"), *rows])
    found = texts(written.getvalue(), "a.csv")
    assert [each[:2] for each in found] == [row[:2] for row in rows]
    line = 2
    for (_, text, _), (_, _, at) in zip(rows, found, strict=True):
        assert at == line
        line += 1 + text.count("\n")


def test_json_lines_have_names():
    rows = [{"text": "a\nb", "label": "x"}, {"label": 3, "text": "ü"}, {"label": True, "text": "c", "more": [1]}]
    content = "\n\n".join(map(json.dumps, rows))
    assert texts(content) == [("x", "a\nb", 1), ("3", "ü", 3), ("true", "c", 5)]
    assert texts('{"a": "p", "b": "t", "c": "u"}', "x.ndjson.gz", target="a", texts=["c", "b"]) == [("p", "u\nt", 1)]


def test_lines_of_fasttext_begin_with_their_label():
    content = "__label__good  so good \n\n__label__bad\tnot, good\n"
    assert texts(content) == [("good", "so good", 1), ("bad", "not, good", 3)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target": "first", "texts": "last"}, ("a", "d")),
        ({"target": "last", "texts": ["2", 1]}, ("d", "b\na")),
        ({"target": 2, "texts": [3]}, ("b", "c")),
    ],
)
def test_places_mean_that_there_is_no_header(options: dict, expected: tuple):
    assert texts("a\tb\tc\td\n", **options) == [(*expected, 1)]
    assert texts("a,b,c,d\n", **options) == [(*expected, 1)]


def test_of_two_columns_the_other_one_is_the_text():
    assert texts("pos\tfine\n", target="first") == [("pos", "fine", 1)]
    assert texts("fine,pos\n", target="last") == [("pos", "fine", 1)]


def test_a_name_says_what_a_file_is():
    assert texts("label\ttext\nx\ta, b\n", "a.tsv") == [("x", "a, b", 2)]
    assert texts('label,text\nx,"a\tb"\n', "a.CSV") == [("x", "a\tb", 2)]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("label\ttext\nx\ta\nx\ta\tb\n", {}, "posts, line 3: 3 columns, expected 2 as in the first row; correct it"),
        ("label\ttext\n\t a\n", {}, "posts, line 2: the label is empty; give it one, or leave the line out"),
        ("label\ttext\nx\t \n", {}, "posts, line 2: the text is empty; leave the line out"),
        (
            "class\ttext\nx\ta\n",
            {},
            "posts: its first row names no column label, but class, text; give `label_column`: a name, or first, "
            "last or a number where there is no header",
        ),
        (
            "class\ttext\nx\ta\n",
            {"target": "clas"},
            "posts: there is no column 'clas' for `label_column`; did you mean class?",
        ),
        ("a\tb\tc\n", {"target": "first"}, "posts, line 1: it has 3 columns; give `text_column`, too"),
        (
            "a\tb\n",
            {"target": "3", "texts": "1"},
            "posts, line 1: it has 2 columns, so none for `label_column=3`",
        ),
        (
            'label,text\nx,"ab\nc',
            {},
            "posts, line 2: unexpected end of data; is a quotation mark wrong or left open?",
        ),
        (
            "nothing here\n",
            {},
            "posts: its first line, 'nothing here', has no label: expected a tab or a comma between label and text, "
            "JSON, or __label__",
        ),
        ("\n \n", {}, "posts: it has no text"),
        ("__label__a x\nb y\n", {}, "posts, line 2: 'b' is no label; expected __label__ at the beginning of each line"),
        ("__label__a __label__b y\n", {}, "posts, line 1: it has two labels or more; give each text one"),
        (
            "__label__a y\n",
            {"target": "first"},
            "posts: lines of fastText have no columns; leave `label_column` and `text_column` out",
        ),
        (
            '{"label": "a", "text": "b"}\n{"label"\n',
            {},
            "posts, line 2: no JSON: Expecting ':' delimiter: line 2 column 1 (char 9); correct the line",
        ),
        ("{}\n", {}, "posts, line 1: there is no 'text' for `text_column`; it has nothing"),
        ('{"label": "a", "text": 3}\n', {}, "posts, line 1: 'text' is 3, expected a text"),
        ('{"label": [1], "text": "x"}\n', {}, "posts, line 1: 'label' is [1], expected a text"),
        ('{"label": "a", "text": "\\ud800"}\n', {}, "posts, line 1: 'text' has half of a surrogate pair; correct it"),
        (
            '{"label": "a\\nb", "text": "x"}\n',
            {},
            "posts, line 1: the label 'a\\nb' has a tab or a line end; is it the right `label_column`?",
        ),
        (
            '{"label": "a", "text": "x"}\n',
            {"target": "first"},
            "posts: JSON has names, no places; give those for `label_column` and `text_column`",
        ),
    ],
)
def test_what_is_none_is_refused_in_one_line(content: str, options: dict, message: str):
    with pytest.raises(DataError) as caught:
        texts(content, **options)
    assert str(caught.value) == message


def test_deeply_nested_json_is_refused():
    with pytest.raises(DataError, match=r"^posts, line 1: no JSON: "):
        texts('{"label":' + "[" * 200_000 + "\n")


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("labels", {"target": 0}, "`label_column=0`: expected a name, first, last or a number from 1"),
        ("labels", {"target": True}, "`label_column`: expected a name or a number, found bool"),
        ("labels", {"texts": "last"}, "`text_column` is given by its place; give `label_column`, too"),
        (
            "labels",
            {"target": "kind", "texts": "2"},
            "`label_column=kind` is a name of a header; first, last and numbers mean that there is none",
        ),
        ("tags", {"target": "ner"}, "`tag_column=ner`: columns of tags have no header; give first, last or a number"),
        ("tags", {"texts": [1, 2]}, "`text_column`: a word stands in one column; give one"),
        ("tags", {"tokens": "bytes"}, "`tokens=bytes`: expected one of words, chars for `tags`"),
        ("labels", {"tokens": "x"}, "`tokens=x`: expected one of chars, bytes, words for `labels`"),
        ("labels", {"min_count": 0}, "`min_count=0`: expected 1 or more"),
        (
            "tags",
            {"min_count": 2, "tokens": "chars"},
            "`min_count=2`: a rare-word cut-off is for a new vocabulary of words",
        ),
        (
            "labels",
            {"split": (1, 0, 0), "files": True},
            "`split` contradicts `valid` and `test`; give fractions or files",
        ),
        ("labels", {"seed": -1}, "`seed`: expected 0 or more and less than 2**63, found -1"),
    ],
)
def test_options_that_contradict_each_other_are_refused(what: str, options: dict, message: str):
    with pytest.raises(UsageError) as caught:
        labelled_options(what, **options)
    assert str(caught.value) == message
