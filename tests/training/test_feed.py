"""What a feed lets into a batch: windows of a stream that fits, and any other window only as far as it is right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.data.stream import Cursor, Window, WindowStream
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig, Workspace, error_norms
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.step import TrainingStep

LANES, STEPS = 4, 6


def model_of(be: Backend, symbols: int, seed: int = 1, **options: object) -> Model:
    model = Model(be, ModelConfig(symbols, **{"hidden": 5, "dtype": "float64", **options}))  # type: ignore[arg-type]
    model.params.initialise(be, seed)
    return model


def workspace(be: Backend, symbols: int, *, train: bool = True) -> Workspace:
    return model_of(be, symbols).workspace(LANES, STEPS, train=train)


@pytest.fixture
def window(corpus: Corpus) -> Window:
    """One with a boundary inside."""
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS) as stream:
        return next(w for w in stream if w.index and w.has_boundary and not w.uniform)


@pytest.fixture
def ws(be: Backend, corpus: Corpus) -> Workspace:
    return workspace(be, len(corpus.vocabulary))


def contents(be: Backend, ws: Workspace) -> dict[str, np.ndarray | object]:
    """All that a batch holds of its window."""
    batch, n = ws.batch, ws.batch.steps * ws.lanes
    held: dict[str, np.ndarray | object] = {"steps": batch.steps, "boundary": batch.boundary}
    for name in ("tokens", "targets", "weight", "scale", "window"):
        held[name] = be.to_host(getattr(batch, name))[:n]
    held["carry"] = be.to_host(batch.carry)[: batch.steps]
    for plan in batch.plans.values():
        runs = int(be.to_host(plan.runs)[0])
        sizes = {"order": n, "starts": runs, "rows": runs}
        held |= {name: be.to_host(getattr(plan, name))[:size] for name, size in sizes.items()}
    return held


def assert_same(one: dict[str, np.ndarray | object], other: dict[str, np.ndarray | object]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def changed(window: Window, name: str, place: tuple[int, int], value: float) -> Window:
    array = getattr(window, name).copy()
    array[place] = value
    return replace(window, **{name: array})


WRONG_VALUES = {
    ("tokens", 99): r"tokens: found 99 at step 2 of lane 3; the vocabulary of the model has \d+ symbols, 0 to \d+",
    ("tokens", -1): "tokens: found -1 at step 2 of lane 3",
    ("targets", 99): "targets: found 99 at step 2 of lane 3",
    ("targets", -(2**31)): "targets: found -2147483648 at step 2 of lane 3",
    ("carry", 0.5): "carry: expected 0 where a step sees no state of before and 1 elsewhere",
    ("carry", -1): "carry: expected 0",
    ("carry", 2): "carry: expected 0",
    ("carry", np.nan): "carry: expected 0",
    ("weight", -1): "weight: expected finite numbers of 0 or more",
    ("weight", np.nan): "weight: expected finite",
    ("weight", np.inf): "weight: expected finite",
}


@pytest.mark.parametrize("train", [True, False], ids=["training", "forward only"])
@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_a_wrong_value_is_refused_and_the_batch_stays(
    be: Backend, corpus: Corpus, window: Window, name: str, value: float, train: bool
):
    ws = workspace(be, len(corpus.vocabulary), train=train)
    feed = Feed(be, ws.batch)
    feed.load(window)
    before = contents(be, ws)
    wrong = changed(window, name, (2, 3), value)
    for attempt in (lambda: feed.load(wrong), lambda: next(feed.run([wrong])), lambda: list(feed.run(iter([wrong])))):
        with pytest.raises(UsageError, match=WRONG_VALUES[name, value]):
            attempt()
    assert_same(contents(be, ws), before)


@pytest.mark.parametrize("value", [1e300, 1e-320], ids=["large", "small"])
def test_weights_that_the_batch_cannot_hold_or_divide_by_are_refused(
    be: Backend, corpus: Corpus, window: Window, value: float
):
    feed = Feed(be, model_of(be, len(corpus.vocabulary), dtype="float32").workspace(LANES, STEPS).batch)
    with pytest.raises(UsageError, match=r"weight: expected .* float32"):
        feed.load(replace(window, weight=np.full(window.weight.shape, value)))
    feed.load(replace(window, weight=np.zeros(window.weight.shape)))


@pytest.mark.parametrize("wrong", [None, 5, "abc", (1, 2), {}, np.zeros((3, 4))])
def test_what_is_no_window_is_named(be: Backend, ws: Workspace, window: Window, wrong: Any):
    feed = Feed(be, ws.batch)
    feed.load(window)
    before = contents(be, ws)
    for attempt in (lambda: feed.load(wrong), lambda: list(feed.run([window, wrong]))):
        with pytest.raises(UsageError, match=f"window: expected a Window, found {type(wrong).__name__} without "):
            attempt()
    assert_same(contents(be, ws), before)
    for nothing in (None, 5):
        with pytest.raises(UsageError, match=r"windows: expected an? Iterable, found"):
            feed.run(nothing)


@pytest.mark.parametrize("wrong", [None, -1, 1.5, "1", True, 2**63, 2**64, float("nan")])
def test_the_index_of_a_window_is_a_count(be: Backend, ws: Workspace, window: Window, wrong: Any):
    with pytest.raises(UsageError, match="window: index: expected "):
        Feed(be, ws.batch).load(replace(window, index=wrong))
    Feed(be, ws.batch).load(replace(window, index=np.int64(3)))


@pytest.mark.parametrize("name", ["tokens", "targets", "carry", "weight"])
def test_a_mask_hides_nothing_from_the_look_at_a_window(be: Backend, ws: Workspace, window: Window, name: str):
    hidden = np.ma.masked_array(np.full_like(getattr(window, name), 10**6), True)
    with pytest.raises(UsageError, match=f"{name}: expected a NumPy array .* found MaskedArray"):
        Feed(be, ws.batch).load(replace(window, **{name: hidden}))


@pytest.mark.parametrize("rate", [-1.0, -1e-300, float("nan"), float("inf"), None, "0.1", True, 1j, np.array([0.1])])
def test_a_rate_that_is_none_changes_nothing(be: Backend, corpus: Corpus, window: Window, rate: Any):
    model = model_of(be, len(corpus.vocabulary))
    ws = model.workspace(LANES, STEPS)
    optimizer = Optimizer(be, model.params, OptimizerConfig())
    step = TrainingStep(model, ws, model.state(LANES), optimizer)
    Feed(be, ws.batch).load(window)
    before = [be.to_host(array).tobytes() for array in (model.params.values, optimizer.ctl)]
    with pytest.raises(UsageError, match="rate: expected "):
        step(rate)
    assert [be.to_host(array).tobytes() for array in (model.params.values, optimizer.ctl)] == before
    step(np.float32(0.5))
    step(0)


def test_after_each_training_step_its_errors_can_be_looked_at(be: Backend, corpus: Corpus):
    """Also where a window was one launch of captured work; not once the next window is there."""
    model = model_of(be, len(corpus.vocabulary))
    ws = model.workspace(LANES, STEPS)
    step = TrainingStep(model, ws, model.state(LANES), Optimizer(be, model.params, OptimizerConfig()))
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS) as stream:
        for window in Feed(be, ws.batch).run(stream):
            if window.index:
                with pytest.raises(UsageError, match="has not run on the window that is in its batch now"):
                    error_norms(model, ws)
            step(1e-3)
            assert np.isfinite(error_norms(model, ws)["layers.0.da"]).all()
            if window.index == 12:
                break


def test_parts_of_another_kind_are_named(be: Backend, corpus: Corpus):
    model = model_of(be, len(corpus.vocabulary))
    ws, state = model.workspace(LANES, STEPS), model.state(LANES)
    optimizer = Optimizer(be, model.params, OptimizerConfig())
    for name, call in {
        "batch": lambda: Feed(be, ws),
        "be": lambda: Feed("cpu", ws.batch),
        "params": lambda: Optimizer(be, model, OptimizerConfig()),
        "config": lambda: Optimizer(be, model.params, "adam"),
        "model": lambda: TrainingStep(None, ws, state, optimizer),
        "workspace": lambda: TrainingStep(model, state, ws, optimizer),
        "state": lambda: TrainingStep(model, ws, state.named(), optimizer),
        "optimizer": lambda: TrainingStep(model, ws, state, None),
    }.items():
        with pytest.raises(UsageError, match=f"{name}: expected an? "):
            call()


def test_the_first_symbol_that_a_model_lacks_is_refused(be: Backend):
    """Of every vocabulary, at its very edge."""
    ones = np.ones((1, LANES), np.float32)
    for symbols in (1, 2, 5, 255, 256, 257, 65_536):
        feed = Feed(be, workspace(be, symbols, train=False).batch)
        for name in ("tokens", "targets"):
            tokens = np.full((1, LANES), symbols - 1, np.int64)
            window = Window(
                0,
                0,
                tokens=tokens,
                targets=tokens,
                carry=ones,
                weight=ones,
                has_boundary=False,
                uniform=True,
                weight_sum=1.0,
                cursor=Cursor(1, LANES, 1, LANES + 1),
            )
            feed.load(window)
            with pytest.raises(UsageError, match=f"{name}: found {symbols} at step 0 of lane 2;"):
                feed.load(changed(window, name, (0, 2), symbols))


def shapes_and_types(window: Window) -> Iterator[tuple[str, Window]]:
    for name in ("tokens", "targets", "carry", "weight"):
        array = getattr(window, name)
        for wrong in (array[:, :3], array.T, array.reshape(-1), array[:0], np.tile(array, (2, 1))):
            yield name, replace(window, **{name: wrong})
        yield name, replace(window, **{name: array.tolist()})
        yield (
            name,
            replace(window, **{name: array.astype(np.complex128 if name in ("carry", "weight") else np.float64)}),
        )


def test_another_shape_or_type_is_refused(be: Backend, ws: Workspace, window: Window):
    feed, tried = Feed(be, ws.batch), 0
    for _, wrong in shapes_and_types(window):
        with pytest.raises(UsageError, match=rf"window {window.index}: (tokens|targets|carry|weight): expected"):
            feed.load(wrong)
        tried += 1
    assert tried == 4 * 7


def test_windows_of_another_geometry_are_refused(be: Backend, corpus: Corpus, ws: Workspace):
    feed = Feed(be, ws.batch)
    for lanes, steps in ((LANES - 1, STEPS), (LANES + 1, STEPS), (LANES, STEPS + 1)):
        with WindowStream(corpus, "train", lanes=lanes, steps=steps) as stream:
            with pytest.raises(
                UsageError, match=f"windows of {steps} steps of {lanes} lanes do not fit a workspace for"
            ):
                feed.run(stream)
            with pytest.raises(UsageError, match=r"tokens: expected 1 to 6 steps of 4 lanes, \(t, 4\), found"):
                feed.load(next(stream))
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS - 1) as stream:
        next(feed.run(stream))


@pytest.mark.parametrize(("has", "room"), [(0, 3), (4, 3), (9, 5)])
def test_windows_of_longer_strings_than_there_is_room_for_are_refused(be: Backend, corpus: Corpus, has: int, room: int):
    """0: of as many labels as there are steps, which are never more."""
    model, longest = model_of(be, len(corpus.vocabulary)), min(has or STEPS, STEPS)
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS) as stream:
        stream.geometry = replace(stream.geometry, labels=has)
        with pytest.raises(UsageError, match=f"^windows with strings of {longest} labels do not fit .* {room} labels$"):
            Feed(be, model.workspace(LANES, STEPS, labels=room).batch).run(stream)
        for enough in (longest, 0):
            Feed(be, model.workspace(LANES, STEPS, labels=enough).batch).run(stream)


def test_a_corpus_of_more_symbols_than_the_model_has_is_refused_at_once(be: Backend, corpus: Corpus):
    """Also where the first windows would not show it."""
    symbols = len(corpus.vocabulary)
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS) as stream:
        with pytest.raises(UsageError, match=f"a vocabulary of {symbols} symbols, the model one of {symbols - 1}"):
            Feed(be, workspace(be, symbols - 1).batch).run(stream)
        next(Feed(be, workspace(be, symbols + 1).batch).run(stream))


def test_training_that_reads_plans_wants_a_stream_with_them(be: Backend, corpus: Corpus, ws: Workspace):
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS, plan=False) as stream:
        if be.plans_rows:
            with pytest.raises(UsageError, match="make the stream with plan=True"):
                Feed(be, ws.batch).run(stream)
        else:
            next(Feed(be, ws.batch).run(stream))
        next(Feed(be, workspace(be, len(corpus.vocabulary), train=False).batch).run(stream))


def test_what_follows_from_a_window_is_not_read_from_it(be: Backend, ws: Workspace, window: Window):
    """Its plan, whether it has a boundary, and its sum of weights: a wrong or missing one changes nothing."""
    feed = Feed(be, ws.batch)
    feed.load(window)
    expected = contents(be, ws)
    assert expected["boundary"] is not None
    plan = window.plans["tokens"]
    lies = {"has_boundary": False, "weight_sum": 1e9, "uniform": True}
    for plans in (
        {},
        {"tokens": plan._replace(order=plan.order[::-1].copy())},
        {"tokens": plan._replace(rows=plan.rows + 1000)},
    ):
        feed.load(replace(window, **lies, plans=plans))
        assert_same(contents(be, ws), expected)


def test_windows_one_by_one_are_those_of_the_stream(be: Backend, corpus: Corpus):
    """Straight from the stream, as copies, and from arrays that their owner uses again at once."""
    geometry = {"lanes": LANES, "steps": STEPS, "epochs": 1}

    def recycling(stream: WindowStream) -> Iterator[Window]:
        mine: dict[str, np.ndarray] = {}
        for window in stream:
            for name in ("tokens", "targets", "carry", "weight"):
                array = getattr(window, name)
                mine.setdefault(name, np.empty((STEPS, LANES), array.dtype))[: len(array)] = array
            yield replace(window, **{name: array[: len(window.tokens)] for name, array in mine.items()})
            for array in mine.values():
                array[...] = 77

    ways = {"stream": lambda s: s, "copies": list, "recycled": lambda s: s.recycled(), "their owner's": recycling}
    seen = {}
    for name, way in ways.items():
        ws = workspace(be, len(corpus.vocabulary))
        with WindowStream(corpus, "train", **geometry) as stream:
            seen[name] = [contents(be, ws) for _ in Feed(be, ws.batch).run(way(stream))]
            assert len(seen[name]) == stream.windows_per_epoch
    for name, batches in seen.items():
        for one, other in zip(batches, seen["stream"], strict=True):
            assert_same(one, other), name


def test_a_step_takes_what_belongs_together(be: Backend, corpus: Corpus):
    symbols = len(corpus.vocabulary)
    model, other = model_of(be, symbols), model_of(be, symbols, seed=2)
    ws, state = model.workspace(LANES, STEPS), model.state(LANES)
    optimizer = Optimizer(be, model.params, OptimizerConfig())
    wrong = {
        "workspace: made by another model": (model, other.workspace(LANES, STEPS), state, optimizer),
        "workspace: made for forward only": (model, model.workspace(LANES, STEPS, train=False), state, optimizer),
        "state: expected one of lstm.* found one of gru": (
            model, ws, model_of(be, symbols, cell="gru").state(LANES), optimizer,
        ),
        "state: expected .* 4 lanes, .* 3 lanes": (model, ws, model.state(LANES - 1), optimizer),
        "optimizer: made for the parameters of another": (
            model, ws, state, Optimizer(be, other.params, OptimizerConfig()),
        ),
    }  # fmt: skip
    for match, parts in wrong.items():
        with pytest.raises(UsageError, match=match):
            TrainingStep(*parts)
    fresh = Model(be, model.config)
    with pytest.raises(UsageError, match="no parameters yet"):
        TrainingStep(fresh, fresh.workspace(LANES, STEPS), state, Optimizer(be, fresh.params, OptimizerConfig()))
    TrainingStep(model, ws, state, optimizer)


def test_random_wrong_windows_are_all_refused(be: Backend, corpus: Corpus, tmp_path: Path):
    """One random element of a random array becomes a random number outside what is right."""
    rng, symbols = random.Random(3), len(corpus.vocabulary)
    ws = workspace(be, symbols)
    feed = Feed(be, ws.batch)
    with WindowStream(corpus, "train", lanes=LANES, steps=STEPS) as stream:
        for window, _ in zip(stream, range(60), strict=False):
            name = rng.choice(["tokens", "targets", "carry", "weight"])
            value = rng.choice(
                [-rng.randint(1, 2**31), rng.randint(symbols, 2**31 - 1)]
                if name in ("tokens", "targets")
                else [-rng.random() - 1e-3, np.nan, np.inf, -np.inf]
            )
            place = rng.randrange(len(window.tokens)), rng.randrange(LANES)
            with pytest.raises(UsageError, match=name):
                feed.load(changed(window, name, place, value))
            feed.load(window)
