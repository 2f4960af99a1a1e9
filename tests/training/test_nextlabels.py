"""A model of text as a language model of labels, beside the model itself in one window of the whole text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.exceptions import DataError
from gpurnn.training.load import Trained
from gpurnn.training.nextlabels import TextLabels
from gpurnn.training.prefixbeam import PrefixBeam
from tests.trained import documents, trained

LABELS = Vocabulary("chars", "tide so")


@pytest.fixture(scope="module")
def lines(be: Backend, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model that has met newlines."""
    return trained(be, tmp_path_factory.mktemp("lines"), documents(60), cell="lstm", layers=2)


def logs_of_text(model: Trained, read: str) -> np.ndarray:
    """The logarithms of the probabilities of all symbols behind each symbol read, in one window."""
    network, be = model.model, model.model.be
    ws, state = network.workspace(1, len(read), train=False), network.state(1)
    network.begin(state)
    be.from_host(model.language.vocabulary.encode(read), out=ws.batch.tokens)
    ws.batch.carry.fill(1)
    ws.batch.begin(len(read), None)
    network.forward(ws, state)
    outputs = be.to_host(ws.o)
    return outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))


def test_what_comes_next_is_what_the_model_says_in_one_window(lines: Trained) -> None:
    language, rng = TextLabels.of(lines, LABELS), np.random.default_rng(1)
    vocabulary = lines.language.vocabulary
    symbols = [vocabulary.id_of(symbol) for symbol in LABELS.symbols]
    slots = 300  # more than lanes
    language.begin(slots)
    texts = [""] * slots
    for step in range(6):
        moved = np.sort(rng.integers(0, slots, slots)) if step else np.arange(slots)
        grown = np.flatnonzero(rng.random(slots) < (0.95 if step < 2 else 0.1))
        labels = rng.integers(0, len(LABELS), len(grown))
        language.move(moved, grown, labels)
        texts = [texts[slot] for slot in moved]
        for slot, label in zip(grown.tolist(), labels.tolist(), strict=True):
            texts[slot] += LABELS.symbols[label]
    for slot in rng.integers(0, slots, 40).tolist():
        logs = logs_of_text(lines, "\n" + texts[slot])[-1]
        np.testing.assert_allclose(language.logs[slot], logs[symbols], rtol=1e-9)
        assert language.ends[slot] == pytest.approx(logs[vocabulary.id_of("\n")], rel=1e-9)


def test_the_score_of_a_text_has_what_the_model_says_of_its_line(lines: Trained) -> None:
    logs = np.full((7, len(LABELS) + 1), np.log(1e-9))
    logs[range(7), [0, 1, 7, 2, 7, 3, 7]] = 0  # "tide"
    ((alone,),) = PrefixBeam(len(LABELS), 8).found([logs])
    ((found,),) = PrefixBeam(len(LABELS), 8, language=TextLabels.of(lines, LABELS), weight=0.5).found([logs])
    assert LABELS.decode(found.labels) == LABELS.decode(alone.labels) == "tide"
    said = logs_of_text(lines, "\ntide")
    symbols = lines.language.vocabulary.encode("tide\n")
    assert found.score - alone.score == pytest.approx(0.5 * said[range(5), symbols].sum(), rel=1e-5)


def test_what_comes_with_others_does_not_matter(lines: Trained) -> None:
    rng = np.random.default_rng(4)
    outputs = [rng.normal(size=(int(frames), len(LABELS) + 1)) * 2 for frames in rng.integers(1, 15, 60)]
    many = [each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in outputs]
    beam = PrefixBeam(len(LABELS), 5, language=TextLabels.of(lines, LABELS), weight=0.7)
    for logs, found in zip(many, list(beam.found(many, 3)), strict=True):
        (alone,) = beam.found([logs], 3)
        assert [each.labels.tolist() for each in found] == [each.labels.tolist() for each in alone]
        np.testing.assert_allclose([each.score for each in found], [each.score for each in alone], rtol=1e-9)


def test_a_model_without_newlines_begins_as_its_documents_do(be: Backend, tmp_path: Path) -> None:
    model = trained(be, tmp_path, [text.strip() for text in documents(60)])
    language, vocabulary = TextLabels.of(model, LABELS), model.language.vocabulary
    language.begin(3)
    counts = np.ones(len(vocabulary))
    counts[model.language.start_symbols] += model.language.start_counts
    symbols = [vocabulary.id_of(symbol) for symbol in LABELS.symbols]
    np.testing.assert_allclose(np.exp(language.logs), np.tile((counts / counts.sum())[symbols], (3, 1)))
    language.move(np.zeros(3, np.int64), np.array([1, 2]), np.array([0, 3]))
    for slot, text in ((1, "t"), (2, "e")):
        np.testing.assert_allclose(language.logs[slot], logs_of_text(model, text)[-1, symbols], rtol=1e-9)
    assert not language.ends.any()


@pytest.mark.parametrize(
    ("prepared", "labels", "error"),
    [
        ({}, Vocabulary("chars", "tide7"), "lacks 1 of the 5 labels, such as '7', and has no unknown symbol"),
        ({}, Vocabulary("words", ["tide"]), "a model of chars; the labels are words"),
        ({"tokens": "words"}, LABELS, "a model of words; the labels are chars"),
        ({"tokens": "bytes"}, LABELS, "a model of bytes; the labels are chars"),
    ],
)
def test_models_that_say_nothing_of_the_labels(
    be: Backend, tmp_path: Path, prepared: dict[str, Any], labels: Vocabulary, error: str
) -> None:
    with pytest.raises(DataError, match=f"window-.*: .*{error}"):
        TextLabels.of(trained(be, tmp_path, documents(30), prepared, windows=5), labels)


def test_a_label_that_the_model_lacks_is_its_unknown_symbol(be: Backend, tmp_path: Path) -> None:
    model = trained(be, tmp_path, [*documents(40), "q\n"], windows=5)  # of which the train split has no q
    vocabulary = model.language.vocabulary
    assert vocabulary.unknown is not None
    language = TextLabels.of(model, Vocabulary("chars", "t7"))
    language.begin(1)
    logs = logs_of_text(model, "\n")[-1]
    np.testing.assert_allclose(language.logs[0], logs[[vocabulary.id_of("t"), vocabulary.unknown]], rtol=1e-9)
