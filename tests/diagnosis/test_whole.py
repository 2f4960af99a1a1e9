"""Errors within whole sequences, of linear networks in closed form, and the words on which they fall."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.data.stream.places import LabelledPlaces
from gpurnn.data.text.tokens import Vocabulary
from gpurnn.diagnosis.doctor import diagnose
from gpurnn.diagnosis.reach import reach
from gpurnn.diagnosis.report import Report
from gpurnn.diagnosis.reportpage import page_of
from gpurnn.diagnosis.units import whole_units
from gpurnn.diagnosis.whole import whole_reach, within
from gpurnn.network import Model, ModelConfig
from gpurnn.training.config import Limits, TrainConfig
from gpurnn.training.session import new_run
from gpurnn.training.tasks import Task, task_of
from tests.frames import LETTERS, framed
from tests.sequences import LABELS, SYMBOLS, told


def task_and_model(
    be: Backend, path: Path, kind: str, lengths: list[int], rho: float, **model: Any
) -> tuple[Task, Model]:
    """A linear network whose W are rho times orthogonal ones, and what it would learn."""
    config = ModelConfig(SYMBOLS, "simple", 4, outputs=len(LABELS), dropout=0.0, dtype="float64", **model)
    task = task_of(told(path, kind, "symbols", lengths).corpus, TrainConfig(config, lanes=3, bptt=48, layout="whole"))
    return task, linear(be, config, rho)[0]


def linear(be: Backend, config: ModelConfig, rho: float) -> tuple[Model, np.ndarray]:
    """A network whose states are so small that it is linear, and V."""
    made, rng = Model(be, config), np.random.default_rng(0)
    values = {name: 1e-7 * rng.standard_normal(array.shape) for name, array in made.params.value.items()}
    V = values["output.V"] = rng.standard_normal(values["output.V"].shape)
    for name in values:
        if name.endswith(".W"):
            values[name] = rho * np.linalg.qr(rng.standard_normal((4, 4)))[0]
    if "embedding.table" in values:
        values["layers.0.U"] = 1e-7 * np.eye(len(values["layers.0.U"]), 4)
    made.params.load(be, values, "made")
    return made, V


def test_errors_reach_both_ways_in_both_directions(be: Backend, tmp_path: Path):
    rho = 0.7
    task, model = task_and_model(be, tmp_path / "t.h5", "tags", [20] * 12, rho, stack=("both_directions",))
    found, words = whole_reach(model, task, None, targets=24)
    assert found.targets >= 24 and found.stuck == 0 and words == () and found.shares == {}
    for name in ("layers.0.dh", "layers.0.reverse.dh"):
        fall = found.falls[name]
        assert 10 < len(fall.median) <= 20, "no lag is longer than a sequence"
        assert fall.beta == pytest.approx(rho, rel=0.05)  # which targets are known changes with the lag
        assert fall.half == pytest.approx(np.log(0.5) / np.log(fall.beta))


def test_a_label_is_decided_within_its_sequence(be: Backend, tmp_path: Path):
    rho = 0.8
    task, model = task_and_model(be, tmp_path / "l.h5", "labels", [15] * 20, rho)
    fall = whole_reach(model, task, None, targets=20)[0].falls["layers.0.dh"]
    np.testing.assert_allclose(fall.median / fall.median[0], rho ** np.arange(15), rtol=1e-9)


@pytest.mark.parametrize("both", [False, True])
def test_the_error_of_a_frame(be: Backend, tmp_path: Path, both: bool):
    """States are so small that every label is as likely; so all ways to say one label are, and (t + 1) (n - t) of
    n (n + 1) / 2 say it at step t. Of that error rho^k is left k steps back, and ahead in the direction against time.
    """
    n, rho = 14, 0.6
    made = framed(tmp_path / "f.h5", [(n, 1)] * 3)
    outputs = len(LETTERS) + 1
    stack = ("both_directions" if both else "recurrent",)
    config = ModelConfig(
        0, "simple", 4, inputs=3, outputs=outputs, input="real", head="ctc", dropout=0.0, dtype="float64", stack=stack
    )
    task = task_of(made.corpus, TrainConfig(config, lanes=1, bptt=n + 2))
    model, V = linear(be, config, rho)
    with closing(task.windows(be, None)) as stream:
        string = next(stream).targets[:1, 0]
    found, words = whole_reach(model, task, None, targets=1)
    assert found.targets == 1 and words == ()
    back = found.falls["layers.0.dh"].median
    t = len(back) - 1
    do = np.full(outputs, 1 / outputs)
    share = (t + 1) * (n - t) * 2 / (n * (n + 1))
    do[string] -= share
    do[-1] -= 1 - share
    np.testing.assert_allclose(back, np.linalg.norm(V[:4] @ do) * rho ** np.arange(t + 1), rtol=1e-6)
    if both:
        ahead = found.falls["layers.0.reverse.dh"].median
        np.testing.assert_allclose(ahead, np.linalg.norm(V[4:] @ do) * rho ** np.arange(n - t), rtol=1e-6)


def test_steps_within_sequences():
    """Two sequences of which one counts, a step that is left over; and one that goes on from the window before."""
    carry = np.array([[0, 1], [1, 1], [0, 1], [1, 0], [0, 1]], np.float32)
    weight = np.array([[0, 1], [2, 0], [0, 0], [0, 0], [0, 1]], np.float32)
    window = Window(
        0,
        0,
        carry=carry,
        weight=weight,
        has_boundary=True,
        uniform=False,
        weight_sum=4.0,
        cursor=Cursor(0, 2, 5, 11),
        fields={},
    )
    expected = [[True, True], [True, True], [False, True], [False, True], [False, True]]
    np.testing.assert_array_equal(within(window), expected)


def test_the_words_on_which_errors_fall(be: Backend, tmp_path: Path):
    """W orthogonal, W = rho Q: the error of the input at lag k has rho^k, of which a word has its symbols' part.

    Words are what spaces part: here every "g" is one.
    """
    rho = 0.5
    task, model = task_and_model(be, tmp_path / "w.h5", "labels", [6] * 30, rho, embedding=4)
    vocabulary = Vocabulary("chars", list("abcdef "))
    _, words = whole_reach(model, task, vocabulary, targets=90)
    assert words and all(each.times >= 3 and " " not in each.word for each in words)
    assert [each.share for each in words] == sorted((each.share for each in words), reverse=True)
    weights = rho ** np.arange(6) / (rho ** np.arange(6)).sum()
    whole = [each for each in words if len(each.word) == 6]
    assert all(each.share == pytest.approx(1) for each in whole)
    single, last = min(words, key=lambda each: len(each.word)), weights[0]
    assert len(single.word) < 6 and 0 < single.share <= sum(weights[: len(single.word)]) + 1e-9 and last > 0.5
    symbols = Vocabulary("words", list("abcdefg"))
    by_symbol = {each.word: each for each in whole_reach(model, task, symbols, targets=90)[1]}
    assert sum(each.share * each.times for each in by_symbol.values()) == pytest.approx(
        sum(each.times for each in by_symbol.values()) / 6, rel=1e-6
    )


def test_a_run_of_labels_is_told_what_applies(be: Backend, tmp_path: Path):
    corpus = told(tmp_path / "l.h5", "labels", "symbols", [9, 5, 12] * 10).corpus
    config = ModelConfig(SYMBOLS, "gru", 4, outputs=len(LABELS), dropout=0.0, embedding=3)
    settings = TrainConfig(config, lanes=3, bptt=16, layout="whole", validate_every=0, log_every=2)
    new_run(be, corpus, settings, tmp_path / "run", lambda line: None).run(Limits(windows=4))
    found = diagnose(tmp_path / "run", be)
    panels = found.panels
    assert panels["reach"].level == "info" and "the error falls most on the words" in panels["reach"].sentence
    assert panels["run"].samples == 16 and "after 4 windows" in panels["run"].sentence
    assert panels["units"].level != "none" and panels["units"].numbers["units"] == {"layers.0.h": 4}
    for name, why in (
        ("window", "windows hold whole sequences, which begin anew, so that no gradient is cut"),
        ("state", "windows hold whole sequences, each of which begins anew, so that no state is carried from one"),
        ("recovery", "windows hold whole sequences, each of which begins anew, so that no state is carried from one"),
        ("text", "what costs how much is told of text only"),
    ):
        assert panels[name].level == "none" and panels[name].sentence.startswith(f"not measured: {why}"), name
    assert b"the error falls most" in page_of(found)


def test_units_over_whole_sequences(be: Backend, tmp_path: Path):
    """By plain NumPy, of sequences that all lie in one window; its third lane is left over from step 40 on."""
    lengths = [20, 28, 9, 39, 40]
    task, model = task_and_model(be, tmp_path / "t.h5", "tags", lengths, 0.9)
    rng = np.random.default_rng(1)
    U, W = rng.normal(size=(SYMBOLS, 4)), rng.normal(size=(4, 4))
    U[:, 0] = W[:, 0] = 0
    whole = {name: be.to_host(array) for name, array in model.params.value.items()}
    model.params.load(be, whole | {"layers.0.U": 3 * U, "layers.0.W": W}, "made")
    states = []
    for symbols in told(tmp_path / "t.h5", "tags", "symbols", lengths).inputs:
        h = np.zeros(4)
        for symbol in symbols:
            h = np.tanh(3 * U[symbol] + h @ W + whole["layers.0.b"])
            states.append(h)
    found = whole_units(model, task, lambda: False)
    assert found.values == 136 and found.units == {"layers.0.h": 4}
    assert found.extreme == {"layers.0.h": pytest.approx((np.abs(states) > 0.99).mean())}
    assert found.dead == {"layers.0.h": int((np.std(states, axis=0) < 0.02).sum())} and found.dead["layers.0.h"]


def run_of(be: Backend, folder: Path, kind: str, lengths: list[int]) -> Report:
    """Of a run whose sequences go on from one window to the next."""
    corpus = told(folder / "t.h5", kind, "symbols", lengths, valid=True).corpus
    config = ModelConfig(SYMBOLS, "gru", 4, outputs=len(LABELS), dropout=0.0, embedding=3)
    settings = TrainConfig(config, lanes=3, bptt=16, layout="through", validate_every=0, log_every=2)
    new_run(be, corpus, settings, folder / "run", lambda line: None).run(Limits(windows=4))
    return diagnose(folder / "run", be, seconds=60)


def test_tags_that_go_on_are_told_all_that_text_is(be: Backend, tmp_path: Path):
    found = run_of(be, tmp_path, "tags", [300, 320])
    panels = found.panels
    assert {name for name, panel in panels.items() if panel.level == "none"} == {"text"}
    assert panels["reach"].numbers["shares"] and "the error falls most on the words" in panels["reach"].sentence
    assert panels["recovery"].sentence.startswith("all 65 starts from an empty state recovered")
    assert panels["recovery"].numbers["state_stuck_lanes"] == 0
    assert panels["state"].numbers["unit"] == "nats" and b"share of the error" in page_of(found)


def test_labels_that_go_on_are_followed_from_the_ends_of_sequences(be: Backend, tmp_path: Path):
    panels = run_of(be, tmp_path, "labels", [30] * 12).panels
    assert panels["window"].level in ("info", "note") and panels["units"].level != "none"
    for name in ("state", "recovery"):
        assert panels[name].sentence == "not measured: only the last step of a sequence has a label; see reach"
    rho = 0.8
    with told(tmp_path / "l.h5", "labels", "symbols", [30] * 12).corpus as corpus:
        places = LabelledPlaces(corpus.split("train"), len(LABELS))
        model, _ = linear(be, ModelConfig(SYMBOLS, "simple", 4, outputs=len(LABELS), dropout=0.0, dtype="float64"), rho)
        of = reach(model, places, steps=64, targets=8).falls["layers.0.dh"].median
    np.testing.assert_allclose(of / of[0], rho ** np.arange(30), rtol=1e-9)
