"""What a cell is: the pointwise part of one step, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

from gpurnn.backend import FusedOp, WindowOp


@dataclass(frozen=True)
class Cell:
    """The pointwise part of a recurrent layer; it holds no weights and knows no time.

    name: as on the command line; gates: G, how many blocks of H columns U and W have.
    states: what is carried from step to step, the hidden state `h` first, then any number of others; each (B, H).
    forward, backward: fused operations whose argument names say which buffer they get:

    - `a` (B, GH): x U of this step before `forward`; the activated gates after it; the errors da after `backward`.
    - `r` (B, GH): h(t-1) W before `forward`. Where `apart`, it is kept for `backward`, which overwrites it with the
      errors of the recurrent projection; otherwise those are `a`.
    - `b` (GH,), and each of `biases` (H,): parameters.
    - each of `states` by its name, `h`, `c`, ...: after the step; with `_prev`, `h_prev`, `c_prev`, ...: before it.
    - each of `saved` (B, H): kept from `forward` for `backward`.
    - `dh_out` (B, H): error of h(t) from above; `dh_rec` (B, H): from da(t+1) W^T.
    - `e_` and the name of a state, `e_c`, ... (B, H): the error of that state that goes back beside W; it comes from
      the step after, and `backward` overwrites it with that of the state before. h has one where it reaches h(t)
      past the gates, as in the GRU; every other state has one.

    window: both passes over a whole window in one launch, None without; see `WindowOp`.
    Raises ValueError for an argument that is none of these, and for a state whose error would be lost.
    """

    name: str
    gates: int
    states: tuple[str, ...]
    forward: FusedOp
    backward: FusedOp
    apart: bool = False
    biases: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    recurrent_init: str = "uniform"
    forget_gate: bool = False
    window: tuple[WindowOp, WindowOp] | None = None

    def __post_init__(self) -> None:
        if self.states[:1] != ("h",):
            raise ValueError(f"cell {self.name}: states: expected h first, found {self.states}")
        known = {"a", "r", "b", *self.biases, *self.saved, *self.states, *(f"{name}_prev" for name in self.states)}
        errors = {"dh_out", "dh_rec", *(f"e_{name}" for name in self.states)}
        for op, names in ((self.forward, known), (self.backward, known | errors)):
            for name in op.arguments:
                if name not in names:
                    raise ValueError(f"cell {self.name}: {op.name}: {name} is none of {', '.join(sorted(names))}")
        for name in self.states[1:]:
            if name not in self.errors:
                raise ValueError(f"cell {self.name}: {self.backward.name}: state {name} needs an argument e_{name}")

    @property
    def errors(self) -> tuple[str, ...]:
        """The states whose errors go back beside W."""
        return tuple(name for name in self.states if f"e_{name}" in self.backward.arguments)
