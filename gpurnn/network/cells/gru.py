"""Gated recurrent unit; gates in the order r z n, the reset gate applied after the recurrent product.

    r, z = sigmoid(b + W h(t-1) + U x(t))
    n = tanh(b + U x(t) + r (b_h + W h(t-1)))
    h(t) = (1 - z) n + z h(t-1)

Source: Cho et al. 2014, in the variant of version 1 (arXiv:1406.1078v1) that cuDNN and PyTorch also use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.cells.base import Cell
from gpurnn.network.cells.persistent import GRU_PERSISTENT

_SOURCE = Path(__file__).with_name("gru.cu")
_BH = Argument(("B", "H"))
_TO_BH = Argument(("B", "H"), written=True)
_TO_B3H = Argument(("B", "3H"), written=True)


def gru_forward(xp: Any, a: Array, r: Array, b: Array, b_h: Array, h_prev: Array, h: Array, s: Array) -> None:
    """One step after the projections.

    a: (B, 3H), x U; overwritten with the activated gates. r: (B, 3H), h(t-1) W; its n part has b_h (H,) added.
    b: (3H,), h_prev: (B, H): read only. h: (B, H), overwritten. s: (B, H), scratch.
    """
    k = h.shape[1]
    rz, n, r_n = a[:, : 2 * k], a[:, 2 * k :], r[:, 2 * k :]
    xp.add(a, b, out=a)
    xp.add(rz, r[:, : 2 * k], out=rz)
    xp.multiply(rz, 0.5, out=rz)  # sigmoid(x) = (1 + tanh(x/2)) / 2
    xp.tanh(rz, out=rz)
    xp.multiply(rz, 0.5, out=rz)
    xp.add(rz, 0.5, out=rz)
    xp.add(r_n, b_h, out=r_n)
    xp.multiply(a[:, :k], r_n, out=s)
    xp.add(n, s, out=n)
    xp.tanh(n, out=n)
    xp.subtract(h_prev, n, out=s)
    xp.multiply(s, a[:, k : 2 * k], out=s)
    xp.add(n, s, out=h)


def gru_backward(
    xp: Any,
    dh_out: Array,
    dh_rec: Array,
    e_h: Array,
    h_prev: Array,
    a: Array,
    r: Array,
    dn: Array,
    dz: Array,
    slopes: Array,
) -> None:
    """One step backward, before the projections.

    dh_out, dh_rec, h_prev: (B, H), read only. e_h: (B, H), the error past the gates; overwritten with dh(t) z.
    a: (B, 3H), the activated gates; overwritten with da. r: (B, 3H), h(t-1) W with b_h; overwritten with its errors.
    dn, dz: (B, H), and slopes: (B, 2H): scratch.
    """
    k = e_h.shape[1]
    rz, reset, z, n = a[:, : 2 * k], a[:, :k], a[:, k : 2 * k], a[:, 2 * k :]
    xp.add(e_h, dh_out, out=e_h)
    xp.add(e_h, dh_rec, out=e_h)
    xp.subtract(h_prev, n, out=dz)
    xp.multiply(dz, e_h, out=dz)
    xp.multiply(n, n, out=dn)
    xp.subtract(1, dn, out=dn)
    xp.multiply(dn, e_h, out=dn)
    xp.multiply(e_h, z, out=e_h)
    xp.multiply(rz, rz, out=slopes)
    xp.subtract(rz, slopes, out=slopes)
    xp.multiply(dn, z, out=n)
    xp.subtract(dn, n, out=n)  # da of n: dh (1 - z) (1 - n²)
    xp.multiply(n, reset, out=dn)
    xp.multiply(n, r[:, 2 * k :], out=reset)
    z[...] = dz
    xp.multiply(rz, slopes, out=rz)
    r[:, : 2 * k] = rz
    r[:, 2 * k :] = dn


GRU = Cell(
    name="gru",
    gates=3,
    states=("h",),
    forward=FusedOp(
        "gru_forward",
        {"a": _TO_B3H, "r": _TO_B3H, "b": Argument(("3H",)), "b_h": Argument(("H",)), "h_prev": _BH, "h": _TO_BH},
        gru_forward,
        {"s": _BH},
        source=_SOURCE,
    ),
    backward=FusedOp(
        "gru_backward",
        {"dh_out": _BH, "dh_rec": _BH, "e_h": _TO_BH, "h_prev": _BH, "a": _TO_B3H, "r": _TO_B3H},
        gru_backward,
        {"dn": _BH, "dz": _BH, "slopes": Argument(("B", "2H"))},
        source=_SOURCE,
    ),
    apart=True,
    biases=("b_h",),
    persistent=GRU_PERSISTENT,
    gate_names=("r", "z", "n"),
)
