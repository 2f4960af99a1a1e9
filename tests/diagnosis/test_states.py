"""Recovery, worth of a state, units and the cost of a text, against the equations in plain NumPy."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream.places import Places
from gpurnn.diagnosis.lanes import copied
from gpurnn.diagnosis.passage import given_passage, read_passage
from gpurnn.diagnosis.recovery import JUDGED_FROM, STEPS, from_zero, stuck_lanes
from gpurnn.diagnosis.text import text_cost
from gpurnn.diagnosis.units import units
from gpurnn.diagnosis.worth import BINS, worth
from gpurnn.evaluation.language_model import evaluate
from gpurnn.exceptions import DataError
from gpurnn.network import Model, ModelConfig

from .networks import BISTABLE, bistable, bistable_text, corpus_of, random_network, run_plainly, tokens_of


def plain_from(be: Backend, model: Model, tokens: np.ndarray, starts: np.ndarray, steps: int) -> np.ndarray:
    """The losses from these places on, (steps, n), from an empty state."""
    read = tokens[starts[None] + np.arange(steps + 1)[:, None]]
    return run_plainly(be, model, read, np.zeros((len(starts), model.config.hidden)))[1]


@pytest.mark.parametrize("starts", [512, 40])
def test_planted_starts_that_never_recover_are_counted_exactly(be: Backend, tmp_path: Path, starts: int):
    if be.name != "cpu" and starts > 40:
        pytest.skip("the same with fewer starts is enough there")
    model = bistable(be)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        assert "".join(corpus.vocabulary.symbols) == BISTABLE
        found = from_zero(model, Places(corpus.split("valid")), starts=starts)
        expected = plain_from(be, model, tokens_of(corpus, "valid"), found.starts, STEPS)
    np.testing.assert_allclose(found.losses, expected, rtol=1e-9, atol=1e-12)
    means = expected[JUDGED_FROM:].mean(axis=0)
    stuck = means > max(np.median(means) + 3, np.log(4))
    np.testing.assert_array_equal(found.stuck, stuck)
    assert len(found.starts) == starts == len(np.unique(found.starts))
    assert 0 < stuck.sum() < starts / 2
    assert found.worst == pytest.approx(means.max())


def test_lanes_of_training_that_are_stuck(be: Backend, tmp_path: Path):
    """Those whose state is the bad one, in a text that has nothing to lead out of it."""
    model = bistable(be)
    state = model.state(9)
    h = np.where(np.isin(np.arange(9), [2, 3, 7]), -0.98, 0.98)[:, None]
    be.from_host(h, out=state.layers[0]["h"])
    with corpus_of(tmp_path, "az" + "cccb" * 300) as corpus:
        places = Places(corpus.split("valid"))
        zero = from_zero(model, places, starts=30)
        assert 0 < zero.stuck.sum() < 15
        assert stuck_lanes(model, places, state, zero) == 3


def test_most_lanes_of_training_are_stuck(be: Backend, tmp_path: Path):
    """Their own median is that of a bad state, the starts from zero say what a sound one is."""
    model = bistable(be)
    state = model.state(4)
    be.from_host(np.array([[-0.98], [0.98], [-0.98], [-0.98]]), out=state.layers[0]["h"])
    with corpus_of(tmp_path, "az" + "cccb" * 300) as corpus:
        places = Places(corpus.split("valid"))
        zero = from_zero(model, places, starts=30)
        assert stuck_lanes(model, places, copied(model, state), zero) == 3
        none = replace(zero, stuck=np.ones_like(zero.stuck))
        assert stuck_lanes(model, places, state, none) is None


def test_a_healthy_network_has_none(be: Backend, tmp_path: Path):
    with corpus_of(tmp_path, bistable_text()) as corpus:
        found = from_zero(random_network(be, 4), Places(corpus.split("valid")), starts=16)
    assert not found.stuck.any() and np.isnan(found.worst)


def test_what_a_state_is_worth(be: Backend, tmp_path: Path):
    """Nats after a reset less those with the state of 256 steps before, by position, and where that is nothing."""
    model = random_network(be, 4, scale=1.5)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        places = Places(corpus.split("valid"))
        zero = from_zero(model, places, starts=24)
        found = worth(model, places, zero)
        tokens = tokens_of(corpus, "valid")
        carried = plain_from(be, model, tokens, zero.starts - 256, 456)[256:]
    lost = zero.losses[:200] - carried
    assert found.starts == 24 and found.positions == BINS[:-1]
    for number, (begin, end) in enumerate(itertools.pairwise(BINS)):
        of_start = lost[begin:end].mean(axis=0)
        assert found.lost[number] == pytest.approx(of_start.mean(), abs=1e-12)
        assert found.error[number] == pytest.approx(of_start.std(ddof=1) / np.sqrt(24), abs=1e-12)
    assert found.used == any(found.lost[2:] > 2 * found.error[2:])
    assert found.carried == pytest.approx(carried[:200].mean()) and found.little == pytest.approx(0.01)


def test_a_network_without_memory_uses_no_state(be: Backend, tmp_path: Path):
    model = random_network(be, 4)
    model.params.value["layers.0.W"].fill(0)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        places = Places(corpus.split("valid"))
        found = worth(model, places, from_zero(model, places, starts=8))
    np.testing.assert_array_equal(found.lost, 0)
    assert not found.used and found.beyond == 0


def test_stuck_starts_move_no_other_verdict(be: Backend, tmp_path: Path):
    """They are left out of what a state is worth: the mean without them by hand."""
    model = bistable(be)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        places = Places(corpus.split("valid"))
        zero = from_zero(model, places, starts=40)
        found = worth(model, places, zero)
    assert zero.stuck.any()
    assert found.starts <= 40 - zero.stuck.sum()
    assert found.lost[-1] < 1 < zero.worst


def test_units_and_gates(be: Backend, tmp_path: Path):
    """Shares by hand from the states of a simple network; of gates, which have open and closed ends."""
    model = random_network(be, 4, hidden=6, scale=3)
    model.params.value["layers.0.U"][:, 0] = 0
    model.params.value["layers.0.W"][:, 0] = 0  # unit 0 never moves
    with corpus_of(tmp_path, bistable_text()) as corpus:
        places = Places(corpus.split("valid"))
        found = units(model, places)
        warm = np.random.default_rng(4).integers(0, places.count - 456 + 1, found.values // 200)
        read = tokens_of(corpus, "valid")[warm[None] + np.arange(457)[:, None]]
        h = run_plainly(be, model, read, np.zeros((len(warm), 6)))[0][256:]
        gru = Model(be, ModelConfig(4, "gru", 3, dropout=0.0, dtype="float64"))
        gru.params.initialise(be, 1)
        gru.params.value["layers.0.b"][:3].fill(50)  # the reset gate is open
        means = np.array([0.99, 0.5, 0.9])  # of the update gate, whatever is read
        gru.params.value["layers.0.b"][3:6] = be.from_host(np.log(means / (1 - means)))
        for name in "UW":
            gru.params.value[f"layers.0.{name}"][:, 3:6] = 0
        gates = units(gru, places)
    assert not found.gates and not found.constants
    assert found.extreme == {"layers.0.h": pytest.approx((np.abs(h) > 0.99).mean())}
    assert found.dead == {"layers.0.h": int((h.std(axis=(0, 1)) < 0.02).sum())} and found.dead["layers.0.h"] >= 1
    assert set(gates.gates) == {"layers.0.r", "layers.0.z"}
    r = gates.gates["layers.0.r"]
    assert (r.open, r.closed, r.always_open, r.units) == (1.0, 0.0, 3, 3)
    steps = -1 / np.log([0.5, 0.9, 0.9, 0.99])
    assert gates.constants == {"layers.0.z": pytest.approx(tuple(steps), rel=1e-9)}


def test_cost_of_a_text(be: Backend, tmp_path: Path):
    """Classes by hand from the text, and the sum that `evaluate` has, too."""
    text = ("One fish, 2 fish\nred fish " * 300)[:6000]
    model = random_network(be, len(set(text)))
    with corpus_of(tmp_path, text) as corpus:
        found = text_cost(model, corpus, "valid")
        whole = evaluate(model, corpus.language, corpus, "valid", lanes=23)
        valid = corpus.vocabulary.decode(tokens_of(corpus, "valid").tolist())
    read = valid[1 : 23 * (2999 // 23) + 1]
    assert found.targets == len(read) and found.stuck == 0
    assert found.total / found.targets == pytest.approx(whole.nats_per_token, rel=2e-3)
    assert sum(cost.share for cost in found.classes.values()) == pytest.approx(1)
    counts = {name: cost.count for name, cost in found.classes.items()}
    assert counts["digits"] == read.count("2") and counts["line ends"] == read.count("\n")
    assert counts["spaces"] == read.count(" ") and counts["others"] == read.count(",")
    letters = sum(c.isalpha() for c in read)
    assert sum(counts[k] for k in counts if "letters" in k) == letters
    assert abs(counts["first letters of words"] - len(read.replace("2", "").split())) <= 23  # where lanes cut words
    assert sum(pair[3] for pair in found.pairs) <= found.targets and found.pairs[0][2] >= found.pairs[1][2]


def test_a_passage(be: Backend, tmp_path: Path):
    """What each symbol costs, and states, by the equations: of a split, and of a text of one's own."""
    model = random_network(be, 4, scale=1.5)
    with corpus_of(tmp_path, bistable_text()) as corpus:
        window = Places(corpus.split("valid")).window(np.array([70]), 30)
        tokens = tokens_of(corpus, "valid")[70:101]
        language = corpus.language
    text = language.vocabulary.decode(tokens.tolist())
    states, nats = run_plainly(be, model, tokens[:, None], np.zeros((1, 4)))
    given = given_passage(language, text[:30])
    for passage, first in (
        (read_passage(model, language.vocabulary, window, first=1), 1),
        (read_passage(model, language.vocabulary, given), 0),
    ):
        assert "".join(passage.symbols) == text[first:30] and np.isnan(passage.losses[0]) == (not first)
        np.testing.assert_allclose(passage.losses[1 - first :], nats[:29, 0], rtol=1e-9)
        np.testing.assert_allclose(passage.at["layers.0.h"], states[first:30, 0], rtol=1e-9)


def test_cost_of_words(be: Backend, tmp_path: Path):
    """By their rank among the words of the train split, with the losses of plain equations."""
    rng = np.random.default_rng(0)
    names = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(150)]
    half = [names[n] for n in np.minimum(rng.geometric(0.03, 4000), 150) - 1]
    with corpus_of(tmp_path, " ".join(half + half), tokens="words") as corpus:
        vocabulary, words = corpus.vocabulary, tokens_of(corpus, "valid")
        model = random_network(be, len(vocabulary))
        found = text_cost(model, corpus, "valid")
        window = Places(corpus.split("valid")).window(np.array([7]), 5)
        passage = read_passage(model, vocabulary, window)
        counts = np.bincount(tokens_of(corpus, "train"), minlength=len(vocabulary))
    lane = (len(words) - 1) // 31
    lanes = np.stack([words[n * lane : (n + 1) * lane + 1] for n in range(31)], axis=1)
    nats = run_plainly(be, model, lanes, np.zeros((31, 4)))[1]
    rank = np.argsort(np.argsort(-counts, kind="stable"))[lanes[1:]]
    bounds = {
        "the 10 commonest words": (0, 10),
        "words of rank 11 to 100": (10, 100),
        "words of rank 101 to 1,000": (100, 1000),
    }
    assert list(found.classes) == list(bounds)
    for name, (low, high) in bounds.items():
        chosen = (rank >= low) & (rank < high)
        assert found.classes[name].count == chosen.sum() > 0
        assert found.classes[name].each == pytest.approx(nats[chosen].mean())
        assert found.classes[name].share == pytest.approx(nats[chosen].sum() / nats.sum())
    assert "".join(passage.symbols) == vocabulary.decode(words[7:12].tolist())


def test_texts_that_cannot_be_measured(be: Backend, tmp_path: Path):
    model = random_network(be, 3)
    with corpus_of(tmp_path, "abc" * 100) as corpus, pytest.raises(DataError, match="this needs 557"):
        from_zero(model, Places(corpus.split("valid")))
