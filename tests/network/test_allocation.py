"""No array of 4 KiB or more is made inside a training window after the second, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import outside_cell
import pytest

from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.feed import Feed
from tests.strings import put_strings

from .allocation import LIMIT, SMALL, check_no_allocation
from .helpers import draw_window
from .windows import draw

STEPS, LANES, HIDDEN = 8, 256, 8  # (T B,) and (B, H) of float32 take 8 KiB, all else more

VARIANTS = {
    "one_hot": (ModelConfig(hidden=HIDDEN, symbols=100, layers=2, dropout=0.0), False),
    "many_symbols": (ModelConfig(hidden=HIDDEN, symbols=300, dropout=0.0), True),
    "everything": (ModelConfig(hidden=HIDDEN, symbols=300, layers=2, embedding=24, dropout=0.3), True),
    "both_directions": (
        ModelConfig(hidden=HIDDEN, symbols=300, layers=2, dropout=0.3, stack=("both_directions", "dropout")),
        True,
    ),
    "last_of_both": (
        ModelConfig(hidden=HIDDEN, symbols=300, dropout=0.0, stack=("both_directions", "dropout"), pool="last"),
        True,
    ),
    "mean": (ModelConfig(hidden=HIDDEN, symbols=300, dropout=0.3, pool="mean"), True),
    "max": (
        ModelConfig(hidden=HIDDEN, symbols=300, dropout=0.0, pool="max", head="smoothed_softmax", label_smoothing=0.1),
        True,
    ),
}
"""A model, and whether documents begin inside its windows."""


@pytest.fixture
def host_be(be: Backend) -> Backend:
    if be.name != "cpu":
        pytest.skip("reads NumPy's allocator: the CPU only")
    return be


def windows(symbols: int, *, documents: bool) -> Iterator[Window]:
    """A few windows over and over, as a stream hands them over; every third is short."""
    made = [_window(symbols, STEPS if i % 3 else STEPS - 3, i, documents) for i in range(5)]
    while True:
        yield from made


def _window(symbols: int, steps: int, index: int, documents: bool) -> Window:
    drawn = draw_window(symbols, steps, LANES, seed=index, documents=documents)
    tokens, targets = drawn.tokens.astype(np.int32), drawn.targets.astype(np.int32)
    carry, weight = drawn.carry.astype(np.float32), drawn.weight.astype(np.float32)
    return Window(
        index=index,
        epoch=0,
        tokens=tokens,
        targets=targets,
        carry=carry,
        weight=weight,
        has_boundary=documents,
        uniform=not documents,
        weight_sum=float(weight.sum()),
        cursor=Cursor(index + 1, LANES, STEPS, 10**6),
    )


POOLED = ("last_of_both", "mean", "max")
CASES = [
    (cell, variant)
    for cell in CELLS
    for variant in VARIANTS
    if (cell != outside_cell.NAME or variant == "everything") and (cell == "gru" or variant not in POOLED)
]


@pytest.mark.parametrize(("cell", "variant"), CASES)
def test_training_windows_allocate_nothing(host_be: Backend, cell: str, variant: str):
    config, documents = VARIANTS[variant]
    model = _model(host_be, replace(config, cell=cell))
    ws, state = model.workspace(LANES, STEPS), model.state(LANES)
    fed = Feed(host_be, ws.batch).run(windows(config.symbols, documents=documents))
    check_no_allocation(
        {
            "feed": lambda: _take(fed),
            "forward": lambda: model.forward(ws, state),
            "backward": lambda: model.backward(ws),
            "carry out": lambda: model.carry_out(ws, state),
        }
    )
    assert np.isfinite(ws.loss[0])


@pytest.mark.parametrize(
    ("cell", "head"), [("lstm", "squared"), ("gru", "absolute"), ("gru", "huber"), ("gru", "quantile"), ("gru", "ctc")]
)
def test_nor_do_those_of_real_numbers_that_begin_with_what_was_learnt(host_be: Backend, cell: str, head: str):
    config = ModelConfig(0, cell, HIDDEN, 2, dropout=0.3, inputs=6, outputs=2, input="real", start="learned")
    model = _model(host_be, replace(config, head=head, quantiles=(0.1, 0.9) if head == "quantile" else ()))
    ws, state = model.workspace(LANES, STEPS), model.state(LANES)
    made = [draw(model.fields, STEPS if i % 3 else STEPS - 3, LANES, i) for i in range(5)]
    for window in made if head == "ctc" else ():
        put_strings(window.targets, window.carry, window.weight, 1)
    fed = Feed(host_be, ws.batch).run(window for _ in count() for window in made)
    check_no_allocation(
        {
            "feed": lambda: _take(fed),
            "forward": lambda: model.forward(ws, state),
            "backward": lambda: model.backward(ws),
            "carry out": lambda: model.carry_out(ws, state),
        },
        limit=2 * SMALL if head == "ctc" else LIMIT,  # NumPy goes through its rows by iterators, which are larger
    )
    assert np.isfinite(ws.loss[0])


def _model(be: Backend, config: ModelConfig) -> Model:
    model = Model(be, config)
    model.params.initialise(be, 0)
    return model


def _take(fed: Iterator[Window]) -> None:
    next(fed)


@pytest.mark.parametrize("cell", list(CELLS))
def test_evaluation_windows_allocate_nothing(host_be: Backend, cell: str):
    model = _model(host_be, ModelConfig(300, cell, HIDDEN, 2, dropout=0.0))
    ws, state = model.workspace(LANES, STEPS, train=False), model.state(LANES)
    fed = Feed(host_be, ws.batch).run(windows(300, documents=True))
    check_no_allocation(
        {
            "feed": lambda: _take(fed),
            "forward": lambda: model.forward(ws, state),
            "loss": lambda: model.loss(ws),
            "carry out": lambda: model.carry_out(ws, state),
        }
    )


def make_temporary() -> None:
    np.ones(2 * SMALL, np.uint8)


def test_a_temporary_is_seen():
    with pytest.raises(AssertionError, match="'work': "):
        check_no_allocation({"idle": lambda: None, "work": make_temporary}, windows=2)


def test_one_temporary_in_many_windows_is_seen():
    with pytest.raises(AssertionError, match="'work': "):
        check_no_allocation({"work": _seldom(make_temporary, 10)})


def test_what_is_kept_is_seen():
    kept: list[np.ndarray] = []
    with pytest.raises(AssertionError, match="1 arrays"):
        check_no_allocation({"work": _seldom(lambda: kept.append(np.ones(SMALL, np.uint8)), 10)})


def _seldom(work: Callable[[], None], number: int) -> Callable[[], None]:
    calls = iter(range(10**6))
    return lambda: work() if next(calls) == number else None
