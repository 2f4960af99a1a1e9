"""A symbol that comes again 40 steps later: what is measured of networks that know it, and that do not."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from trained import make_corpus

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.again import Again, again
from gpurnn.diagnosis.findings import Finding
from gpurnn.diagnosis.reach import reach
from gpurnn.diagnosis.recovery import from_zero
from gpurnn.diagnosis.worth import worth
from gpurnn.network import Model

from .networks import corpus_of, network

LAG = 40
LETTERS = "AB"
FILLER = (string.ascii_lowercase + string.digits + "+-*/")[:LAG]
SYMBOLS = sorted(LETTERS + FILLER + "\n")
LINE = LAG + 3
"""A letter, the filler, the letter again, the end of the line."""
FINE = Finding("info", "fine")


def text(lines: int, seed: int = 0) -> str:
    letters = np.random.default_rng(seed).choice(list(LETTERS), lines)
    return "".join(letter + FILLER + letter + "\n" for letter in letters.tolist())


def delay_line(be: Backend, known: float) -> Model:
    """A network that knows the next symbol but for letters, by shift registers that hold the last 42 steps.

    known: the logit of a letter that was read 40 steps ago, less that of the other one: 0, and it knows nothing of it.
    """
    K, slots, small = len(SYMBOLS), LAG + 2, 1e-4
    at = {symbol: number for number, symbol in enumerate(SYMBOLS)}
    U, W, V = np.zeros((K, K + 2 * slots)), np.zeros((K + 2 * slots,) * 2), np.zeros((K + 2 * slots, K))
    U[:, :K] = 20 * np.eye(K)
    for a, b in itertools.pairwise(FILLER):
        V[at[a], at[b]] = 120
    for before in (FILLER[-1], "\n"):
        V[at[before], [at[letter] for letter in LETTERS]] = 120
    for number, letter in enumerate(LETTERS):
        first = K + number * slots
        U[at[letter], first] = small
        W[np.arange(first, first + slots - 1), np.arange(first + 1, first + slots)] = 1
        V[first + LAG, at[letter]] = known / small
        V[at[letter], at[FILLER[0]]] = 40
        V[first + LAG + 1, at["\n"]] = 80 / small  # of no weight but behind a letter that is there again
    return network(be, K, K + 2 * slots, U=U, W=W, V=V)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with corpus_of(tmp_path, text(400)) as corpus:
        assert "".join(sorted(corpus.vocabulary.symbols)) == "".join(corpus.vocabulary.symbols) == "".join(SYMBOLS)
        yield Places(corpus.split("valid"))


def measured(be: Backend, places: Places, known: float) -> Again:
    model = delay_line(be, known)
    return again(model, places, from_zero(model, places, starts=43))


def said(found: Again, steps: int) -> Finding:
    return findings.with_what_comes_again(FINE, found, steps, "nats")


def test_what_is_lacking_is_found_at_its_lag_and_windows_that_show_it_are_named(be: Backend, places: Places):
    """The letter costs ln 2 once a line where it is not known, and nothing where it is: so much is lacking."""
    found = measured(be, places, 0.0)
    assert found.lag == LAG and found.starts == 43
    assert found.loss == pytest.approx(2 * math.log(2) / LINE, rel=0.05)
    assert found.fall[LAG] == pytest.approx(math.log(2) / LINE, rel=0.05)
    np.testing.assert_allclose(np.delete(found.fall, LAG), 0, atol=2e-3)
    short, long, enough = (said(found, steps) for steps in (8, 48, 64))
    assert short.level == "note" and "windows of 8 show it to 0% of the targets" in short.sentence
    assert "the symbol of 40 steps back comes again more often than the network expects" in short.sentence
    assert "`bptt=64`" in short.sentence
    assert "windows of 48 show it to 17% of the targets: try longer ones: `bptt=96`" in long.sentence
    assert "windows of 64 show it to 38% of the targets: train longer" in enough.sentence


def test_nothing_is_lacking_where_it_is_known(be: Backend, places: Places):
    found = measured(be, places, 9.0)
    assert found.loss == pytest.approx(math.log(2) / LINE, rel=0.05)
    assert found.lag is None and said(found, 8) == FINE
    np.testing.assert_allclose(found.fall, 0, atol=2e-3)


def test_half_of_it_is_known(be: Backend, places: Places):
    """A letter that is expected with 3/4 costs ln 4/3."""
    found = measured(be, places, math.log(3))
    assert found.lag == LAG and found.fall[LAG] == pytest.approx(math.log(4 / 3) / LINE, rel=0.1)


def test_the_state_is_worth_something_for_as_many_steps_as_it_holds_it(be: Backend, places: Places):
    """Behind a reset the letters are not known for 40 steps, nor the ends of lines for 41."""
    model = delay_line(be, 9.0)
    found = worth(model, places, from_zero(model, places, starts=43))
    by_begin = dict(zip(found.positions, found.lost.tolist(), strict=True))
    assert all(by_begin[begin] > 10 * found.little for begin in (4, 8, 16, 24, 32))
    assert found.beyond == 48
    assert all(by_begin[begin] == pytest.approx(0, abs=1e-9) for begin in (48, 64, 96, 128))


def test_errors_go_back_as_far_as_the_symbol_is_held(be: Backend, places: Places):
    """From slot to slot, until they leave at the first one."""
    norms = reach(delay_line(be, 1.0), places, steps=48, targets=64).falls["layers.0.dh"].rms
    np.testing.assert_allclose(norms[1 : LAG + 1], norms[1], rtol=1e-3)
    np.testing.assert_array_equal(norms[LAG + 2 :], 0)


def test_the_gradient_comes_from_the_lag_at_which_the_symbol_was_read(places: Places):
    """Errors of different letters agree where a letter goes in, and cancel each other elsewhere."""
    share = reach(delay_line(backend.get("cpu"), -2.0), places, steps=64, targets=512).shares["layers.0.U"]
    assert share[LAG] > 10 * np.abs(np.delete(share, [0, LAG])).max()


def test_documents_end_what_comes_again(be: Backend, tmp_path: Path):
    """Where each letter that comes again is in a document of its own nobody could know it."""
    lines = [part for line in text(400).splitlines(keepends=True) for part in (line[:20], line[20:])]
    with Corpus.open(make_corpus(tmp_path / "short.h5", lines, split=(0.5, 0.5, 0))) as corpus:
        found = measured(be, Places(corpus.split("valid")), 0.0)
    np.testing.assert_array_equal(found.fall[22:], 0)
