"""Beams, beside all sequences that there are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gpurnn.exceptions import GpurnnError
from gpurnn.training.beams import Beams, Decoded

SYMBOLS, END = 4, 3


def outputs_after(source: int, symbols: tuple[int, ...]) -> np.ndarray:
    """What a model might say after these symbols: other numbers for each of them."""
    seed = int("".join(map(str, (1, source, *symbols))))
    return np.random.default_rng(seed).normal(size=SYMBOLS) * 2


def logs_after(source: int, symbols: tuple[int, ...]) -> np.ndarray:
    outputs = outputs_after(source, symbols)
    return outputs - np.log(np.exp(outputs).sum())


def run(sources: int, width: int, wanted: int, steps: int) -> list[list[Decoded]]:
    beams = Beams(sources, width, END)
    made: list[list[tuple[int, ...]]] = [[() for _ in range(width)] for _ in range(sources)]
    for _ in range(steps):
        outputs = np.array([[outputs_after(n, each) for each in group] for n, group in enumerate(made)])
        parents = beams.extend(outputs, np.array([[len(each) for each in group] for group in made], np.int32))
        made = [
            [(*group[parent], int(symbol)) for parent, symbol in zip(*both, strict=True)]
            for group, *both in zip(made, parents, beams.last, strict=True)
        ]
        if beams.done(wanted).all():
            break
    return beams.found(np.arange(sources), wanted)


def every_sequence(source: int, steps: int) -> list[tuple[float, tuple[int, ...]]]:
    """All that end within so many steps, the likeliest first."""
    found = []
    for length in range(steps):
        for symbols in product(range(SYMBOLS - 1), repeat=length):
            each = [*symbols, END]
            score = sum(logs_after(source, symbols[:place])[symbol] for place, symbol in enumerate(each))
            found.append((float(score), symbols))
    return sorted(found, reverse=True)


def test_a_wide_beam_finds_the_likeliest_of_all_sequences() -> None:
    steps, wanted = 4, 5
    for number, found in enumerate(run(3, 200, wanted, steps)):
        expected = every_sequence(number, steps)[:wanted]
        assert [tuple(each.symbols) for each in found] == [symbols for _, symbols in expected]
        np.testing.assert_allclose([each.score for each in found], [score for score, _ in expected])
        assert all(each.ended for each in found)


def test_a_beam_of_one_takes_the_likeliest_next_symbol() -> None:
    for number, (found,) in enumerate(run(40, 1, 1, 6)):
        symbols: tuple[int, ...] = ()
        score = 0.0
        ended = False
        while len(symbols) < 6 and not ended:
            logs = logs_after(number, symbols)
            score += logs.max()
            ended = bool(logs.argmax() == END)
            symbols = symbols if ended else (*symbols, int(logs.argmax()))
        assert (tuple(found.symbols), found.ended) == (symbols, ended)
        assert found.score == pytest.approx(score)
        assert found.attended is not None
        assert found.attended.tolist() == list(range(len(symbols)))


def test_wider_beams_are_sorted_and_what_is_cut_comes_last() -> None:
    for width in (2, 3, 5):
        for found in run(20, width, width, 3):
            assert 1 <= len(found) <= width
            ended = [each.ended for each in found]
            assert ended == sorted(ended, reverse=True)
            for kind in (True, False):
                scores = [each.score for each in found if each.ended is kind]
                assert scores == sorted(scores, reverse=True)
            assert all(len(each.symbols) == 3 for each in found if not each.ended)


def test_of_equals_the_first_comes_first() -> None:
    beams = Beams(1, 2, END)
    beams.extend(np.zeros((1, 2, SYMBOLS)), None)
    assert beams.last.tolist() == [[0, 1]]
    parents = beams.extend(np.zeros((1, 2, SYMBOLS)), None)
    assert (parents.tolist(), beams.last.tolist()) == ([[0, 0]], [[0, 1]])
    assert [each.symbols.tolist() for each in beams.found(np.arange(1), 2)[0]] == [[0, 0], [0, 1]]
    assert [each.attended for each in beams.found(np.arange(1), 2)[0]] == [None, None]


def test_sources_that_are_left_keep_what_they_have() -> None:
    beams = Beams(3, 1, END)
    for symbols in ((0, 1, 2), (1, 1, END)):
        outputs = np.zeros((3, 1, SYMBOLS))
        outputs[range(3), 0, symbols] = 5
        beams.extend(outputs, None)
    assert beams.done(1).tolist() == [False, False, True]
    beams.keep(np.array([2, 0]))
    assert [found.symbols.tolist() for (found,) in beams.found(np.arange(2), 1)] == [[2], [0, 1]]


def test_a_diverged_model_is_refused() -> None:
    with pytest.raises(GpurnnError, match="not finite"):
        Beams(1, 1, END).extend(np.full((1, 1, SYMBOLS), np.nan), None)
