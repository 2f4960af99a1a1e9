"""Models of pairs in training: what is saved, captured and allocated, and what a window has to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.backend.cpu import CpuBackend
from gpurnn.data.stream import Geometry, Window
from gpurnn.exceptions import UsageError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.attentions import ATTENTIONS
from gpurnn.runs.checkpoint import encode_checkpoint, parse_checkpoint
from gpurnn.training.config import TrainConfig
from gpurnn.training.feed import Feed
from gpurnn.training.optimizer import Optimizer, OptimizerConfig
from gpurnn.training.snapshot import Progress, Unchanging, load_config, pack, unpack
from gpurnn.training.step import TrainingStep

from .allocation import check_no_allocation
from .helpers import host, random_model
from .packedpairs import LANES, PACKED, SOURCE_STEPS, SOURCES, STEPS, SYMBOLS, Pair, captions_of, config_of, window_of

ROOM, SEQUENCES = SOURCE_STEPS + 1, len(PACKED) + 1
"""Source steps of a window here; on the emulated device each other size takes time to compile."""


class Pairs:
    """Windows without end, as a stream would give them: a `WindowSource`; every other one has half of the pairs."""

    def __init__(self, fields: Any, *, first: int = 0) -> None:
        self._next = first
        self.geometry = Geometry(STEPS * LANES + 1, LANES, STEPS, source=ROOM, sequences=SEQUENCES)
        self.fields = tuple(field.bound(self.geometry.sizes) for field in fields)

    def recycled(self) -> Iterator[Window]:
        made = [window_of(PACKED[n % 2 * 3 :], source_steps=ROOM, sequences=SEQUENCES, seed=n) for n in range(4)]
        for index in count(self._next):
            object.__setattr__(made[index % 4], "index", index)
            yield made[index % 4]


class Run:
    """A model of pairs, but for what changes, in training."""

    def __init__(self, be: Backend, *, first: int = 0, captions: bool = False, **changes: Any) -> None:
        made = (captions_of if captions else config_of)(dropout=0.2, layers=1)
        model = replace(made, **changes)
        self.config = TrainConfig(model, OptimizerConfig("adam"), lanes=LANES, bptt=STEPS)
        self.be, self.model = be, Model(be, model)
        self.model.params.initialise(be, 0)
        self.state, self.optimizer = self.model.state(LANES), Optimizer(be, self.model.params, self.config.optimizer)
        self.ws = self.model.workspace(LANES, STEPS, source=ROOM, sequences=SEQUENCES)
        self._step = TrainingStep(self.model, self.ws, self.state, self.optimizer)
        self._fed = Feed(be, self.ws.batch).run(Pairs(self.model.fields, first=first))
        self.windows = first

    def train(self, windows: int) -> None:
        for _ in range(windows):
            next(self._fed)
            self._step(0.02)
        self.windows += windows

    def checkpoint(self) -> bytes:
        always = Unchanging({}, {"config": self.config.to_json()})
        tensors, header = pack(self.model, self.optimizer, self.state, Progress(windows=self.windows), always)
        return b"".join(encode_checkpoint(tensors, header))


CPU = backend.get("cpu")
RUNS: dict[str, dict[str, Any]] = {
    "captions": {"captions": True},
    **{name: {"attention": name} for name in ("", *ATTENTIONS)},
}


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_it_is_saved_and_goes_on_bit_for_bit(be: Backend, changes: dict[str, Any]):
    whole, first = Run(be, **changes), Run(be, **changes)
    whole.train(9)
    first.train(5)
    saved = parse_checkpoint(first.checkpoint())
    assert load_config(saved) == first.config
    second = Run(be, first=5, **changes)
    assert unpack(saved, second.model, second.optimizer, second.state).windows == 5
    second.train(4)
    assert second.checkpoint() == whole.checkpoint()
    trained, drawn = host(be, whole.model.params.value), host(be, Run(be, **changes).model.params.value)
    assert all((trained[name] != drawn[name]).any() for name in drawn), "something is not learnt"


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_captured_windows_change_nothing(cuda: Backend, changes: dict[str, Any]):
    captured, eager = Run(cuda, **changes), Run(backend.get("cuda", graphs=False), **changes)
    for run in (captured, eager):
        run.train(9)
    assert captured._step._run._launches
    assert captured.checkpoint() == eager.checkpoint()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_windows_allocate_nothing(compiled: bool, changes: dict[str, Any]):
    """Of a model that is so wide that an array would show."""
    be = CpuBackend(compiled=compiled)
    run = Run(be, **changes | {"hidden": 96, "embedding": 90})
    fed, model, ws, state = run._fed, run.model, run.ws, run.state

    def take() -> None:
        next(fed)

    check_no_allocation(
        {
            "encode": lambda: (take(), model.encode(ws))[1],
            "decode": lambda: model.decode(ws, state),
            "backward": lambda: model.backward(ws),
            "carry out": lambda: model.carry_out(ws, state),
        },
        windows=4,
    )
    assert np.isfinite(ws.loss[0])


def test_a_window_is_held_to_its_fields():
    """Of those that a program made: places within the window at hand, symbols that there are, whole sizes."""
    ws = random_model(CPU, config_of(attention="dot")).workspace(LANES, STEPS + 2, source=ROOM, sequences=SEQUENCES)
    feed = Feed(CPU, ws.batch)
    feed.load(window_of())
    wrong: dict[str, tuple[Any, str]] = {
        "source": (
            (2, 1, SOURCES),
            f"found {SOURCES} at step 2 of lane 1; the vocabulary of the model has {SOURCES} sy",
        ),
        "pair": ((1, 2, SEQUENCES), f"found {SEQUENCES} at step 1 of lane 2; expected 0 to {SEQUENCES - 1}$"),
        "source_last": ((3, SOURCE_STEPS * LANES), "found 24 at sequence 3; expected 0 to 23$"),
        "target_last": ((3, STEPS * LANES), "found 24 at sequence 3; expected 0 to 23$"),
        "source_carry": ((0, 0, 0.5), "expected 0 where a step sees no state of before"),
        "there": ((2, np.nan), "expected finite numbers, and such as float64 holds, found another at sequence 2$"),
    }
    for name, ((*where, value), message) in wrong.items():
        window = window_of()
        window.fields[name][tuple(where)] = value
        with pytest.raises(UsageError, match=f"^{name}: {message}"):
            feed.load(window)
    short = window_of(PACKED[:1], steps=STEPS, source_steps=4, sequences=SEQUENCES)
    feed.load(short)
    assert (ws.batch.steps, ws.batch.source_steps) == (STEPS, 4)
    with pytest.raises(UsageError, match=r"window 0: target_first: expected a NumPy array \(7,\) of whole numbers"):
        feed.load(window_of(PACKED[:1], sequences=3))
    with pytest.raises(UsageError, match=r"^window 0: source: expected 1 to 9 steps of 3 lanes, .* found \(11, 3\)$"):
        feed.load(window_of(source_steps=11))


@pytest.mark.parametrize("sizes", [{"source": ROOM - 1}, {"sequences": 8}])
def test_a_stream_has_to_fit(sizes: dict[str, int]):
    model = random_model(CPU, config_of())
    ws = model.workspace(LANES, STEPS, **{"source": ROOM, "sequences": SEQUENCES} | sizes)
    with pytest.raises(UsageError, match=r"^windows of 9 steps of a source and 7 sequences do not fit a workspace for"):
        next(Feed(CPU, ws.batch).run(Pairs(model.fields)))


def test_what_is_left_over_is_not_seen(be: Backend):
    """Of the source, where nothing lies."""
    model = random_model(be, config_of(attention="additive", layers=1))
    found = []
    for seed in range(3):
        ws = model.workspace(LANES, STEPS, source=ROOM, sequences=SEQUENCES)
        window = window_of()
        used = np.zeros((SOURCE_STEPS, LANES), bool)
        for pair in PACKED:
            used[pair.source_at : pair.source_at + len(pair.source), pair.lane] = True
        other = np.random.default_rng(seed).integers(0, SOURCES, used.shape)
        window.source[~used] = other[~used]
        Feed(be, ws.batch).load(window)
        model.forward(ws, model.state(LANES))
        model.backward(ws)
        found.append(host(be, model.params.gradient))
    for gradients in found[1:]:
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, found[0][name], rtol=1e-11, atol=1e-14)


def test_decoding_needs_what_was_encoded():
    model = random_model(CPU, config_of())
    ws = model.workspace(LANES, STEPS, source=ROOM, sequences=SEQUENCES)
    Feed(CPU, ws.batch).load(window_of())
    with pytest.raises(UsageError, match=r"^workspace: nothing was encoded in it; call model.encode before$"):
        model.decode(ws, model.state(LANES))
    empty = model.workspace(LANES, STEPS, source=ROOM, sequences=SEQUENCES)
    empty.batch.begin(STEPS, None)
    with pytest.raises(UsageError, match=r"^workspace: the source in its batch has 0 steps, expected 1 to 9; use a F"):
        model.encode(empty)


def test_a_text_model_has_nothing_to_encode():
    """Its windows are as ever, whatever room is asked for."""
    model = random_model(CPU, ModelConfig(SYMBOLS, hidden=3))
    assert model.workspace(2, 3, source=5, sequences=4).attention is None
    assert Pair((1,), (), 0, 0, 2).steps == slice(2, 3)
