"""How far errors reach and what windows cut, against closed forms of linear networks and with planted lanes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trained import make_corpus

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.reach import fall, reach
from gpurnn.diagnosis.window import window_cut
from gpurnn.exceptions import DataError

from .networks import bistable, bistable_text, corpus_of, linear, random_network


def constant(tmp_path: Path) -> Places:
    with corpus_of(tmp_path, "a" * 1700 + "b", split=(1, 0, 0)) as corpus:
        return Places(corpus.split("train").independent())


def test_an_orthogonal_network(be: Backend, tmp_path: Path):
    """|dh| falls by rho a step whatever the lane, and so does any error that goes back: beta = e^exponent = rho."""
    rho = 0.8
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    found = reach(linear(be, 2, rho * Q), constant(tmp_path), steps=64, targets=8)
    of = found.falls["layers.0.dh"]
    np.testing.assert_allclose(of.median / of.median[0], rho ** np.arange(64), rtol=1e-9)
    assert (of.beta, np.exp(found.exponent)) == pytest.approx((rho, rho), rel=1e-9)
    assert of.half == pytest.approx(np.log(0.5) / np.log(rho))
    assert (of.one_percent, of.one_percent_of_few) == (21, 21)  # 0.8^20 = 0.0115
    assert found.stuck == 0 and found.targets >= 8
    assert all(share.sum() == pytest.approx(1, abs=1e-9) for share in found.shares.values())


def test_shares_and_the_mean_lag(be: Backend, tmp_path: Path):
    rho, steps = 0.8, 100
    found = reach(linear(be, 2, rho * np.eye(6)), constant(tmp_path), steps=steps, targets=8)
    np.testing.assert_allclose(found.shares["layers.0.b"], (1 - rho) * rho ** np.arange(steps), rtol=1e-9, atol=1e-12)
    assert found.mean_lag["layers.0.b"] == pytest.approx(rho / (1 - rho), rel=1e-6)
    assert found.mean_lag["output.V"] == 0


def test_windows_of_a_network_that_forgets_evenly(be: Backend, tmp_path: Path):
    """A target at position p of a window sees p lags: of all, windows of T keep the mean of 1 - rho^(p+1)."""
    rho, steps = 0.9, 16
    found = window_cut(linear(be, 2, rho * np.eye(6)), constant(tmp_path), steps=steps, lanes=3, samples=2)
    assert found.widths == (2, 4, 8, 16, 32, 64)
    assert (found.history, found.samples, found.stuck, found.own) == (448, 2, 0, 3)

    def seen(first: int, count: int) -> float:
        return float(np.mean(1 - rho ** (np.arange(first, first + count) + 1)))

    expected = [seen(0, width) / seen(448, steps) for width in found.widths]
    for name in ("layers.0.b", "layers.0.U"):
        np.testing.assert_allclose(found.kept[name].share, expected, rtol=1e-9)
        np.testing.assert_allclose(found.kept[name].cosine, 1, rtol=1e-9)
        np.testing.assert_allclose(found.kept[name].missed, 1 - np.array(expected), rtol=1e-8)
    for name in ("output.V", "output.c"):
        np.testing.assert_allclose(found.kept[name].missed, 0, atol=1e-6)
    assert found.kept["all"].share[-1] > found.kept["all"].share[0]


def test_a_window_that_the_network_cannot_look_beyond(be: Backend, tmp_path: Path):
    """W = 0: no error goes back, so windows of any width keep all."""
    found = window_cut(linear(be, 2, np.zeros((4, 4))), constant(tmp_path), steps=8, lanes=2, samples=1)
    np.testing.assert_allclose(found.kept["layers.0.b"].missed, 0, atol=1e-6)
    errors = reach(linear(be, 2, np.zeros((4, 4))), constant(tmp_path), steps=16, targets=2).falls["layers.0.dh"]
    np.testing.assert_array_equal(errors.median[1:], 0)
    assert np.isnan(errors.beta)


def test_stuck_lanes_are_set_aside(be: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With them the mean error would be theirs alone."""
    model = bistable(be)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        places = Places(corpus.split("train"))
        sound = reach(model, places, steps=16, targets=64)
        cut = window_cut(model, places, steps=8, lanes=32, samples=1)
        monkeypatch.setattr(type(model.head), "stuck_from", lambda self, median: np.inf)
        all_of_them = reach(model, places, steps=16, targets=64)
        moved = window_cut(model, places, steps=8, lanes=32, samples=1)
    assert sound.stuck > 0 and cut.stuck > 0
    assert sound.targets + sound.stuck == all_of_them.targets
    few, many = (each.falls["layers.0.dh"].rms[0] for each in (sound, all_of_them))
    assert few < 0.2 * many
    assert cut.kept["layers.0.b"].missed[0] != pytest.approx(moved.kept["layers.0.b"].missed[0], rel=0.05)


def test_documents_that_begin_are_no_lags(be: Backend, tmp_path: Path):
    """In documents of 40 symbols nothing is known beyond lag 39, and no error goes there."""
    model = random_network(be, 3, scale=0.8)
    texts = ["abca" * 10] * 40

    with Corpus.open(make_corpus(tmp_path / "short.h5", texts, split=(1, 0, 0))) as corpus:
        found = reach(model, Places(corpus.split("train")), steps=64, targets=64)
    assert len(found.falls["layers.0.dh"].median) < 40
    np.testing.assert_array_equal(found.shares["layers.0.W"][40:], 0)
    assert found.shares["layers.0.W"].sum() == pytest.approx(1, abs=1e-9)


def test_a_fall_by_hand():
    norms = np.array([[4.0, 8.0, 4.0], [2.0, 4.0, 2.0], [1.0, 2.0, np.nan], [0.03, 1.0, np.nan]])
    found = fall(norms)
    np.testing.assert_array_equal(found.median, [4, 2, 1.5, 0.515])
    np.testing.assert_allclose(found.rms[:2], np.sqrt([32, 8]))
    assert (found.one_percent, found.one_percent_of_few) == (None, None)


def test_a_text_that_is_too_short(be: Backend, tmp_path: Path):
    model = random_network(be, 3)
    with corpus_of(tmp_path, "abc" * 20) as corpus:
        places = Places(corpus.split("train"))
        with pytest.raises(DataError, match=r"split train has 29 targets; this needs 65"):
            reach(model, places, steps=64)
        with pytest.raises(DataError, match=r"windows of 16 steps and what comes before them need 65"):
            window_cut(model, places, steps=16, lanes=2)
