"""Long short-term memory with a forget gate; gates in the order i f g o.

    i, f, o = sigmoid(b + W h(t-1) + U x(t)),  g = tanh(b + W h(t-1) + U x(t))
    c(t) = f c(t-1) + i g
    h(t) = o tanh(c(t))

Source: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.cells.base import Cell
from gpurnn.network.cells.persistent import LSTM_PERSISTENT

_SOURCE = Path(__file__).with_name("lstm.cu")
_BH = Argument(("B", "H"))
_B4H = Argument(("B", "4H"))
_TO_BH = Argument(("B", "H"), written=True)
_TO_B4H = Argument(("B", "4H"), written=True)


def lstm_forward(xp: Any, a: Array, r: Array, b: Array, c_prev: Array, c: Array, tc: Array, h: Array, s: Array) -> None:
    """One step after the projections.

    a: (B, 4H), x U; overwritten with the activated gates. r: (B, 4H), h(t-1) W, and b: (4H,): read only.
    c_prev: (B, H), read only. c, tc, h: (B, H), overwritten with c(t), tanh(c(t)), h(t). s: (B, H), scratch.
    """
    n = c.shape[1]
    xp.add(a, r, out=a)
    xp.add(a, b, out=a)
    i_f, o = a[:, : 2 * n], a[:, 3 * n :]
    xp.multiply(i_f, 0.5, out=i_f)  # sigmoid(x) = (1 + tanh(x/2)) / 2
    xp.multiply(o, 0.5, out=o)
    xp.tanh(a, out=a)
    for gate in (i_f, o):
        xp.multiply(gate, 0.5, out=gate)
        xp.add(gate, 0.5, out=gate)
    xp.multiply(a[:, n : 2 * n], c_prev, out=c)
    xp.multiply(a[:, :n], a[:, 2 * n : 3 * n], out=s)
    xp.add(c, s, out=c)
    xp.tanh(c, out=tc)
    xp.multiply(o, tc, out=h)


def lstm_backward(
    xp: Any,
    dh_out: Array,
    dh_rec: Array,
    e_c: Array,
    c_prev: Array,
    tc: Array,
    a: Array,
    dh: Array,
    s: Array,
    slopes: Array,
) -> None:
    """One step backward, before the projections.

    dh_out, dh_rec, c_prev, tc: (B, H), read only. e_c: (B, H), dc(t) from the step after; overwritten with dc(t-1).
    a: (B, 4H), the activated gates; overwritten with da. dh, s: (B, H), and slopes: (B, 4H): scratch.
    """
    n = tc.shape[1]
    i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
    xp.multiply(a, a, out=slopes)  # sigmoid' = y - y², tanh' = 1 - y²
    xp.subtract(a[:, : 2 * n], slopes[:, : 2 * n], out=slopes[:, : 2 * n])
    xp.subtract(1, slopes[:, 2 * n : 3 * n], out=slopes[:, 2 * n : 3 * n])
    xp.subtract(o, slopes[:, 3 * n :], out=slopes[:, 3 * n :])
    xp.add(dh_out, dh_rec, out=dh)
    xp.multiply(dh, o, out=s)
    xp.add(e_c, s, out=e_c)
    xp.multiply(dh, tc, out=o)  # do; o itself is used up
    xp.multiply(s, tc, out=s)
    xp.multiply(s, tc, out=s)
    xp.subtract(e_c, s, out=e_c)  # dc(t) = e_c + dh o (1 - tanh²c)
    xp.multiply(e_c, f, out=s)
    xp.multiply(e_c, c_prev, out=f)
    xp.multiply(e_c, g, out=dh)
    xp.multiply(e_c, i, out=g)
    i[...] = dh
    e_c[...] = s
    xp.multiply(a, slopes, out=a)


def lstm_within(xp: Any, at: Mapping[str, Array], dh: Array, e: Mapping[str, Array]) -> dict[str, Array]:
    """dc(t): what step t+1 has left, e_c, and dh o (1 - tanh²c)."""
    return {"c": e["c"] + dh * at["o"] * (1 - xp.tanh(at["c"]) ** 2)}


LSTM = Cell(
    name="lstm",
    gates=4,
    states=("h", "c"),
    forward=FusedOp(
        "lstm_forward",
        {"a": _TO_B4H, "r": _B4H, "b": Argument(("4H",)), "c_prev": _BH, "c": _TO_BH, "tc": _TO_BH, "h": _TO_BH},
        lstm_forward,
        {"s": _BH},
        source=_SOURCE,
    ),
    backward=FusedOp(
        "lstm_backward",
        {"dh_out": _BH, "dh_rec": _BH, "e_c": _TO_BH, "c_prev": _BH, "tc": _BH, "a": _TO_B4H},
        lstm_backward,
        {"dh": _BH, "s": _BH, "slopes": _B4H},
        source=_SOURCE,
    ),
    saved=("tc",),
    forget_gate=True,
    persistent=LSTM_PERSISTENT,
    gate_names=("i", "f", "g", "o"),
    within=lstm_within,
)
