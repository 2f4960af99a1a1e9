"""Networks whose parameters are known in closed form, over texts that are made for them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from trained import make_corpus

from gpurnn.backend import Backend
from gpurnn.data.corpus import Corpus
from gpurnn.network import Model, ModelConfig


def corpus_of(folder: Path, text: str, **options: Any) -> Corpus:
    """An open corpus of one document, half of it in the train split, half in the valid one."""
    return Corpus.open(make_corpus(folder / "made.h5", [text], **{"split": (0.5, 0.5, 0), "force": True, **options}))


def network(be: Backend, symbols: int, hidden: int, **values: np.ndarray) -> Model:
    """A simple network; values: of its parameters, by "U", "W", "b", "V", "c", 0 where they are not given."""
    model = Model(be, ModelConfig(symbols, "simple", hidden, dropout=0.0, dtype="float64"))
    whole = {name: values.get(name[-1], np.zeros(array.shape)) for name, array in model.params.value.items()}
    model.params.load(be, whole, "made")
    return model


def linear(be: Backend, symbols: int, W: np.ndarray) -> Model:
    """A network whose states are so small that tanh does nothing."""
    rng = np.random.default_rng(0)
    hidden = len(W)
    U, V = 1e-7 * rng.standard_normal((symbols, hidden)), rng.standard_normal((hidden, symbols))
    return network(be, symbols, hidden, U=U, W=W, V=V)


def random_network(be: Backend, symbols: int, hidden: int = 4, scale: float = 1.0) -> Model:
    rng = np.random.default_rng(5)
    shapes = {"U": (symbols, hidden), "W": (hidden, hidden), "b": (hidden,), "V": (hidden, symbols), "c": (symbols,)}
    return network(be, symbols, hidden, **{name: scale * rng.uniform(-1, 1, shape) for name, shape in shapes.items()})


def tokens_of(corpus: Corpus, split: str) -> np.ndarray:
    part = corpus.split(split)
    out = np.zeros(len(part), part.dtype)
    part.read(0, out)
    return out.astype(np.int64)


def run_plainly(be: Backend, model: Model, tokens: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h(t), (T, B, H), and the nats of each next token, (T, B), of a simple network: the equations, no more.

    tokens: (T+1, B). h: (B, H), before the first.
    """
    U, W, b, V, c = (be.to_host(array) for array in model.params.value.values())
    states, nats = [], []
    for x, target in itertools.pairwise(tokens):
        h = np.tanh(U[x] + h @ W + b)
        o = h @ V + c
        states.append(h)
        nats.append(np.log(np.exp(o).sum(axis=1)) - o[np.arange(len(target)), target])
    return np.stack(states), np.stack(nats)


BISTABLE = "abcz"


def bistable(be: Backend) -> Model:
    """One unit with two states that it does not leave: "b" at a beginning leads to the bad one, and "a" out of it.

    In the bad one it expects "z", which never comes.
    """
    U, V = np.array([[6.0], [-0.6], [0.5], [0.5]]), np.zeros((1, 4))
    V[0, 3] = -10.0
    return network(be, 4, 1, U=U, W=np.array([[3.0]]), V=V)


def bistable_text(length: int = 4000, seed: int = 0) -> str:
    """One "b" in eight symbols, and an "a" so seldom that many beginnings with "b" never meet one in time."""
    rng = np.random.default_rng(seed)
    text = rng.choice(list("bc"), length, p=[0.125, 0.875])
    text[rng.choice(length, length // 500, replace=False)] = "a"
    text[10] = "z"
    return "".join(text)
