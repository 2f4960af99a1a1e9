"""Files of texts come back with the labels that the model gives each text alone."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.series.reader import BadRow
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.generation import labelled_texts
from gpurnn.generation.forms import open_texts
from gpurnn.generation.label import TextModel
from gpurnn.generation.labelled_texts import TextPredictions
from gpurnn.generation.leftout import LeftOut
from gpurnn.network import Model, ModelConfig
from gpurnn.training import labeller
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller

LABELS = ("bad", 'so, "so"', "très bien")
SYMBOLS = [*" abcdefghijklmnopqrstuvwxyz'", ""]


def reading(layout: str = "whole", **more: Any) -> TrainConfig:
    """A configuration of which only the layout, bptt, cut and context are looked at."""
    return TrainConfig(ModelConfig(2), layout=layout, **more)


def model_of(**more: Any) -> TextModel:
    config = ModelConfig(
        len(SYMBOLS), "gru", 8, 1, outputs=3, dtype="float64", stack=("both_directions",), init="normal"
    )
    model = Model(backend.get("cpu"), config)
    model.params.initialise(model.be, 5)
    for array in model.params.value.values():
        array *= 3
    vocabulary = Vocabulary("chars", SYMBOLS, len(SYMBOLS) - 1)
    labelling = Labelling("labels", LABELS, np.array([3, 2, 1]), vocabulary=vocabulary, policy=TextPolicy(lower=True))
    return TextModel(model, labelling, reading(**more))


MODEL = model_of()
TEXTS = [
    "a good one",
    'Bad, "bad"',
    "it's so so",
    "\u00e9t\u00e9",
    "zzz",
    "x",
    "why not",
    "hm",
    "never again",
    "ok then",
]


def shares(text: str) -> np.ndarray:
    """The probabilities of the labels of a text, worked out alone."""
    ids = np.array([SYMBOLS.index(c) if c in SYMBOLS else len(SYMBOLS) - 1 for c in text.lower()])
    (logs,) = Labeller(MODEL._labeller._model, reading(), True).log_probabilities([ids])
    return np.exp(logs)


def label(text: str) -> str:
    return LABELS[int(shares(text).argmax())]


def lines_of(content: str) -> Iterator[tuple[int, str]]:
    return iter(list(enumerate(io.StringIO(content, newline=""), 1)))


def predicted(content: str, file: str = "posts", columns: Any = (), plain: bool = False, **more: Any) -> str:
    left_out, told = LeftOut(skip=more.pop("skip", False)), []
    texts = open_texts(lines_of(content), file, left_out, columns, plain=plain, on_warning=told.append)
    found = "".join(TextPredictions(MODEL, texts, **more).lines())
    assert not told
    return found


def test_the_texts_have_several_labels() -> None:
    assert {label(text) for text in TEXTS} == set(LABELS)


def test_plain_lines_come_back_behind_their_label() -> None:
    content = "\n".join(TEXTS)
    assert predicted(content) == "".join(f"{label(text)}\t{text}\n" for text in TEXTS)
    assert predicted(content.replace("\n", "\r\n") + "\r\n") == predicted(content)
    found = [line.split("\t") for line in predicted(content, probabilities=True).splitlines()]
    for (name, share, back), text in zip(found, TEXTS, strict=True):
        assert (name, back) == (label(text), text)
        assert abs(float(share) - shares(text).max()) <= 0.5e-6
    assert predicted("") == ""


def test_lines_of_fasttext_are_read_without_their_label() -> None:
    content = "".join(f"__label__x {text}\n" for text in TEXTS)
    assert predicted(content) == "".join(f"{label(text)}\t__label__x {text}\n" for text in TEXTS)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_with_tabs_comes_back_with_one_more_column(end: str) -> None:
    content = f"id\ttext\tmore{end}" + "".join(f"{n}\t{text}\t {end}" for n, text in enumerate(TEXTS))
    rows = [f"{n}\t{text}\t \t{label(text)}\n" for n, text in enumerate(TEXTS)]
    assert predicted(content) == "id\ttext\tmore\tlabel\n" + "".join(rows)
    assert predicted(content.replace("text", "post"), columns=["post"]) == "id\tpost\tmore\tlabel\n" + "".join(rows)
    bare = content.split(end, 1)[1]
    assert predicted(bare, columns=["2"]) == "".join(rows)
    found = predicted(bare, columns=["2"], probabilities=True).splitlines()
    assert [line.split("\t")[3:] for line in found] == [[label(t), f"{shares(t).max():.6f}"] for t in TEXTS]


def test_a_table_with_commas_comes_back_as_it_was_written() -> None:
    texts = [*TEXTS, "of\ntwo lines"]
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([("label", "text"), *(("?", text) for text in texts)])
    found = predicted(written.getvalue(), probabilities=True)
    given = written.getvalue().split("\r\n")
    assert all(line.startswith(raw) for line, raw in zip(found.split("\n"), given[: len(TEXTS) + 1], strict=False))
    header, *rows = csv.reader(io.StringIO(found, newline=""))
    assert header == ["label", "text", "predicted_label", "probability"]
    assert rows == [["?", text, label(text), f"{shares(text).max():.6f}"] for text in texts]


def test_several_columns_are_joined_as_prepare_joins_them() -> None:
    content = "a,b,c\nwell,1,then\n"
    assert (
        predicted(content, columns=["c", "a"])
        == f"a,b,c,label\nwell,1,then,{quoted(label(chr(10).join(('then', 'well'))))}\n"
    )


def quoted(name: str) -> str:
    return '"so, ""so"""' if "," in name else name


def test_json_lines_get_one_more_field() -> None:
    content = "".join(f'{{"n": 1e400, "text":{json.dumps(text)}  }}\n\n' for text in TEXTS)
    found = predicted(content)
    assert found == "".join(
        f'{{"n": 1e400, "text":{json.dumps(text)}, "label": {json.dumps(label(text), ensure_ascii=False)}}}\n'
        for text in TEXTS
    )
    for line, text in zip(predicted(content, probabilities=True).splitlines(), TEXTS, strict=True):
        fields = json.loads(line)
        assert list(fields) == ["n", "text", "label", "probabilities"]
        assert list(fields["probabilities"]) == list(LABELS)
        np.testing.assert_allclose(list(fields["probabilities"].values()), shares(text), rtol=0, atol=0.5e-6)
    both = predicted('{"label": 1, "post": "x", "predicted_label": 2}\n', columns=["post"])
    assert json.loads(both) == {"label": 1, "post": "x", "predicted_label": 2, "predicted_predicted_label": label("x")}


@pytest.mark.parametrize(
    ("content", "columns", "fields"),
    [
        ("x\n", (), {"text": "x"}),
        ("n\ttext\n7\tx\n", (), {"n": "7", "text": "x"}),
        ("7,x\n", ["last"], {"1": "7", "2": "x"}),
    ],
)
def test_json_on_request(content: str, columns: Any, fields: dict[str, str]) -> None:
    assert json.loads(predicted(content, columns=columns, jsonl=True)) == fields | {"label": label("x")}


def test_an_empty_text_has_no_label_and_keeps_its_place() -> None:
    texts = open_texts(lines_of("x\n\n \nhm\n"), "posts", LeftOut(skip=False), on_warning=pytest.fail)
    predictions = TextPredictions(MODEL, texts, probabilities=True)
    found = [line.split("\t") for line in "".join(predictions.lines()).splitlines()]
    assert [(each[0], each[2]) for each in found] == [(label("x"), "x"), ("", ""), ("", " "), (label("hm"), "hm")]
    assert (predictions.empty, predictions.first_empty) == (2, "posts, line 2")
    assert json.loads(predicted('{"text": ""}', probabilities=True)) == {
        "text": "",
        "label": None,
        "probabilities": None,
    }


def test_many_at_a_time_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(labelled_texts.AT_ONCE, "chars", 30)
    texts = TEXTS * 20
    assert predicted("\n".join(texts)) == "".join(f"{label(text)}\t{text}\n" for text in texts)


def test_an_answer_comes_before_more_is_taken() -> None:
    taken: list[int] = []

    def live() -> Iterator[tuple[int, str] | None]:
        for number, text in enumerate(TEXTS, 1):
            taken.append(number)
            yield number, f"{text}\n"
            if number in (1, 2, 5):
                yield None

    texts = open_texts(live(), "posts", LeftOut(skip=False), on_warning=pytest.fail)
    found = [(piece.count("\n"), len(taken)) for piece in TextPredictions(MODEL, texts).lines()]
    assert found == [(1, 1), (1, 2), (3, 5), (5, 10)]


@pytest.mark.parametrize(
    ("content", "columns", "told"),
    [
        ("n\ttext\n1\tx\n2\n", (), "posts, line 3: 1 column, expected 2 as in the first row; correct it"),
        (
            'n,text\n1,"x"y\n2,z\n',
            (),
            "posts, line 2: ',' expected after '\"'; is a quotation mark wrong or left open?",
        ),
        ('{"text": 1}\n', (), "posts, line 1: 'text' is 1, expected a text"),
        ('{"text": "x"}\n{"t": "x"}\n', (), "posts, line 2: there is no 'text' for `text_column`; it has t"),
        (
            '{"text": "x"}\nwhat\n',
            (),
            "posts, line 2: no JSON: Expecting value: line 1 column 1 (char 0); correct the line",
        ),
        ('{"text": "\\ud800"}\n', (), "posts, line 1: 'text' has half of a surrogate pair; correct it"),
    ],
)
def test_bad_rows_are_named_or_left_out(content: str, columns: Any, told: str) -> None:
    texts, before = open_texts(lines_of(content), "posts", LeftOut(skip=False), columns, on_warning=pytest.fail), []
    with pytest.raises(BadRow) as error:
        before.extend(TextPredictions(MODEL, texts).lines())
    assert str(error.value) == f"{told}; `bad_rows=skip` leaves such rows out"
    left_out = LeftOut(skip=True)
    texts = open_texts(lines_of(content), "posts", left_out, columns, on_warning=pytest.fail)
    rows = "".join(TextPredictions(MODEL, texts).lines()).splitlines()
    assert (left_out.count, left_out.first) == (1, told)
    assert len(rows) == len(content.splitlines()) - 1
    line = int(told.split(",")[1].split()[1].strip(":"))
    assert "".join(before).splitlines() == rows[: line - 1], "what stands before it is answered"


@pytest.mark.parametrize(
    ("content", "file", "options", "told"),
    [
        (
            "a\tb\n",
            "posts",
            {"columns": ["c"]},
            "posts: there is no column 'c' for `text_column`; its columns are a, b",
        ),
        ("a,b\n", "a.csv", {}, "a.csv: there is no column 'text' for `text_column`; its columns are a, b"),
        ("", "a.tsv", {}, "a.tsv: it has no text"),
        ("a\tb\n", "posts", {"columns": ["3"]}, "posts, line 1: it has 2 columns, so none for `text_column=3`"),
        ("{}", "x", {"columns": ["1"]}, "x: JSON has names, no places; give those for `text_column`"),
        ("__label__x y", "x", {"columns": ["1"]}, "x: lines of fastText have no columns; leave `text_column` out"),
    ],
)
def test_files_that_are_not_what_they_have_to_be(content: str, file: str, options: Any, told: str) -> None:
    with pytest.raises(DataError) as error:
        predicted(content, file, **options)
    assert str(error.value) == told


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="`plain` contradicts `text_column`"):
        predicted("x", columns=["1"], plain=True)
    with pytest.raises(UsageError, match="`text_column`: names mean that there is a header"):
        predicted("x", columns=["1", "text"])


def test_plain_lines_whatever_they_look_like() -> None:
    for content in ("{x}\nhm\n", "n\ttext\n7\tx\n"):
        expected = "".join(f"{label(text)}\t{text}\n" for text in content.splitlines())
        assert predicted(content, plain=True) == expected


def test_a_file_that_may_be_a_table_is_told_of() -> None:
    told: list[str] = []
    open_texts(lines_of("x\thm\n"), "posts", LeftOut(skip=False), on_warning=told.append)
    assert told == ["posts: each line is read as a text, tabs among it; `text_column` says in which column texts are"]


def test_a_text_that_no_window_holds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller, "LONGEST", 64)
    model = model_of()
    for skip in (False, True):
        left_out = LeftOut(skip=skip)
        texts = open_texts(lines_of("x\n" + "y" * 65 + "\nhm"), "posts", left_out, on_warning=pytest.fail)
        told = "posts, line 2: the text has 65 symbols, the model reads at most 64; shorten it, or train with `cut`"
        if skip:
            assert "".join(TextPredictions(model, texts).lines()) == f"{label('x')}\tx\n{label('hm')}\thm\n"
            assert left_out.first == told
        else:
            lines = TextPredictions(model, texts).lines()
            assert next(lines) == f"{label('x')}\tx\n"
            with pytest.raises(BadRow, match=told):
                next(lines)


def test_a_model_that_has_diverged_is_told_of() -> None:
    model = model_of()
    next(iter(model._labeller._model.params.value.values())).fill(math.nan)
    texts = open_texts(lines_of("x\n"), "posts", LeftOut(skip=False), on_warning=pytest.fail)
    with pytest.raises(GpurnnError, match="a probability is not finite, the model has diverged"):
        list(TextPredictions(model, texts).lines())
