"""Models of pairs and captions whose texts differ, and what they say of a single pair in a window of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.data.stream import Cursor, Window
from gpurnn.network import Model, ModelConfig
from gpurnn.network.workspace import Workspace
from gpurnn.training.beams import Decoded
from gpurnn.training.decoding import Decoding
from gpurnn.training.feed import Feed

SYMBOLS, SOURCE, END = 6, 7, 5
KINDS: dict[str, dict[str, Any]] = {
    "both directions": {"encoder": ("both_directions", "dropout"), "start": "encoder", "source": SOURCE},
    "one direction, two layers": {"encoder": ("recurrent",), "start": "encoder", "source": SOURCE, "layers": 2},
    "lstm": {"cell": "lstm", "encoder": ("recurrent",), "start": "encoder", "source": SOURCE},
    "dot": {"encoder": ("both_directions",), "start": "encoder", "source": SOURCE, "attention": "dot"},
    "additive": {"encoder": ("recurrent",), "start": "encoder", "source": SOURCE, "attention": "additive"},
    "vectors": {"start": "vector", "vectors": 3},
}


def model_of(be: Backend | None = None, **settings: Any) -> Model:
    """One whose outputs differ so much that texts are of several lengths."""
    given = {"cell": "gru", "hidden": 8, "embedding": 4, "dtype": "float64", **settings}
    model = Model(be or backend.get("cpu"), ModelConfig(symbols=SYMBOLS, **given))
    model.params.initialise(model.be, 3)
    for value in model.params.value.values():
        value *= 4 if value.ndim == 2 else 1
    return model


def greedy(decoding: Decoding, sources: Iterable[Any]) -> Iterator[Decoded]:
    """Of each source what always taking the likeliest next symbol makes."""
    return (found for (found,) in decoding.beam(sources))


def sources_of(model: Model, count: int, longest: int = 9) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    if model.config.vectors:
        return list(rng.normal(size=(count, model.config.vectors)).astype(np.float32) * 2)
    return [rng.integers(0, SOURCE, rng.integers(1, longest, endpoint=True)) for _ in range(count)]


def logs_of(model: Model, source: np.ndarray, read: list[int]) -> np.ndarray:
    """The logarithms of the probabilities after each symbol read, (T, K)."""
    outputs = model.be.to_host(_alone(model, source, read).o)[: len(read)]
    return outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))


def weights_of(model: Model, source: np.ndarray, read: list[int]) -> np.ndarray:
    """How much each symbol of the source was looked at after each symbol read, (T, S)."""
    (attention,) = (each for each in _alone(model, source, read).passes if each.part.name == "attention")
    return model.be.to_host(attention.weights)[: len(read)]


def _alone(model: Model, source: np.ndarray, read: list[int]) -> Workspace:
    """What one pair in a window of its own comes to."""
    steps, first = len(read), np.zeros(1, np.int32)
    fields = {
        "tokens": np.array(read, np.int32)[:, None],
        "targets": np.zeros((steps, 1), np.int32),
        "pair": np.zeros((steps, 1), np.int32),
        "target_first": first,
        "target_last": first + steps - 1,
        "there": np.ones(1),
    }
    long = 1
    if model.config.vectors:
        fields["vectors"] = source[None]
    else:
        long = len(source)
        fields |= {
            "source": source[:, None].astype(np.int32),
            "source_carry": (np.arange(long) > 0).astype(float)[:, None],
            "source_first": first,
            "source_last": first + long - 1,
        }
    carry = (np.arange(steps) > 0).astype(float)[:, None]
    window = Window(
        0,
        0,
        carry=carry,
        weight=np.ones((steps, 1)),
        has_boundary=True,
        uniform=True,
        weight_sum=float(steps),
        cursor=Cursor(1, 1, steps, 0),
        fields=fields,
    )
    ws = model.workspace(1, steps, source=long, sequences=1, train=False)
    Feed(model.be, ws.batch).load(window)
    model.forward(ws, model.state(1))
    return ws
