"""Units ranked by what the current symbol leaves unexplained, and what they go with, against plain Python and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream.places import Places
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.features import features
from gpurnn.diagnosis.ranked import MOST, ranked
from gpurnn.diagnosis.units import units

from .networks import corpus_of, network, run_plainly, tokens_of

TEXT = """Nine "men (of [ten]) go.

HE said: “No, I CAN'T”
and a) left
"""


def plainly(text: str) -> dict[str, list[float]]:
    """The features of a text by looking at all of it that was read, anew at each symbol."""
    found: dict[str, list[float]] = {}
    for read in (text[: n + 1] for n in range(len(text))):
        paragraph = read.split("\n\n")[-1].removeprefix("\n" if read.startswith("\n") else "")
        word = ""
        while read[: len(read) - len(word)][-1:].isalpha():
            word = read[len(read) - len(word) - 1 :]
        depth = 0
        for symbol in read:
            depth = max(0, depth + (symbol in "([{") - (symbol in ")]}"))
        for name, value in {
            "letter": read[-1].isalpha(),
            "capital": read[-1].isupper(),
            "position in the line": len(read.split("\n")[-1]),
            "line of the paragraph": paragraph.count("\n"),
            "position in the word": len(word),
            "word of capitals": len(word) > 1 and word.isupper(),
            "inside quotes": sum(symbol in '"“”„«»' for symbol in paragraph) % 2,
            "inside brackets": depth,
        }.items():
            found.setdefault(name, []).append(float(value))
    return found


@pytest.mark.parametrize("kind", ["chars", "bytes"])
def test_features_of_a_text(kind: str):
    """Two lanes, the second with another text that begins in the middle of it."""
    text = TEXT if kind == "chars" else TEXT.replace("“", "'").replace("”", "'")
    symbols = sorted(set(text)) if kind == "chars" else [bytes([n]) for n in range(256)]
    vocabulary = Vocabulary("chars" if kind == "chars" else "bytes", symbols)
    tokens = vocabulary.encode(text)
    two = np.stack([tokens, np.concatenate([tokens[17:], tokens[:17]])], axis=1)
    carry = np.ones(two.shape, np.float32)
    carry[len(tokens) - 17, 1] = 0
    found = features(vocabulary, two, carry)
    for name, values in plainly(text).items():
        assert found[name][:, 0].tolist() == values, name
        other = plainly(text[17:])[name] + plainly(text[:17])[name]
        assert found[name][:, 1].tolist() == other, name
    assert len(found) == len(plainly("a"))


def test_a_unit_that_counts_and_one_that_repeats_its_input(be: Backend, tmp_path: Path):
    rng = np.random.default_rng(2)
    lines = ("".join(rng.choice(list("abc "), rng.integers(3, 40))) for _ in range(400))
    with corpus_of(tmp_path, "\n".join(lines)) as corpus:
        vocabulary, places = corpus.vocabulary, Places(corpus.split("valid"))
        end, symbols = vocabulary.symbols.index("\n"), len(vocabulary)
        U, W = np.zeros((symbols, 4)), np.zeros((4, 4))
        U[:, 0] = np.linspace(-1, 1, symbols)  # of the symbol alone
        U[:, 1], U[end, 1], W[1, 1] = 0.05, -6, 1  # counts up from a line's end
        U[:, 2] = 1e-3 * U[:, 0]  # hardly moves
        U[:, 3], W[1, 3] = 2 * U[:, 0], 0.5  # of both
        model = network(be, symbols, 4, U=U, W=W)
        found = units(model, places, vocabulary)
        assert units(model, places).ranked == ()
        lanes = found.values // 200
        starts = np.random.default_rng(4).integers(0, places.count - 456 + 1, lanes)
        read = tokens_of(corpus, "valid")[starts[None] + np.arange(457)[:, None]]
    h = run_plainly(be, model, read, np.zeros((lanes, 4)))[0][256:].reshape(-1, 4)
    now = read[256:456].ravel()
    texts = [vocabulary.decode(lane.tolist()) for lane in read[:456].T]
    of_texts = [plainly_positions(text)[256:] for text in texts]
    position = np.stack(of_texts, axis=1).ravel()

    first, second, last = found.ranked
    assert (first.unit, second.unit, last.unit) == (1, 3, 0)
    for each in found.ranked:
        value = h[:, each.unit]
        within = sum(value[now == symbol].var() * (now == symbol).sum() for symbol in range(symbols))
        assert each.name == "layers.0.h"
        assert each.unexplained == pytest.approx(within / (value.var() * len(value)), rel=1e-6, abs=1e-12)
    assert last.unexplained == pytest.approx(0, abs=1e-12) and first.unexplained > 0.5
    assert first.feature == "position in the line"
    assert first.correlation == pytest.approx(np.corrcoef(h[:, 1], position)[0, 1], rel=1e-6)
    assert first.correlation > 0.9


def plainly_positions(text: str) -> list[int]:
    return [len(text[: n + 1].split("\n")[-1]) for n in range(len(text))]


def test_at_most_so_many_and_without_a_feature():
    values = np.random.default_rng(0).standard_normal((5, 4, 30))
    found = ranked({"layers.0.h": values}, np.zeros((5, 4), int), {"letter": np.ones((5, 4))})
    assert len(found) == MOST and {each.feature for each in found} == {None}
    assert all(each.unexplained == pytest.approx(1) and np.isnan(each.correlation) for each in found)
