"""The simple recurrent cell, with tanh or relu.

    a(t) = b + W h(t-1) + U x(t)
    h(t) = g(a(t))

Source: Goodfellow, Bengio & Courville, Deep Learning, section 10.2; relu: Le, Jaitly & Hinton 2015.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.cells.base import Cell
from gpurnn.network.cells.persistent import SIMPLE_PERSISTENT, SIMPLE_RELU_PERSISTENT

_SOURCE = Path(__file__).with_name("simple.cu")
_BH = Argument(("B", "H"))
_TO_BH = Argument(("B", "H"), written=True)


def simple_forward(xp: Any, a: Array, r: Array, b: Array, h: Array) -> None:
    """h: overwritten with tanh(a + r + b). a, r: (B, H), read only; b: (H,)."""
    xp.add(a, r, out=h)
    xp.add(h, b, out=h)
    xp.tanh(h, out=h)


def simple_backward(xp: Any, dh_out: Array, dh_rec: Array, h: Array, a: Array, s: Array) -> None:
    """a: overwritten with da = (dh_out + dh_rec)(1 - h²). All (B, H)."""
    xp.multiply(h, h, out=s)
    xp.subtract(1, s, out=s)
    xp.add(dh_out, dh_rec, out=a)
    xp.multiply(a, s, out=a)


def simple_relu_forward(xp: Any, a: Array, r: Array, b: Array, h: Array) -> None:
    """h: overwritten with max(a + r + b, 0). a, r: (B, H), read only; b: (H,)."""
    xp.add(a, r, out=h)
    xp.add(h, b, out=h)
    xp.maximum(h, 0, out=h)


def simple_relu_backward(xp: Any, dh_out: Array, dh_rec: Array, h: Array, a: Array, s: Array) -> None:
    """a: overwritten with da, which is dh_out + dh_rec where h > 0 and 0 elsewhere. All (B, H)."""
    xp.greater(h, 0, out=s)
    xp.add(dh_out, dh_rec, out=a)
    xp.multiply(a, s, out=a)


_FORWARD = {"a": _BH, "r": _BH, "b": Argument(("H",)), "h": _TO_BH}
_BACKWARD = {"dh_out": _BH, "dh_rec": _BH, "h": _BH, "a": _TO_BH}

SIMPLE = Cell(
    name="simple",
    gates=1,
    states=("h",),
    recurrent_init="orthogonal",
    forward=FusedOp("simple_forward", _FORWARD, simple_forward, source=_SOURCE),
    backward=FusedOp("simple_backward", _BACKWARD, simple_backward, {"s": _BH}, source=_SOURCE),
    persistent=SIMPLE_PERSISTENT,
)
SIMPLE_RELU = Cell(
    name="simple-relu",
    gates=1,
    states=("h",),
    forward=FusedOp("simple_relu_forward", _FORWARD, simple_relu_forward, source=_SOURCE),
    backward=FusedOp("simple_relu_backward", _BACKWARD, simple_relu_backward, {"s": _BH}, source=_SOURCE),
    recurrent_init="identity",
    persistent=SIMPLE_RELU_PERSISTENT,
)
