"""Lanes that are stuck, planted into a network that has learnt: as many as there are are found, and all else stays."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from trained import trained

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.findings import Finding
from gpurnn.diagnosis.reach import reach
from gpurnn.diagnosis.recovery import from_zero
from gpurnn.diagnosis.window import window_cut
from gpurnn.diagnosis.worth import worth
from gpurnn.network import Model

from .networks import corpus_of, network

STUCK = 17
CPU = backend.get("cpu")


def text(marked: np.ndarray, length: int = 6000, lag: int = 4) -> str:
    """Most symbols are those of `lag` before; "#" is in the first half here and there, in the second where marked."""
    rng = np.random.default_rng(0)
    symbols = rng.choice(list("abcd"), length)
    for t in np.flatnonzero(rng.random(length) < 0.9):
        symbols[t] = symbols[t - lag] if t >= lag else symbols[t]
    symbols[: length // 2][rng.random(length // 2) < 1 / 12] = "#"
    symbols[length // 2 + marked] = "#"
    return "".join(symbols)


def with_a_switch(be: Backend, of: Model, mark: int, switched: float) -> Model:
    """A network with one unit more, which goes to 1 for good after any first symbol but `mark`.

    From `mark` it goes where `switched` leads: below 0 to -1 for good, and there `mark` is expected every time.
    """
    u, w, b, v, c = (be.to_host(array) for array in of.params.value.values())
    symbols, hidden = u.shape
    U, W, V, top = np.full((symbols, 1 + hidden), 0.5), np.zeros((1 + hidden,) * 2), np.zeros(symbols), c.copy()
    U[mark, 0], W[0, 0] = switched, 3.0
    U[:, 1:], W[1:, 1:] = u, w
    V[mark], top[mark] = -10.0, c[mark] + 10.0
    return network(be, symbols, 1 + hidden, U=U, W=W, b=np.append(0.0, b), V=np.vstack([V, v]), c=top)


def looked_at(model: Model, corpus: Corpus) -> tuple[int, dict[str, Finding], list[float]]:
    """How many starts are stuck, what is found of reach, window and state, and the numbers behind it."""
    train, valid = (Places(corpus.split(name)) for name in ("train", "valid"))
    zero = from_zero(model, valid)
    assert len(zero.starts) == 512
    errors = reach(model, train, steps=64, targets=128)
    cut = window_cut(model, train, steps=8, lanes=32, samples=3)
    state = worth(model, valid, zero)
    kept = cut.kept["layers.0.W"]
    found = {
        "reach": findings.of_reach(errors, None, 2.0),
        "window": findings.of_window(cut, errors.shares["layers.0.W"], 2.0),
        "state": findings.of_worth(state, "nats"),
    }
    return int(zero.stuck.sum()), found, [kept.share[3], kept.cosine[3], kept.missed[3], *state.lost]


def in_words(finding: Finding) -> tuple[str, str]:
    """Its level and sentence without measured numbers and what is said of lanes that were set aside."""
    return finding.level, re.sub(
        r"-?\d+\.\d+|\d+%|(?<=after )\d+", "_", re.sub(r" \(\d+ stuck lanes set aside\)", "", finding.sentence)
    )


def test_lanes_that_are_stuck_are_counted_and_move_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    half, clean = {"split": (0.5, 0.5, 0)}, text(np.array([], int))
    small = trained(CPU, tmp_path, [clean], half, windows=400, cell="simple", hidden=12).model
    with corpus_of(tmp_path, clean) as corpus:
        mark = corpus.vocabulary.symbols.index("#")
        zero = from_zero(with_a_switch(CPU, small, mark, -0.6), Places(corpus.split("valid")))
    assert not zero.stuck.any()
    marked = zero.starts[:STUCK]
    with corpus_of(tmp_path, text(marked)) as corpus:
        none, sound, numbers = looked_at(with_a_switch(CPU, small, mark, 0.5), corpus)
        stuck, found, others = looked_at(with_a_switch(CPU, small, mark, -0.6), corpus)
        monkeypatch.setattr(type(small.head), "stuck_from", lambda self, median: 1e9)
        moved = looked_at(with_a_switch(CPU, small, mark, -0.6), corpus)
    assert (none, stuck) == (0, STUCK)
    assert {name: in_words(each) for name, each in found.items()} == {n: in_words(each) for n, each in sound.items()}
    assert "stuck lanes set aside" in found["reach"].sentence
    np.testing.assert_allclose(others, numbers, atol=0.1)
    assert np.abs(np.array(moved[2]) - numbers).max() > 0.3, "with them all would be another"
