"""`scripts/bench --whole`: what is measured, and what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bench_lib import whole
from bench_lib.whole import RATIOS, VARIANTS, Training, measure, told


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "LANES", 3)
    monkeypatch.setattr(whole, "STEPS", 9)
    monkeypatch.setattr(whole, "VARIANTS", {name: replace(each, hidden=4) for name, each in VARIANTS.items()})


def test_every_variant_is_timed_in_each_round_and_has_its_ratio(small: None):
    times = measure("gru", 1e-3, rounds=2)
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys(VARIANTS, 2)
    assert min(min(each) for each in times.values()) > 0
    assert {name for pair in RATIOS for name in pair} == set(VARIANTS)


def test_a_ratio_is_that_of_each_round():
    times = {name: [1.0, 2.0, 3.0] for name in VARIANTS} | {"both directions": [2.0, 4.2, 6.6]}
    lines = list(told("lstm", times))
    assert lines[1] == "lstm: both directions            2.100 (2.050-2.150) of one direction"
    assert lines[0].split()[-5:] == ["1.000", "(1.000-1.000)", "of", "without", "boundaries"]


def test_sequences_begin_inside_windows_but_those_without_boundaries(small: None, monkeypatch: pytest.MonkeyPatch):
    loaded = []
    for variant in ("without boundaries", "one direction"):
        training = Training("gru", variant)
        monkeypatch.setattr(training._feed, "load", loaded.append)
        monkeypatch.setattr(training, "_step", lambda rate: None)
        training._window()
    assert (loaded[0].carry == 1).all() and not loaded[0].has_boundary
    assert (loaded[1].carry[0] == 0).all() and (loaded[1].carry[1:] == 0).any() and loaded[1].has_boundary
    np.testing.assert_array_equal(loaded[0].tokens, loaded[1].tokens)
