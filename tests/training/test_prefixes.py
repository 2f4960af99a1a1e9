"""Prefix beams, beside an enumeration of all alignments."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray

from gpurnn.data.text.tokens import TextPolicy, Vocabulary
from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.training.alignments import first_frames, log_probability
from gpurnn.training.prefixbeam import PrefixBeam
from gpurnn.training.prefixes import Heard, Prefixes
from gpurnn.training.wordlist import WordList

Text = tuple[int, ...]
LETTERS, FOUR = Vocabulary("chars", "ab "), Vocabulary("chars", "abc ")
WEIGHT = 0.7


def logs_of(frames: int, symbols: int, seed: int) -> NDArray[np.float64]:
    outputs = np.random.default_rng(seed).normal(size=(frames, symbols)) * 2
    return outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))


def text_of(alignment: Text, blank: int) -> tuple[Text, Text]:
    """Its labels, and the frames in which they begin."""
    begins = [n for n, k in enumerate(alignment) if k != blank and (n == 0 or alignment[n - 1] != k)]
    return tuple(alignment[n] for n in begins), tuple(begins)


def every_text(logs: NDArray[np.float64]) -> dict[Text, tuple[float, Text]]:
    """Of each text that frames may have its log sum over all alignments, and where the best of them has its labels."""
    frames, symbols = logs.shape
    sums: dict[Text, float] = {}
    best: dict[Text, tuple[float, Text]] = {}
    for alignment in product(range(symbols), repeat=frames):
        score = float(logs[range(frames), list(alignment)].sum())
        text, begins = text_of(alignment, symbols - 1)
        sums[text] = float(np.logaddexp(sums.get(text, -np.inf), score))
        best[text] = max(best.get(text, (-np.inf, ())), (score, begins))
    return {text: (score, best[text][1]) for text, score in sums.items()}


def ranked(texts: dict[Text, float]) -> list[tuple[Text, float]]:
    return sorted(texts.items(), key=lambda each: -each[1])


def expect(found: list[Heard], texts: dict[Text, float], count: int | None = None) -> None:
    expected = ranked(texts)[:count]
    assert [tuple(each.labels) for each in found] == [text for text, _ in expected]
    np.testing.assert_allclose([each.score for each in found], [score for _, score in expected], rtol=1e-12)


class Grammar:
    """A language model in which what comes next depends on all labels before it."""

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._texts: list[Text] = []
        self.logs, self.ends = np.zeros((0, labels)), np.zeros(0)

    def says(self, text: Text) -> NDArray[np.float64]:
        """Of the labels and of the end, behind a text."""
        return logs_of(1, self._labels + 1, int("".join(map(str, (1, *text)))))[0]

    def score(self, text: Text) -> float:
        """Of a text with its end."""
        symbols = (*text, self._labels)
        return sum(float(self.says(text[:n])[symbol]) for n, symbol in enumerate(symbols))

    def begin(self, slots: int) -> None:
        self._texts = [()] * slots
        self._say()

    def move(self, slots: NDArray[np.int64], grown: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        held = [self._texts[slot] for slot in slots]
        self._texts[: len(held)] = held
        for slot, label in zip(grown.tolist(), labels.tolist(), strict=True):
            self._texts[slot] = (*self._texts[slot], label)
        self._say()

    def _say(self) -> None:
        said = np.array([self.says(text) for text in self._texts])
        self.logs, self.ends = said[:, :-1], said[:, -1]


@pytest.fixture(scope="module")
def sequences() -> list[NDArray[np.float64]]:
    """Of several lengths, one of them empty; the second has equally likely labels."""
    return [logs_of(5, 3, 1), np.full((4, 3), np.log(1 / 3)), logs_of(0, 3, 2), logs_of(1, 3, 3), logs_of(6, 3, 4)]


def test_a_wide_beam_has_the_sums_over_all_alignments(sequences: list[NDArray[np.float64]]) -> None:
    for logs, found in zip(sequences, PrefixBeam(2, 200).found(sequences, 200), strict=True):
        texts = every_text(logs)
        assert {tuple(each.labels) for each in found} == set(texts)
        np.testing.assert_allclose([each.score for each in found], [texts[tuple(each.labels)][0] for each in found])
        assert all(a.score >= b.score for a, b in pairwise(found))


def test_the_probability_of_a_text_and_where_it_is_heard() -> None:
    logs = logs_of(6, 3, 5)
    for text, (score, begins) in every_text(logs).items():
        labels = np.array(text, np.int32)
        assert log_probability(logs, labels) == pytest.approx(score, rel=1e-12)
        assert first_frames(logs, labels).tolist() == list(begins)
    assert log_probability(logs[:2], np.array([1, 1], np.int32)) == -np.inf


def test_labels_are_heard_in_the_same_frames_however_many_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logs, labels = logs_of(300, 5, 6), np.random.default_rng(1).integers(0, 4, 60).astype(np.int32)
    whole = first_frames(logs, labels)
    monkeypatch.setattr("gpurnn.training.alignments._BLOCK", 7)
    assert first_frames(logs, labels).tolist() == whole.tolist()
    assert (np.diff(whole) > 0).all()


def test_a_narrow_beam_finds_a_text_that_is_certain() -> None:
    alignment = (0, 0, 2, 0, 1, 1, 2, 2, 1)
    logs = np.full((len(alignment), 3), np.log(0.01))
    logs[range(len(alignment)), list(alignment)] = np.log(0.98)
    ((found,),) = PrefixBeam(2, 1).found([logs])
    assert tuple(found.labels) == text_of(alignment, 2)[0] == (0, 0, 1, 1)
    assert found.score <= log_probability(logs, found.labels)


def test_what_no_alignment_alone_says() -> None:
    """Twice the blank is the likeliest alignment, but a label in one frame or the other, or both, is likelier."""
    logs = np.log(np.array([[0.4, 0.6], [0.4, 0.6]]))
    ((found,),) = PrefixBeam(1, 2).found([logs])
    assert found.labels.tolist() == [0]
    assert np.exp(found.score) == pytest.approx(0.64)


def test_with_a_language_model_the_best_of_all_texts_is_found(sequences: list[NDArray[np.float64]]) -> None:
    grammar = Grammar(2)
    beam = PrefixBeam(2, 200, language=grammar, weight=WEIGHT)
    differs = 0
    for logs, found in zip(sequences, beam.found(sequences, 5), strict=True):
        alone = {text: score for text, (score, _) in every_text(logs).items()}
        texts = {text: score + WEIGHT * grammar.score(text) for text, score in alone.items()}
        expect(found, texts, 5)
        differs += ranked(alone)[0][0] != tuple(found[0].labels)
    assert differs


def test_without_weight_the_language_model_says_nothing(sequences: list[NDArray[np.float64]]) -> None:
    silent = PrefixBeam(2, 4, language=Grammar(2), weight=0).found(sequences)
    for (with_one,), (without,) in zip(silent, PrefixBeam(2, 4).found(sequences), strict=True):
        assert with_one.labels.tolist() == without.labels.tolist()
        assert with_one.score == without.score


def test_only_texts_of_listed_words() -> None:
    logs = logs_of(5, 4, 7)
    words = WordList(["ba", "a", "bab"], LETTERS, TextPolicy())
    listed = {
        text: score
        for text, (score, _) in every_text(logs).items()
        if not text or set(LETTERS.decode(text).split(" ")) <= {"ba", "a", "bab"}
    }
    (found,) = PrefixBeam(3, 500, words=words).found([logs], 500)
    expect(found, listed)
    assert any(" " in LETTERS.decode(each.labels) for each in found)


def test_a_word_that_has_not_come_to_its_end_is_left_out() -> None:
    logs = np.full((5, 4), np.log(1e-6))
    logs[range(5), [0, 2, 1, 3, 3]] = np.log(1 - 3e-6)  # "a b", of which "b" is no word
    words = WordList(["a", "bbbbbb"], LETTERS, TextPolicy())
    ((found,),) = PrefixBeam(3, 1, words=words).found([logs])
    assert LETTERS.decode(found.labels) == "a"
    assert found.score == log_probability(logs, found.labels)


def test_equally_likely_prefixes_stand_in_the_order_of_their_labels() -> None:
    logs = np.full((1, 5), np.log(1 / 5))
    for width in (2, 3, 5):
        (found,) = PrefixBeam(4, width).found([logs], width)
        assert [each.labels.tolist() for each in found] == [[], [0], [1], [2], [3]][:width]


@pytest.mark.parametrize("width", [1, 3])
def test_what_comes_with_others_does_not_matter(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    many = [logs_of(int(frames), 6, seed) for seed, frames in enumerate(rng.integers(0, 30, 40))]
    together = list(PrefixBeam(5, width).found(many))
    monkeypatch.setattr("gpurnn.training.prefixbeam._AT_HAND", 100)
    for logs, (one,), (other,) in zip(many, together, PrefixBeam(5, width).found(many), strict=True):
        ((alone,),) = PrefixBeam(5, width).found([logs])
        assert one.labels.tolist() == other.labels.tolist() == alone.labels.tolist()
        assert one.score == other.score == alone.score
        assert one.score <= log_probability(logs, one.labels) + 1e-9


@pytest.mark.parametrize("width", [2, 5])
def test_prefixes_that_nothing_comes_from_are_forgotten(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [logs_of(frames, 5, frames) for frames in (90, 3, 60, 61)]
    settings = {"language": Grammar(4), "weight": WEIGHT, "words": WordList(["ab", "ba", "cab"], FOUR, TextPolicy())}
    kept = list(PrefixBeam(4, width, **settings).found(many, 2))  # type: ignore[arg-type]
    monkeypatch.setattr("gpurnn.training.prefixes._NODES", 1)
    sizes = []
    forget = Prefixes._forget

    def noted(self: Prefixes) -> None:
        before = len(self._keys)
        forget(self)
        sizes.append((before, len(self._keys)))

    monkeypatch.setattr(Prefixes, "_forget", noted)
    found = list(PrefixBeam(4, width, **settings).found(many, 2))  # type: ignore[arg-type]
    assert [[(each.labels.tolist(), each.score) for each in several] for several in found] == [
        [(each.labels.tolist(), each.score) for each in several] for several in kept
    ]
    assert len(sizes) > 2 and any(after < before for before, after in sizes)


def test_sequences_are_taken_while_texts_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpurnn.training.prefixbeam._AT_HAND", 100)
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield logs_of(10, 5, taken)

    found = PrefixBeam(4, 2).found(endless())  # type: ignore[arg-type]
    next(found)
    assert taken == 2


@pytest.mark.parametrize(
    ("settings", "logs", "error"),
    [
        ({}, np.zeros((3, 4)), r"expected \(n, 3\) real numbers, found \(3, 4\)"),
        ({}, np.zeros((3, 3), int), "real numbers"),
        ({"width": 0}, np.zeros((3, 3)), "width"),
        ({"weight": -1.0}, np.zeros((3, 3)), "weight"),
        ({"n_best": 3}, np.zeros((3, 3)), "at most the width of the beam, 2, found 3"),
    ],
)
def test_what_is_refused(settings: dict[str, float], logs: NDArray[np.float64], error: str) -> None:
    given = {"width": 2, "n_best": 1, "weight": 1.0} | settings
    with pytest.raises(UsageError, match=error):
        beam = PrefixBeam(2, int(given["width"]), weight=given["weight"])
        list(beam.found([logs], int(given["n_best"])))


def test_a_model_that_has_diverged() -> None:
    with pytest.raises(GpurnnError, match="has diverged"):
        list(PrefixBeam(2, 2).found([np.full((2, 3), np.nan)]))
