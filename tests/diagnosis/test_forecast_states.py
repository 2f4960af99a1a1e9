"""Recovery and worth of a state in series, whose losses have no scale, against the equations in plain NumPy."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.corpus.tables import Tables
from gpurnn.data.series.forecast import Forecast
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis import findings
from gpurnn.diagnosis.doctor import diagnose
from gpurnn.diagnosis.reach import reach
from gpurnn.diagnosis.recovery import JUDGED_FROM, STEPS, FromZero, from_zero, stuck_lanes
from gpurnn.diagnosis.worth import Worth, worth
from gpurnn.exceptions import DataError
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.session import new_run
from tests.corpora import Made, columns

AHEAD = 2


def series(path: Path, x: np.ndarray, **more: Any) -> Corpus:
    """A corpus of one column, whose mean is 10.25 and scale 0.5, in one stretch from 2020 on; train and valid alike."""
    split = {
        "reals": (x * 0.5 + 10.25).astype("<f4"),
        "documents": np.zeros(1, "<u8"),
        "keys": np.zeros(1, "u1"),
        "starts": np.array([1_577_836_800], "<i8"),
    }
    tables = Tables(columns=columns("x", time=("when",), key="where", **more), keys=("Zürich",))
    Made("series", {"train": split, "valid": split}, tables).write(path)
    return Corpus.open(path)


def places_of(corpus: Corpus, split: str = "valid") -> Places:
    return Places(corpus.split(split), Forecast(corpus.columns, ("x",), (f"{AHEAD}h",)))


def network(be: Backend, head: str, hidden: int = 1, **values: Any) -> Model:
    """A simple network; values: of its parameters, as arrays are made of them."""
    config = ModelConfig(
        0, "simple", hidden, inputs=1, outputs=1, input="real", head=head, dropout=0.0, dtype="float64"
    )
    model = Model(be, config)
    whole = {n: np.reshape(values.get(n[-1], np.zeros(a.shape)), a.shape) for n, a in model.params.value.items()}
    model.params.load(be, whole, "made")
    return model


def bistable(be: Backend, head: str) -> Model:
    """Begun with a row below 0 it comes to a state that it leaves at a row of 6 only, and forecasts 10 in it."""
    return network(be, head, U=1, W=3.0, V=-5.0, c=5.0)


def rows_for(bistable: int, length: int = 4000, leave: int = 500) -> np.ndarray:
    rng = np.random.default_rng(bistable)
    x = rng.choice([-0.6, 0.5], length, p=[0.125, 0.875])
    x[rng.choice(length, length // leave, replace=False)] = 6
    return x.astype(np.float32)


LOSSES = {"squared": np.square, "absolute": np.abs}


def plain(be: Backend, model: Model, x: np.ndarray, starts: np.ndarray, steps: int, skip: int = 0) -> np.ndarray:
    """The losses from places on, (steps, n), the state carried on from `skip` steps before them."""
    U, W, b, V, c = (be.to_host(array) for array in model.params.value.values())
    h, losses = np.zeros((len(starts), model.config.hidden)), []
    for t in range(-skip, steps):
        h = np.tanh(x[starts + t][:, None] * U + h @ W + b)
        d = (h @ V + c)[:, 0] - (x[starts + t + AHEAD] - x[starts + t])
        losses.append(LOSSES[model.config.head](d))
    return np.array(losses)[skip:]


@pytest.mark.parametrize("head", LOSSES)
def test_planted_starts_that_never_recover_are_counted_exactly(be: Backend, tmp_path: Path, head: str):
    """Those that cost more than twice what the same targets do with the state of 256 steps before."""
    model, x = bistable(be, head), rows_for(1, leave=1000)
    with series(tmp_path / "s.h5", x) as corpus:
        found = from_zero(model, places_of(corpus), starts=100)
        state = worth(model, places_of(corpus), found)
    expected = plain(be, model, x, found.starts, STEPS)
    np.testing.assert_allclose(found.losses, expected, rtol=1e-5, atol=1e-6)  # rows are float32
    late = expected[JUDGED_FROM:].mean(axis=0)
    usual = plain(be, model, x, found.starts, STEPS, 256)[JUDGED_FROM:].mean(axis=0)
    bad = late > usual + np.maximum(usual, np.median(usual))
    assert 3 <= bad.sum() < 20 and (usual > 5).any()
    np.testing.assert_array_equal(found.stuck, bad)
    assert found.worst == pytest.approx(late[bad].max(), rel=1e-5)
    assert state.carried < 1 and state.lost.min() > -1e-3, "lanes whose carried state is the bad one are left out, too"
    assert state.starts == 100 - bad.sum() - (usual > 5 * late).sum()


def test_times_that_are_hard_for_every_state_are_no_fault(be: Backend, tmp_path: Path):
    """A storm in which all forecasts are a hundred times as far off."""
    x = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    x[1500:2200] *= 100
    model = network(be, "squared", W=0.5, U=0.1, V=0.1)
    with series(tmp_path / "s.h5", x) as corpus:
        found = from_zero(model, places_of(corpus), starts=60)
    assert found.late.max() > 1000 * np.median(found.late)
    assert not found.stuck.any()


def test_most_lanes_of_training_are_stuck(be: Backend, tmp_path: Path):
    model = bistable(be, "squared")
    state = model.state(4)
    be.from_host(np.array([[-0.98], [0.98], [-0.98], [-0.98]]), out=state.layers[0]["h"])
    with series(tmp_path / "s.h5", rows_for(2, 1500, 10**6)) as corpus:
        places = places_of(corpus)
        zero = from_zero(model, places, starts=30)
        assert stuck_lanes(model, places, state, zero) == 3


@pytest.mark.parametrize("head", LOSSES)
def test_what_a_state_is_worth_as_a_share_of_the_loss(be: Backend, tmp_path: Path, head: str):
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.normal(size=3000)).astype(np.float32) / 20
    wide = {"U": (1, 4), "W": (4, 4), "b": (4,), "V": (4, 1), "c": (1,)}
    model = network(be, head, 4, **{name: rng.uniform(-0.9, 0.9, shape) for name, shape in wide.items()})
    with series(tmp_path / "s.h5", x) as corpus:
        places = places_of(corpus)
        zero = from_zero(model, places, starts=24)
        found = worth(model, places, zero)
    assert not zero.stuck.any()
    carried = plain(be, model, x, zero.starts, 200, 256)
    lost = plain(be, model, x, zero.starts, 200) - carried
    of_starts = np.array([lost[a:b].mean(axis=0) for a, b in itertools.pairwise([*found.positions, 200])])
    np.testing.assert_allclose(found.lost, of_starts.mean(axis=1), atol=1e-6)
    assert found.carried == pytest.approx(carried.mean(), rel=1e-5)
    assert found.little == pytest.approx(0.01 * carried.mean(), rel=1e-4)
    counts = (found.lost >= found.little) & (found.lost >= 2 * found.error)
    last = int(np.flatnonzero(counts)[-1])
    assert counts.any() and found.beyond == found.positions[last + 1]
    assert found.lost[last] < 0.01 or found.little > 0.01, "by a threshold in nats it would be another"


def test_reach_of_forecasts_near_the_end_of_a_stretch(be: Backend, tmp_path: Path):
    """W = rho: the error falls by rho a step, in a split whose last rows have no targets, and others here and there."""
    rho, x = 0.5, np.ones(66, np.float32)
    x[1::3] = np.nan
    model = network(be, "squared", W=rho, U=1e-7, V=1)
    with series(tmp_path / "s.h5", x) as corpus:
        places = places_of(corpus, "train")
        of = reach(model, places, steps=32, targets=8).falls["layers.0.dh"]
        np.testing.assert_allclose(of.median[:20], of.median[0] * rho ** np.arange(20), rtol=1e-6)
    with series(tmp_path / "none.h5", x * np.nan) as corpus, pytest.raises(DataError, match="looked at counts"):
        reach(model, places_of(corpus, "train"), steps=32, targets=8)


def test_a_run_of_series_is_told_what_applies(be: Backend, tmp_path: Path):
    x = np.sin(np.arange(1500) / 4).astype(np.float32)
    corpus = series(tmp_path / "s.h5", x)
    model = ModelConfig(0, "gru", 4, inputs=1, outputs=1, input="real", head="huber", dropout=0.0)
    settings = TrainConfig(
        model, lanes=3, bptt=16, target=("x",), ahead=("2h",), burn_in=7, validate_every=0, log_every=2
    )
    new_run(be, corpus, settings, tmp_path / "run", lambda line: None).run(Limits(windows=4))
    panels = diagnose(tmp_path / "run", be, corpus, seconds=60).panels
    assert panels["recovery"].sentence.startswith("all ") and panels["recovery"].numbers["state_stuck_lanes"] == 0
    state = panels["state"]
    assert state.numbers["unit"] == "Huber error" and state.numbers["little"] == pytest.approx(
        state.numbers["carried"] / 100
    )
    assert state.level == "info" and "; the first 7 steps are not learnt; " in state.sentence
    assert panels["reach"].sentence.startswith("the error of a forecast halves every ")
    assert panels["units"].level == "info" and panels["window"].level != "none"


def test_what_is_said_of_forecasts():
    late = np.full((STEPS, 9), 4.2)
    zero = FromZero(np.arange(9), late, np.ones((STEPS, 9)), np.arange(9) < 3)
    found = findings.of_recovery(zero, "Huber error", "row 7", 2, "series")
    assert found.level == "warning" and found.sentence == (
        "3 of 9 starts from an empty state never recovered: 200 steps later forecasts still cost more than twice as "
        "much as with the state carried on, up to 4.2 (Huber error), one at row 7; a prediction begins so: train "
        "longer, with `restart` above 0, and look again; lanes of training that are stuck: 2"
    )
    lost, error = np.array([0.5, 0.3, 0.2, 0.001]), np.full(4, 1e-4)
    told = findings.of_worth(Worth((0, 1, 2, 3), lost, error, 3, 9, 0.25, 0.0025), "Huber error", "series", 12)
    assert told.level == "info" and told.sentence == (
        "a forecast from a state of 1 step costs 0.3 more than one from the whole state, which costs 0.25 (Huber "
        "error); the first 12 steps are not learnt; what lies more than 3 steps back is worth less than 1% "
        "of the loss"
    )
    harm = findings.of_worth(Worth((0, 1, 2, 3), -lost, error, 0, 9, 0.25, 0.0025), "Huber error", "series")
    assert harm.level == "warning" and harm.sentence.startswith(
        "the carried state does harm: with it a target costs 0.3 more, of 0.25 (Huber error), than with a state of 1"
    )
    none = findings.of_worth(Worth((0, 1, 2, 3), lost * 0, error, 0, 9, 0.25, 0.0025), "Huber error", "series")
    little = findings.of_worth(
        Worth((0, 1, 2, 3), lost / 1000, error / 1e6, 0, 9, 0.25, 0.0025), "Huber error", "series"
    )
    assert none.level == little.level == "note" and "either steps further back tell nothing" in none.sentence
