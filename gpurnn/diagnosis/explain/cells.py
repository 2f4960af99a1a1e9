"""What each cell makes of a step, forward and backward, as formulas of its numbers, one unit at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gpurnn.diagnosis.explain.formulas import total


@dataclass(frozen=True)
class At:
    """A step: the names of its numbers. w: its window. x: its symbol. hidden: H. sees: whether it has a step before."""

    t: int
    w: int
    x: int
    hidden: int
    sees: bool

    def __call__(self, key: str, j: int) -> str:
        """A number of this step."""
        return f"{{{key}.{self.t}.{j}}}"

    def after(self, key: str, j: int) -> str:
        """A number of the step after."""
        return f"{{{key}.{self.t + 1}.{j}}}"

    def seen(self, state: str, j: int) -> str:
        """A state of the step before, as this one sees it."""
        return f"{{{state}.{self.t - 1}.{j}}}" if self.sees else "0"

    def theta(self, name: str, *indices: int) -> str:
        """A parameter of its window."""
        return f"{{theta_{name}.{self.w}.{'.'.join(map(str, indices))}}}"

    def recurrent(self, column: int) -> str:
        """A column of W h(t-1)."""
        return total(f"{self.seen('h', i)} × {self.theta('W', i, column)}" for i in range(self.hidden))

    def pre(self, gate: int, j: int) -> str:
        """A number of a(t)."""
        column = gate * self.hidden + j
        return total([self.theta("b", column), self.recurrent(column), self.theta("U", self.x, column)])


Formulas = Callable[[At, int], dict[str, str]]


@dataclass(frozen=True)
class CellFormulas:
    """gates: what the keys a and da of each block of columns of W end with. recurrent: the keys of the errors of those
    columns of W h(t-1). forward, backward: formulas by key, of one unit: from a to the states, and from the whole error
    of h(t) to the other errors. past: which part of the error of h(t) goes back beside W. labels, equations: by key.
    """

    gates: tuple[str, ...]
    recurrent: tuple[str, ...]
    forward: Formulas
    backward: Formulas
    labels: dict[str, str]
    equations: dict[str, str]
    past: Callable[[At, int], str] | None = None


SIMPLE = CellFormulas(
    ("",),
    ("da",),
    lambda at, j: {"a": at.pre(0, j), "h": f"tanh({at('a', j)})"},
    lambda at, j: {"da": f"{at('dh', j)} × (1 − {at('h', j)}²)"},
    {"a": "a(t)", "h": "h(t)", "da": "∂J/∂a(t)"},
    {
        "a": "a(t) = b + W h(t−1) + U x(t)",
        "h": "h(t) = tanh a(t)",
        "da": "∂J/∂a(t) = ∂J/∂h(t) × (1 − h(t)²)",
    },
)


def _lstm_forward(at: At, j: int) -> dict[str, str]:
    found = {f"a_{gate}": at.pre(number, j) for number, gate in enumerate("ifgo")}
    found |= {gate: f"{'tanh' if gate == 'g' else 'σ'}({at(f'a_{gate}', j)})" for gate in "ifgo"}
    found["c"] = f"{at('f', j)} × {at.seen('c', j)} + {at('i', j)} × {at('g', j)}"
    found["h"] = f"{at('o', j)} × tanh({at('c', j)})"
    return found


def _lstm_backward(at: At, j: int) -> dict[str, str]:
    i, f, g, o, c, dh, dc = (at(key, j) for key in ("i", "f", "g", "o", "c", "dh", "dc"))
    return {
        "dc": f"{at('dc_next', j)} + {dh} × {o} × (1 − tanh({c})²)",
        "da_i": f"{dc} × {g} × {i} × (1 − {i})",
        "da_f": f"{dc} × {at.seen('c', j)} × {f} × (1 − {f})",
        "da_g": f"{dc} × {i} × (1 − {g}²)",
        "da_o": f"{dh} × tanh({c}) × {o} × (1 − {o})",
    }


LSTM = CellFormulas(
    ("_i", "_f", "_g", "_o"),
    ("da_i", "da_f", "da_g", "da_o"),
    _lstm_forward,
    _lstm_backward,
    {
        **{f"a_{gate}": f"a(t) of {gate}" for gate in "ifgo"},
        "i": "i(t) input gate",
        "f": "f(t) forget gate",
        "g": "g(t) candidate",
        "o": "o(t) output gate",
        "c": "c(t) cell state",
        "h": "h(t)",
        "dc_next": "∂J/∂c(t): from step t+1",
        "dc": "= ∂J/∂c(t)",
        **{f"da_{gate}": f"∂J/∂a(t) of {gate}" for gate in "ifgo"},
    },
    {
        **{f"a_{gate}": f"a(t) of {gate} = b + W h(t−1) + U x(t), the columns of {gate}" for gate in "ifgo"},
        "i": "i(t) = σ(a(t) of i)",
        "f": "f(t) = σ(a(t) of f)",
        "g": "g(t) = tanh(a(t) of g)",
        "o": "o(t) = σ(a(t) of o)",
        "c": "c(t) = f(t) c(t−1) + i(t) g(t)",
        "h": "h(t) = o(t) tanh c(t)",
        "dc_next": "from step t+1 = ∂J/∂c(t+1) f(t+1): past the gates, without W",
        "dc": "∂J/∂c(t) = from step t+1 + ∂J/∂h(t) o(t) (1 − tanh² c(t))",
        "da_i": "∂J/∂a(t) of i = ∂J/∂c(t) g(t) i(t) (1 − i(t))",
        "da_f": "∂J/∂a(t) of f = ∂J/∂c(t) c(t−1) f(t) (1 − f(t))",
        "da_g": "∂J/∂a(t) of g = ∂J/∂c(t) i(t) (1 − g(t)²)",
        "da_o": "∂J/∂a(t) of o = ∂J/∂h(t) tanh c(t) o(t) (1 − o(t))",
    },
)


def _gru_forward(at: At, j: int) -> dict[str, str]:
    column = 2 * at.hidden + j
    z, n = at("z", j), at("n", j)
    return {
        "a_r": at.pre(0, j),
        "a_z": at.pre(1, j),
        "q": total([at.theta("b_h", j), at.recurrent(column)]),
        "r": f"σ({at('a_r', j)})",
        "z": f"σ({at('a_z', j)})",
        "a_n": f"{at.theta('b', column)} + {at.theta('U', at.x, column)} + {at('r', j)} × {at('q', j)}",
        "n": f"tanh({at('a_n', j)})",
        "h": f"(1 − {z}) × {n} + {z} × {at.seen('h', j)}",
    }


def _gru_backward(at: At, j: int) -> dict[str, str]:
    r, z, n, q, dh, da_n = (at(key, j) for key in ("r", "z", "n", "q", "dh", "da_n"))
    return {
        "da_n": f"{dh} × (1 − {z}) × (1 − {n}²)",
        "dq": f"{da_n} × {r}",
        "da_z": f"{dh} × ({at.seen('h', j)} − {n}) × {z} × (1 − {z})",
        "da_r": f"{da_n} × {q} × {r} × (1 − {r})",
    }


GRU = CellFormulas(
    ("_r", "_z", "_n"),
    ("da_r", "da_z", "dq"),
    _gru_forward,
    _gru_backward,
    {
        "a_r": "a(t) of r",
        "a_z": "a(t) of z",
        "q": "q(t)",
        "r": "r(t) reset gate",
        "z": "z(t) update gate",
        "a_n": "a(t) of n",
        "n": "n(t) candidate",
        "h": "h(t)",
        "da_n": "∂J/∂a(t) of n",
        "dq": "∂J/∂q(t)",
        "da_z": "∂J/∂a(t) of z",
        "da_r": "∂J/∂a(t) of r",
    },
    {
        "a_r": "a(t) of r = b + W h(t−1) + U x(t), the columns of r",
        "a_z": "a(t) of z = b + W h(t−1) + U x(t), the columns of z",
        "q": "q(t) = b_h + W h(t−1), the columns of n",
        "r": "r(t) = σ(a(t) of r)",
        "z": "z(t) = σ(a(t) of z)",
        "a_n": "a(t) of n = b + U x(t) + r(t) q(t)",
        "n": "n(t) = tanh(a(t) of n)",
        "h": "h(t) = (1 − z(t)) n(t) + z(t) h(t−1)",
        "da_n": "∂J/∂a(t) of n = ∂J/∂h(t) (1 − z(t)) (1 − n(t)²)",
        "dq": "∂J/∂q(t) = ∂J/∂a(t) of n × r(t)",
        "da_z": "∂J/∂a(t) of z = ∂J/∂h(t) (h(t−1) − n(t)) z(t) (1 − z(t))",
        "da_r": "∂J/∂a(t) of r = ∂J/∂a(t) of n × q(t) r(t) (1 − r(t))",
    },
    lambda at, j: f"{at.after('dh', j)} × {at.after('z', j)}",
)

OF_CELLS: dict[str, CellFormulas] = {"simple": SIMPLE, "lstm": LSTM, "gru": GRU}
"""By the name of the cell."""
