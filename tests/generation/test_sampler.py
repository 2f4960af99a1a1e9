"""Draws from hand-made logits: which symbols can come, how often, and that the seed decides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gpurnn.exceptions import GpurnnError, UsageError
from gpurnn.generation.sampler import Sampler

P = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
LOGITS = np.log(P)


def drawn(count: int = 400, logits: np.ndarray = LOGITS, **options: object) -> list[int]:
    sampler = Sampler(len(logits), seed=3, **options)  # type: ignore[arg-type]
    return [sampler.draw(logits) for _ in range(count)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"top_k": 1}, {1}),
        ({"top_k": 3}, {1, 3, 4}),
        ({"top_k": 5}, {0, 1, 2, 3, 4}),
        ({"top_k": 9}, {0, 1, 2, 3, 4}),
        ({"top_p": 1e-9}, {1}),
        ({"top_p": 0.39}, {1}),
        ({"top_p": 0.41}, {1, 3}),
        ({"top_p": 0.84}, {1, 3, 4}),
        ({"top_p": 0.94}, {0, 1, 3, 4}),
        ({"top_p": 0.96}, {0, 1, 2, 3, 4}),
        ({"top_k": 2, "top_p": 0.6}, {1, 3}),  # of the two kept, symbol 1 has 4/7 = 0.571
        ({"top_k": 2, "top_p": 0.57}, {1}),
        ({"never": 1}, {0, 2, 3, 4}),
        ({"never": 1, "top_k": 2}, {3, 4}),
        ({"never": 1, "top_p": 0.49}, {3}),  # 0.3 of the 0.6 that are left
        ({"temperature": 0}, {1}),
        ({"temperature": 0, "never": 1}, {3}),
        ({"temperature": 1e-6}, {1}),
        ({"temperature": 2, "top_p": 0.3}, {1}),  # sqrt(p): 0.306 of the sum
        ({"temperature": 2, "top_p": 0.31}, {1, 3}),
    ],
)
def test_which_symbols_can_be_drawn(options: dict[str, object], expected: set[int]):
    assert set(drawn(**options)) == expected


def test_among_equals_the_lower_ids_are_kept():
    logits = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    assert set(drawn(logits=logits, top_k=2)) == {1, 2}
    assert set(drawn(logits=logits, top_k=4)) == {0, 1, 2, 4}
    assert set(drawn(logits=logits, temperature=0)) == {1}
    assert set(drawn(logits=logits, top_p=0.2)) == {1}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("top_k", [0, 3])
def test_frequencies(temperature: float, top_k: int):
    """Pearson's statistic over 20,000 draws stays under its 99.99 % point."""
    count = 20_000
    expected = P ** (1 / temperature)
    if top_k:
        expected[[0, 2]] = 0
    expected *= count / expected.sum()
    found = np.bincount(drawn(count, temperature=temperature, top_k=top_k), minlength=len(P))
    possible = expected > 0
    assert found[~possible].sum() == 0
    statistic = float((((found - expected) ** 2)[possible] / expected[possible]).sum())
    assert statistic < (18.4 if top_k else 23.5)  # 2 and 4 degrees of freedom


def test_one_uniform_a_symbol_through_the_inverse_of_the_distribution():
    uniforms = np.random.default_rng(3).random(400)
    assert drawn() == np.searchsorted(np.cumsum(P) / P.sum(), uniforms, side="right").tolist()
    assert drawn() == drawn()
    assert drawn(temperature=0.7) != drawn()
    free = [Sampler(len(P)) for _ in range(2)]
    assert [free[0].draw(LOGITS) for _ in range(100)] != [free[1].draw(LOGITS) for _ in range(100)]


def test_the_last_likely_symbol_takes_what_rounding_leaves(monkeypatch: pytest.MonkeyPatch):
    """A uniform of 1 stands for a product that was rounded up to the whole sum."""

    class Ones:
        def random(self) -> float:
            return 1.0

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Ones())
    logits = np.array([0.0, 0.0, -math.inf])
    assert Sampler(3).draw(logits) == 1
    assert Sampler(3, never=1).draw(logits) == 0


def test_float32_logits_stay_as_they_are():
    logits = LOGITS.astype(np.float32)
    before = logits.copy()
    Sampler(len(P), temperature=0.5, top_k=3, top_p=0.9, seed=1, never=0).draw(logits)
    assert np.array_equal(logits, before)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_diverged_model_is_named(bad: float):
    for temperature in (0.0, 1.0):
        with pytest.raises(GpurnnError, match="not finite"):
            Sampler(3, temperature=temperature).draw(np.array([0.0, bad, 1.0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature: expected 0, or 1e-06 or more, found -1.0"),
        ({"temperature": 1e-9}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": -1}, "top_k: expected 0"),
        ({"top_p": 0.0}, "top_p: expected more than 0 and at most 1, found 0.0"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_p": math.nan}, "top_p"),
        ({"seed": -1}, "seed: expected 0 or more"),
    ],
)
def test_values_out_of_range(options: dict[str, float], message: str):
    with pytest.raises(UsageError, match=message):
        Sampler(3, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("symbols", [0, -1, 1.5, True, None, "3"])
def test_a_number_of_symbols_is_a_count(symbols: Any):
    with pytest.raises(UsageError, match="symbols: expected "):
        Sampler(symbols)


@pytest.mark.parametrize("never", [-1, 3, 1.5, True, "1", [1]])
def test_what_is_never_drawn_is_a_symbol(never: Any):
    with pytest.raises(UsageError, match="never: expected "):
        Sampler(3, never=never)
    assert Sampler(3, temperature=0, never=np.int64(0)).draw(np.zeros(3)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(2),
        np.zeros(4),
        np.zeros((1, 3)),
        np.zeros((3, 1)),
        np.zeros(()),
        0.0,
        None,
        "abc",
        np.zeros(3, complex),
    ],
    ids=str,
)
def test_logits_of_another_kind_draw_nothing(wrong: Any):
    with pytest.raises(UsageError, match=r"logits: expected \(3,\) real numbers, found "):
        Sampler(3, seed=1).draw(wrong)
