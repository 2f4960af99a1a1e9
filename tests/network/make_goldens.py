"""Writes tests/goldens/network.json: what a fixed tiny model of each cell computes, float64.

    python tests/network/make_goldens.py

Run it only when a change of the numbers is meant, and say in the commit why they changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from gpurnn import backend
from gpurnn.backend import Backend
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.training.feed import Feed

GOLDENS = Path(__file__).resolve().parent.parent / "goldens" / "network.json"
STEPS, LANES, SYMBOLS = 6, 3, 9


def measure(be: Backend, cell: str) -> dict[str, float]:
    """Loss of two windows, then the norms of the second's gradients and of the state carried out of it."""
    config = ModelConfig(SYMBOLS, cell, 5, 2, 4, dropout=0.25, dtype="float64")
    model = Model(be, config)
    model.params.initialise(be, 11)
    ws, state = model.workspace(LANES, STEPS, seed=11), model.state(LANES)
    feed = Feed(be, ws.batch)
    result: dict[str, float] = {}
    for index in range(2):
        feed.load(_window(index))
        model.forward(ws, state)
        model.backward(ws)
        model.carry_out(ws, state)
        result[f"loss.{index}"] = float(be.to_host(ws.loss)[0])
    named = {f"gradient.{name}": array for name, array in model.params.gradient.items()} | state.named()
    return result | {name: float(np.linalg.norm(be.to_host(array))) for name, array in named.items()}


def _window(index: int) -> SimpleNamespace:
    """A window from arithmetic, not from a generator: documents begin inside it."""
    n = np.arange(STEPS * LANES + 1) + 5 * index
    text = ((n * n + 3 * n) % 11 % SYMBOLS).astype(np.int32)
    carry, weight = np.ones((2, STEPS, LANES), np.float32)
    carry[2, 1], weight[1, 1] = 0, 0
    tokens = text[:-1].reshape(STEPS, LANES)
    return SimpleNamespace(
        index=index,
        tokens=tokens,
        targets=text[1:].reshape(STEPS, LANES),
        carry=carry,
        weight=weight,
        has_boundary=True,
        weight_sum=float(weight.sum()),
    )


def main() -> None:
    """Write the file anew."""
    be = backend.get("cpu")
    GOLDENS.parent.mkdir(exist_ok=True)
    values = {cell: measure(be, cell) for cell in CELLS}
    GOLDENS.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
