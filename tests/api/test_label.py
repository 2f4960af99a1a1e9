"""`TrainedModel.label`: what the command says of the same texts and words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpurnn
from gpurnn.exceptions import DataError, UsageError
from gpurnn.training.labeller import Labeller
from tests.sequences import LABELS, some_lengths, told

SETTINGS: dict[str, Any] = {"device": "cpu", "windows": 4, "hidden": 6, "lanes": 4, "bptt": 64, "dtype": "float64"}
TEXTS = ["abc", "gag", "a", "bed and bag", "é", "deaf"]


def model_of(folder: Path, kind: str, of: str, **more: Any) -> tuple[Any, Any]:
    """A run on a small corpus, loaded, and what the corpus holds."""
    what = told(folder / "a.h5", kind, of, some_lengths(40, 20))
    return gpurnn.load(gpurnn.train(folder / "a.h5", folder / "run", **SETTINGS, **more), "cpu"), what


def test_labels_of_texts(tmp_path: Path) -> None:
    model, _ = model_of(tmp_path, "labels", "symbols")
    ids = [np.array(["abcdefg".find(c) if c in "abcdefg" else 6 for c in text]) for text in TEXTS]  # g stands in
    logs = list(Labeller(model.model, model.config, True).log_probabilities(ids))
    found = model.label(TEXTS, probabilities=True)
    assert model.label(iter(TEXTS)) == [label for label, _ in found] == [LABELS[each.argmax()] for each in logs]
    for (_, by_label), each in zip(found, logs, strict=True):
        assert list(by_label) == list(LABELS)
        np.testing.assert_allclose(list(by_label.values()), np.exp(each), rtol=1e-9)
    assert model.label([]) == []


@pytest.mark.parametrize("kind", ["labels", "tags"])
def test_rows_are_scaled_as_the_corpus_scales_them(tmp_path: Path, kind: str) -> None:
    model, what = model_of(tmp_path, kind, "reals")
    columns = model.labelling.columns
    rows = [np.where(each == 0, np.nan, each * columns.scale + columns.mean) for each in what.inputs]
    logs = list(Labeller(model.model, model.config, kind == "labels").log_probabilities(what.inputs))
    names = np.array(LABELS)
    expected = [names[each.argmax(axis=-1)].tolist() for each in logs]
    assert model.label(rows) == model.label([each.tolist() for each in rows]) == expected
    with pytest.raises(
        UsageError, match=r"inputs: number 1 \(the first is 0\): expected \(n, 3\) numbers, none infinite"
    ):
        model.label([rows[0], np.zeros((4, 2))])
    with pytest.raises(UsageError, match="expected rows of 3 numbers"):
        model.label([["x"]])


def test_each_character_has_a_tag_where_words_are_not_parted(tmp_path: Path) -> None:
    model, _ = model_of(tmp_path, "tags", "symbols", both_directions=True)
    logs = list(Labeller(model.model, model.config, False).log_probabilities([np.array([0, 1, 2]), np.array([6])]))
    expected = [[LABELS[n] for n in each.argmax(axis=1).tolist()] for each in logs]
    assert model.label(["abc", "g"]) == model.label([["a", "b", "c"], "g"]) == expected
    ((label, by_label),) = model.label(["g"], probabilities=True)[0]
    assert label == max(by_label, key=by_label.get) and sum(by_label.values()) == pytest.approx(1)


def test_words_have_tags(tmp_path: Path) -> None:
    lines = "".join(
        f"{word} {'AB'[len(word) % 2]}\n{'' if n % 3 else chr(10)}"
        for n, word in enumerate(["ab", "c", "de", "f"] * 30)
    )
    (tmp_path / "a.txt").write_text(lines)
    corpus = gpurnn.prepare(tmp_path / "a.txt", tmp_path / "a.h5", tags=True)
    model = gpurnn.load(gpurnn.train(corpus, tmp_path / "run", **SETTINGS), "cpu")
    found = model.label([["ab", "c"], ["f"]], probabilities=True)
    assert [len(each) for each in found] == [2, 1]
    assert model.label([["ab", "c"], ["f"]]) == [[label for label, _ in each] for each in found]
    assert [[max(p, key=p.get) for _, p in each] for each in found] == model.label([["ab", "c"], ("f",)])
    for wrong, told_so in (
        (["ab c"], 'number 0 (the first is 0): expected a list of words, such as "so it is".split(), found'),
        ([["a"], ["b", ""]], "number 1 (the first is 0): expected words that are texts, none of them empty"),
        ("ab", "expected a list, one for each label or list of tags, found 'ab'"),
    ):
        with pytest.raises(UsageError) as error:
            model.label(wrong)
        assert str(error.value).startswith(f"inputs: {told_so}")
    with pytest.raises(DataError, match=r"inputs: number 1 \(the first is 0\) is empty"):
        model.label([["ab"], []])


def test_what_has_no_label_is_told_of(tmp_path: Path) -> None:
    model, _ = model_of(tmp_path, "labels", "symbols")
    with pytest.raises(DataError, match=r"inputs: number 1 \(the first is 0\) is empty"):
        model.label(["a", ""])
    with pytest.raises(UsageError, match=r"inputs: number 0 \(the first is 0\): expected a text, found 3"):
        model.label([3])
    (tmp_path / "b.txt").write_text("so it goes " * 50)
    corpus = gpurnn.prepare(tmp_path / "b.txt", tmp_path / "b.h5")
    other = gpurnn.load(
        gpurnn.train(corpus, tmp_path / "other", device="cpu", windows=1, hidden=2, lanes=2, bptt=4), "cpu"
    )
    with pytest.raises(DataError, match="a model of text"):
        other.label(["a"])
