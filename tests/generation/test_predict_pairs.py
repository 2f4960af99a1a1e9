"""Files of sources come back with what the model makes of each alone."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from gpurnn.data.pairs.language import PairLanguage
from gpurnn.data.series.reader import BadRow
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import UsageError
from gpurnn.generation import paired_texts
from gpurnn.generation.forms import open_texts
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.paired_texts import SOURCE, PairPredictions, Sources
from gpurnn.generation.pairs import PairModel
from gpurnn.training.decoding import Decoding
from tests.pairmodels import KINDS, model_of

LETTERS = [*"abcdef", ""]
SOUNDS = ["AH0", "B", "K", "T", "IY1"]
LANGUAGE = PairLanguage(Vocabulary("words", SOUNDS), TextPolicy(lower=True), Vocabulary("chars", LETTERS, 6))
MODEL = model_of(**KINDS["both directions"])
SOURCES = ["abc", "FACE", "bébé", "__label__x fade", "a, b", "ff", "cab"]


def expected(text: str, width: int = 1, wanted: int = 1) -> list[tuple[str, float]]:
    """What is made of a source, alone."""
    symbols = np.array([LETTERS.index(c) if c in LETTERS else 6 for c in text.lower()])
    (found,) = Decoding(MODEL, lanes=width).beam([symbols], width, wanted)
    return [(" ".join(SOUNDS[n] for n in each.symbols), each.score) for each in found]


def lines_of(given: Iterable[str | None], name: str = "-", columns: tuple[str, ...] = (), **more: Any) -> list[str]:
    settings = {key: more.pop(key) for key in ("beam", "n_best", "longest") if key in more}
    skip, plain = more.pop("skip", False), more.pop("plain", False)
    lines: Iterator[Any] = (None if each is None else (n, each) for n, each in enumerate(given, 1))
    texts = open_texts(
        lines,
        name,
        LeftOut(skip=skip),
        columns,
        plain=plain,
        usual=SOURCE,
        of_lines=Sources,
        on_warning=lambda text: None,
    )
    predictions = PairPredictions(PairModel(MODEL, LANGUAGE, **settings), texts, **more)
    return "".join(predictions.lines()).splitlines()


def test_lines_come_back_with_a_tab_and_a_text() -> None:
    found = lines_of(f"{each}\n" for each in SOURCES)
    assert found == [f"{each}\t{expected(each)[0][0]}" for each in SOURCES]
    assert len({line.split("\t")[1] for line in found}) > 3


def test_of_an_empty_line_nothing_is_made() -> None:
    assert lines_of(["ab\n", "\n", "  \n"]) == [f"ab\t{expected('ab')[0][0]}", "\t", "  \t"]


def test_a_table_has_columns_more() -> None:
    rows = [f"{n}\t{each}\told\n" for n, each in enumerate(SOURCES)]
    header, *found = [line.split("\t") for line in lines_of(["id\tsource\ttarget\n", *rows], scores=True)]
    assert header == ["id", "source", "target", "predicted_target", "log_probability"]
    for n, (row, source) in enumerate(zip(found, SOURCES, strict=True)):
        text, score = expected(source)[0]
        assert row[:4] == [str(n), source, "old", text]
        assert float(row[4]) == pytest.approx(score, abs=1e-6)


def test_a_column_by_its_place_and_commas() -> None:
    made = io.StringIO()
    csv.writer(made).writerows([each, "x"] for each in SOURCES)
    found = lines_of(made.getvalue().splitlines(keepends=True), "some.csv", ("first",))
    assert list(csv.reader(found)) == [[each, "x", expected(each)[0][0]] for each in SOURCES]


def test_objects_have_fields_more() -> None:
    found = lines_of((json.dumps({"id": n, "source": each}) + "\n" for n, each in enumerate(SOURCES)), scores=True)
    for n, (line, source) in enumerate(zip(found, SOURCES, strict=True)):
        text, score = expected(source)[0]
        assert json.loads(line) == {"id": n, "source": source, "target": text, "log_probability": round(score, 6)}
    (line,) = lines_of(["ab\n"], jsonl=True)
    assert json.loads(line) == {"source": "ab", "target": expected("ab")[0][0]}
    assert json.loads(lines_of(["\n"], jsonl=True)[0]) == {"source": "", "target": None}


def test_the_likeliest_texts_come_one_a_line() -> None:
    found = lines_of((f"{each}\n" for each in SOURCES), beam=4, n_best=3, scores=True)
    wanted = [(each, *made) for each in SOURCES for made in expected(each, 4, 3)]
    assert len(wanted) == 3 * len(SOURCES)
    for line, (source, text, score) in zip(found, wanted, strict=True):
        assert line == f"{source}\t{text}\t{score:.6f}"


def test_answers_come_before_more_is_read() -> None:
    taken: list[int] = []

    def given() -> Iterator[tuple[int, str] | None]:
        for number, each in enumerate(SOURCES, 1):
            taken.append(number)
            yield number, f"{each}\n"
            yield None

    texts = open_texts(given(), "-", LeftOut(skip=False), usual=SOURCE, of_lines=Sources, on_warning=print)
    lines = PairPredictions(PairModel(MODEL, LANGUAGE), texts).lines()
    assert next(lines) == f"abc\t{expected('abc')[0][0]}\n"
    assert taken == [1]


def test_long_sources_are_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_texts, "LONGEST", 4)
    found = lines_of(["abcd\n", "abcde\n", "ab\n"], skip=True)
    assert [line.split("\t")[0] for line in found] == ["abcd", "ab"]
    with pytest.raises(BadRow, match="line 2: the source has 5 symbols, at most 4 are read"):
        lines_of(["abcd\n", "abcde\n", "ab\n"])


def test_cut_texts_and_symbols_not_met_are_counted() -> None:
    model = PairModel(MODEL, LANGUAGE, longest=2)
    lines = iter([(n, f"{each}\n") for n, each in enumerate(SOURCES, 1)])
    texts = open_texts(lines, "f", LeftOut(skip=False), usual=SOURCE, of_lines=Sources, on_warning=print)
    predictions = PairPredictions(model, texts)
    made = [line.split("\t")[1].split() for line in "".join(predictions.lines()).splitlines()]
    long = [len(expected(each)[0][0].split()) > 1 for each in SOURCES]
    assert [len(each) == 2 for each in made] == long
    assert predictions.cut == sum(long) > 0
    assert predictions.first_cut == f"f, line {long.index(True) + 1}"
    assert model.encoder is not None
    assert model.encoder.lacking == sum(c not in "abcdef" for each in SOURCES for c in each.lower())


def test_settings_that_contradict() -> None:
    with pytest.raises(UsageError, match="a beam of 2 has no more than 2"):
        PairModel(MODEL, LANGUAGE, beam=2, n_best=3)
    with pytest.raises(UsageError, match="without `attention`"):
        PairModel(MODEL, LANGUAGE, attended=True)
