"""Symbols a second in generating text, one stream."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from bench_lib import inputs
from bench_lib.cases import Case

from gpu_check_lib.row import Context
from gpurnn import backend
from gpurnn.network import Model, ModelConfig
from gpurnn.network.stepper import Stepper


def sample(context: Context, *, hidden: int, symbols: int) -> dict[str, Any]:
    """Of an LSTM, the likeliest symbol each time. Raises ArithmeticError where the logits are not those of the CPU."""
    case = Case("lstm", 1, 1, hidden, symbols)
    count = 20 if context.emulated else 2000
    expected, _ = _draw("cpu", case, 20)
    found, _ = _draw("cuda", case, 20)
    distance = float(np.abs(found - expected).max())
    if distance > 1e-4:
        raise ArithmeticError(f"the logits are {distance:.2g} apart from the CPU's")
    _, seconds = _draw("cuda", case, count)
    rate = None if context.emulated else count / seconds
    return {
        "case": {"cell": "lstm", "hidden": hidden, "symbols": symbols},
        "symbols_per_second": rate,
        "distance": distance,
    }


def _draw(device: str, case: Case, count: int) -> tuple[np.ndarray, float]:
    """The logits after so many symbols, and the seconds they took."""
    be = backend.get(device)
    model = Model(be, ModelConfig(symbols=case.symbols, cell="lstm", hidden=case.hidden))
    model.params.load(be, inputs.parameters(case), "check")
    stepper = Stepper(model)
    stepper.begin(model.state(1))
    logits = be.to_host(stepper.step(0))
    began = time.perf_counter()
    for _ in range(count):
        logits = be.to_host(stepper.step(int(logits.argmax())))
    return logits, time.perf_counter() - began
