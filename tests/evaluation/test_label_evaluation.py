"""What a model finds of labels and tags, and what simple guesses find, against loops over single sequences."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_corpora import BIO, SPELT, Sentence, model_of, tagged, write

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.labelled.labelling import Labelling
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.evaluation.label_baselines import Baseline
from gpurnn.evaluation.labels import LabelsEvaluation, evaluate_labels
from gpurnn.exceptions import DataError, GpurnnError, UsageError
from gpurnn.network import Model
from gpurnn.training.config import TrainConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.spans import spans_of
from tests.training.test_labeller import alone


def expected_of(model: Model, labelling: Labelling, sentences: list[Sentence]) -> tuple[list, list, float]:
    """Truth and found of each sentence, by name, and the mean loss."""
    truths, founds, nats = [], [], []
    for values, targets in sentences:
        if labelling.columns is not None:
            values = ((values - labelling.columns.mean) / labelling.columns.scale).astype(np.float32)
        said = alone(model, values)
        if labelling.what == "labels":
            nats.append(-said[-1, targets])
            truths.append([labelling.labels[targets]])
            founds.append([labelling.labels[said[-1].argmax()]])
            continue
        steps = [n for n, tag in enumerate(targets) if tag != labelling.space]
        nats += [-said[n, targets[n]] for n in steps]
        words = np.split(steps, [n for n, (a, b) in enumerate(pairwise(steps), 1) if labelling.spelt and b > a + 1])
        if not labelling.spelt:
            words = [[n] for n in steps]
        kept = [k for k in range(len(labelling.labels)) if k != labelling.space]
        shares = np.exp(said[:, kept]) / np.exp(said[:, kept]).sum(axis=1, keepdims=True)
        founds.append([labelling.labels[kept[shares[word].mean(axis=0).argmax()]] for word in words])
        truths.append([labelling.labels[targets[word[0]]] for word in words])
    return truths, founds, float(np.mean(nats))


def check_scores(result: LabelsEvaluation, truths: list, founds: list, nats: float, labelling: Labelling) -> None:
    pairs = Counter(
        (t, f) for truth, found in zip(truths, founds, strict=True) for t, f in zip(truth, found, strict=True)
    )
    right = sum(count for (t, f), count in pairs.items() if t == f)
    assert result.count == sum(pairs.values())
    assert result.accuracy == right / result.count
    assert result.loss == pytest.approx(nats, abs=1e-9)
    assert {(t, f): n for t, row in result.confusion.items() for f, n in row.items()} == pairs
    assert list(result.classes) == [label for label in labelling.labels if label != " "]
    f1 = []
    for label, score in result.classes.items():
        there, found = (sum(n for pair, n in pairs.items() if pair[side] == label) for side in (0, 1))
        both = pairs[label, label]
        values = (both / max(1, found), both / max(1, there), 2 * both / max(1, found + there), there)
        assert astuple(score) == pytest.approx(values)
        f1 += [values[2]] if there + found else []
    assert result.macro_f1 == pytest.approx(np.mean(f1))
    if labelling.scheme is None:
        assert result.spans == {}
        return
    sets = [
        {(n, *span) for n, tags in enumerate(sentences) for span in spans_of(tags, labelling.scheme)}
        for sentences in (truths, founds)
    ]
    for name, score in result.spans.items():
        there, found = ({span for span in each if name in ("all", span[1])} for each in sets)
        both = len(there & found)
        values = (both / max(1, len(found)), both / max(1, len(there)), len(there))
        assert (score.precision, score.recall, score.count) == pytest.approx(values)
    assert list(result.spans) == ["all", "X", "Y"]


@pytest.mark.parametrize("case", ["labels", "labels of rows", "tags", "tags of rows", "spelt"])
def test_scores_are_those_of_single_sequences(be: Backend, tmp_path: Path, case: str) -> None:
    rng = np.random.default_rng(5)
    kind, symbols = case.split()[0].replace("spelt", "tags"), 8
    splits = {name: tagged(rng, n, symbols, case == "spelt") for name, n in (("train", 60), ("valid", 9), ("test", 40))}
    if kind == "labels":
        splits = {name: [(v, int(t[0]) % 3) for v, t in sentences] for name, sentences in splits.items()}
    if "rows" in case:
        splits = {name: [(np.stack([v, v * v], 1) + 9.0, t) for v, t in each] for name, each in splits.items()}
    labels = ("good", "bad", "so so") if kind == "labels" else SPELT if case == "spelt" else BIO
    vocabulary = Vocabulary(
        "chars" if case == "spelt" else "words", list(" abcdefg" if case == "spelt" else "abcdefgh")
    )
    path = write(tmp_path / "made.h5", kind, splits, labels, None if "rows" in case else vocabulary)
    seen = []
    with Corpus.open(path) as corpus:
        labelling = Labelling.of(corpus)
        if kind == "tags":
            labelling = Labelling(**{**vars(labelling), "scheme": "IOB2"})
        model, _, config = model_of(be, labelling)
        result = evaluate_labels(model, labelling, config, corpus, "test", on_progress=lambda *each: seen.append(each))
    check_scores(result, *expected_of(model, labelling, splits["test"]), labelling)
    assert seen[-1] == (40, 40)
    plain = result.to_json()
    assert next(iter(plain)) == ("sequences" if kind == "labels" else "tokens")
    assert plain["classes"][labels[0]]["count"] == result.classes[labels[0]].count
    names = {"labels": ["commonest label", "bag of words"], "tags": ["all O", "commonest tag a token"]}[kind]
    assert list(result.baselines) == (names[:1] if "rows" in case else names)
    check_commonest(result.baselines, splits, labelling)


def check_commonest(baselines: dict[str, Baseline], splits: dict[str, list[Sentence]], labelling: Labelling) -> None:
    """The baselines that only count, against dictionaries."""
    if labelling.what == "labels":
        always = Counter(label for _, label in splits["train"]).most_common(1)[0][0]
        truth = [label for _, label in splits["test"]]
        assert baselines["commonest label"].accuracy == sum(label == always for label in truth) / len(truth)
        assert baselines["commonest label"].span_f1 is None
        return
    train, test = (
        [(word, tag) for values, tags in splits[name] for word, tag in tokens_of(values, tags, labelling.space)]
        for name in ("train", "test")
    )
    outside = labelling.labels.index("O")
    assert baselines["all O"].accuracy == sum(tag == outside for _, tag in test) / len(test)
    assert baselines["all O"].span_f1 == 0
    if labelling.vocabulary is None:
        return
    counts: dict[Any, Counter] = {}
    for word, tag in train:
        counts.setdefault(word, Counter())[tag] += 1
    of_all = max(
        (n, -tag)
        for tag, n in Counter(t for v, tags in splits["train"] for t in tags.tolist()).items()
        if tag != labelling.space
    )
    best = {word: min(tag for tag in each if each[tag] == max(each.values())) for word, each in counts.items()}
    right = sum(best.get(word, -of_all[1]) == tag for word, tag in test)
    assert baselines["commonest tag a token"].accuracy == right / len(test)
    assert 0 < baselines["commonest tag a token"].span_f1 < 1


def tokens_of(values: np.ndarray, tags: np.ndarray, space: int | None) -> list[tuple[Any, int]]:
    if space is None:
        return list(zip((tuple(np.atleast_1d(v).tolist()) for v in values), tags.tolist(), strict=True))
    found: list[tuple[list[int], int]] = [([], -1)]
    for value, tag in zip(values.tolist(), tags.tolist(), strict=True):
        if tag == space:
            found.append(([], -1))
        else:
            found[-1] = ([*found[-1][0], value], tag)
    return [(tuple(word), tag) for word, tag in found]


@pytest.fixture
def small(be: Backend, tmp_path: Path) -> tuple[Model, Labelling, TrainConfig, Path]:
    """A model and the corpus that it is of, whose valid split is empty."""
    rng = np.random.default_rng(5)
    splits = {"train": tagged(rng, 20, 8), "test": tagged(rng, 5, 8)}
    path = write(tmp_path / "made.h5", "tags", splits, BIO, Vocabulary("words", list("abcdefgh")))
    with Corpus.open(path) as corpus:
        labelling = Labelling.of(corpus)
    return *model_of(be, labelling), path


def evaluated(
    model: Model, labelling: Labelling, config: TrainConfig, path: Path, split: str = "test"
) -> LabelsEvaluation:
    with Corpus.open(path) as corpus:
        return evaluate_labels(model, labelling, config, corpus, split)


def test_what_does_not_go_with_the_model_is_refused_in_one_line(small: Any, tmp_path: Path) -> None:
    model, labelling, config, path = small
    rng = np.random.default_rng(6)
    splits = {"train": tagged(rng, 20, 8)}
    other = write(tmp_path / "a.h5", "tags", splits, BIO, Vocabulary("words", list("abcdefgx")))
    named = write(tmp_path / "b.h5", "tags", splits, ("A", "B", "C", "D", "E"), Vocabulary("words", list("abcdefgh")))
    labels = write(
        tmp_path / "c.h5", "labels", {"train": [(v, int(t[0])) for v, t in splits["train"]]}, BIO, labelling.vocabulary
    )
    rows = {"train": [(np.stack([v, v], 1), t) for v, t in splits["train"]]}
    of_rows = write(tmp_path / "d.h5", "tags", rows, BIO, None)
    for wrong, told in (
        (other, "a.h5: its vocabulary (8 words) is not the one that the model was trained with (8 words); prepare the"),
        (
            named,
            "b.h5: its tags (5: A, B, C, D, ...) are not those that the model was trained with (5: B-X, B-Y, ",
        ),
        (labels, "c.h5: it holds labelled sequences, the model was trained on tags"),
        (of_rows, "d.h5: it holds sequences with a tag a step, no vocabulary"),
    ):
        with pytest.raises(DataError) as caught:
            evaluated(model, labelling, config, wrong, "train")
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"made.h5: split valid is empty; it has these steps: train \d+, test \d+$"):
        evaluated(model, labelling, config, path, "valid")
    with pytest.raises(DataError, match="no split 'all'"):
        evaluated(model, labelling, config, path, "all")
    with pytest.raises(UsageError, match="config"):
        evaluated(model, labelling, "whole", path)  # type: ignore[arg-type]


def test_a_model_that_has_diverged_is_an_error(small: Any) -> None:
    model, labelling, config, path = small
    model.params.value["output.c"].fill(math.nan)
    with pytest.raises(GpurnnError, match="the loss over split test is not finite, the model has diverged"):
        evaluated(model, labelling, config, path)


def test_a_split_of_spaces_has_nothing_to_count(be: Backend, tmp_path: Path) -> None:
    splits = {"train": tagged(np.random.default_rng(5), 20, 8, spelt=True), "test": [(np.zeros(3), np.full(3, 5))]}
    path = write(tmp_path / "made.h5", "tags", splits, SPELT, Vocabulary("chars", list(" abcdefg")))
    with Corpus.open(path) as corpus:
        labelling = Labelling.of(corpus)
    with pytest.raises(DataError, match=r"made.h5: split test has no tag to count, all of it is spaces between words$"):
        evaluated(*model_of(be, labelling), path)


def test_an_empty_valid_split_and_tags_without_outside_have_baselines(be: Backend, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    splits = {"train": tagged(rng, 20, 8), "test": [(np.array([3]), np.array([2]))]}
    path = write(tmp_path / "made.h5", "tags", splits, tuple("abcde"), Vocabulary("words", list("abcdefgh")))
    with Corpus.open(path) as corpus:
        labelling = Labelling.of(corpus)
    result = evaluated(*model_of(be, labelling), path)
    assert list(result.baselines) == ["commonest tag", "commonest tag a token"]
    assert (result.count, result.scheme, result.spans, result.to_json()["spans"]) == (1, None, {}, {})
    assert sum(score.count for score in result.classes.values()) == 1
    assert result.baselines["commonest tag"].to_json().keys() == {"accuracy", "macro_f1"}
