"""What a labeller says of many sequences is what the model says of each alone."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream import WholeStream
from gpurnn.data.stream.sequences import sequences_of
from gpurnn.exceptions import DataError, UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.training import labeller as labellers
from gpurnn.training.config import TrainConfig
from gpurnn.training.labeller import Labeller
from gpurnn.training.validation import ForwardPass
from tests.sequences import LABELS, SYMBOLS, WIDTH, some_lengths, told

BOTH = ("both_directions", "dropout")


def reading(layout: str = "whole", **more: Any) -> TrainConfig:
    """A configuration of which only the layout, bptt, cut and context are looked at."""
    return TrainConfig(ModelConfig(2), layout=layout, **more)


def model_of(be: Backend, of: str = "symbols", stack: tuple[str, ...] = BOTH, **more: Any) -> Model:
    """One that was never trained, with parameters large enough to be told apart."""
    width, kind = (SYMBOLS, "") if of == "symbols" else (WIDTH, "real")
    settings = {"dtype": "float64", "dropout": 0.2, "layers": 2, **more}
    config = ModelConfig(0, "gru", 5, inputs=width, outputs=len(LABELS), input=kind, stack=stack, **settings)
    model = Model(be, config)
    model.params.initialise(be, 3)
    return model


def sequences(of: str, lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    if of == "symbols":
        return [rng.integers(0, SYMBOLS, n) for n in lengths]
    return [rng.normal(size=(n, WIDTH)).astype(np.float32) for n in lengths]


def alone(model: Model, values: np.ndarray) -> np.ndarray:
    """(n, K), the logarithms of the probabilities at each step of a sequence, from a window that holds nothing else."""
    be, n = model.be, len(values)
    ws, state = model.workspace(1, n, train=False), model.state(1)
    model.begin(state)
    be.from_host(np.ascontiguousarray(values), out=getattr(ws.batch, model.parts[0].fields[0].name))
    be.from_host(np.array([0.0] + [1.0] * (n - 1)).reshape(n, 1, 1), out=ws.batch.carry)
    ws.batch.begin(n, [True] + [False] * (n - 1))
    model.forward(ws, state)
    o = be.to_host(ws.o).astype(np.float64)
    return o - np.log(np.exp(o).sum(axis=1, keepdims=True))


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("of", ["symbols", "reals"])
@pytest.mark.parametrize(
    ("layout", "stack"), [("whole", BOTH), ("whole", ("recurrent",)), ("through", ("recurrent", "dropout"))]
)
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("cells", [300, 1 << 14])
def test_each_is_as_if_it_were_alone(
    be: Backend, of: str, layout: str, stack: tuple[str, ...], at_end: bool, cells: int
) -> None:
    model = model_of(be, of, stack)
    lengths = [*some_lengths(15, 9), 1, 64, 65, 150, *some_lengths(4, 40)]
    given = sequences(of, lengths)
    expected = [alone(model, each)[-1 if at_end else slice(None)] for each in given]
    labeller = Labeller(model, reading(layout), at_end, cells=cells)
    same(list(labeller.log_probabilities(given)), expected)
    same(list(labeller.log_probabilities(iter(given[:3]))), expected[:3])


@pytest.mark.parametrize("of", ["symbols", "reals"])
@pytest.mark.parametrize(("bptt", "context"), [(10, 0), (10, 4), (16, 3), (64, 20)])
def test_what_is_cut_is_as_in_the_windows_of_training(
    be: Backend, tmp_path: Path, of: str, bptt: int, context: int
) -> None:
    what = told(tmp_path / "a.h5", "tags", of, [*some_lengths(12, 70), bptt, bptt + 1, 200])
    model = model_of(be, of)
    expected = [np.full((len(each), len(LABELS)), np.nan) for each in what.inputs]
    stream = WholeStream(what.corpus, lanes=3, steps=bptt, cut=True, context=context, epochs=1, plan=False)
    with stream:
        for window, o in ForwardPass(model, 3, bptt).logits(stream):
            place, log = stream.place(window), o - np.log(np.exp(o).sum(axis=2, keepdims=True))
            for t, lane in zip(*np.nonzero(window.weight), strict=True):
                expected[place.sequence[t, lane]][place.step[t, lane]] = log[t, lane]
    columns = what.corpus.columns if of == "reals" else None
    given = (values for values, _ in sequences_of(what.corpus.split("train"), columns))
    labeller = Labeller(model, reading(bptt=bptt, cut=True, context=context), False, cells=100)
    same(list(labeller.log_probabilities(given)), expected)


def test_of_a_labelled_sequence_that_is_cut_the_end_is_read(be: Backend) -> None:
    model, given = model_of(be), sequences("symbols", [3, 20, 8, 9])
    labeller = Labeller(model, reading(bptt=8, cut=True), True)
    same(list(labeller.log_probabilities(given)), [alone(model, each[-8:])[-1] for each in given])
    through = Labeller(model_of(be, stack=("recurrent",)), reading("through", bptt=8, cut=True), True)
    found = list(through.log_probabilities(given))
    same(found, [alone(model_of(be, stack=("recurrent",)), each)[-1] for each in given])


def test_none_has_all_that_came_before_handed_on(be: Backend) -> None:
    model = model_of(be)
    given = sequences("symbols", some_lengths(9, 30))
    taken: list[int] = []

    def live() -> Iterator[np.ndarray | None]:
        for number, each in enumerate(given):
            taken.append(number)
            yield each
            if number in (0, 1, 5):
                yield None
        yield None
        yield None

    found, seen = [], []
    for each in Labeller(model, reading(), False).log_probabilities(live()):
        found.append(each)
        seen.append(len(taken))
    same(found, [alone(model, each) for each in given])
    assert seen == [1, 2, 6, 6, 6, 6, 9, 9, 9]


@pytest.mark.parametrize("layout", ["whole", "through"])
def test_memory_does_not_grow_with_the_number_of_sequences(be: Backend, layout: str) -> None:
    model = model_of(be, stack=("recurrent",), layers=1, dtype="float32")
    labeller = Labeller(model, reading(layout), False, cells=256)
    one = np.zeros(16, np.int32)
    peaks = []
    for count in (200, 200, 2000):
        tracemalloc.start()
        assert sum(1 for _ in labeller.log_probabilities(one for _ in range(count))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 2 * peaks[1], "of ten times as many"


def test_a_long_sequence_takes_no_more_cells_than_a_window_has(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    begin = ForwardPass.__init__
    monkeypatch.setattr(
        ForwardPass,
        "__init__",
        lambda self, model, lanes, steps, **more: (
            made.append(lanes * steps),
            begin(self, model, lanes, steps, **more),
        )[1],
    )
    model = model_of(be, stack=("recurrent",), layers=1)
    given = sequences("symbols", [1500, 30, 200, 2])
    found = list(Labeller(model, reading("through"), True, cells=512).log_probabilities(given))
    same(found, [alone(model, each)[-1] for each in given])
    assert made and max(made) <= 512


def test_one_that_no_window_holds_is_named(be: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labellers, "LONGEST", 100)
    model = model_of(be)
    labeller = Labeller(model, reading(), True)
    assert labeller.longest == 100 and Labeller(model, reading(bptt=128), True).longest == 128
    assert Labeller(model, reading(cut=True), True).longest is None is Labeller(model, reading("through"), True).longest
    assert len(list(labeller.log_probabilities(sequences("symbols", [100])))) == 1
    with pytest.raises(DataError) as error:
        list(labeller.log_probabilities([*sequences("symbols", [4, 100]), None, *sequences("symbols", [3, 101])]))
    assert str(error.value) == (
        "sequence 3 (the first is 0) has 101 steps, a window at most 100; train with `cut`, or shorten it"
    )


@pytest.mark.parametrize(
    ("of", "wrong", "told_so"),
    [
        ("symbols", np.array([0, SYMBOLS]), f"expected whole numbers below {SYMBOLS}, one a step, found others"),
        ("symbols", np.array([-1]), "found others"),
        ("symbols", np.array([0.5]), "found others"),
        ("symbols", np.zeros((2, 3), int), "found others"),
        ("reals", np.zeros((2, WIDTH + 1)), f"expected {WIDTH} real numbers a step, found others"),
        ("reals", np.full((2, WIDTH), np.nan), f"expected {WIDTH} real numbers a step, finite, found others"),
        ("reals", np.zeros((0, WIDTH)), r"sequence 1 \(the first is 0\): it has no step"),
    ],
)
def test_what_a_model_cannot_read_is_refused(be: Backend, of: str, wrong: np.ndarray, told_so: str) -> None:
    labeller = Labeller(model_of(be, of), reading(), True)
    with pytest.raises(UsageError, match=told_so):
        list(labeller.log_probabilities([*sequences(of, [4]), wrong]))
