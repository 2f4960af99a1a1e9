"""Scores of labels against scikit-learn's, of spans against seqeval's; by word of what is found by character."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from gpurnn.training import scores
from gpurnn.training.scores import Confusion, Score, SpanScores
from gpurnn.training.words import by_word

ACCURACY, MACRO_F1 = 0.7333333333333333, 0.6087089381207028
CLASSES = [
    [0.8333333333333334, 1.0, 0.9090909090909091, 5],
    [0.5, 1.0, 0.6666666666666666, 3],
    [1.0, 0.6153846153846154, 0.7619047619047619, 13],
    [0.75, 0.6666666666666666, 0.7058823529411765, 9],
    [0.0, 0.0, 0.0, 0],
    [0.0, 0.0, 0.0, 0],
]
SEQEVAL = json.loads((Path(__file__).resolve().parents[1] / "goldens" / "seqeval.json").read_text())
TRUTH = [3, 2, 2, 1, 1, 0, 0, 0, 0, 3, 2, 3, 2, 2, 3, 2, 2, 2, 2, 3, 2, 1, 3, 3, 2, 3, 2, 0, 3, 2]
FOUND = [4, 3, 2, 1, 1, 0, 0, 0, 0, 1, 0, 3, 2, 2, 3, 2, 2, 1, 1, 3, 2, 1, 4, 3, 2, 3, 3, 0, 3, 2]


@pytest.fixture(params=[1, 1 << 16])
def gathered(request, monkeypatch):
    monkeypatch.setattr(scores, "_GATHERED", request.param)


def confusion(labels: str) -> Confusion:
    found = Confusion(tuple(labels))
    for place in range(0, len(TRUTH), 7):
        found.add(np.array(TRUTH[place : place + 7], np.int32), np.array(FOUND[place : place + 7]))
    return found


def test_scores_of_labels_are_those_of_scikit_learn(gathered):
    found = confusion("abcdef")
    # accuracy_score, f1_score(average="macro") and precision_recall_fscore_support of scikit-learn 1.9.1
    assert found.count == 30
    assert found.accuracy == pytest.approx(ACCURACY, abs=1e-12)
    assert found.macro_f1 == pytest.approx(MACRO_F1, abs=1e-12)
    assert [list(astuple(each)) for each in found.classes.values()] == [
        pytest.approx(each, abs=1e-12) for each in CLASSES
    ]
    truth, what, counts = found.entries()
    assert {(t, f): n for t, f, n in zip(truth, what, counts, strict=True)} == {
        pair: sum(pair == each for each in zip(TRUTH, FOUND, strict=True)) for pair in zip(TRUTH, FOUND, strict=True)
    }


def test_nothing_found_has_no_score():
    found = Confusion(("a", "b"))
    assert (found.count, found.accuracy, found.macro_f1) == (0, 0.0, 0.0)
    assert found.classes == {"a": Score(0, 0, 0, 0), "b": Score(0, 0, 0, 0)}
    spans = SpanScores(("O", "B-X"), "IOB2")
    assert spans.all == Score(0, 0, 0, 0)


def test_confusion_of_many_labels_is_as_large_as_what_occurs():
    labels = tuple(map(str, range(65_536)))
    found = Confusion(labels)
    numbers = np.array([65_535, 0, 65_535], np.int32)
    found.add(numbers, numbers[::-1].copy())
    found.add(numbers[:2], np.array([65_535, 65_535]))
    assert [each.tolist() for each in found.entries()] == [[0, 0, 65_535], [0, 65_535, 65_535], [1, 1, 3]]
    assert found.accuracy == 4 / 5
    assert found.macro_f1 == pytest.approx((2 / 3 + 6 / 7) / 2, abs=1e-12)


@pytest.mark.parametrize("case", SEQEVAL["scores"], ids=lambda case: case[0])
def test_scores_of_spans_are_those_of_seqeval(case, gathered):
    scheme, truth, found, expected = case
    labels = tuple(sorted({tag for sentence in truth + found for tag in sentence.split()}))
    numbers = {label: number for number, label in enumerate(labels)}
    spans = SpanScores(labels, scheme)
    for pair in zip(truth, found, strict=True):
        spans.add(*(np.array([numbers[tag] for tag in sentence.split()], np.int32) for sentence in pair))
    found = {kind: list(astuple(each)) for kind, each in (spans.by_type | {"micro avg": spans.all}).items()}
    assert found == {kind: pytest.approx(each, abs=1e-12) for kind, each in expected.items()}


def test_a_word_has_the_mean_of_its_characters():
    rng = np.random.default_rng(3)
    raw = rng.random((8, 4))
    spaces = np.array([0, 0, 1, 0, 1, 0, 0, 0], bool)
    shares = raw[:, [0, 1, 3]] / raw[:, [0, 1, 3]].sum(axis=1, keepdims=True)
    expected = np.zeros((3, 4))
    expected[:, [0, 1, 3]] = [shares[:2].mean(axis=0), shares[3], shares[5:].mean(axis=0)]
    found = by_word(np.log(raw / raw.sum(axis=1, keepdims=True)).astype(np.float32), spaces, 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert by_word(np.zeros((2, 4)), np.ones(2, bool), 2).shape == (0, 4)


def test_a_word_has_tags_where_the_model_is_sure_of_a_space():
    sure = np.array([[-2000.0, 0.0, -1999.0], [-5.0, 0.0, -1000.0]])
    found = by_word(sure, np.zeros(2, bool), 1)
    np.testing.assert_allclose(found, [[(1 / (1 + np.e) + 1) / 2, 0, np.e / (1 + np.e) / 2]], atol=1e-12)
