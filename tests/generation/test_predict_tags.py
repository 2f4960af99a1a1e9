"""Files of words come back with the tags that the model gives each sentence alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.series.reader import BadRow
from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import DataError, UsageError
from gpurnn.generation import tagged_words
from gpurnn.generation.label import TextModel
from gpurnn.generation.leftout import LeftOut
from gpurnn.generation.tagged_words import TagPredictions
from gpurnn.generation.words import Columns, Spaced
from gpurnn.network import Model, ModelConfig
from gpurnn.training import labeller
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller

CHARS = [*" abcdefghijklmnopqrstuvwxyz.", ""]
WORDS = ["the", "cat", "saw", "a", "dog", ".", ""]
SENTENCES = [["the", "cat", "saw", "a", "dog", "."], ["dog"], ["Yes", ".", "a", "cow"], [".", ".", "cat"]]


def reading(layout: str = "whole", **more: Any) -> TrainConfig:
    """A configuration of which only the layout, bptt, cut and context are looked at."""
    return TrainConfig(ModelConfig(2), layout=layout, **more)


def model_of(kind: str, labels: tuple[str, ...]) -> TextModel:
    symbols = CHARS if kind == "chars" else WORDS
    config = ModelConfig(
        len(symbols), "gru", 8, 1, outputs=len(labels), dtype="float64", stack=("both_directions",), init="normal"
    )
    model = Model(backend.get("cpu"), config)
    model.params.initialise(model.be, 2)
    for array in model.params.value.values():
        array *= 3
    vocabulary = Vocabulary(kind, symbols, len(symbols) - 1)  # type: ignore[arg-type]
    counts = np.arange(len(labels))
    labelling = Labelling("tags", labels, counts, None, vocabulary, TextPolicy(lower=True))
    return TextModel(model, labelling, reading())


MODELS = {
    "words": model_of("words", ("A", "B", "O")),
    "spelt": model_of("chars", ("A", "B", "O", " ")),
    "characters": model_of("chars", ("A", "B", "O")),
}


def shares(kind: str, words: list[str]) -> list[np.ndarray]:
    """The probabilities of A, B and O of each word, worked out alone, by the definition."""
    model, symbols = MODELS[kind], WORDS if kind == "words" else CHARS
    between = [" "] if kind == "spelt" else []
    tokens: list[tuple[int, str]] = []
    for number, word in enumerate(words):
        parts = [word.lower()] if kind == "words" else [*word.lower(), *between]
        tokens += [(number if part != " " else -1, part) for part in parts]
    tokens = tokens[: len(tokens) - len(between)]
    ids = np.array([symbols.index(t) if t in symbols else len(symbols) - 1 for _, t in tokens])
    (logs,) = Labeller(model._labeller._model, reading(), False).log_probabilities([ids])
    found = np.exp(logs)[:, :3]
    found /= found.sum(axis=1, keepdims=True)
    numbered = list(zip([number for number, _ in tokens], found, strict=True))
    return [
        np.mean([share for _, share in group], axis=0)
        for number, group in groupby(numbered, key=lambda each: each[0])
        if number >= 0
    ]


def tags(kind: str, words: list[str]) -> list[str]:
    return ["ABO"[int(each.argmax())] for each in shares(kind, words)]


def lines_of(content: str) -> Iterator[tuple[int, str]]:
    return iter(list(enumerate(io.StringIO(content, newline=""), 1)))


def predicted(kind: str, content: str, plain: bool = False, column: str = "first", **more: Any) -> str:
    left_out = LeftOut(skip=more.pop("skip", False))
    words = (
        Spaced(lines_of(content), characters=MODELS[kind].characters)
        if plain
        else Columns(lines_of(content), "a.txt", left_out, column)
    )
    return "".join(TagPredictions(MODELS[kind], words, "a.txt", left_out, **more).lines())


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_words_have_several_tags(kind: str) -> None:
    assert len({tag for words in SENTENCES for tag in tags(kind, words)}) > 1


@pytest.mark.parametrize("kind", list(MODELS))
def test_columns_come_back_with_one_more(kind: str) -> None:
    content = expected = "# a comment\n\n"
    for number, words in enumerate(SENTENCES):
        content += "".join(f"{n}\t{word}\t_\n" for n, word in enumerate(words)) + "\n" * (number % 2 + 1)
        lines = [f"{n}\t{w}\t_\t{tag}\n" for n, (w, tag) in enumerate(zip(words, tags(kind, words), strict=True))]
        expected += "".join(lines) + "\n" * (number % 2 + 1)
        content, expected = content + f"# {number}\n", expected + f"# {number}\n"
    assert predicted(kind, content, column="2") == expected
    assert predicted(kind, content.replace("\n", "\r\n"), column="2") == expected


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize(("rest", "column", "between"), [("", "first", "\t"), (" _ X", "1", " ")])
def test_white_space_parts_columns_too(kind: str, rest: str, column: str, between: str) -> None:
    content = "\n".join("".join(f"{word}{rest}\n" for word in words) for words in SENTENCES)
    given = [
        "".join(f"{w}{rest}{between}{tag}\n" for w, tag in zip(words, tags(kind, words), strict=True))
        for words in SENTENCES
    ]
    assert predicted(kind, content, column=column) == "\n".join(given)
    found = predicted(kind, content[:-1], column=column, probabilities=True).split("\n")
    cells = [line.rsplit(between, 2) for line in found if line]
    expected = [(w, each) for words in SENTENCES for w, each in zip(words, shares(kind, words), strict=True)]
    for (raw, tag, share), (word, each) in zip(cells, expected, strict=True):
        assert (raw, tag) == (f"{word}{rest}", "ABO"[int(each.argmax())])
        assert abs(float(share) - each.max()) <= 0.5e-6


def test_plain_text_has_a_sentence_a_line() -> None:
    content = "".join(f"  {'  '.join(words)}\n" for words in SENTENCES)
    expected = ["".join(f"{w}\t{t}\n" for w, t in zip(s, tags("spelt", s), strict=True)) for s in SENTENCES]
    assert predicted("spelt", content, plain=True) == "".join(f"{each}\n" for each in expected)
    chars = list("the cat")
    lines = "".join(f"{c}\t{t}\n" for c, t in zip(chars, tags_of_characters(chars), strict=True))
    assert predicted("characters", "the cat\n\n", plain=True) == f"{lines}\n\n"


def tags_of_characters(chars: list[str]) -> list[str]:
    ids = np.array([CHARS.index(c) for c in chars])
    (logs,) = Labeller(MODELS["characters"]._labeller._model, reading(), False).log_probabilities([ids])
    return ["ABO"[n] for n in logs.argmax(axis=1).tolist()]


@pytest.mark.parametrize("kind", list(MODELS))
def test_json_has_an_object_a_sentence(kind: str) -> None:
    content = "# c\n" + "\n\n".join("".join(f"{word}\tx\n" for word in words) for words in SENTENCES)
    for line, words in zip(predicted(kind, content, jsonl=True).splitlines(), SENTENCES, strict=True):
        assert json.loads(line) == {"words": words, "tags": tags(kind, words)}
    for line, words in zip(
        predicted(kind, content, jsonl=True, probabilities=True).splitlines(), SENTENCES, strict=True
    ):
        for found, each in zip(json.loads(line)["probabilities"], shares(kind, words), strict=True):
            assert list(found) == ["A", "B", "O"]
            np.testing.assert_allclose(list(found.values()), each, rtol=0, atol=0.5e-6)


def test_many_at_a_time_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged_words, "_AT_ONCE", 9)
    content = "\n".join("".join(f"{word}\n" for word in words) for words in SENTENCES * 10)
    expected = ["".join(f"{w}\t{t}\n" for w, t in zip(s, tags("words", s), strict=True)) for s in SENTENCES * 10]
    assert predicted("words", content) == "\n".join(expected)


def test_a_sentence_is_answered_once_it_is_whole() -> None:
    taken: list[str] = []

    def live() -> Iterator[tuple[int, str] | None]:
        for number, line in enumerate(("a\tx\n", "cat\tx\n", "\n", "dog\tx\n", "\n", "the\tx\n"), 1):
            taken.append(line)
            yield number, line
            yield None

    words = Columns(live(), "a.txt", LeftOut(skip=False))
    found = [
        (piece, len(taken)) for piece in TagPredictions(MODELS["words"], words, "a.txt", LeftOut(skip=False)).lines()
    ]
    one, two, three = (tags("words", each) for each in (["a", "cat"], ["dog"], ["the"]))
    assert found == [
        (f"a\tx\t{one[0]}\ncat\tx\t{one[1]}\n\n", 3),
        (f"dog\tx\t{two[0]}\n\n", 5),
        (f"the\tx\t{three[0]}\n", 6),
    ]


@pytest.mark.parametrize(
    ("content", "column", "told", "left"),
    [
        ("a\tx\n\nb\n\nc\ty\n", "1", "a.txt, line 3: 1 column, expected 2 as in the first row; correct it", 4),
        ("a\tx\n \ty\n", "1", "a.txt, line 2: the word is empty; correct it", 1),
    ],
)
def test_bad_rows_are_named_or_left_out(content: str, column: str, told: str, left: int) -> None:
    reader, before = Columns(lines_of(content), "a.txt", LeftOut(skip=False), column), []
    with pytest.raises(BadRow) as error:
        before.extend(TagPredictions(MODELS["words"], reader, "a.txt", LeftOut(skip=False)).lines())
    assert str(error.value) == f"{told}; `bad_rows=skip` leaves such rows out"
    left_out = LeftOut(skip=True)
    words = Columns(lines_of(content), "a.txt", left_out, column)
    found = "".join(TagPredictions(MODELS["words"], words, "a.txt", left_out).lines())
    assert (left_out.count, left_out.first, len(found.splitlines())) == (1, told, left)
    assert found.startswith("".join(before)) and bool(before) == ("line 3" in told), "sentences before are answered"


def test_what_cannot_be_read_is_told_of() -> None:
    with pytest.raises(DataError, match=r"^a\.txt, line 2: it has 1 column, so none for `text_column=3`$"):
        predicted("words", "\na\n", column="3")
    with pytest.raises(UsageError, match="`text_column=word`: columns of words have no header"):
        predicted("words", "a\n", column="word")
    assert predicted("words", "") == ""


def test_a_sentence_that_no_window_holds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller, "LONGEST", 64)
    model, content = model_of("words", ("A", "B")), "a\n\n" + "cat\n" * 65 + "\ndog\n"
    left_out = LeftOut(skip=True)
    words = Columns(lines_of(content), "a.txt", left_out)
    found = "".join(TagPredictions(model, words, "a.txt", left_out).lines())
    assert [line[:3] for line in found.splitlines()] == ["a\tA", "", "dog"] or found.count("\n") == 3
    assert left_out.first == (
        "a.txt, line 3: the sentence has 65 symbols, the model reads at most 64; part it with a blank line, or train "
        "with `cut`"
    )
