"""A cell from outside the package, as its users would add one: three states, each with an error of its own.

    i, f, s = sigmoid(b + W h(t-1) + U x(t)),  g = tanh(b + W h(t-1) + U x(t)), gates in the order i f g s
    c(t) = f c(t-1) + i g
    d(t) = s d(t-1) + (1-s) c(t)
    u = tanh(c(t) + d(t)),  h(t) = u + h(t-1)/4

It has no optional body, neither CUDA C nor C nor a persistent kernel. Its backward pass reads a state as it was
before the step and after it, so a state that is cut where the next step begins a document must be whole here.
"""

from __future__ import annotations

from typing import Any

from gpurnn.backend import Argument, Array, FusedOp
from gpurnn.network.cells import CELLS, Cell

NAME = "slow-memory"

_BH, _B4H = Argument(("B", "H")), Argument(("B", "4H"))
_TO_BH, _TO_B4H = Argument(("B", "H"), written=True), Argument(("B", "4H"), written=True)


def forward(
    xp: Any,
    a: Array,
    r: Array,
    b: Array,
    h_prev: Array,
    c_prev: Array,
    d_prev: Array,
    h: Array,
    c: Array,
    d: Array,
    u: Array,
    part: Array,
) -> None:
    """a: (B, 4H), overwritten with the gates. h, c, d, u: (B, H), overwritten. part: (B, H), scratch."""
    n = h.shape[1]
    xp.add(a, r, out=a)
    xp.add(a, b, out=a)
    sigmoids = a[:, : 2 * n], a[:, 3 * n :]
    for gate in sigmoids:
        xp.multiply(gate, 0.5, out=gate)
    xp.tanh(a, out=a)
    for gate in sigmoids:
        xp.multiply(gate, 0.5, out=gate)
        xp.add(gate, 0.5, out=gate)
    i, f, g, s = (a[:, k * n : (k + 1) * n] for k in range(4))
    xp.multiply(f, c_prev, out=c)
    xp.multiply(i, g, out=part)
    xp.add(c, part, out=c)
    xp.subtract(d_prev, c, out=d)
    xp.multiply(d, s, out=d)
    xp.add(d, c, out=d)
    xp.add(c, d, out=u)
    xp.tanh(u, out=u)
    xp.multiply(h_prev, 0.25, out=h)
    xp.add(h, u, out=h)


def backward(
    xp: Any,
    dh_out: Array,
    dh_rec: Array,
    e_h: Array,
    e_c: Array,
    e_d: Array,
    c_prev: Array,
    d_prev: Array,
    c: Array,
    u: Array,
    a: Array,
    du: Array,
    ds: Array,
    slopes: Array,
) -> None:
    """a: (B, 4H), overwritten with da. e_h, e_c, e_d: (B, H), overwritten with those of the step before."""
    n = u.shape[1]
    i, f, g, s = (a[:, k * n : (k + 1) * n] for k in range(4))
    xp.multiply(a, a, out=slopes)
    xp.subtract(a[:, : 2 * n], slopes[:, : 2 * n], out=slopes[:, : 2 * n])
    xp.subtract(1, slopes[:, 2 * n : 3 * n], out=slopes[:, 2 * n : 3 * n])
    xp.subtract(s, slopes[:, 3 * n :], out=slopes[:, 3 * n :])
    xp.add(e_h, dh_out, out=e_h)
    xp.add(e_h, dh_rec, out=e_h)
    xp.multiply(u, u, out=du)
    xp.subtract(1, du, out=du)
    xp.multiply(du, e_h, out=du)
    xp.multiply(e_h, 0.25, out=e_h)
    xp.add(e_c, du, out=e_c)
    xp.add(e_d, du, out=e_d)  # dd(t)
    xp.subtract(d_prev, c, out=ds)
    xp.multiply(ds, e_d, out=ds)
    xp.subtract(1, s, out=du)
    xp.multiply(du, e_d, out=du)
    xp.add(e_c, du, out=e_c)  # dc(t)
    xp.multiply(e_d, s, out=e_d)
    s[...] = ds
    xp.multiply(e_c, f, out=ds)
    xp.multiply(e_c, c_prev, out=f)
    xp.multiply(e_c, g, out=du)
    xp.multiply(e_c, i, out=g)
    i[...] = du
    e_c[...] = ds
    xp.multiply(a, slopes, out=a)


CELL = Cell(
    name=NAME,
    gates=4,
    states=("h", "c", "d"),
    forward=FusedOp(
        "slow_memory_forward",
        {"a": _TO_B4H, "r": _B4H, "b": Argument(("4H",))}
        | dict.fromkeys(("h_prev", "c_prev", "d_prev"), _BH)
        | dict.fromkeys(("h", "c", "d", "u"), _TO_BH),
        forward,
        {"part": _BH},
    ),
    backward=FusedOp(
        "slow_memory_backward",
        dict.fromkeys(("dh_out", "dh_rec"), _BH)
        | dict.fromkeys(("e_h", "e_c", "e_d"), _TO_BH)
        | dict.fromkeys(("c_prev", "d_prev", "c", "u"), _BH)
        | {"a": _TO_B4H},
        backward,
        {"du": _BH, "ds": _BH, "slopes": _B4H},
    ),
    saved=("u",),
    forget_gate=True,
)


def of_the_package() -> list[str]:
    """The names of the cells that are not from outside."""
    return [name for name, cell in CELLS.items() if cell.forward.body.__module__.startswith("gpurnn.")]


def register() -> None:
    """Add the cell to the table, as one line of a program does."""
    CELLS[NAME] = CELL


def cut(**arguments: Any) -> dict[str, Any]:
    """`faults.cuts.cut` in a process that knows the cell."""
    from faults.cuts import cut

    register()
    return cut(**arguments)
