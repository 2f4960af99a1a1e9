"""The equations of the network once more: one lane, one unit, one scalar sum at a time, without arrays.

Nothing here is shared with the package. Numbers may be complex: a derivative is then the imaginary part of the result
after a step of 1e-30 i, exact to rounding (Squire & Trapp 1998), and independent of any backward pass.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import pytest

Number = float | complex
Vector = list[Number]
Matrix = list[Vector]
Lane = dict[str, Vector]
"""What one lane carries in one layer: its states by name."""

STEP = 1e-30


def exp(x: Number) -> Number:
    return cmath.exp(x) if isinstance(x, complex) else math.exp(x)


def log(x: Number) -> Number:
    return cmath.log(x) if isinstance(x, complex) else math.log(x)


def tanh(x: Number) -> Number:
    return cmath.tanh(x) if isinstance(x, complex) else math.tanh(x)


def sigmoid(x: Number) -> Number:
    return 1 / (1 + exp(-x))


def relu(x: Number) -> Number:
    return x if x.real > 0 else 0 * x


def dot(row: Vector, matrix: Matrix, column: int) -> Number:
    """Element `column` of row times matrix."""
    total: Number = 0.0
    for i in range(len(row)):
        total = total + row[i] * matrix[i][column]
    return total


def simple(x: Vector, before: Lane, p: dict[str, Any], g: Callable[[Number], Number] = tanh) -> Lane:
    h = []
    for j in range(len(before["h"])):
        a = p["b"][j] + dot(before["h"], p["W"], j) + dot(x, p["U"], j)
        h.append(g(a))
    return {"h": h}


def simple_relu(x: Vector, before: Lane, p: dict[str, Any]) -> Lane:
    return simple(x, before, p, relu)


def lstm(x: Vector, before: Lane, p: dict[str, Any]) -> Lane:
    size = len(before["h"])
    h, c = [], []
    for j in range(size):
        a = [
            p["b"][gate * size + j] + dot(before["h"], p["W"], gate * size + j) + dot(x, p["U"], gate * size + j)
            for gate in range(4)
        ]
        i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), tanh(a[2]), sigmoid(a[3])
        c.append(f * before["c"][j] + i * g)
        h.append(o * tanh(c[j]))
    return {"h": h, "c": c}


def gru(x: Vector, before: Lane, p: dict[str, Any]) -> Lane:
    size = len(before["h"])
    h = []
    for j in range(size):
        r = sigmoid(p["b"][j] + dot(x, p["U"], j) + dot(before["h"], p["W"], j))
        z = sigmoid(p["b"][size + j] + dot(x, p["U"], size + j) + dot(before["h"], p["W"], size + j))
        recurrent = p["b_h"][j] + dot(before["h"], p["W"], 2 * size + j)
        n = tanh(p["b"][2 * size + j] + dot(x, p["U"], 2 * size + j) + r * recurrent)
        h.append((1 - z) * n + z * before["h"][j])
    return {"h": h}


def slow_memory(x: Vector, before: Lane, p: dict[str, Any]) -> Lane:
    """The cell of `outside_cell`."""
    size = len(before["h"])
    h, c, d = [], [], []
    for j in range(size):
        a = [
            p["b"][gate * size + j] + dot(before["h"], p["W"], gate * size + j) + dot(x, p["U"], gate * size + j)
            for gate in range(4)
        ]
        i, f, g, s = sigmoid(a[0]), sigmoid(a[1]), tanh(a[2]), sigmoid(a[3])
        c.append(f * before["c"][j] + i * g)
        d.append(s * before["d"][j] + (1 - s) * c[j])
        h.append(tanh(c[j] + d[j]) + before["h"][j] / 4)
    return {"h": h, "c": c, "d": d}


CELLS: dict[str, Callable[[Vector, Lane, dict[str, Any]], Lane]] = {
    "simple": simple,
    "simple-relu": simple_relu,
    "lstm": lstm,
    "gru": gru,
    "slow-memory": slow_memory,
}


def skip_without(cell: str) -> None:
    """For a cell from outside: what is compared with equations has to be left out where there are none."""
    if cell not in CELLS:
        pytest.skip(f"no equations for {cell} here; a cell of the package needs them")


def forward(
    cell: str,
    parameters: dict[str, Any],
    tokens: list[list[int]],
    carry: list[list[float]],
    start: list[list[Lane]],
    masks: list[Any] | None = None,
) -> tuple[list[list[Vector]], list[list[Lane]]]:
    """Logits by step and lane, and the states after the last step by layer and lane.

    parameters: nested lists by name. tokens, carry: by step and lane. start: states by layer and lane.
    masks: of dropout, by layer, step, lane, unit.
    """
    states = [[{name: list(v) for name, v in lane.items()} for lane in layer] for layer in start]
    by_layer = [_of_layer(parameters, number) for number in range(len(start))]
    table, V, c = parameters.get("embedding.table"), parameters["output.V"], parameters["output.c"]
    symbols = len(c)
    logits = []
    for t in range(len(tokens)):
        row = []
        for lane in range(len(tokens[t])):
            token = tokens[t][lane]
            x = list(table[token]) if table else [1.0 if k == token else 0.0 for k in range(symbols)]
            for number, p in enumerate(by_layer):
                seen = {name: [carry[t][lane] * v for v in s] for name, s in states[number][lane].items()}
                states[number][lane] = CELLS[cell](x, seen, p)
                x = list(states[number][lane]["h"])
                if masks is not None:
                    x = [masks[number][t][lane][j] * x[j] for j in range(len(x))]
            row.append([c[k] + dot(x, V, k) for k in range(symbols)])
        logits.append(row)
    return logits, states


def nats(o: Vector, target: int) -> Number:
    """-log softmax(o)[target]."""
    total: Number = 0.0
    for value in o:
        total = total + exp(value)
    return log(total) - o[target]


def loss(logits: list[list[Vector]], targets: list[list[int]], weight: list[list[float]], scale: float) -> Number:
    """J, the weighted sum of nats times scale."""
    total: Number = 0.0
    for t in range(len(targets)):
        for lane in range(len(targets[t])):
            total = total + weight[t][lane] * nats(logits[t][lane], targets[t][lane])
    return total * scale


def derivative(f: Callable[[], Number], values: list[Any]) -> list[Any]:
    """df/dv for each number v in nested lists that f reads."""
    if values and isinstance(values[0], list):
        return [derivative(f, inner) for inner in values]
    result = []
    for i, value in enumerate(values):
        values[i] = value + STEP * 1j
        result.append(f().imag / STEP)
        values[i] = value
    return result


def _of_layer(parameters: dict[str, Any], number: int) -> dict[str, Any]:
    prefix = f"layers.{number}."
    return {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix)}
