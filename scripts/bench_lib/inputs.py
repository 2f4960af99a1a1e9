"""The same numbers for every program: initial parameters and windows of tokens. No matrix product is used here."""

from __future__ import annotations

import numpy as np

from bench_lib.cases import Case

POOL = 16
"""Different windows of a case; they come round in turn."""

_SEED = 20


def parameters(case: Case) -> dict[str, np.ndarray]:
    """Initial values by the names and in the layouts of gpurnn, float32, uniform in ±1/sqrt(H)."""
    rng = np.random.default_rng(_SEED)
    shapes: dict[str, tuple[int, ...]] = {}
    width = case.symbols
    for layer in range(case.layers):
        name = f"layers.{layer}."
        shapes[name + "U"] = (width, case.columns)
        shapes[name + "W"] = (case.hidden, case.columns)
        shapes[name + "b"] = (case.columns,)
        if case.cell == "gru":
            shapes[name + "b_h"] = (case.hidden,)
        width = case.hidden
    shapes["output.V"] = (case.hidden, case.symbols)
    shapes["output.c"] = (case.symbols,)
    limit = case.hidden**-0.5
    return {name: rng.uniform(-limit, limit, shape).astype(np.float32) for name, shape in shapes.items()}


def windows(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """`POOL` windows of tokens and the targets that follow them, (T, B) int64, one stretch a lane.

    Symbols are as unequal as in text: the k-th commonest has a probability proportional to 1/k (Zipf).
    """
    rng = np.random.default_rng(_SEED + 1)
    probability = 1 / np.arange(1, case.symbols + 1)
    drawn = rng.choice(case.symbols, (POOL * case.bptt + 1, case.lanes), p=probability / probability.sum())
    starts = range(0, POOL * case.bptt, case.bptt)
    return [(drawn[s : s + case.bptt].copy(), drawn[s + 1 : s + 1 + case.bptt].copy()) for s in starts]
