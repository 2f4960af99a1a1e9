"""Which lanes begin anew, and what a stream makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpurnn.data.stream import WindowStream
from gpurnn.data.stream.restarts import Restarts
from gpurnn.exceptions import UsageError


def chosen(rate: float, seed: int, lanes: int, window: int) -> list[int]:
    carry = np.ones(lanes, np.float32)
    any_chosen = Restarts(rate, seed, lanes).cut(window, carry)
    assert any_chosen is bool((carry == 0).any())
    return np.flatnonzero(carry == 0).tolist()


def uniforms(seed: int, window: int, lanes: int) -> np.ndarray:
    """The draws from the words of Philox themselves."""
    words = np.random.Philox(counter=[0, window, 1, 0], key=[seed, 0]).random_raw(lanes)
    return (words >> 11) * 2.0**-53


@pytest.mark.parametrize("seed", [1, 7, 2**63 - 1])
@pytest.mark.parametrize("window", [1, 1000, 2**40])
def test_a_draw_follows_from_seed_lane_and_window(seed: int, window: int):
    expected = np.flatnonzero(uniforms(seed, window, 64) < 0.25).tolist()
    assert expected
    assert chosen(0.25, seed, 64, window) == expected
    assert chosen(0.25, seed, 20, window) == [lane for lane in expected if lane < 20]  # the other lanes change nothing
    assert chosen(0.1, seed, 64, window) == np.flatnonzero(uniforms(seed, window, 64) < 0.1).tolist()


def test_these_draws_stay_what_they_are():
    assert [chosen(0.1, 1, 32, window) for window in range(1, 6)] == [
        [5, 12],
        [10, 27, 29],
        [1, 20, 21],
        [16, 23],
        [9, 18, 28],
    ]


def test_a_draw_does_not_depend_on_the_one_before():
    restarts = Restarts(0.25, 3, 22)
    for window in (4, 1, 4, 2**40, 0):
        carry = np.ones(22, np.float32)
        restarts.cut(window, carry)
        assert np.flatnonzero(carry == 0).tolist() == chosen(0.25, 3, 22, window)


def test_every_lane_begins_anew_as_often_as_asked_for():
    restarts, counts = Restarts(0.05, 3, 16), np.zeros(16)
    for window in range(4000):
        carry = np.ones(16, np.float32)
        restarts.cut(window, carry)
        counts += carry == 0
    assert np.abs(counts - 200).max() < 5 * np.sqrt(4000 * 0.05 * 0.95)


def test_without_a_rate_nothing_is_drawn():
    assert chosen(0.0, 1, 8, 5) == []


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), float("inf"), None, True, "0.1", 1j])
def test_a_rate_that_is_no_probability_is_refused(rate: Any):
    with pytest.raises(UsageError, match=r"restart: expected (0 <= value < 1|a finite number)"):
        Restarts(rate, 1, 4)


@pytest.mark.parametrize("rate", [0.0, 0.1])
@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.5, None, True, "1"])
def test_a_seed_that_cannot_be_stored_is_refused(rate: float, seed: Any):
    with pytest.raises(UsageError, match="seed: expected "):
        Restarts(rate, seed, 4)


@pytest.mark.parametrize("prefetch", [False, True])
def test_a_stream_cuts_the_carry_of_those_lanes_and_changes_nothing_else(make_corpus, prefetch: bool):
    corpus = make_corpus(["some text of one document " * 20, "and another one " * 30])
    options = {"lanes": 5, "steps": 6, "epochs": 2, "prefetch": prefetch}
    cut = 0
    with WindowStream(corpus, **options) as plain, WindowStream(corpus, **options, restart=0.2, seed=4) as restarted:
        for window, other in zip(plain, restarted, strict=True):
            begins = window.index % plain.windows_per_epoch == 0
            lanes = np.zeros(5, bool) if begins else uniforms(4, window.index, 5) < 0.2
            expected = window.carry.copy()
            expected[0, lanes] = 0
            np.testing.assert_array_equal(other.carry, expected)
            assert other.has_boundary is bool((expected == 0).any())
            for name in ("tokens", "targets", "weight"):
                np.testing.assert_array_equal(getattr(other, name), getattr(window, name))
            assert other.weight_sum == window.weight_sum
            cut += int(lanes.sum())
    assert cut > 20


def test_a_stream_that_goes_on_draws_the_same(make_corpus):
    corpus = make_corpus(["some text of one document " * 20])
    options = {"lanes": 4, "steps": 6, "restart": 0.3, "seed": 2, "epochs": 3}
    with WindowStream(corpus, **options) as stream:
        whole = [(window.carry.copy(), window.cursor) for window in stream]
    for at in (1, 9, len(whole) - 2):
        with WindowStream(corpus, cursor=whole[at - 1][1], **options) as stream:
            for window, (carry, _) in zip(stream, whole[at:], strict=True):
                np.testing.assert_array_equal(window.carry, carry)
